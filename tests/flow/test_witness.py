#!/usr/bin/env python3
"""The witness of these tests sees each thing that it is there to see."""

import ctypes
import os
import subprocess
import sys

from flow import Failed, check, holds, main, test


def seen(w, *parts):
    """The witness complains, and names these."""
    try:
        w.end()
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


if __name__ == "__main__":
    sys.exit(main())
