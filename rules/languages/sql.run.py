"""Runs a file of SQL statements on a database in memory and prints the rows that they give.

Before it run `schema.sql` and `fixture.sql`, where they stand beside it, and standard input; of
these nothing is printed. Rows are printed as `sqlite3` does in its list mode.
"""

import os
import sqlite3
import sys


def main():
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.text_factory = lambda data: data.decode("utf-8", "replace")
    for name in ("schema.sql", "fixture.sql"):
        if os.path.exists(name):
            with open(name, encoding="utf-8-sig") as file:
                run(database, file.read(), show=False)
    run(database, sys.stdin.read(), show=False)
    with open(sys.argv[1], encoding="utf-8-sig") as file:
        run(database, file.read(), show=True)


def run(database, text, show):
    for statement in statements(text):
        cursor = database.execute(statement)
        for row in cursor:
            if show:
                print("|".join(shown(value) for value in row))


def statements(text):
    """Cuts at those semicolons that end a statement: not in a string, comment or trigger."""
    pending = ""
    for part in text.split(";"):
        pending += part
        if sqlite3.complete_statement(pending + ";"):
            yield pending
            pending = ""
        else:
            pending += ";"
    # The last statement needs none. An error in it, such as an open string, is for SQLite to tell.
    if pending.strip("; \t\r\n"):
        yield pending


def shown(value):
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float):
        text = "%.15g" % value
        if "inf" in text:
            return text.replace("inf", "Inf")
        digits, sign, exponent = text.partition("e")
        return digits + ("" if "." in digits else ".0") + sign + exponent
    return str(value)


try:
    main()
except sqlite3.Error as error:
    sys.stdout.flush()
    print("%s: %s" % (type(error).__name__, error), file=sys.stderr)
    sys.exit(1)
