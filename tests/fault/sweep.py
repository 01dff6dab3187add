"""What the sweeps share: one traced start, and each of its calls by itself.

The list of calls comes from a trace of a real start.  A call is named by its
process, in the order in which they are made, and its number there; a run in
which the injector did not meet it, or met another system call there, has not
fired and is tried again.
"""

import collections
import fnmatch
import os
import random
import re
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "flow"))

import tables  # noqa: E402
from flow import Failed, TOP, check  # noqa: E402

BUILD = os.path.join(TOP, os.environ.get("WARDER_BUILD", "build"))
INJECT = os.path.join(BUILD, "tests", "fault", "inject")
ALL = "--all" in sys.argv
ALL_S = 7200  # the longest whole sweep
RUN_S = 25  # one injected run; a start waits for its stages 15 s at most

# Calls of a start that may not have been met where they were in the trace, in
# spite of four tries.  How often the launcher polls while the command runs is
# chance, and which part waits for which; the whole sweep is for a quiet
# machine, the slice is part of "make check", which others may load.
MISSED = 0.1 if ALL else 0.4

CLONE_CHILD_CLEARTID, CLONE_NEWUSER = 0x200000, 0x10000000
CLONE_FILES = 0x400
CLONE_NEWPID = 0x20000000

# Which processes a start is made of, by the flags of the clone that makes
# them; a child of the command is the command's affair.
ROLES = ("launcher", "config", "idmap", "image", "one", "two", "command")

Call = collections.namedtuple(
    "Call", "number call nr name args text role phase")
Outcome = collections.namedtuple(
    "Outcome", "fired met status text said ran left")


def system_calls():
    """Names of the numbers, from the kernel's header."""
    table = {}
    for path in ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
                 "/usr/include/asm/unistd_64.h"):
        if not os.path.exists(path):
            continue
        with open(path, encoding="ascii") as f:
            for line in f:
                m = re.match(r"#define __NR_(\w+)\s+(\d+)", line)
                if m:
                    table[int(m.group(2))] = m.group(1)
        return table
    raise Failed("no asm/unistd_64.h: install linux-libc-dev")


NAMES = system_calls()


def role_of(parent, flags):
    if parent == "launcher":
        if flags & CLONE_CHILD_CLEARTID:
            return "one"
        if flags & CLONE_NEWUSER:
            return "idmap"
        return "image" if flags & CLONE_FILES else "config"
    if parent == "one" and flags & CLONE_NEWPID:
        return "two"
    return "command"


class Log:
    """What the injector wrote."""

    def __init__(self, path):
        self.roles = {1: "launcher"}
        self.calls = []
        self.fired = False
        self.status = None
        self.pid = None
        started = executed = False
        with open(path, encoding="ascii") as f:
            lines = f.read().splitlines()
        for line in lines:
            word, *rest = line.split(" ")
            if word == "pid":
                self.pid = int(rest[0])
            elif word == "proc":
                number, parent = int(rest[0]), int(rest[1])
                role = role_of(self.roles[parent], int(rest[2], 16))
                self.roles[number] = role
                started |= role == "two"
            elif word == "exec":
                executed |= self.roles[int(rest[0])] == "command"
            elif word == "fired":
                self.fired = True
            elif word == "end":
                self.status = int(rest[0])
            elif word == "call":
                self.add(rest, started, executed)

    def add(self, rest, started, executed):
        number, call, nr = (int(v) for v in rest[:3])
        role = self.roles[number]
        if role == "command" and executed:
            return
        # What the launcher has set going goes on, whatever befalls it then.
        over = started if role == "launcher" else executed
        self.calls.append(Call(
            number, call, nr, NAMES.get(nr, str(nr)),
            tuple(int(v, 16) for v in rest[3:6]), rest[6], role,
            "end" if over else "start"))


class Start:
    """One start of one user's, to be run again and again."""

    def __init__(self, w, flags=()):
        self.w = w
        self.folder = w.owned("given")
        shown = w.scratch("shown")
        w.file("f", "x", shown)
        self.witness = os.path.join(self.folder, "ran")
        self.flags = ["--rw", f"{self.folder}:/mnt/w", "--ro",
                      f"{shown}:/mnt/r", "--limit", "wall=20s", *flags]
        self.command = ["sh", "-c", ": >/mnt/w/ran; echo ran"]
        self.inject = os.path.join(os.path.dirname(w.folder), "inject")
        if not os.path.exists(self.inject):
            shutil.copy(INJECT, self.inject)
        self.count = 0

    def argv(self):
        return [self.w.program, "exec", *self.flags, "--", *self.command]

    def run(self, *mode):
        """(the injector's log, what warder said)."""
        self.count += 1
        log = os.path.join(self.w.folder, f"log-{self.count}")
        if os.path.exists(self.witness):
            os.unlink(self.witness)
        process = self.w.popen(
            [self.inject, log, *map(str, mode), "--", *self.argv()],
            stdin=-3, stdout=-1, stderr=-1)
        result = process.finish(RUN_S)
        if result.status != 0:
            raise Failed(f"the injector failed: {result.said}")
        seen = Log(log)
        os.unlink(log)
        self.w.launchers.append(seen.pid)
        return seen, result

    def trace(self, status):
        self.w.exec(["true"], *self.flags)  # the policy's plan is kept
        seen, result = self.run("trace")
        check(exit_status(seen.status) == status and
              result.text.startswith("ran\n"),
              f"the traced start failed: {result.said}")
        roles = {c.role for c in seen.calls}
        check({"launcher", "one", "two", "command"} <= roles,
              f"not seen: {roles}")
        return seen.calls

    def try_call(self, call, *mode):
        """One injection, tried again when something else came first."""
        for _ in range(4):
            self.w.begin()
            seen, result = self.run(mode[0], call.number, call.call,
                                    call.nr, *mode[1:])
            left = self.leftovers()
            met = seen.calls[0] if seen.calls else None
            if seen.fired:
                break
        return Outcome(
            seen.fired, met, seen.status, result.text, result.said,
            os.path.exists(self.witness), left)

    def leftovers(self):
        try:
            self.w.end()
        except Failed as e:
            return str(e)
        return ""


def build_injector():
    """The runner's make has built it; by itself a sweep asks for it."""
    if "san-" in BUILD:
        print("1..0 # SKIP a sanitizer's own calls are no part of a start")
        sys.exit(0)
    if not os.path.exists(INJECT):
        os.makedirs(os.path.dirname(INJECT), exist_ok=True)
        subprocess.run(["gcc", "-O1", "-D_GNU_SOURCE", "-o", INJECT,
                        os.path.join(HERE, "inject.c")], check=True)


def exit_status(status):
    """As a shell shows it."""
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else \
        128 + os.WTERMSIG(status)


def slice_of(calls, count):
    """Every kind of call of every role first, then spread over the rest."""
    kinds = collections.OrderedDict()
    for c in calls:
        kinds.setdefault((c.role, c.name), []).append(c)
    chosen = [group[0] for group in kinds.values()]
    rest = [c for c in calls if c not in set(chosen)]
    if len(chosen) > count:
        step = len(chosen) / count
        return [chosen[int(i * step)] for i in range(count)]
    more = count - len(chosen)
    if more > 0 and rest:
        step = max(1, len(rest) // more)
        chosen += rest[::step][:more]
    random.Random(len(calls)).shuffle(chosen)
    return chosen


class Sweep:
    """Inject into call after call while there is time; judge each outcome.

    Without --all: "count" calls, for "seconds".
    """

    def __init__(self, start, calls, count, seconds):
        self.start = start
        self.calls = calls
        self.chosen = calls if ALL else slice_of(calls, count)
        self.end = time.monotonic() + (ALL_S if ALL else seconds)
        self.fired = self.tried = self.missed = 0
        self.wrong = []

    def inject(self, call, judge, *mode, note=""):
        """judge(call, outcome) says what is wrong, or None."""
        if time.monotonic() > self.end:
            return
        self.tried += 1
        try:
            o = self.start.try_call(call, *mode)
        except Failed as e:
            self.wrong.append(f"{show(call)}: {note}{e}")
            self.start.leftovers()
            return
        if not o.fired:
            self.missed += call.phase == "start"
            return
        self.fired += 1
        # numbers shift with what a start waits for once more: another call
        # of the same kind may stand in the place
        fired = o.met._replace(role=call.role, phase=call.phase)
        bad = judge(fired, o)
        if bad:
            self.wrong.append(f"{show(fired)} ({call.phase}): {note}{bad}")

    def finish(self, summary, least):
        """Say it all; in a slice at least "least" must have fired."""
        w = self.start.w
        print(f"# {w.mode}: {summary}; {self.fired} of {self.tried} fired")
        for line in self.wrong:
            print("#", line)
        w.begin()
        check(not self.wrong, f"{len(self.wrong)} of {self.fired}: "
              f"{self.wrong[0] if self.wrong else ''}")
        check(self.missed <= self.tried * MISSED,
              f"{self.missed} of the start did not fire")
        if not ALL:
            check(self.fired >= least, f"only {self.fired} fired in time")


def show(call):
    return (f"{call.role} {call.number}.{call.call} {call.name}"
            f"({', '.join(f'{a:x}' for a in call.args)}) {call.text}")


class Table:
    """Rows of a tab-separated file: role, call, text, …"""

    def __init__(self, name, columns):
        self.rows = []
        self.used = set()
        for fields in tables.read(os.path.join(HERE, name), columns):
            self.rows.append(tuple(fields))

    def find(self, call):
        for row in self.rows:
            role, name, text = row[:3]
            shown = call.text or " ".join(f"{a:x}" for a in call.args)
            if (fnmatch.fnmatchcase(call.role, role) and
                    fnmatch.fnmatchcase(call.name, name) and
                    fnmatch.fnmatchcase(shown, text)):
                self.used.add(row)
                return row
        return None
