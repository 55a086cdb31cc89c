const assert = require('assert');
assert.deepEqual(fib(1), [0]);
assert.deepEqual(fib(2), [0, 1]);
assert.deepEqual(fib(5), [0, 1, 1, 2, 3]);
assert.deepEqual(fib(12), [0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89]);
