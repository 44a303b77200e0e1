# The mesh itself.
#
# What happens to a call that no intention speaks about: "allow" suits a
# demonstration, "deny" is what production wants. There is no silent default:
# without this line nothing starts.

default_intention_policy = "allow"
