#!/usr/bin/env python3
"""Many jails at once: apart from each other, and all gone afterwards."""

import re
import subprocess
import sys

from flow import BLOCK_SIZE, check, children, equal, main, test

AT_ONCE = 50


@test
def fifty_at_once(w):
    jails = [w.start(["sh", "-c", f"echo {i}; readlink /proc/self/ns/net; "
                      f"cat /proc/sys/kernel/random/boot_id /etc/machine-id; "
                      f"read x; exit {i}"], "-i", stdin=subprocess.PIPE)
             for i in range(AT_ONCE)]
    seen = []
    for i, jail in enumerate(jails):
        equal(jail.line(), f"{i}\n")
        seen.append([jail.line() for _ in range(3)])
    for i, jail in enumerate(jails):
        equal(jail.finish(data=b"go\n").status, i)
    for column in range(3):
        equal(len({s[column] for s in seen}), AT_ONCE, f"column {column}")


@test(modes=["root"])
def each_has_its_own_uids(w):
    """Blocks of living jails never overlap."""
    jails = [w.running("echo up; exec sleep 600")[0] for _ in range(AT_ONCE)]
    uids = set()
    for jail in jails:
        for pid in children(jail.pid):
            with open(f"/proc/{pid}/status", encoding="utf-8",
                      errors="replace") as f:
                uid = int(re.search(r"Uid:\t(\d+)", f.read()).group(1))
            if uid:
                uids.add(uid // BLOCK_SIZE)
    equal(len(uids), AT_ONCE)
    for jail in jails:
        jail.popen.kill()


@test
def fifty_alive_then_all_killed(w):
    jails = [w.start(["sh", "-c", "echo up; exec sleep 600"])
             for _ in range(AT_ONCE)]
    for jail in jails:
        equal(jail.line(), "up\n")
    r = w.verb("ps").expect(0)
    check(len(r.text.splitlines()) > AT_ONCE, r.text)
    for jail in jails:
        jail.popen.kill()


@test
def only_three_descriptors_in_each(w):
    """No descriptor of one start slips into another one (FD-02)."""
    jails = [w.start(["sh", "-c", "ls /proc/self/fd | tr '\\n' ' '"])
             for _ in range(AT_ONCE)]
    for jail in jails:
        jail.finish().expect(0, "0 1 2 3 ")


@test
def one_after_the_other(w):
    for i in range(100):
        w.exec([["true"], ["false"]][i % 2]).expect(i % 2)


@test
def jails_do_not_see_each_other(w):
    one, _ = w.running("echo secret >/tmp/f; echo secret >/dev/shm/f; "
                       "echo up; exec sleep 600")
    r = w.exec("ls /tmp /dev/shm /workspace; cat /proc/[0-9]*/comm")
    check("f\n" not in r.text.split("sh\n")[0] and "sleep" not in r.text,
          r.text)
    one.popen.kill()


@test
def a_noisy_neighbour_fills_only_its_own(w):
    noisy, _ = w.running("echo up; head -c 300000000 /dev/zero >/tmp/x "
                         "2>/dev/null; sleep 600")
    w.exec("head -c 50000000 /dev/zero >/tmp/x && ls -s /tmp/x >/dev/null"
           ).expect(0)
    noisy.popen.kill()


if __name__ == "__main__":
    sys.exit(main())
