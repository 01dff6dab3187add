#!/usr/bin/env python3
"""A warder-control that was taken over: what it can send, and what it gets.

The test has control's socket, and sends arbitrary bytes and every well-formed
request.  It must get neither a weaker jail, nor root, nor a secret, nor
warderd's death.  After each attempt a run is still made as it should be.
"""

import os
import random
import select
import struct
import sys
import time

from flow import (check, descendants, equal, holds, main,
                  name_of, test, wait_until)
from supervisor import (DEPLOY, EXEC, FREEZE, KILL, MESSAGES, SPAWN, WHYS, Warderd,
                        Run, agent, archive, sealed)

TO_WARDERD = ("READY", "DEPLOY", "SPAWN", "KILL", "FREEZE", "STATUS", "EXEC")
BODIES = {"READY": 4, "DEPLOY": DEPLOY.size, "SPAWN": SPAWN.size,
          "KILL": KILL.size, "FREEZE": FREEZE.size, "STATUS": 4,
          "EXEC": EXEC.size}


def header(name, size):
    return struct.pack("<II", MESSAGES.get(name, name)
                       if isinstance(name, str) else name, size)


def ended(d, seconds=10):
    """Control's socket was closed; what came before it is dropped."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not select.select([d.socket], [], [], 0.2)[0]:
            continue
        m = d.read()
        if m is None:
            return True
        m.close()
    return False


def alive(d):
    check(d.process.popen.poll() is None, f"warderd is dead: {d.said()}")


def serves(d, digest):
    """Control is started anew, and a run is what it always is."""
    d.waiting = []
    d.connect()
    run = d.spawn(digest)
    out, _ = run.finish()
    equal(out, "1000\n0000000000000000\n2\n")
    equal(d.receive("EXITED", run.id).end, "EXITED")


PROBE = ("id -u; sed -n 's/CapEff:.//p' /proc/self/status; "
         "sed -n 's/Seccomp:.//p' /proc/self/status")


def killed(d, digest, data, fds=(), what=""):
    """What is sent is no mistake: control is killed, and nobody else."""
    d.raw(data, fds)
    check(ended(d), f"{what or data[:40]}: control lives on")
    alive(d)
    serves(d, digest)


@test
def messages_that_are_not_in_the_table(w):
    with Warderd(w) as d:
        digest = d.deploy(agent(PROBE)).digest
        for what, data in (
                ("empty header", b"\0"), ("seven bytes", b"\0" * 7),
                ("unknown type", header(99, 0)),
                ("huge type", header(0xffffffff, 0)),
                ("a size that lies", struct.pack("<II", MESSAGES["STATUS"],
                                                 400) + b"\0" * 4),
                ("warderd's own", header("EXITED", 4) + b"\0" * 4)):
            killed(d, digest, data, what=what)


@test(modes=("root",))
def wrong_sizes_of_each_message(w):
    with Warderd(w) as d:
        digest = d.deploy(agent(PROBE)).digest
        for name in TO_WARDERD:
            size = BODIES[name]
            # the control: of its own size it is no offence (READY: twice)
            for wrong in (0, size - 1, size + 1):
                fds = [sealed(b"x")] if name == "DEPLOY" else []
                d.raw(header(name, wrong) + bytes(wrong), fds)
                check(ended(d), f"{name} of {wrong} bytes: it lives on")
                alive(d)
                for fd in fds:
                    os.close(fd)
                d.waiting = []
                d.connect()
        equal(d.spawn(digest).finish()[0], "1000\n0000000000000000\n2\n")


@test
def descriptors_that_are_missing_or_too_many(w):
    with Warderd(w) as d:
        digest = d.deploy(agent(PROBE)).digest
        null = os.open("/dev/null", os.O_RDONLY)
        body = DEPLOY.pack(9, b"default")
        # the first jail makes what a launcher keeps for the next ones
        run = d.spawn(digest)
        run.finish()
        d.receive("EXITED", run.id)
        before = len(os.listdir(f"/proc/{d.pid}/fd"))
        for what, name, data, fds in (
                ("DEPLOY without", "DEPLOY", body, []),
                ("DEPLOY with two", "DEPLOY", body, [null, null]),
                ("STATUS with one", "STATUS", bytes(4), [null]),
                ("SPAWN with eight", "SPAWN",
                 SPAWN.pack(9, digest, b"default", b"r", 1, 0), [null] * 8),
                ("more than a message has", "STATUS", bytes(4),
                 [null] * 60)):
            killed(d, digest, header(name, len(data)) + data, fds, what)
        os.close(null)
        wait_until(lambda: len(os.listdir(f"/proc/{d.pid}/fd")) <= before,
                   5, "descriptors that were sent are closed")


@test
def names_that_are_paths(w):
    with Warderd(w) as d:
        digest = d.deploy(agent(PROBE)).digest
        for tenant in (b"..", b"../../etc", b"/etc", b"a/b", b"", b"A",
                       b"x" * 41, b"default\nx", b"def ault", b"\xff"):
            killed(d, digest, header("SPAWN", SPAWN.size) +
                   SPAWN.pack(9, digest, tenant, b"r", 1, 0),
                   what=f"tenant {tenant!r}")
            if tenant in (b"..", b"x" * 41):
                fd = sealed(archive([]))
                killed(d, digest, header("DEPLOY", DEPLOY.size) +
                       DEPLOY.pack(9, tenant), [fd], f"tenant {tenant!r}")
                os.close(fd)
        for run in (b"", b"../x", b"a b", b"x" * 40, b"a\nlevel=error"):
            killed(d, digest, header("SPAWN", SPAWN.size) +
                   SPAWN.pack(9, digest, b"default", run, 1, 0),
                   what=f"run {run!r}")
        names = {n for _, f, n_ in os.walk(os.path.join(d.state, "agents"))
                 for n in f + n_}
        check("etc" not in names and ".." not in names, names)


@test
def ids_that_are_used(w):
    with Warderd(w) as d:
        digest = d.deploy(agent(PROBE)).digest
        forever = d.deploy(agent("sleep 600")).digest

        def spawn(id_, of=forever):
            return (header("SPAWN", SPAWN.size) +
                    SPAWN.pack(id_, of, b"default", b"r", 1, 0))
        run = d.spawn(forever)
        killed(d, digest, spawn(run.id), what="twice")
        run.close()
        killed(d, digest, spawn(0), what="zero")
        killed(d, digest, header("KILL", KILL.size) + KILL.pack(1, 99),
               what="a reason that is none")
        killed(d, digest, header("FREEZE", FREEZE.size) + FREEZE.pack(1, 2),
               what="on 2")
        # an id of a deployment is one of a run, too
        fd = sealed(agent("x"))
        d.raw(header("DEPLOY", DEPLOY.size) + DEPLOY.pack(77, b"default"),
              [fd])
        os.close(fd)
        killed(d, digest, spawn(77), what="a deployment's")


@test
def commands_beside_a_run_that_are_none(w):
    """EXEC of what never was, twice, of bytes that are no command."""
    with Warderd(w) as d:
        digest = d.deploy(agent(PROBE)).digest
        forever = d.deploy(agent("sleep 600")).digest

        def command(id_, parent, args=b"id\0", size=None, flags=0, zero=0,
                    zero2=0, memory=0):
            return (header("EXEC", EXEC.size) +
                    EXEC.pack(id_, parent, 0, 0, memory, 0, flags, zero,
                              len(args) if size is None else size, zero2,
                              args))
        for what, data in (
                ("id 0", lambda r: command(0, r)),
                ("an id that lives", lambda r: command(r, r)),
                ("no parent", lambda r: command(99, 0)),
                ("no bytes", lambda r: command(99, r, b"")),
                ("no end", lambda r: command(99, r, b"id")),
                ("more than there is", lambda r: command(99, r, size=16385)),
                ("all of it", lambda r: command(99, r, size=0xffffffff)),
                ("reserved", lambda r: command(99, r, zero2=1))):
            run = d.spawn(forever)
            killed(d, digest, data(run.id), what=what)
            run.close()
        run = d.spawn(forever)
        for what, more in (
                ("memory", {"memory": 1}), ("flags", {"flags": 4}),
                ("all flags", {"flags": 0xffffffff})):
            equal(d.exec(run.id, ["id"], expect="REFUSED", **more).code,
                  "INVALID", what)
        equal(d.exec(run.id, ["", "x"], expect="REFUSED").code, "INVALID")
        equal(d.exec(run.id, ["a"] * 65, expect="REFUSED").code, "LIMIT")
        equal(d.exec(12345, ["id"], expect="REFUSED").code, "NOT_FOUND")
        # one beside a run is no run
        beside = d.exec(run.id, ["sleep", "600"])
        refused = d.exec(beside.id, ["id"], expect="REFUSED")
        equal((refused.code, refused.what), ("NOT_FOUND", MESSAGES["EXEC"]))
        # the control: what is well-formed is granted
        equal(d.exec(run.id, ["echo", "yes"]).finish()[0], "yes\n")
        beside.close()
        run.close()


@test
def beside_a_run_nothing_is_more(w):
    """Whatever EXEC asks for, it is the run's own jail or less."""
    seed = int.from_bytes(os.urandom(4), "little")
    chance = random.Random(seed)
    policy = ("policy: {policy: 1, limits: {pids: 40, memory: 64MiB, wall: "
              "1h}}\n")
    script = ("id -u; sed -n 's/CapEff:.//p;s/Seccomp:.//p' /proc/self/status;"
              "grep -c . /proc/net/dev; ls /sys 2>&1 | wc -l")
    with Warderd(w) as d:
        run = d.spawn(d.deploy(agent(f"{script}; sleep 600", policy)).digest)
        usual = d.exec(run.id, ["sh", "-c", script]).finish()[0]
        equal(usual.split()[:3], ["1000", "0" * 16, "2"])
        granted = 0
        for _ in range(12):
            numbers = [chance.choice((0, 1 << 30, (1 << 64) - 1,
                                      chance.randrange(1 << 64) >>
                                      chance.randrange(64)))
                       for _ in range(4)]
            args = b"sh\0-c\0" + script.encode() + b"\0"
            id_ = d.new_id()
            d.send("EXEC", EXEC.pack(id_, run.id, *numbers,
                                     chance.randrange(4), 0, len(args), 0,
                                     args))
            while True:
                m = d.read(30)
                if getattr(m, "id", None) == id_:
                    break
                m.close()
            if m.name == "REFUSED":
                equal(m.code, "INVALID", f"seed {seed}: {m.text}")
                continue
            granted += 1
            equal(m.posture["seccomp"], run.message.posture["seccomp"])
            beside = Run(d, m)
            out = beside.finish()[0]
            # a limit of its own may have ended it, with less said
            check(usual.startswith(out), f"seed {seed}: {out}")
        check(granted > 0, f"seed {seed}: all were refused")
        run.close()


@test
def before_it_is_ready_nothing_is_heard(w):
    with Warderd(w) as d:
        digest = d.deploy(agent(PROBE)).digest
        d.socket.close()
        d.connect(ready=False)
        killed(d, digest, header("SPAWN", SPAWN.size) +
               SPAWN.pack(9, digest, b"default", b"r", 1, 0), what="SPAWN")
        killed(d, digest, header("READY", 4) + struct.pack("<I", 1),
               what="READY twice")
        d.socket.close()
        d.connect(ready=False)
        killed(d, digest, header("READY", 4) + struct.pack("<I", 2),
               what="another version")


@test
def versions_of_nobody(w):
    """Foreign digests are answered: there is nothing to run."""
    with Warderd(w) as d:
        digest = d.deploy(agent(PROBE)).digest
        def held():
            return sorted(os.listdir(f"/proc/{d.pid}/fd"))
        # what the deployment had is closed when its program has ended
        wait_until(lambda: (n := held()) and not time.sleep(0.3) and
                   n == held(), 10, "stillness")
        before = held()
        for foreign in (bytes(32), b"\xff" * 32, b"../../../../etc/shadow\0"
                        .ljust(32, b"\0"), digest[::-1]):
            equal(d.spawn(foreign, expect="REFUSED").code, "NOT_FOUND")
        equal(d.spawn(digest, "acme", expect="REFUSED").code, "NOT_FOUND")
        equal(held(), before, "descriptors")
        # the limit can only be made less
        run = d.spawn(digest, wall_ms=(1 << 64) - 1)
        equal(run.finish()[0], "1000\n0000000000000000\n2\n")


@test
def noise(w):
    """Thousands of datagrams, with and without a good header."""
    seed = int.from_bytes(os.urandom(4), "little")
    chance = random.Random(seed)
    with Warderd(w) as d:
        digest = d.deploy(agent(PROBE)).digest
        deaths = 0
        for _ in range(3000):
            name = chance.choice(TO_WARDERD)
            size = chance.choice((BODIES[name], BODIES[name],
                                  chance.randrange(300)))
            data = header(name, size) + chance.randbytes(size)
            if chance.random() < 0.3:
                data = chance.randbytes(chance.randrange(400))
            try:
                d.raw(data)
            except (BrokenPipeError, ConnectionResetError):
                alive(d)
                deaths += 1
                if deaths == 4:
                    break
                d.waiting = []
                d.connect()
        check(deaths > 0, f"seed {seed}: nothing was refused")
        alive(d)
        d.socket.close()
        serves(d, digest)


@test
def floods(w):
    """As many requests as fit: answered in turn, and memory stays."""
    with Warderd(w, settings="limits: {jails: 4}\n") as d:
        digest = d.deploy(agent("sleep 600")).digest

        def resident():
            with open(f"/proc/{d.pid}/statm", encoding="ascii") as f:
                return int(f.read().split()[1]) * 4096
        before = resident()
        status = header("STATUS", 4) + struct.pack("<I", 1)
        d.socket.setblocking(False)
        sent = answered = 0
        end = time.monotonic() + 3
        while time.monotonic() < end:
            id_ = d.new_id()
            try:
                d.raw(status)
                d.raw(header("SPAWN", SPAWN.size) +
                      SPAWN.pack(id_, digest, b"default", b"r", 1, 0))
                sent += 2
            except BlockingIOError:
                # nobody reads what comes back: then nothing more is taken
                if sent > 100 and not answered:
                    time.sleep(0.2)
                while select.select([d.socket], [], [], 0)[0]:
                    m = d.read()
                    answered += m.name in ("STATE", "REFUSED", "SPAWNED")
                    m.close()
        d.socket.setblocking(True)
        check(sent > 300, f"only {sent} were sent")
        while answered < sent:
            m = d.read(30)
            answered += m.name in ("STATE", "REFUSED", "SPAWNED")
            m.close()
        check(resident() - before < 24 << 20,
              f"{resident() - before} bytes more")
        equal(d.status().jails, 4)


@test(modes=("root",))
def all_it_can_ask_for_is_a_jail_under_the_ceiling(w):
    """It deploys what it likes: no root, no file of the host, no secret."""
    secret = w.file("secret", "SECRET", mode=0o600)
    opened = w.owned("opened")
    with open(os.path.join(opened, "file"), "w", encoding="ascii") as f:
        f.write("SECRET")
    policies = (
        "", "policy: {policy: 1, filesystem: {read: [{from: %s, path: "
        "/s}]}}\n" % secret,
        "policy: {policy: 1, filesystem: {read: [{from: /, path: /s}]}}\n",
        "policy: {policy: 1, filesystem: {write: [{from: %s, path: "
        "/s}]}}\n" % opened,
        "policy: {policy: 1, filesystem: {rootfs: {dir: /}}}\n",
        "policy: {policy: 1, seccomp: {profile: debug}}\n",
        "policy: {policy: 1, process: {env_pass: [HOME, PATH]}}\n",
        "policy: {policy: 1, network: {services: {a: {to: \"127.0.0.1:1\", "
        "allow: any, protocol: tcp, only_addresses: [127.0.0.0/8]}}}}\n",
        "policy: {policy: 1, limits: {memory: 64GiB, pids: 100000}}\n")
    script = (PROBE + "; cat /s /s/file /s/etc/shadow " + secret +
              " 2>/dev/null; cat /proc/1/environ 2>/dev/null; "
              "ls /proc/net/../../host 2>/dev/null; "
              "find / -xdev -name secret 2>/dev/null; true")
    with Warderd(w) as d:
        ran = 0
        for policy in policies:
            id_ = d.new_id()
            fd = sealed(agent(script, policy))
            d.send("DEPLOY", DEPLOY.pack(id_, b"default"), [fd])
            os.close(fd)
            while True:
                m = d.read(60)
                if getattr(m, "id", None) == id_:
                    break
            check("SECRET" not in getattr(m, "text", ""), m)
            if m.name != "DEPLOYED":
                continue
            run = d.spawn(m.digest)
            out, err = run.finish()
            check("SECRET" not in out + err and "root:" not in out + err,
                  f"{policy}: {out} {err}")
            holds(out, "1000\n0000000000000000\n2\n")
            holds(run.message.posture["seccomp"], "strict")
            ran += 1
        check(ran >= 5, f"only {ran} of {len(policies)} ran")


@test(modes=("root",))
def it_holds_nothing_of_warderds(w):
    """Its descriptors, and whether it may look at its parent."""
    with Warderd(w) as d:
        control = [p for p in descendants(d.pid) if name_of(p) == "bridge"][0]
        with open(f"/proc/{control}/status", encoding="ascii") as f:
            uid = [int(line.split()[1]) for line in f
                   if line.startswith("Uid:")][0]
        names = [os.readlink(f"/proc/{control}/fd/{n}") for n in
                 os.listdir(f"/proc/{control}/fd")]
        for name in names:
            check(not name.startswith(d.state) and "warder-pem" not in name,
                  names)
        pid = os.fork()
        if pid == 0:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            for path in (f"/proc/{d.pid}/mem", f"/proc/{d.pid}/environ",
                         os.path.join(d.state, "agents"),
                         os.path.join(d.state, "warderd.lock")):
                try:
                    fd = os.open(path, os.O_RDONLY)
                    if os.read(fd, 1) or True:
                        os._exit(1)
                except OSError:
                    pass
            try:
                os.kill(d.pid, 9)
                os._exit(2)
            except PermissionError:
                pass
            # the control: its own it may open
            os.listdir(os.path.join(d.state, "db"))
            os._exit(0)
        equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)


if __name__ == "__main__":
    sys.exit(main())
