Kind = "service-router"
Name = "docs"
Routes = [
  { Match { HTTP { PathRegex = "/v(1|2" } } }
]
