# The backend, version 1: birds of all kinds.
#
# The place of the sidecar is taken by layers inside the process, so the
# sidecar's port is the service's own: mutual TLS is spoken on it.

service {
  name    = "backend"
  id      = "backend-v1"
  address = "127.0.0.1"
  port    = @backend_v1_port@

  meta {
    version         = "v1"
    prometheus_port = "@metrics_backend_v1@"
  }

  checks = [
    {
      name     = "backend-v1-check"
      tcp      = "127.0.0.1:@backend_v1_port@"
      interval = "1s"
    }
  ]

  connect {
    sidecar_service {
      port = @backend_v1_port@

      proxy {
        config {
          envoy_prometheus_bind_addr = "127.0.0.1:@metrics_backend_v1@"
        }
      }
    }
  }
}
