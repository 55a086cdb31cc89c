assert meaning_of_life() == 42
