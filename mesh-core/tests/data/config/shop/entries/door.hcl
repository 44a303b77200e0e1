Kind = "ingress-gateway"
Name = "door"

Listeners = [{
    Port = 8443
    Protocol = "http"
    Services = [{
        Name = "checkout"
        Hosts = ["localhost", "192.0.2.10"]
    }]
}]
