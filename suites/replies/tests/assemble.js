const assert = require('assert');
assert.deepEqual(assemble(['LOAD 5 # five', 'PUSH', 'SWP # swap', 'COND -1', 'POP 1', 'CONTROL 255']), [4, 5, 32, 0, 8, 0, 128, 255, 33, 1, 0, 255]);
assert.deepEqual(assemble(['LOAD -128', 'COND 200']), [4, 128, 128, 200]);
