#!/usr/bin/env python3
"""kill -9 of a participant at a random moment, while eight jails run.

Two hundred times with --all, twenty without.  The other seven go on, and of
the eighth nothing is left within two seconds, more on a busy machine.
"""

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


def ended(jail, inside):
    """Of this jail nothing runs any more."""
    return jail.popen.poll() is not None and not any(
        os.path.exists(f"/proc/{p}") and p in descendants(os.getpid())
        for p in inside)


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
            if what == "warder-janitor":
                # one fault at a time: its launcher ends by itself
                jails[i].signal(signal.SIGTERM)
            if victim == jails[i].pid or what.startswith("warder"):
                wait_until(lambda: ended(jails[i], inside), patience(2),
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


@test
def all_participants_at_once(w):
    """Launcher, janitor and pid 1 together: the next sweep has the rest."""
    for _ in range(10 if ALL else 3):
        jail, _ = w.running()
        for pid in participants(jail):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        jail.popen.wait()
        wait_until(lambda: not descendants(os.getpid()), patience(2),
                   "their end")
    time.sleep(2.1)  # younger groups are left alone
    w.verb("doctor", "--clean").expect(0)


if __name__ == "__main__":
    sys.argv = [a for a in sys.argv if a != "--all"]
    sys.exit(main())
