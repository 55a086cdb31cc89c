assert glork(1) == [0]
assert glork(2) == [0, 1]
assert glork(5) == [0, 1, 1, 2, 3]
assert glork(12) == [0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89]
