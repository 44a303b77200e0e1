service {
  name    = "greeter-tonic"
  address = "127.0.0.1"
  port    = 6102

  connect {
    native = true
  }
}
