# Only `caller` may greet.
Kind = "service-intentions"
Name = "greeter-tonic"

Sources = [{
  Name   = "caller"
  Action = "allow"
}]
