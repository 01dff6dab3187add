#!/usr/bin/env python3
"""Every system call that capture adds to a start fails once.

The start is refused, the error names the layer, nothing was executed and
nothing is left.  With --all: every call of stage one, with several errors.
"""

import errno
import os
import shutil
import sys

import sweep
from flow import TOP, check, equal, main, test
from sweep import ALL, Start, Sweep, exit_status

ERRORS = (errno.EIO, errno.ENOMEM, errno.EPERM) if ALL else (errno.EIO,)
SLICE, SLICE_S = 60, 15
AF_NETLINK = 16
NET = ("socket", "sendto", "recvfrom", "setsockopt", "bind", "listen",
       "sendmsg")

POLICY = """policy: 1
name: captured
extends: [builtin/default]
filesystem: {write: [{from: %s, path: /mnt/w}]}
network: {services: {any: {to: example.com, allow: any}}}
"""


class Captured(Start):
    """The same start by the launcher that asks for capture."""

    def __init__(self, w):
        super().__init__(w)
        self.policy = w.file("p.yaml", POLICY % self.folder)
        self.binary = os.path.join(os.path.dirname(w.program), "captured")
        if not os.path.exists(self.binary):
            build = os.environ.get("WARDER_BUILD", "build")
            shutil.copy(os.path.join(TOP, build, "tests", "flow",
                                     "captured"), self.binary)

    def argv(self):
        return [self.binary, "-", "-", self.policy, *self.command]


def judge(call, o):
    if o.left:
        return o.left
    if o.ran or o.text or exit_status(o.status) != 125:
        return f"status {exit_status(o.status)}, ran {o.ran}, {o.said}"
    if "the jail did not start: network: " not in o.said:
        return f"the layer is not named: {o.said}"
    return None


@test
def each_call_of_the_network_fails_once(w):
    start = Captured(w)
    calls = start.trace(0)
    # glibc's fork looks like stage one's clone: it is who speaks netlink
    one = {c.number for c in calls if c.name == "socket" and
           c.args[0] == AF_NETLINK}
    ours = [c for c in calls if c.number in one and c.name in NET]
    equal(len(one), 1)
    equal({c.name for c in ours}, set(NET))
    check(len(ours) > 40, f"{len(ours)} calls")
    sweeping = Sweep(start, ours, SLICE, SLICE_S)
    for call in sweeping.chosen:
        for number in ERRORS:
            sweeping.inject(call, judge, "fail", number,
                            note=f"{errno.errorcode[number]}: ")
    sweeping.finish(f"{len(ours)} calls", 15)


if __name__ == "__main__":
    sweep.build_injector()
    sys.argv = [a for a in sys.argv if a != "--all"]
    sys.exit(main())
