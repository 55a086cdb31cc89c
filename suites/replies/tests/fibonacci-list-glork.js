const assert = require('assert');
assert.deepEqual(glork(1), [0]);
assert.deepEqual(glork(2), [0, 1]);
assert.deepEqual(glork(5), [0, 1, 1, 2, 3]);
assert.deepEqual(glork(12), [0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89]);
