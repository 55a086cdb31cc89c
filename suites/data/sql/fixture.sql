INSERT INTO member VALUES
  (1, 'Ada', 'London'), (2, 'Alan', 'Manchester'), (3, 'Grace', NULL), (4, 'Edsger', 'Rotterdam'),
  (5, 'Barbara', 'London');
INSERT INTO book VALUES
  (1, 'Emma', 'Austen', 1815), (2, 'Persuasion', 'Austen', 1817), (3, 'Frankenstein', 'Shelley', 1818),
  (4, 'Middlemarch', 'Eliot', 1871), (5, 'Dracula', 'Stoker', 1897), (6, 'Ulysses', 'Joyce', 1922);
INSERT INTO loan VALUES
  (1, 1, '2024-01-05', '2024-01-20'), (1, 3, '2024-02-01', NULL),
  (2, 1, '2024-02-03', '2024-03-01'), (2, 1, '2024-04-01', '2024-04-02'),
  (2, 5, '2024-03-10', NULL), (3, 2, '2024-01-15', '2024-01-15'),
  (3, 4, '2024-05-01', NULL), (5, 3, '2023-12-01', '2023-12-24'),
  (5, 1, '2024-06-01', '2024-06-30');
