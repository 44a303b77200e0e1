# The backend, version 2: canaries.
#
# The place of the sidecar is taken by layers inside the process, so the
# sidecar's port is the service's own: mutual TLS is spoken on it.

service {
  name    = "backend"
  id      = "backend-v2"
  address = "127.0.0.1"
  port    = @backend_v2_port@

  meta {
    version         = "v2"
    prometheus_port = "@metrics_backend_v2@"
  }

  checks = [
    {
      name     = "backend-v2-check"
      tcp      = "127.0.0.1:@backend_v2_port@"
      interval = "1s"
    }
  ]

  connect {
    sidecar_service {
      port = @backend_v2_port@

      proxy {
        config {
          envoy_prometheus_bind_addr = "127.0.0.1:@metrics_backend_v2@"
        }
      }
    }
  }
}
