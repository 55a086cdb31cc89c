const assert = require('assert');
assert.deepEqual(gcd(12, 18), 6);
assert.deepEqual(gcd(17, 5), 1);
assert.deepEqual(gcd(100, 75), 25);
assert.deepEqual(gcd(7, 7), 7);
