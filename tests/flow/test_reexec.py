#!/usr/bin/env python3
"""warderd becomes its successor in place: jails and streams go on."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time

from daemon import Daemon
from flow import (check, descendants, equal, holds, main, name_of, patience,
                  stat_of, test, wait_until)
from supervisor import DEPLOY, FREEZE, Warderd, agent, sealed
from upstream import Web

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


def services(port):
    return ("network: {services: {web: {to: \"web.internal:80\", tls: none, "
            f"dial: \"127.0.0.1:{port}\", only_addresses: [127.0.0.0/8], "
            "allow: [{methods: read, path: /ok/**}]}}}")


def proxies(d):
    return [p for p in descendants(d.pid) if name_of(p) == "warder-proxy"]


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



@test
def limits_go_on(w):
    limits = "policy: {policy: 1, limits: {%s}}\n"
    hungry = "read x; exec python3 -c 'x = bytearray(300 << 20)'"
    busy = "read x; while :; do :; done"
    with Upgraded(w) as d:
        kinds = (("WALL", "read x; sleep 600", "wall: 3s"),
                 ("OOM", hungry, "memory: 64MiB"),
                 ("CPU_TIME", busy, "cpu_time: 300ms"))
        runs = [d.spawn(d.deploy(agent(script, limits % limit)).digest)
                for _, script, limit in kinds]
        d.upgrade()
        for (expected, _, _), run in zip(kinds, runs):
            os.write(run.stdin, b"\n")
            end = d.receive("EXITED", run.id)
            equal(end.end, expected)
            if expected == "WALL":
                check(end.wall_us >= 3000000, f"too early: {end.wall_us} us")
            run.close()


@test(modes=("root",))
def what_is_frozen_stays_so(w):
    with Upgraded(w) as d:
        run = d.spawn(d.deploy(agent(ECHO)).digest)
        equal(line(run), "up")
        d.send("FREEZE", FREEZE.pack(run.id, 1))
        d.receive("FROZEN")
        d.upgrade()
        os.write(run.stdin, b"one\n")
        os.set_blocking(run.stdout, False)
        time.sleep(0.3)
        try:
            check(not os.read(run.stdout, 1), "it goes on")
        except BlockingIOError:
            pass
        d.send("FREEZE", FREEZE.pack(run.id, 0))
        d.receive("FROZEN")
        equal(line(run), "got one")
        d.send("FREEZE", FREEZE.pack(run.id, 1))
        d.receive("FROZEN")
        d.upgrade()
        d.kill(run.id)
        equal(d.receive("EXITED", run.id).end, "KILLED")
        run.close()


@test
def a_command_beside_a_run_goes_on(w):
    with Upgraded(w) as d:
        run = d.spawn(d.deploy(agent(ECHO)).digest)
        beside = d.exec(run.id, ["sh", "-c", ECHO])
        for each in (run, beside):
            equal(line(each), "up")
        d.upgrade()
        talk(run, "a")
        talk(beside, "b")
        d.kill(run.id)
        # it dies with the run
        for each in (run, beside):
            equal(d.receive("EXITED", each.id).end, "KILLED")
            each.close()


@test
def a_deployment_goes_on(w):
    with Upgraded(w) as d:
        tar = agent("echo deployed", more=[
            (f"file-{i}", "x" * 4000) for i in range(300)])
        id_, fd = d.new_id(), sealed(tar)
        d.send("DEPLOY", DEPLOY.pack(id_, b"default"), [fd])
        os.close(fd)
        d.status()  # it has been read
        d.upgrade()
        got = d.receive("DEPLOYED", id_, 60)
        run = d.spawn(got.digest)
        equal(run.finish()[0], "deployed\n")
        d.receive("EXITED", run.id)


@test
def proxies_go_on(w):
    script = ("while read x; do curl -s -m 20 -o /dev/null -w "
              "'%{http_code}\\n' http://web.internal/ok/$x; done")
    with Web() as up:
        ceiling = f"policy: 1\nkind: ceiling\n{services(up.port)}\n"
        with Upgraded(w, ceiling=ceiling) as d:
            digest = d.deploy(agent(script, "policy: {policy: 1, "
                                    f"{services(up.port)}}}\n")).digest
            run, other = d.spawn(digest), d.spawn(digest)
            for word in (b"one\n", b"two\n", b"three\n"):
                for each in (run, other):
                    os.write(each.stdin, word)
                    equal(line(each), "200")
                d.upgrade()
            first = min(proxies(d))
            os.kill(first, signal.SIGKILL)
            end = d.receive("EXITED")
            equal(end.end, "PROXY")
            left = other if end.id == run.id else run
            left.finish()
            equal(d.receive("EXITED", left.id).end, "EXITED")
            for each in (run, other):
                each.close()
            wait_until(lambda: not proxies(d), patience(10), "proxies end")


@test
def a_successor_that_cannot_is_refused(w):
    with Upgraded(w) as d:
        run = d.spawn(d.deploy(agent(ECHO)).digest)
        equal(line(run), "up")
        shutil.copy(d.program, d.program + ".good")
        d.replace("#!/bin/sh\necho this one is broken >&2\nexit 3\n")
        d.refused("this one is broken", "cannot take over (status 3)")
        d.replace("this is no program\n")
        d.refused("cannot take over (status 126)")
        os.unlink(d.program)
        d.refused("cannot take over (status 126)")
        d.replace("#!/bin/sh\nkill -9 $$\n")
        d.refused("cannot take over (signal 9)")
        os.rename(d.program + ".good", d.program)
        with open(d.file, encoding="utf-8") as f:
            good = f.read()
        w.file("warder.yaml", good + "nonsense: 1\n", folder=d.etc)
        d.refused("nonsense")
        w.file("warder.yaml", good, folder=d.etc)
        talk(run, "still")
        d.upgrade()  # the positive control
        talk(run, "after")
        run.finish()
        equal(d.receive("EXITED", run.id).end, "EXITED")


# In the successor's place: it lets the trial pass, and then becomes it with
# another state.
FORGER = """#!/usr/bin/env python3
import fcntl, hashlib, os, struct, sys
REAL, HOW = %r, %r
if "--check-config" in sys.argv:
    os.execv(REAL, sys.argv)
fd = int(sys.argv[-1])
size = os.fstat(fd).st_size
data = bytearray(os.pread(fd, size, 0))

def seal(fd):
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL |
                fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)

def digest():
    data[24:56] = hashlib.sha256(data[56:]).digest()

if HOW == "byte":
    data[size // 2] ^= 1
elif HOW == "cut":
    del data[-8:]
elif HOW == "version":
    struct.pack_into("<I", data, 8, 77)
elif HOW == "descriptor":
    # the last of the list is one that nobody has
    struct.pack_into("<i", data, size - 4, 1000)
    digest()
elif HOW == "fewer":
    # the list is shorter: somebody's descriptor has not come
    struct.pack_into("<IQ", data, 12, struct.unpack_from("<I", data, 12)[0] - 1,
                     size - 4)
    del data[-4:]
    digest()
elif HOW == "name":
    at = data.index(b"control\\0")
    data[at:at + 7] = b"kontrol"
    digest()
elif HOW == "state":
    # of control: a pid without a socket
    at = data.index(b"control\\0") + 16
    struct.pack_into("<i", data, at + 4, -1)
    digest()
other = os.memfd_create("forged", os.MFD_ALLOW_SEALING)
os.write(other, data)
if HOW != "unsealed":
    seal(other)
os.dup2(other, fd)
os.close(other)
os.execv(REAL, sys.argv)
"""


@test(modes=("root",))
def a_state_that_is_not_ours_ends_everything(w):
    for how, why in (("byte", "not as written"), ("cut", "cut"),
                     ("version", "of version 77"), ("unsealed", "sealed"),
                     ("descriptor", "descriptor"), ("fewer", "has not come"),
                     ("name", "in the place of control"),
                     ("state", "a control of impossible state"),
                     ("nothing", None)):
        with Upgraded(w) as d:
            run = d.spawn(d.deploy(agent(ECHO)).digest)
            equal(line(run), "up")
            jail = descendants(d.pid)
            check(len(jail) >= 3, f"{jail}")
            real = d.program + ".real"
            os.rename(d.program, real)
            d.replace(FORGER % (real, how))
            if why is None:  # the positive control
                d.upgrade()
                talk(run, "after")
                run.finish()
                d.receive("EXITED", run.id)
                continue
            d.ask()
            equal(d.process.popen.wait(patience(20)), 125, how)
            holds(d.said(), "every jail ends", why)
            run.close()
            wait_until(lambda: not set(jail) & set(descendants(os.getpid())),
                       patience(10), "the jails end")


@test
def control_is_started_again_by_request(w):
    with Upgraded(w) as d:
        run = d.spawn(d.deploy(agent(ECHO)).digest)
        equal(line(run), "up")
        os.kill(d.pid, signal.SIGUSR1)
        d.receive("DRAIN")
        talk(run, "while it drains")
        d.connect()
        run.close()
        check("ev=control.end" not in d.said(), "it was no failure")
        equal(d.run("echo again")[0], "again\n")
        equal(d.status().jails, 0)


@test
def settings_change_as_far_as_they_can(w):
    with Upgraded(w, settings="limits: {jails: 2}\n") as d:
        digest = d.deploy(agent("sleep 600")).digest
        runs = [d.spawn(digest), d.spawn(digest)]
        equal(d.spawn(digest, expect="REFUSED").code, "LIMIT")
        with open(d.file, encoding="utf-8") as f:
            text = f.read()
        text = text.replace("jails: 2", "jails: 3, streams: 77")
        w.file("warder.yaml", text.replace("127.0.0.1:0", "127.0.0.2:0"),
               folder=d.etc)
        os.kill(d.pid, signal.SIGHUP)
        wait_until(lambda: "ev=reload " in d.said(), patience(15), "the reload")
        holds(d.said(), "limits.streams: it changes once warder-control",
              "listen: it changes once warderd")
        runs.append(d.spawn(digest))
        equal(d.spawn(digest, expect="REFUSED").code, "LIMIT")
        # the same by an upgrade, and what was in force stays
        w.file("warder.yaml", text.replace("jails: 3", "jails: 4"),
               folder=d.etc)
        d.upgrade()
        runs.append(d.spawn(digest))
        equal(d.spawn(digest, expect="REFUSED").code, "LIMIT")
        for run in runs:
            d.kill(run.id)
            equal(d.receive("EXITED", run.id).end, "KILLED")
            run.close()


TALKER = """
import time, warder

@warder.agent
def main(run):
    for i in range(40):
        run.emit({"n": i})
        time.sleep(0.1)
    return {"done": True}

main.serve()
"""


@test
def streams_of_the_service_are_not_touched(w):
    d = Daemon(w)
    with contextlib.ExitStack() as stack:
        stack.callback(d.stop)
        d.agent("talker", TALKER)
        control = d.control()
        clients = [subprocess.Popen(
            ["curl", "-sN", "-X", "POST", "-H", "x-api-key: " + d.key, "-H",
             "content-type: application/json", "-d", json.dumps(
                 {"assistant_id": "talker", "stream_mode": ["custom"]}),
             f"http://127.0.0.1:{d.port}/runs/stream"],
            stdout=subprocess.PIPE, bufsize=0) for _ in range(4)]
        for client in clients:
            while b'"n":0' not in client.stdout.readline().replace(b" ", b""):
                check(client.poll() is None, d.said())
        for turn in range(2):
            os.kill(d.pid, signal.SIGUSR2)
            wait_until(lambda: d.said().count("ev=upgrade.done") > turn,
                       patience(15), "upgrade.done")
        for client in clients:
            rest = client.communicate(timeout=patience(60))[0]
            got = [int(n) for n in
                   re.findall(rb'"n":(\d+)', rest.replace(b" ", b""))]
            equal(got, list(range(1, 40)), d.said()[-500:])
        equal(d.control(), control)
        check("ev=control.end" not in d.said(), "control has ended")


if __name__ == "__main__":
    main()
