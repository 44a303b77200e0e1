Kind = "service-router"
Name = "mail"
Routes = [
  { Match { HTTP { Header = [{ Name = "x-debug", Present = true, Exact = "1" }] } } }
]
