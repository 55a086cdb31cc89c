assert secretidentities()['Superman'] == 'Clark Kent'
assert secretidentities()['Batman'] == 'Bruce Wayne'
assert secretidentities()['Spider-Man'] == 'Peter Parker'
