assert substrcount('hello world hello', 'hello') == 2
assert substrcount('abcabcabc', 'abc') == 3
assert substrcount('abc', 'z') == 0
assert substrcount('one two', 'o') == 2
