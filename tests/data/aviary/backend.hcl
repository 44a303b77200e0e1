services {
  name = "backend"
  id   = "backend-one"
  port = 7000
  meta {
    version         = "v1"
    prometheus_port = "20201"
  }
  checks = [{
    name     = "backend-one-check"
    tcp      = "localhost:7000"
    interval = "10s"
  }]
}

services {
  name = "backend"
  id   = "backend-two"
  port = 7001
  meta {
    version         = "v2"
    prometheus_port = "20202"
  }
  checks = [{
    name     = "backend-two-check"
    tcp      = "localhost:7001"
    interval = "10s"
  }]
}
