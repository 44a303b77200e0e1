Kind = "proxy-defaults"
Name = "global"

Config {
    protocol = "HTTP"
    envoy_dogstatsd_url = "udp://127.0.0.1:8125"
    envoy_stats_flush_interval = "5s"
    envoy_tracing_json = <<JSON
{
    "http": {
        "name": "envoy.tracers.zipkin",
        "typedConfig": {
            "@type": "type.googleapis.com/envoy.config.trace.v3.ZipkinConfig",
            "collector_cluster": "spans",
            "collector_endpoint_version": "HTTP_JSON",
            "collector_endpoint": "/api/v2/spans",
            "shared_span_context": false
        }
    }
}
JSON

     envoy_extra_static_clusters_json = <<JSON
{
    "name": "spans",
    "type": "STRICT_DNS",
    "connect_timeout": "3.000s",
    "dns_lookup_family": "V4_ONLY",
    "lb_policy": "ROUND_ROBIN",
    "load_assignment": {
        "cluster_name": "spans",
        "endpoints": [{
            "lb_endpoints": [{
                "endpoint": {"address": {"socket_address": {"address": "localhost", "port_value": 9411}}}
            }]
        }]
    }
}
JSON
}
