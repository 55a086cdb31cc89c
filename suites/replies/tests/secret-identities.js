const assert = require('assert');
assert.deepEqual(secretidentities()['Superman'], 'Clark Kent');
assert.deepEqual(secretidentities()['Batman'], 'Bruce Wayne');
assert.deepEqual(secretidentities()['Spider-Man'], 'Peter Parker');
