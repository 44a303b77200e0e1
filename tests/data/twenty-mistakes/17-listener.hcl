Kind = "ingress-gateway"
Name = "door"
Listeners = [
  {
    Port = 8080
    Protocol = "http"
    Services = [{ Name = "*", Hosts = ["shop.example"] }]
  }
]
