Kind = "service-router"
Name = "video"
Routes = [
  { Destination { ServiceSubset = "v2" } }
]
