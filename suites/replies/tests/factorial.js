const assert = require('assert');
assert.deepEqual(factorial(0), 1);
assert.deepEqual(factorial(1), 1);
assert.deepEqual(factorial(5), 120);
assert.deepEqual(factorial(10), 3628800);
