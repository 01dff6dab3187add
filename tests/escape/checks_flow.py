"""Rows that whole conversations try: the flow tests that do it, by flows.tsv.

They have their own witnesses and controls: servers outside that write down
every byte, canaries, a name server.  A row here is as many attempts as there
are tests for it; what a test says when it fails is what was got.
"""

import collections
import os
import re
import subprocess
import sys

from checks import row
from harness import Skip, TOP, read_table

SECONDS = 300  # a program with the tests of one row
RESULT = re.compile(r"(not )?ok \d+ - (\S+) (\S+)(?: # SKIP (.*))?$")


def run(case, program, names):
    """Each test's outcome by its name: "ok", a skip's reason, or failure."""
    path = os.path.join(TOP, "tests", "flow", program)
    with open(path, encoding="utf-8") as f:
        text = f.read()
    r = subprocess.run(
        [sys.executable, path, *[f"{case.mode} {n}" for n in names]],
        env=dict(os.environ, WARDER_BUILD=case.run.build), check=False,
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=SECONDS)
    found = {n: "no such test" for n in names if f"\ndef {n}(" not in text}
    said = []
    for line in r.stdout.splitlines():
        match = RESULT.match(line)
        if not match:
            said.append(line.removeprefix("# "))
            continue
        bad, mode, name, skip = match.groups()
        if mode == case.mode and name in names:
            found[name] = " ".join(said)[:500] or "failed" if bad else \
                f"skipped: {skip}" if skip else "ok"
        said = []
    return found


def make_check(programs):
    def check(case):
        tried, reason = 0, None
        for program, names in programs.items():
            found = run(case, program, names)
            for name, got in found.items():
                if got.startswith("skipped: "):
                    reason = got.removeprefix("skipped: ")
                else:
                    case.attempt(f"{program}: {name}", got, "ok",
                                 control=True)
                    tried += 1
        if not tried:
            raise Skip(reason or "tried as the other user only")
    return check


def register():
    table = collections.defaultdict(lambda: collections.defaultdict(list))
    for name, program, tests in read_table("flows.tsv", 3):
        table[name][program] += tests.split()
    for name, programs in table.items():
        row(name, paths=["fresh"], full=True)(make_check(programs))


register()
