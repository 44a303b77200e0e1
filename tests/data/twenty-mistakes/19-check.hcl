service {
  name = "shop"
  port = 7000

  check {
    name = "shop-check"
    tcp = "127.0.0.1:7000"
  }
}
