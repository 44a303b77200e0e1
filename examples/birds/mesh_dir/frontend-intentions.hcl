# Who may call the frontend, and what for.
#
# Permissions are read from top to bottom and the first that matches decides.
# The private nest stays private; everything else is open to the gateway.
# Take the first permission away and /admin opens with the next request.

Kind = "service-intentions"
Name = "frontend"

Sources = [
  {
    Name = "ingress-gateway"
    Permissions = [
      {
        Action = "deny"
        HTTP = {
          PathPrefix = "/admin"
        }
      },
      {
        Action = "allow"
        HTTP = {
          PathPrefix = "/"
        }
      }
    ]
  }
]
