Kind = "service-spliter"
Name = "blog"
Splits = [{ Weight = 100 }]
