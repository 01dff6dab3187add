"""Checks of the way out: what leaves a jail, with capture and without.

In a jail with capture the runner plays the proxy's part, so that whatever
arrives somewhere arrives here: at the listeners, with its destination, or at
the canary on the host, which is a failure.
"""

import os
import select
import socket
import subprocess
import tempfile
import time

import harness
from checks import row
from checks_limits import Canary, host_address
from harness import records

POLICY = """policy: 1
name: captured
extends: [builtin/default]
filesystem: {read: [{from: %s, path: /probe}]}
process: {env: {PROBE_CANARY_PORT: "%d", PROBE_CANARY_ADDRESS: "%s",
  PROBE_PROXY: %s}}
network: {services: {any: {to: example.com, allow: any}}}
"""


class Captured:
    """One run of the probe in a jail whose listeners are ours."""

    def __init__(self, case, ids, canary, answering=True):
        ours, theirs = socket.socketpair(socket.AF_UNIX,
                                         socket.SOCK_SEQPACKET)
        with tempfile.NamedTemporaryFile("w", suffix=".yaml",
                                         dir=case.warder.probe_dir) as f:
            f.write(POLICY % (case.warder.probe_dir, canary.port,
                              host_address(),
                              "alive" if answering else "gone"))
            f.flush()
            os.chmod(f.name, 0o644)
            self.process = case.user.popen(
                [os.path.join(case.run.build, "tests", "flow", "captured"),
                 str(theirs.fileno()), "-", f.name, harness.PROBE, *ids],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, pass_fds=[theirs.fileno()])
            theirs.close()
            self.listeners = []
            self.mode = self.receive(ours)
        ours.close()
        self.arrived = []
        if not answering:
            self.close()
        self.serve()
        self.close()
        out, err = self.process.communicate(timeout=harness.RUN_S)
        self.found = records(out)
        self.error = err.decode("utf-8", "replace")

    def receive(self, ours):
        ours.settimeout(30)
        while True:
            data, fds, _, _ = socket.recv_fds(ours, 4096, 4)
            text = data[8:].decode()
            if not text:
                raise AssertionError(self.process.communicate()[1])
            if text.startswith("up "):
                return text.split()[2]
            self.listeners.append(socket.socket(fileno=fds[0]))

    def serve(self):
        """The proxy's part, for as long as the probe runs."""
        end = time.monotonic() + harness.RUN_S
        while self.process.poll() is None and time.monotonic() < end:
            if not self.listeners:
                time.sleep(0.02)
                continue
            for s in select.select(self.listeners, [], [], 0.05)[0]:
                if s.type == socket.SOCK_DGRAM:
                    s.recv(4096)
                    continue
                client, _ = s.accept()
                where = client.getsockname()
                self.arrived.append((where[0].partition("%")[0], where[1]))
                with client:
                    client.settimeout(2)
                    client.recv(16)
                    client.sendall(b"proxy")

    def close(self):
        for s in self.listeners:
            s.close()
        self.listeners = []


def outside(case, ids, canary):
    found = case.probe_outside(ids, {
        "PROBE_CANARY_PORT": str(canary.port),
        "PROBE_CANARY_ADDRESS": host_address()})
    time.sleep(0.3)  # for the canary to see them
    return {r["attempt"]: r["got"] for r in found}


# What the kernel itself refuses on a namespace with loopback alone, or for
# want of a capability.
NOWHERE = ("ENETUNREACH|EADDRNOTAVAIL|EACCES|EPERM|EINVAL|ECONNREFUSED|"
           "EPROTONOSUPPORT|EAFNOSUPPORT")


@row("NE-01")
def ne_01(case):
    canary = Canary(case.given_directory("canary"))
    try:
        control = outside(case, ["NE-01"], canary)
        came, canary.came[:] = len(canary.came), []
        _, found, err = case.probe(["NE-01"], settings={
            "PROBE_CANARY_PORT": str(canary.port),
            "PROBE_CANARY_ADDRESS": host_address()})
    finally:
        canary.close()
    for r in found:
        name = r["attempt"]
        if name == "nothing but an address":
            continue
        case.attempt(name, r["got"], NOWHERE,
                     control=control[name].startswith("ok")
                     if name.startswith("socket") and name in control and
                     case.run.mode == "root" and name != "socket ping"
                     else "none")
    case.attempt("attempts", len(found), "100")
    case.attempt("who came to the host's canaries", canary.came, "[]",
                 control=came >= 1)


@row("NE-01", paths=["fresh"])
def ne_01_captured(case):
    canary = Canary(case.given_directory("canary"))
    try:
        control = outside(case, ["NE-01"], canary)
        came, canary.came[:] = len(canary.came), []
        jail = Captured(case, ["NE-01"], canary)
    finally:
        canary.close()
    want = []
    for r in jail.found:
        words, got = r["attempt"].split(), r["got"]
        if words[0] == "tcp" and words[1] not in ("255.255.255.255",
                                                  "224.0.0.1"):
            want.append((words[1], int(words[2])))
            case.attempt(f"captured: {r['attempt']}", got, "ok proxy")
        elif words[0] != "nothing":
            case.attempt(f"captured: {r['attempt']}", got, NOWHERE)
    case.attempt("captured: attempts", len(jail.found), "100", control=True)
    case.attempt("captured: arrived where they were meant", jail.arrived,
                 "each", sorted(jail.arrived) == sorted(want) and want != [])
    case.attempt("captured: who came to the host's canaries", canary.came,
                 "[]", control=came >= 1 and len(control) > 3)


@row("NE-04")
def ne_04(case):
    canary = Canary(case.given_directory("canary"))
    try:
        control = outside(case, ["NE-04"], canary)
        came, canary.came[:] = len(canary.came), []
        _, found, _ = case.probe(["NE-04"], settings={
            "PROBE_CANARY_PORT": str(canary.port)})
        if case.path == "fresh":
            found += [dict(r, attempt="captured: " + r["attempt"])
                      for r in Captured(case, ["NE-04"], canary).found]
    finally:
        canary.close()
    for r in found:
        name = r["attempt"].removeprefix("captured: ")
        # the canary's IPv6 is ::1 alone
        case.attempt(r["attempt"], r["got"], "ECONNREFUSED",
                     control=control.get(name) == "ok")
    case.attempt("attempts", len(found), "10" if case.path == "fresh" else "5")
    case.attempt("who came to the host's canaries", canary.came, "[]",
                 control=came >= 4)


@row("NE-11", paths=["fresh"])
def ne_11(case):
    canary = Canary(case.given_directory("canary"))
    try:
        control = outside(case, ["NE-11"], canary)
        alive = Captured(case, ["NE-11"], canary)
        dead = Captured(case, ["NE-11"], canary, answering=False)
    finally:
        canary.close()
    for said, jail in (("", alive), ("without a proxy: ", dead)):
        for r in jail.found:
            name, got = r["attempt"], r["got"]
            if name.startswith("take "):
                if jail is alive:
                    case.attempt(name, got,
                                 "EADDRINUSE|EACCES|EADDRNOTAVAIL")
            elif name.startswith("stolen "):
                kind = name.split()[1]
                case.attempt(said + name, got, "no", control=any(
                    v == "yes" for k, v in control.items()
                    if k.startswith(f"stolen {kind}")))
            elif name.startswith("tcp "):
                case.attempt(said + name, got, "ok proxy" if jail is alive
                             else "ECONNREFUSED")
            else:
                case.attempt(said + name, got, "EPERM")
        case.attempt(said + "attempts", len(jail.found), "28")


@row("NE-12", paths=["fresh"])
def ne_12(case):
    canary = Canary(case.given_directory("canary"))
    try:
        control = outside(case, ["NE-12"], canary)
        jail = Captured(case, ["NE-12"], canary)
    finally:
        canary.close()
    for r in jail.found:
        # the control's requests are of what is not there
        case.attempt(r["attempt"], r["got"],
                     "EPERM|EACCES|EPROTONOSUPPORT",
                     control=control.get(r["attempt"]) not in
                     (None, "EPERM", "EACCES")
                     if os.geteuid() == 0 else "none")
    case.attempt("attempts", len(jail.found), "6")
