# Only `caller` may greet.
Kind = "service-intentions"
Name = "greeter-axum"

Sources = [{
  Name   = "caller"
  Action = "allow"
}]
