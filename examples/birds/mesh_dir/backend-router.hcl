# Which calls to the backend go a way of their own.
#
# A route that names a subset bypasses the splitter: ?canary=true sees v2
# even while v2 has no share of the traffic. All other calls take no route
# here and go on to the splitter. Only "true" will do; not "TRUE", not "1".

Kind = "service-router"
Name = "backend"

Routes = [
  {
    Match = {
      HTTP = {
        QueryParam = [
          {
            Name  = "canary"
            Exact = "true"
          }
        ]
      }
    }

    Destination = {
      ServiceSubset = "v2"
    }
  }
]
