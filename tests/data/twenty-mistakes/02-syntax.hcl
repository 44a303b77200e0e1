Kind = "service-defaults"
Name = "news"
Protocol = "http
