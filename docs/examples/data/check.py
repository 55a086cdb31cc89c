# A checker of one's own: reads the attempt as JSON, prints the verdict.
import json
import sys

attempt = json.load(sys.stdin)
milliseconds = attempt["executions"][-1]["wall_ms"]
verdict = {"score": 1, "reason": f"it took {milliseconds:.0f} ms"}
if "import" in attempt["code"]:
    verdict = {"score": 0.5, "reason": "it imports something"}
print(json.dumps(verdict))
