# Which instances of the backend belong together.
#
# A subset is a filter over the registrations: the meta key "version" in
# backend-v1.hcl and backend-v2.hcl decides who belongs where.

Kind = "service-resolver"
Name = "backend"

Subsets = {
  v1 = {
    Filter = "Service.Meta.version == v1"
  }
  v2 = {
    Filter = "Service.Meta.version == v2"
  }
}
