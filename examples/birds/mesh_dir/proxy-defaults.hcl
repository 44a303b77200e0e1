# Defaults for every service in the mesh.
#
# protocol: with "http", routers, splitters and path rules may be used. With
# "tcp", the mesh would only see bytes.
#
# The two documents in JSON are Envoy's own spelling of "send traces in
# Zipkin's format to this address". Nobody need listen there: spans that
# cannot be delivered are dropped, and no request waits for them.

Kind = "proxy-defaults"
Name = "global"

Config {
  protocol = "http"

  envoy_tracing_json = <<EOF
{
  "http": {
    "name": "envoy.tracers.zipkin",
    "typedConfig": {
      "@type": "type.googleapis.com/envoy.config.trace.v3.ZipkinConfig",
      "collector_cluster": "jaeger_collector",
      "collector_endpoint_version": "HTTP_JSON",
      "collector_endpoint": "/api/v2/spans",
      "shared_span_context": false
    }
  }
}
EOF

  envoy_extra_static_clusters_json = <<EOF
{
  "name": "jaeger_collector",
  "type": "STRICT_DNS",
  "connect_timeout": "3.000s",
  "dns_lookup_family": "V4_ONLY",
  "lb_policy": "ROUND_ROBIN",
  "load_assignment": {
    "cluster_name": "jaeger_collector",
    "endpoints": [
      {
        "lb_endpoints": [
          {
            "endpoint": {
              "address": {
                "socket_address": {
                  "address": "@zipkin_host@",
                  "port_value": @zipkin_port@,
                  "protocol": "TCP"
                }
              }
            }
          }
        ]
      }
    ]
  }
}
EOF
}
