Kind = "service-resolver"
Name = "ads"
Redirect {
  Service = "news"
  Namespace = "media"
}
