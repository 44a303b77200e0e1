Kind = "service-router"
Name = "maps"
Routes = [
  { Match { HTTP { PathPrefix = "tiles" } } }
]
