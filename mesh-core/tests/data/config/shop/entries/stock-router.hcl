Kind = "service-router"
Name = "stock"

Routes = [{
  Match = {
    HTTP = {
      QueryParam = [{
        Name = "preview"
        Exact = "1"
      }]
    }
  }

  Destination = {
    ServiceSubset = "v2"
  }
}]
