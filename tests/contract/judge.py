"""Says how far the requests of a run went; fails where an operation was never reached.

    judge.py REPORT_OF_SCHEMATHESIS.json
"""

import collections
import json
import pathlib
import sys

report = json.loads(pathlib.Path(sys.argv[1]).read_text())
total = collections.Counter()
unreached = []
for operation, phases in report["valid_rates"].items():
    counts = collections.Counter()
    for phase in phases.values():
        counts.update(phase)
    total.update(counts)
    if not counts["accepted"]:
        unreached.append(operation)
cases, seen = report["test_cases"], report["operations"]
print(
    f"contract: {seen['tested']} of {seen['total']} operations, {cases['generated']} requests, "
    f"{cases['with_failures']} with a fault; of those that the schemas allow: {total['accepted']} accepted, "
    f"{total['rejected']} refused for what no schema says, {total['conflicts']} conflicts, "
    f"{total['unreachable']} for what is not there"
)
for operation in unreached:
    print(f"contract: never accepted: {operation}")
sys.exit(bool(unreached) or seen["tested"] != seen["total"] or not cases["generated"])
