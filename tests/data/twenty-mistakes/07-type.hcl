Kind = "service-router"
Name = "search"
Routes = [
  { Destination { NumRetries = "many" } }
]
