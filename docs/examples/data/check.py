# A checker of one's own: reads the attempt as JSON, prints the verdict.
import json
import sys

attempt = json.load(sys.stdin)
print(json.dumps({"score": 1, "reason": f"it has {len(attempt)} keys"}))
