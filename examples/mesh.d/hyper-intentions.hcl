# Only `caller` may greet.
Kind = "service-intentions"
Name = "greeter-hyper"

Sources = [{
  Name   = "caller"
  Action = "allow"
}]
