default_intention_policy = "deny"
datacenter               = "east"

certificates { source = "dev-ca" }
admin        { bind = "127.0.0.1:9901" }
