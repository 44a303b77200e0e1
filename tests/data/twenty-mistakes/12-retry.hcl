Kind = "service-router"
Name = "pay"
Routes = [
  { Destination { NumRetries = 2, RetryOn = ["5xx", "timeout"] } }
]
