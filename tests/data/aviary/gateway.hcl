service {
    name = "front-gate"
    kind = "ingress-gateway"
    port = 20000

    checks = [{
        name = "front-gate-check"
        tcp = "localhost:20000"
        interval = "10s"
    }]

    meta {
        prometheus_port = "20203"
    }

    proxy {
        config {
            envoy_prometheus_bind_addr = "0.0.0.0:20203"
        }
    }
}
