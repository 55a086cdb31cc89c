const assert = require('assert');
assert.deepEqual(gcf(12, 18), 6);
assert.deepEqual(gcf(17, 5), 1);
assert.deepEqual(gcf(100, 75), 25);
assert.deepEqual(gcf(7, 7), 7);
