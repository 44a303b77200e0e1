Kind = "service-intentions"
Name = "pay"
Sources = [
  { Name = "cart", Action = "allow" },
  { Name = "cart", Action = "deny" }
]
