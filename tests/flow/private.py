"""Root's own directories, for one test: nothing of the host's is touched.

As root Warder's places are fixed, so a process with a mount namespace of its
own holds empty ones, and commands are started in it.  An ordinary user has a
home directory that the test made anyway.
"""

import contextlib
import os
import shutil
import subprocess

from flow import Failed

PLACES = ("/etc/warder", "/var/lib/warder")


@contextlib.contextmanager
def places(w):
    """Yields a prefix for command lines."""
    if not w.root:
        try:
            yield []
        finally:
            for place in PLACES:
                shutil.rmtree(path(w, [], place), ignore_errors=True)
        return
    mounts = "; ".join(f"mkdir -p {p} && mount -t tmpfs -o mode=0755 none {p}"
                       for p in PLACES)
    made = [p for p in PLACES if not os.path.exists(p)]
    holder = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c",
         f"set -e; {mounts}; echo up; exec cat"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        if holder.stdout.readline() != b"up\n":
            raise Failed("no private directories")
        yield ["nsenter", f"--mount=/proc/{holder.pid}/ns/mnt", "--"]
    finally:
        holder.stdin.close()
        holder.wait()
        holder.stdout.close()
        for p in made:
            with contextlib.suppress(OSError):
                os.rmdir(p)


def path(w, prefix, place, *below):
    """Where one of the directories is seen from outside."""
    if not w.root:
        home = {"/etc/warder": ".config/warder",
                "/var/lib/warder": ".local/state/warder"}[place]
        return os.path.join(w.home, home, *below)
    pid = prefix[1].split("/")[2]
    return os.path.join(f"/proc/{pid}/root{place}", *below)
