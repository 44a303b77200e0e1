# The way in from outside: the only plaintext door of the mesh.
#
# A request for another host name gets a 404 that says so.

Kind = "ingress-gateway"
Name = "ingress-gateway"

Listeners = [
  {
    Port     = @gateway_port@
    Protocol = "http"
    Services = [
      {
        Name  = "frontend"
        Hosts = ["localhost", "127.0.0.1"]
      }
    ]
  }
]
