Kind = "mesh-policy"
Name = "stock"

Timeouts { PerTry = "2s"  ConnectionIdle = "1h" }

Retries {
  On       = ["connect-failure", "reset", "refused-stream"]
  Max      = 2
  Methods  = "idempotent"
  Budget   { Ratio = 0.10  Reserve = 10  Window = "10s" }
  Backoff  { Base = "25ms"  Max = "250ms" }
  BodyLimitBytes = 65536
  RedrawLeg      = false
  AvoidTried     = true
}

Hedging   { After = "p95"  MaxExtra = 0.05 }
Balancing { Policy = "ewma"  SlowStart = "30s"  PanicThreshold = 0 }
Split     { StickyBy = [{ Header = "x-user-id" }]  SkipEmptyLegs = false }
Ejection  { ConsecutiveErrors = 5  SuccessRate { MinHosts = 5  MinRequests = 100  Factor = 1.9 }  FailurePercent { Threshold = 85 } }
Limits    { Adaptive { MinInFlight = 8 }  Inbound { MaxInFlight = 1024  PerCaller { Rate = 500  Burst = 50 } } }
Deadline  { Header = "x-mesh-deadline-ms"  RefuseLate = true }
Tracing   { Sampling = 1.0  KeepFailures = true  KeepSlowerThan = "500ms"  Exclude = ["/static/", "/healthz"] }
AccessLog { Format = "json" }
Faults    { Delay { Share = 5.0  For = "300ms" }  Abort { Share = 1.0  Status = 503 }  OnlyIfHeader = "x-fault" }
Shadow    { Intentions = "next/"  Share = 100.0 }
