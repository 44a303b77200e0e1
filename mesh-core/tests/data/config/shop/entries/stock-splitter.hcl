Kind = "service-splitter"
Name = "stock"

Splits = [{
  Weight = 95
  ServiceSubset = "v1"
},
{
  Weight = 5
  ServiceSubset = "v2"
}]
