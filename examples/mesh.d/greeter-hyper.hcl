service {
  name    = "greeter-hyper"
  address = "127.0.0.1"
  port    = 6101

  connect {
    native = true
  }
}
