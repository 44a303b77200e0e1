Kind = "service-intentions"
Name = "till"
Sources = [
  { Name = "cart", Action = "permit" }
]
