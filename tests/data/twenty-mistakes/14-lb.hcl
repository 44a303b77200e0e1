Kind = "service-resolver"
Name = "till"
LoadBalancer {
  Policy = "sticky"
}
