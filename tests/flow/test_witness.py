#!/usr/bin/env python3
"""The witness of these tests sees each thing that it is there to see."""

import ctypes
import os
import signal
import subprocess
import sys

from flow import (HERE, Failed, check, children, equal, holds, main, patience,
                  stat_of, test, wait_until)

# A test program with a jail and a service, to be killed.
PROGRAM = """
import sys, time
import flow, daemon
with flow.stage() as (folder, watcher):
    w = flow.Warder(sys.argv[1], folder, flow.install(folder), watcher)
    w.begin()
    jail, name = w.running()
    d = daemon.Daemon(w)
    print(folder, w.jails, jail.pid, d.pid, d.control(), flush=True)
    time.sleep(600)
"""


def seen(w, *parts):
    """The witness complains, and names these."""
    try:
        w.end(0.2)
    except Failed as e:
        holds(str(e), *parts)
        return
    raise Failed("nothing was noticed")


@test
def an_orphan_is_seen(w):
    w.popen(["sh", "-c", "setsid sleep 300 & exit 0"]).finish()
    seen(w, "left behind", "(sleep)")


@test
def a_socket_is_seen(w):
    jail = w.start(["true"])
    jail.finish()
    path = os.path.join(w.jails, f"{jail.pid}-00000.jail")
    with open(path, "w", encoding="ascii"):
        pass
    try:
        seen(w, f"{jail.pid}-00000.jail")
    finally:
        os.unlink(path)


@test(modes=["root"])
def a_control_group_is_seen(w):
    jail, _ = w.running()
    groups = [g for g in w.leftovers() if g.startswith("/sys/fs/cgroup")]
    check(groups, "a running jail has none")
    jail.popen.kill()


@test(modes=["root"])
def a_mount_is_seen(w):
    folder = w.scratch()
    subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True)
    try:
        seen(w, "mount", folder)
    finally:
        ctypes.CDLL(None).umount2(folder.encode(), 2)


@test
def a_killed_test_program_leaves_nothing(w):
    """Nobody calls its end(): its watcher does the work."""
    program = subprocess.Popen([sys.executable, "-c", PROGRAM, w.mode],
                               cwd=HERE, stdout=subprocess.PIPE, text=True)
    folder, jails, *pids = program.stdout.readline().split()
    equal(len(pids), 3, "a jail, warderd and warder-control")
    launcher = pids[0]
    pids += [str(p) for p in children(int(launcher))]
    check(all(stat_of(p) for p in pids) and os.path.isdir(folder), "they run")
    check([n for n in os.listdir(jails) if n.startswith(launcher)], "socket")
    program.send_signal(signal.SIGKILL)
    program.wait()
    program.stdout.close()
    wait_until(lambda: not os.path.exists(folder) and not any(
        (s := stat_of(p)) and s[0] not in "ZX" for p in pids), patience(15),
        "the end of it all")
    if os.path.isdir(jails):
        equal([n for n in os.listdir(jails) if n.startswith(launcher + "-")],
              [], "sockets")


if __name__ == "__main__":
    sys.exit(main())
