CREATE TABLE member (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  city TEXT                    -- NULL where it is not known
);
CREATE TABLE book (
  id INTEGER PRIMARY KEY,
  title TEXT NOT NULL,
  author TEXT NOT NULL,
  year INTEGER NOT NULL
);
CREATE TABLE loan (
  member INTEGER NOT NULL REFERENCES member (id),
  book INTEGER NOT NULL REFERENCES book (id),
  lent TEXT NOT NULL,          -- a date such as 2024-03-01
  returned TEXT                -- NULL while it is out
);
