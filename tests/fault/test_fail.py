#!/usr/bin/env python3
"""Every system call of a start fails once.

The start is refused with its reason, nothing was executed and nothing is
left; or the call is in tolerated.tsv, the run goes on, and what can be seen
of the jail's protection from inside is what it always is.

With --all: every call; without: each kind of call of each process, and some
more, within seconds.
"""

import errno
import json
import os
import sys

import sweep  # which knows where flow is
from flow import Skip, check, main, test
from sweep import (ALL, Start, Sweep, Table, exit_status, show)

SLICE, SLICE_S = 110, 14  # calls and seconds, of each user
ERRORS = (errno.EIO, errno.ENOMEM, errno.EPERM) if ALL else (errno.EIO,)

# Inside: what a layer that was lost on the way would change.
FINGERPRINT = (": >/mnt/w/ran; echo ran; grep -E '^(Seccomp|NoNewPrivs|Cap|"
               "Uid|Gid)' /proc/self/status; cut -d' ' -f5,6 "
               "/proc/self/mountinfo | sort; ulimit -c; ulimit -n; umask; "
               "readlink /proc/self/fd/0 | sed s/[0-9]//g; exit 3")
STATUS = 3


def outcome_of(o, usual):
    status = exit_status(o.status)
    if o.left:
        return "left"
    if status == STATUS and o.text == usual and o.ran:
        return "on"
    if o.text == "" and not o.ran:
        if status == 125 and o.said.startswith(("warder: ", "command line")):
            return "refused"
        if status in (126, 127) and o.said.startswith("warder: "):
            return "126"
        if status == 137 and "warder: " in o.said:
            return "lost"
        if o.said == "" and os.WIFSIGNALED(o.status):
            return "died"
    return f"status {status}, ran {o.ran}, output {o.text[:40]!r}"


def judge(call, o, usual, table):
    """None, or what is wrong."""
    got = outcome_of(o, usual)
    row = table.find(call)
    if call.phase == "end":
        # The command has run: nothing may be left, nothing may be invented.
        if got == "left":
            return None if row and row[3] == "left" else o.left
        if (exit_status(o.status) == STATUS and o.text != usual and
                "output was lost" not in o.said):
            return "output is missing, and the exit status does not say so"
        return None
    allowed = row[3].split("|") if row else ["refused"]
    if got in allowed:
        return None
    return (f"{got}, expected {' or '.join(allowed)}; {o.left} "
            f"{o.said.strip()[-200:]}")


def run(w):
    start = Start(w)
    start.command = ["sh", "-c", FINGERPRINT]
    table = Table("tolerated.tsv", 5)
    _, first = start.run("trace")
    calls = start.trace(STATUS)
    usual = first.text
    todo = [c for c in calls
            if (table.find(c) or ("",) * 5)[3] != "never"]
    sweeping = Sweep(start, todo, SLICE, SLICE_S)
    for call in sweeping.chosen:
        for number in ERRORS:
            sweeping.inject(call, lambda c, o: judge(c, o, usual, table),
                            "fail", number,
                            note=errno.errorcode[number] + ": ")
    missed = len(todo) * len(ERRORS) - sweeping.tried
    sweeping.finish(f"{len(calls)} calls, {len(calls) - len(todo)} cannot "
                    f"fail, {missed} not tried", 25)


@test
def each_call_fails_once(w):
    run(w)


@test(modes=["root"])
def a_lost_control_group_is_recorded(w):
    """What is tolerated is said: the posture names the weaker layer."""
    path = os.path.join(w.scratch(), "r")
    start = Start(w, ["--report", path])
    start.command = ["sh", "-c", ": >/mnt/w/ran; echo ran; exit 3"]
    calls = [c for c in start.trace(STATUS)
             if c.role == "launcher" and c.phase == "start" and
             c.name == "mkdirat" and c.text.startswith("warder-")]
    with open(path, encoding="utf-8") as f:
        usual = json.load(f)["posture"]
    if not calls or usual["lessened"]:
        raise Skip("this host has no control groups to lose")
    seen, all_three = [], {"memory", "pids", "cpu"}
    # a start that waits for something once more meets the one beside it
    for call in calls * 3:
        if all_three <= set(seen):
            break
        o = start.try_call(call, "fail", errno.EPERM)
        check(o.fired and not o.left, o.left)
        with open(path, encoding="utf-8") as f:
            posture = json.load(f)["posture"]
        check(posture["lessened"], f"{show(call)} is not recorded")
        for row in posture["lessened"]:
            check(posture[row] != usual[row], f"{row} is as usual")
        seen += posture["lessened"]
    check(all_three <= set(seen), seen)
    w.begin()


@test(modes=["root"])
def a_required_control_group_that_is_refused_ends_the_start(w):
    """The same loss under a policy that says it needs them."""
    policy = w.file("requires.yaml", "policy: 1\nextends: [builtin/default]\n"
                    "requires: {cgroups: [memory, pids, cpu]}\n")
    start = Start(w, ["--policy", policy])
    start.command = ["sh", "-c", ": >/mnt/w/ran; echo ran; exit 3"]
    if w.exec("true", "--policy", policy).status == 125:
        raise Skip("this host has no control groups to lose")
    calls = [c for c in start.trace(STATUS)
             if c.role == "launcher" and c.phase == "start" and
             c.name == "mkdirat" and c.text.startswith("warder-")]
    check(calls, "control: it makes control groups")
    for call in calls:
        o = start.try_call(call, "fail", errno.EPERM)
        check(o.fired and not o.left, o.left)
        check(exit_status(o.status) == 125 and not o.ran and
              "the policy requires the control group controller" in o.said,
              f"{show(call)}: {o.status} {o.said}")
    w.begin()


@test
def what_ends_the_jails_first_process_is_said(w):
    """By itself, for want of a call; or killed, from outside."""
    path = os.path.join(w.scratch(), "r")
    start = Start(w, ["--report", path])
    start.command = ["sh", "-c", ": >/mnt/w/ran; echo ran; exit 3"]
    # its last words: nothing of ours is on its way to it any more
    calls = [c for c in start.trace(STATUS) if c.role == "two" and
             c.name == "sendmsg" and c.phase == "end"]
    check(calls, "control: warder-init answers")
    for how, said, seen in (
            (("fail", errno.EIO), "warder-init ended by itself, status 70",
             {"init_exit_status": 70}),
            (("kill",), "killed from outside", {"init_signal": 9})):
        for call in reversed(calls * 3):
            o = start.try_call(call, *how)
            if o.fired:
                break
        check(o.fired and not o.left, f"fired {o.fired} {o.left}")
        check(exit_status(o.status) == 137 and said in o.said, o.said)
        with open(path, encoding="utf-8") as f:
            end = json.load(f)["end"]
        check(end["kind"] == "lost" and seen.items() <= end.items(), end)
    w.begin()


if __name__ == "__main__":
    sweep.build_injector()
    sys.argv = [a for a in sys.argv if a != "--all"]
    sys.exit(main())
