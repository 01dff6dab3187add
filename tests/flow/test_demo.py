#!/usr/bin/env python3
"""The demonstration of "make run", and that it can fail."""

import os
import shutil
import subprocess
import sys

from flow import TOP, check, equal, holds, main, test


def copy(w):
    """The example in a tree of this user's own."""
    top = w.scratch("tree")
    shutil.copytree(os.path.join(TOP, "examples"),
                    os.path.join(top, "examples"))
    for folder, folders, files in os.walk(top):
        for name in folders + files:
            w.give(os.path.join(folder, name))
    return top


def run(w, top):
    build = os.path.dirname(os.path.dirname(w.program))
    return w.popen([os.path.join(top, "examples/analyse/run"), build],
                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                   stderr=subprocess.PIPE).finish()


def edit(top, old, new):
    path = os.path.join(top, "examples/analyse/policy.yaml")
    with open(path, encoding="ascii") as f:
        text = f.read()
    check(old in text, f"{old} is not in {path}")
    with open(path, "w", encoding="ascii") as f:
        f.write(text.replace(old, new))


@test
def demo_shows_what_was_refused(w):
    top = copy(w)
    r = run(w, top).expect(0)
    equal(r.said, "", "stderr")
    holds(r.text, "The work is done", "0 of 4", "4 of 4", "32 processes"
          if w.root else "then refused", "Now try")
    lines = {line[4:34].strip(): line[34:62].strip()
             for line in r.text.splitlines() if line.startswith("    ")}
    equal(lines["$DEMO_API_KEY"], "not there")
    equal(lines["~/.config/warder-demo/token"], "no such file or directory")
    check(len(r.text.splitlines()) < 60, "longer than a screen and a half")
    for name in ("result.json", "plot.svg", "table.txt"):
        check(os.path.getsize(os.path.join(top, "build/demo/out", name)) > 100,
              name)
    equal(os.path.exists(os.path.join(w.home, ".config")), False, "left")


@test
def demo_fails__secret_passed(w):
    top = copy(w)
    edit(top, "[DEMO_TARGETS]", "[DEMO_TARGETS, DEMO_API_KEY]")
    r = run(w, top).expect(1)
    holds(r.said, "got through: $DEMO_API_KEY", "the secret was written")


@test
def demo_fails__no_process_limit(w):
    top = copy(w)
    edit(top, "memory: 512MiB\n  pids: 32", "memory: 4GiB\n  pids: 1000")
    holds(run(w, top).expect(1).said, "not kept from forking")


if __name__ == "__main__":
    sys.exit(main())
