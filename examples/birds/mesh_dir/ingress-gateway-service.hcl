# The gateway as a member of the mesh: it has an identity, so intentions can
# name it, and it is checked like any other instance.

service {
  name    = "ingress-gateway"
  id      = "ingress-gateway"
  kind    = "ingress-gateway"
  address = "127.0.0.1"
  port    = @gateway_mesh_port@

  meta {
    prometheus_port = "@metrics_gateway@"
  }

  checks = [
    {
      name     = "ingress-gateway-check"
      tcp      = "127.0.0.1:@gateway_mesh_port@"
      interval = "1s"
    }
  ]

  proxy {
    config {
      envoy_prometheus_bind_addr = "127.0.0.1:@metrics_gateway@"
    }
  }
}
