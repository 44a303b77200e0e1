service {
    name = "checkout"
    port = 7001

    checks = [{
        name = "checkout-check"
        tcp = "localhost:7001"
        interval = "200ms"
    }]

    meta {
        prometheus_port = "20301"
    }

    connect {
        sidecar_service {
            port = 23000
            proxy {
                upstreams = [{
                    destination_name = "stock"
                    local_bind_port = 9701
                }]
                config {
                    envoy_prometheus_bind_addr = "0.0.0.0:20301"
                }
            }
        }
    }
}
