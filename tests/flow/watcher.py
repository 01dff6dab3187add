"""Ends what a test program has started, should the program itself be killed.

A process beside the test program, in a session of its own.  It is told of
each process that the program starts, and when the program has ended it kills
those that are left: first launchers and daemons alone, whose janitors then do
their work, later whatever else they had for children.  A signal at the death
of the parent would not do: it comes when the thread ends that has started the
process.
"""

import contextlib
import os
import select
import shutil
import signal
import time

JANITORS_S = 5


def stat_of(pid):
    """Parent and time of start; None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8",
                  errors="replace") as f:
            fields = f.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else (int(fields[1]), fields[19])


def below(pids):
    """Who descends from these, with the time of each one's start."""
    every = {int(n): stat_of(n) for n in os.listdir("/proc") if n.isdigit()}
    found, added = set(pids), True
    while added:
        more = {p for p, s in every.items() if s and s[0] in found} - found
        found |= more
        added = bool(more)
    return {p: every[p][1] for p in found - set(pids) if every.get(p)}


def kill_all(started):
    """Those that are the same processes still."""
    for pid, began in started.items():
        stat = stat_of(pid)
        if stat and stat[1] == began:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def left(started):
    return [p for p, began in started.items()
            if (s := stat_of(p)) and s[1] == began]


def finish(started, folder):
    others = below(left(started))
    kill_all(started)
    end = time.monotonic() + JANITORS_S
    while left(others) and time.monotonic() < end:
        time.sleep(0.05)
    kill_all(others)
    shutil.rmtree(folder, ignore_errors=True)


def watch(pidfd, told, folder):
    """Until the program dies, and all that it has said is read."""
    text = b""
    look = select.poll()
    look.register(pidfd, select.POLLIN)
    look.register(told, select.POLLIN)
    while True:
        ready = dict(look.poll())
        data = os.read(told, 65536) if told in ready else b""
        text += data
        if told in ready and not data:
            look.unregister(told)
        if pidfd in ready and not data:
            break
    finish(dict((int(p), began) for p, began in
                (line.split() for line in text.decode().splitlines())), folder)


class Watcher:
    """Starts it; folder is removed too, if it is still there."""

    def __init__(self, folder):
        told, self.fd = os.pipe()
        pidfd = os.pidfd_open(os.getpid())
        child = os.fork()
        if child == 0:
            # a child's child, so that it is no child of the program's
            if os.fork() == 0:
                os.setsid()
                null = os.open("/dev/null", os.O_RDWR)
                for fd in range(3):
                    os.dup2(null, fd)
                os.close(self.fd)
                os.chdir("/")
                watch(pidfd, told, folder)
            os._exit(0)
        os.waitpid(child, 0)
        os.close(told)
        os.close(pidfd)

    def add(self, pid):
        stat = stat_of(pid)
        if stat:
            with contextlib.suppress(BrokenPipeError):
                os.write(self.fd, f"{pid} {stat[1]}\n".encode())
