service {
  name    = "greeter-axum"
  address = "127.0.0.1"
  port    = 6100

  connect {
    native = true
  }
}
