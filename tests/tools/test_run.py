#!/usr/bin/env python3
"""tests/run itself: each way in which a test program can fail is seen."""

import importlib.machinery
import importlib.util
import os
import stat
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
LOADER = importlib.machinery.SourceFileLoader(
    "run", os.path.join(TOP, "tests", "run"))
SPEC = importlib.util.spec_from_loader("run", LOADER)
sys.dont_write_bytecode = True
RUN = importlib.util.module_from_spec(SPEC)
LOADER.exec_module(RUN)

# name, what the program does, (passed, failed, skipped), what is said
ROWS = (
    ("two_passed", "echo 1..2; echo ok 1 - a; echo ok 2 - b", (2, 0, 0), ""),
    ("one_failed", "echo 1..2; echo ok 1 - a; echo not ok 2 - b; exit 1",
     (1, 1, 0), "b"),
    ("failed_but_exit_0", "echo 1..1; echo not ok 1 - b", (0, 1, 0), "b"),
    ("passed_but_exit_3", "echo 1..1; echo ok 1 - a; exit 3", (1, 1, 0),
     "exit status 3"),
    ("skip_with_reason", "echo 1..1; echo ok 1 - a '# SKIP no kvm'",
     (0, 0, 1), "no kvm"),
    ("skip_by_cmocka",
     "echo 1..1; echo '# SKIP no kvm'; echo 'not ok 1 # SKIP a'",
     (0, 0, 1), "no kvm"),
    ("skip_everything", "echo '1..0 # SKIP no kvm'", (0, 0, 1), "no kvm"),
    ("reason_is_not_kept_for_later",
     "echo 1..2; echo '# SKIP x'; echo ok 1 - a; echo 'not ok 2 # SKIP b'",
     (1, 0, 1), "no reason given"),
    ("stops_early", "echo 1..3; echo ok 1 - a", (1, 1, 0), "1 of 3"),
    ("no_plan", "echo ok 1 - a", (1, 1, 0), "no plan"),
    ("says_nothing", "true", (0, 1, 0), "no plan"),
    ("runs_nothing", "echo 1..0", (0, 1, 0), "ran nothing"),
    ("killed", "echo 1..1; echo ok 1 - a; kill -9 $$", (1, 1, 0), "SIGKILL"),
    ("too_slow", "echo 1..1; echo ok 1 - a; exec sleep 60", (1, 1, 0),
     "within"),
    ("bails_out", "echo 1..1; echo ok 1 - a; echo 'Bail out! no disk'",
     (1, 1, 0), "no disk"),
    ("background_does_not_delay", "sleep 60 & echo 1..1; echo ok 1 - a",
     (1, 0, 0), ""),
)


def check(row):
    name, script, want, says = row
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, name)
        with open(path, "w", encoding="ascii") as f:
            f.write("#!/bin/sh\n" + script + "\n")
        os.chmod(path, stat.S_IRWXU)
        suite = RUN.Suite("x", True, path, [], 3)
        program = RUN.run_program(path, suite, "build")
    got = (program.passed, len(program.failed), len(program.skipped))
    told = " ".join(program.failed + [r for _, r in program.skipped])
    return got == want and says in told, f"{got} {told}"


def main():
    print(f"1..{len(ROWS)}")
    bad = 0
    for i, row in enumerate(ROWS, 1):
        good, got = check(row)
        bad += not good
        print(f"{'ok' if good else 'not ok'} {i} - run_program__{row[0]}"
              f"{'' if good else ' got ' + got}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
