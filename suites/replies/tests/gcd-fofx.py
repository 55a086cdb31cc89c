assert fofx(12, 18) == 6
assert fofx(17, 5) == 1
assert fofx(100, 75) == 25
assert fofx(7, 7) == 7
