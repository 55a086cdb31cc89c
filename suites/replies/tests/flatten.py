assert flatten({'a': 1, 'b': {'c': 2, 'd': {'e': 'x'}}}) == {'a': 1, 'b.c': 2, 'b.d.e': 'x'}
assert flatten({'k': [10, {'z': 20}], 'm': 'n'}) == {'k.0': 10, 'k.1.z': 20, 'm': 'n'}
