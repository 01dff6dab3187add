#!/usr/bin/env python3
"""warderd becomes its successor in place: jails and streams go on."""

import os
import shutil
import signal
import time

from flow import check, equal, holds, main, patience, stat_of, test, wait_until
from supervisor import FREEZE, Warderd, agent

WALL = "policy: {policy: 1, limits: {wall: %s}}\n"
ECHO = "echo up; while read x; do echo got $x; done; exit 7"


class Upgraded(Warderd):
    """Its program is a copy of its own, so that it can be replaced."""

    def __init__(self, w, **more):
        top = os.path.dirname(os.path.dirname(w.program))
        self.top = w.scratch("warder")
        for name in ("libexec", "share", "sbin"):
            shutil.copytree(os.path.join(top, name),
                            os.path.join(self.top, name))
        self.program = os.path.join(self.top, "sbin", "warderd")
        self.done = 0
        super().__init__(w, program=self.program, **more)

    def ask(self):
        os.kill(self.pid, signal.SIGUSR2)

    def upgrade(self):
        self.ask()
        self.done += 1
        wait_until(lambda: self.said().count("ev=upgrade.done") == self.done,
                   patience(15), "upgrade.done")

    def refused(self, *parts):
        before = self.said().count("ev=upgrade.refused")
        self.ask()
        wait_until(lambda: self.said().count("ev=upgrade.refused") > before,
                   patience(30), "upgrade.refused")
        holds(self.said(), *parts)

    def replace(self, text):
        """Another program in its place, as a package does it."""
        new = self.program + ".new"
        with open(new, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(new, 0o755)
        os.rename(new, self.program)


def line(run):
    """The next line of its standard output."""
    os.set_blocking(run.stdout, True)
    got = b""
    while not got.endswith(b"\n"):
        more = os.read(run.stdout, 1)
        check(more, f"its output ended after {got!r}")
        got += more
    return got.decode().strip()


def talk(run, word):
    os.write(run.stdin, word.encode() + b"\n")
    equal(line(run), "got " + word)


@test
def jails_and_their_streams_go_on(w):
    with Upgraded(w) as d:
        digest = d.deploy(agent(ECHO)).digest
        runs = [d.spawn(digest, run=f"r-{i}") for i in range(50)]
        for run in runs:
            equal(line(run), "up")
        started = stat_of(d.pid)
        for turn in range(2):
            d.upgrade()
            equal(stat_of(d.pid)[1], started[1])
            equal(d.status().jails, 50)
            for i, run in enumerate(runs):
                talk(run, f"{turn}-{i}")
        d.kill(runs[0].id)
        equal(d.receive("EXITED", runs[0].id).end, "KILLED")
        for run in runs[1:]:
            run.finish()
            end = d.receive("EXITED", run.id)
            equal((end.end, os.waitstatus_to_exitcode(end.status)),
                  ("EXITED", 7))
        runs[0].close()
        equal(d.status().jails, 0)
        equal(d.run("echo again")[0], "again\n")


if __name__ == "__main__":
    main()
