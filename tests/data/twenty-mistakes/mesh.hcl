# 1: the one setting without a default is misspelt.
default_intentions_policy = "deny"
