# Who may call the backend.
#
# Change "allow" to "deny" and save. The next call of the frontend is refused,
# on connections that are already open too.

Kind = "service-intentions"
Name = "backend"

Sources = [
  {
    Name   = "frontend"
    Action = "allow"
  }
]
