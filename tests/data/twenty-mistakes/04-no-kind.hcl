Name = "blog"
Protocol = "http"
