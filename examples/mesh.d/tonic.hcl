Kind     = "service-defaults"
Name     = "greeter-tonic"
Protocol = "grpc"
