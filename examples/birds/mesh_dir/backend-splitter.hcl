# Who gets which share of the calls to the backend.
#
# The weights add up to 100. Try 50 and 50, save, and watch the page; or go
# 90/10, 50/50, 0/100 for a rollout. A weight of 0 gets nothing at all.

Kind = "service-splitter"
Name = "backend"

Splits = [
  {
    Weight        = 100
    ServiceSubset = "v1"
  },
  {
    Weight        = 0
    ServiceSubset = "v2"
  }
]
