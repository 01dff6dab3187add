"""The whole of an agent: one JSON document in, one out."""
import json
import sys

asked = json.load(sys.stdin) or {}
print("thinking", file=sys.stderr)
json.dump({"greeting": f"Hello, {asked.get('name', 'nobody')}!"}, sys.stdout)
