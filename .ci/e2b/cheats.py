"""Programs that try to earn their tests' pass, and honest ones, through the emulator: the tests are judged
apart there too. Arguments: the executable, and how many cheats are left out for each that is taken."""
import json
import subprocess
import sys

executable, nth = sys.argv[1], int(sys.argv[2])
cheats = [json.loads(line) for line in open("tests/data/apart/cheats.jsonl")]
cheats = cheats[::nth]
rows = []
for cheat in cheats:
    tests = {"code": cheat["tests"]}
    tests.update({key: cheat[key] for key in ("entry_point", "prelude") if key in cheat})
    rows.append({"id": cheat["id"], "language": cheat["language"], "code": cheat["code"], "timeout": 20, "expect": {"tests": tests}})
ran = subprocess.run([executable, "score", "--backend", "e2b"], input="\n".join(map(json.dumps, rows)), capture_output=True, text=True, timeout=600)
assert ran.returncode == 0, ran.stderr
results = {result["id"]: result for result in map(json.loads, ran.stdout.splitlines())}
for cheat in cheats:
    result = results[cheat["id"]]
    assert result["score"] == (1 if cheat.get("honest") else 0) and result["judged"] == "apart", result
honest = sum(bool(cheat.get("honest")) for cheat in cheats)
print(f"{len(cheats) - honest} cheats earn nothing, {honest} honest programs all")
