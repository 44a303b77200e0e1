Kind = "service-splitter"
Name = "shop"
Splits = [
  { Wieght = 100 }
]
