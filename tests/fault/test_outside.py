#!/usr/bin/env python3
"""kill -9 of a participant at a random moment, while eight jails run.

Two hundred times with --all, twenty without.  The other seven go on, and of
the eighth nothing is left within two seconds, more on a busy machine.  Where
launcher and janitor are both killed, the next start removes what is left.
"""

import contextlib
import os
import random
import signal
import sys
import time

import sweep  # noqa: F401  (it finds flow)
from flow import (check, children, descendants, equal, main, name_of,
                  namespaces, patience, test, wait_until)

ALL = "--all" in sys.argv
ITERATIONS = 200 if ALL else 20
JAILS = 8
SEED = 7


def participants(jail):
    """The launcher, its janitor, warder-init, and what runs in the jail."""
    found = [jail.pid]
    for child in children(jail.pid):
        found += [child, *descendants(child)]
    return found


def start(w):
    return w.start(["sh", "-c", "while :; do sleep 0.05; echo x >/tmp/f; "
                    "(exec true); done"])


def kill(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def ended(jail, inside):
    """Of this jail nothing runs any more."""
    return jail.popen.poll() is not None and not any(
        os.path.exists(f"/proc/{p}") and p in descendants(os.getpid())
        for p in inside)


def ended_by_itself(jail, inside):
    """One fault at a time: its janitor is dead, or stage one became it just
    then; the launcher must live to the end, and that is its command's."""
    for pid in descendants(jail.pid):
        if name_of(pid) == "sh":
            kill(pid)
    return ended(jail, inside)


def run(w):
    dice = random.Random(SEED)
    jails = [start(w) for _ in range(JAILS)]
    killed = {}
    try:
        for _ in range(ITERATIONS):
            i = dice.randrange(JAILS)
            time.sleep(dice.random() * 0.03)
            inside = participants(jails[i])
            victim = dice.choice(inside)
            what = name_of(victim)
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                continue
            killed[what] = killed.get(what, 0) + 1
            alone = victim == jails[i].pid or what == "warder-init"
            if alone or what.startswith("warder"):
                end = ended if alone else ended_by_itself
                wait_until(lambda: end(jails[i], inside), patience(2),
                           f"the end of a jail whose {what} was killed")
            if jails[i].popen.poll() is not None:
                for stream in (jails[i].popen.stdout, jails[i].popen.stderr):
                    stream.close()
                jails[i] = start(w)
            others = [j for j in jails if j.popen.poll() is not None]
            for j in others:
                # the command's own shell, or its janitor, was the victim
                jails[jails.index(j)] = start(w)
    finally:
        for jail in jails:
            jail.popen.kill()
    print(f"# {w.mode}: killed {killed}")
    check(sum(killed.values()) >= ITERATIONS * 0.8, f"only {killed}")
    w.end()
    equal(namespaces() - w.namespaces, set(), "namespaces that are left")


@test
def eight_jails(w):
    w.namespaces = namespaces()
    run(w)


def forget_sweep(w):
    """As if the last one were long ago."""
    with contextlib.suppress(FileNotFoundError):
        os.utime(os.path.join(os.path.dirname(w.jails) if w.root else w.jails,
                              "swept"), (0, 0))


@test
def all_participants_at_once(w):
    """Launcher, janitor and pid 1 together: the next start has the rest."""
    jails = []
    for _ in range(10 if ALL else 3):
        jail, _ = w.running()
        jails.append(jail)
        # the janitor first, so that nobody removes what the others leave
        for pid in sorted(participants(jail),
                          key=lambda p: name_of(p) != "warder-janitor"):
            kill(pid)
        jail.popen.wait()
        wait_until(lambda: not descendants(os.getpid()), patience(2),
                   "their end")
    sockets = os.listdir(w.jails)
    for jail in jails:
        check([s for s in sockets if s.startswith(f"{jail.pid}-")],
              "there is nothing to be swept")
    time.sleep(2.1)  # younger groups are left alone
    forget_sweep(w)
    w.exec(["true"]).expect(0)


if __name__ == "__main__":
    sys.argv = [a for a in sys.argv if a != "--all"]
    sys.exit(main())
