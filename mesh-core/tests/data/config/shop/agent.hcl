server           = true
bootstrap_expect = 1
bind_addr        = "127.0.0.1"

ports {
    grpc = 8502
}

connect {
    enabled = true
}
