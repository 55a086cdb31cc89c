const assert = require('assert');
assert.deepEqual(things(), [5, 'foobar', 'Madrid']);
