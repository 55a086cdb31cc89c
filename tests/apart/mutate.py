"""Makes mutants of the bundled benchmarks' own solutions, with the verdict of a plain run.

    python3 tests/apart/mutate.py

writes `tests/data/apart/mutants.jsonl` (HumanEval, MBPP) and `mutants.javascript.jsonl` (HumanEval-X).
What is tried and what is taken depends on SEED alone, but for mutants that run near the time that is
allowed: those are dropped, as are all whose verdict or count differs when they are run again.
"""

import ast
import concurrent.futures
import gzip
import json
import os
import random
import sys
import warnings

import changes
import plain

SEED = 20
TRIED_PER_TASK = {"python": 5, "javascript": 6}
# Taken of each verdict, at most one of each a task.
TAKEN = {
    "python": {"survives": 90, "fails at one": 170, "fails": 240},
    "javascript": {"survives": 30, "fails at one": 45, "fails": 60},
}
PLAIN_RUNS = 2
SECONDS_MAX = 1.0
DATA = os.path.join(os.path.dirname(__file__), "..", "..", "suites", "data")
OUT = os.path.join(os.path.dirname(__file__), "..", "data", "apart")


def rows_of(*path):
    path = os.path.join(DATA, *path)
    with gzip.open(path, "rt") if path.endswith(".gz") else open(path) as lines:
        return [json.loads(line) for line in lines]


def tasks():
    """Each benchmark's tasks as rows, as its suite runs them, and the changes of the solution's text."""
    for row in rows_of("humaneval", "humaneval.jsonl"):
        task = {"task": row["task_id"], "language": "python", "code": row["prompt"] + "\n" + row["canonical_solution"]}
        task.update(entry_point=row["entry_point"], tests=row["test"])
        yield task, changes.Python(task["code"], row["prompt"].count("\n") + 2)
    for row in rows_of("mbpp", "sanitized.jsonl"):
        task = {"task": "MBPP/%d" % row["task_id"], "language": "python", "code": row["code"]}
        task.update(entry_point=row["entry_point"], tests=row["test_list"])
        if row["test_imports"]:
            task["prelude"] = "\n".join(row["test_imports"])
        yield task, changes.Python(task["code"])
    for row in rows_of("humaneval-x", "javascript.jsonl.gz"):
        task = {"task": row["task_id"], "language": "javascript", "code": row["prompt"] + row["canonical_solution"]}
        task["tests"] = row["test"]
        yield task, changes.JavaScript(task["code"], len(row["prompt"]))


def is_chancy(task):
    return "random" in task["code"] + str(task["tests"])


def in_turn(found, chance):
    """The changes of all kinds by turns, so that the frequent kinds do not crowd out the others."""
    kinds = {}
    for change in found:
        kinds.setdefault(change[0], []).append(change)
    queues = [chance.sample(kind, len(kind)) for kind in kinds.values()]
    chance.shuffle(queues)
    while queues:
        for queue in queues:
            yield queue.pop()
        queues = [queue for queue in queues if queue]


def is_program(code, language):
    if language == "javascript":
        return True
    try:
        compile(code, "main.py", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


def mutants_of(task, source):
    chance = random.Random("%d %s" % (SEED, task["task"]))
    tried = set()
    for kind, words, edits in in_turn(source.changes(), chance):
        code = source.changed(edits)
        is_same = task["language"] == "python" and ast.dump(ast.parse(task["code"])) == dumped(code)
        if code in tried or is_same or not is_program(code, task["language"]):
            continue
        tried.add(code)
        if len(tried) > TRIED_PER_TASK[task["language"]]:
            return
        yield {**task, "kind": kind, "change": words, "code": code}


def dumped(code):
    try:
        return ast.dump(ast.parse(code))
    except (SyntaxError, ValueError):
        return None


def counted(row):
    """The row with what the count tells, or None where it is no fair example."""
    failing, seconds = plain.failing(row)
    if failing is None or seconds > SECONDS_MAX:
        return None
    return {**row, "passes": failing == 0, "failing": failing}


def is_confirmed(row):
    """Whether plain runs and another count agree with what is known."""
    verdicts = {plain.verdict(row)[0] for _ in range(PLAIN_RUNS)}
    return verdicts == {row["passes"]} and plain.failing(row)[0] == row["failing"]


def outcome(row):
    return "survives" if row["passes"] else "fails at one" if row["failing"] == 1 else "fails"


def taken(rows, language):
    chance = random.Random(SEED)
    chosen = []
    for name, limit in TAKEN[language].items():
        seen, left = set(), limit
        for row in chance.sample(rows, len(rows)):
            if left and outcome(row) == name and row["task"] not in seen:
                seen.add(row["task"])
                chosen.append(row)
                left -= 1
    order = {id(row): index for index, row in enumerate(rows)}
    return sorted(chosen, key=lambda row: order[id(row)])


def write(file, rows):
    count = {}
    with open(os.path.join(OUT, file), "w") as out:
        for row in rows:
            count[row["task"]] = number = count.get(row["task"], 0) + 1
            out.write(json.dumps({"id": "%s#%d" % (row["task"], number), **row}, ensure_ascii=False) + "\n")
    shown = {name: sum(outcome(row) == name for row in rows) for name in TAKEN["python"]}
    kinds = {}
    for row in rows:
        kinds[row["kind"]] = kinds.get(row["kind"], 0) + 1
    print("%s: %d mutants of %d tasks, %s; %s" % (file, len(rows), len(count), shown, kinds))


def main():
    warnings.simplefilter("ignore")
    all_tasks = [(task, source) for task, source in tasks() if not is_chancy(task)]
    with concurrent.futures.ProcessPoolExecutor() as pool:
        right = list(pool.map(counted, [task for task, _ in all_tasks]))
        tried = [row for (task, source), known in zip(all_tasks, right) if known and known["passes"] for row in mutants_of(task, source)]
        passing = sum(bool(each and each["passes"]) for each in right)
        print("%d of %d solutions pass; %d mutants to run" % (passing, len(right), len(tried)), file=sys.stderr)
        judged = [row for row in pool.map(counted, tried) if row]
        for language, file in (("python", "mutants.jsonl"), ("javascript", "mutants.javascript.jsonl")):
            chosen = taken([row for row in judged if row["language"] == language], language)
            write(file, [row for row, holds in zip(chosen, pool.map(is_confirmed, chosen)) if holds])


if __name__ == "__main__":
    main()
