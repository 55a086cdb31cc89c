assert potato(0) == 0
assert potato(1) == 1
assert potato(2) == 1
assert potato(6) == 8
assert potato(10) == 55
