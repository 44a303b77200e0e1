# The mesh of the host examples. Calls that no intention speaks about are refused.
default_intention_policy = "deny"
