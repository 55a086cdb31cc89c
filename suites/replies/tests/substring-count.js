const assert = require('assert');
assert.deepEqual(substrcount('hello world hello', 'hello'), 2);
assert.deepEqual(substrcount('abcabcabc', 'abc'), 3);
assert.deepEqual(substrcount('abc', 'z'), 0);
assert.deepEqual(substrcount('one two', 'o'), 2);
