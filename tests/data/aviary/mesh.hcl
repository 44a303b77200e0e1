default_intention_policy = "allow"
