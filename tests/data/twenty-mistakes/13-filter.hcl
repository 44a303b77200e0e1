Kind = "service-resolver"
Name = "stock"
Subsets {
  v1 { Filter = "Service.Meta.version = v1" }
}
