# The frontend: serves the page and calls the backend.
#
# The place of the sidecar is taken by layers inside the process, so the
# sidecar's port is the service's own: mutual TLS is spoken on it.

service {
  name    = "frontend"
  id      = "frontend"
  address = "127.0.0.1"
  port    = @frontend_port@

  meta {
    prometheus_port = "@metrics_frontend@"
  }

  checks = [
    {
      name     = "frontend-check"
      tcp      = "127.0.0.1:@frontend_port@"
      interval = "1s"
    }
  ]

  connect {
    sidecar_service {
      port = @frontend_port@

      proxy {
        # In process the frontend calls http://backend; the port is for programs
        # that cannot be changed and call http://localhost:@upstream_port@ instead.
        upstreams {
          destination_name = "backend"
          local_bind_port  = @upstream_port@
        }
        config {
          envoy_prometheus_bind_addr = "127.0.0.1:@metrics_frontend@"
        }
      }
    }
  }
}
