service {
    name = "door"
    kind = "ingress-gateway"
    port = 21500

    proxy {
        config {
            envoy_prometheus_bind_addr = "0.0.0.0:20302"
            envoy_stats_flush_interval = "5s"
        }
    }
}
