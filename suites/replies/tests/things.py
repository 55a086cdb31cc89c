assert things() == [5, 'foobar', 'Madrid']
