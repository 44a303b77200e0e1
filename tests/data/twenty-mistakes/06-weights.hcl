Kind = "service-splitter"
Name = "cart"
Splits = [
  { Weight = 90 },
  { Weight = 20, Service = "till" }
]
