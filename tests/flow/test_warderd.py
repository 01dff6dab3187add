#!/usr/bin/env python3
"""warderd: its life, and control's; the runs that control asks for."""


import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import time

from flow import (TOP, check, children, descendants, equal, groups, holds, main,
                  mounts, name_of, stat_of, test, wait_until)
from supervisor import FREEZE, SPAWN, Warderd, agent, digest_of

NATIVE = ("import json, os, socket, sys\n"
          "s = socket.socket(fileno=int(os.environ['WARDER_FD']))\n"
          "s.sendall(b'hello ' + s.recv(100))\n"
          "print(sorted(os.listdir('/proc/self/fd')), flush=True)\n")
WALL = "policy: {policy: 1, limits: {wall: %s}}\n"


@test
def a_run_from_its_archive_to_its_end(w):
    tar = agent("cat; echo problem >&2; echo $HOME; pwd; exit 3")
    with Warderd(w) as d:
        deployed = d.deploy(tar)
        equal(deployed.digest, digest_of(tar))
        equal(deployed.fresh, 1)
        equal(deployed.card["name"], "tried")
        run = d.spawn(deployed.digest)
        equal(run.fd, None)
        out, err = run.finish(b"hello\n")
        equal(out, "hello\n/home/agent\n/agent\n")
        equal(err, "problem\n")
        end = d.receive("EXITED", run.id)
        equal((end.end, os.waitstatus_to_exitcode(end.status)),
              ("EXITED", 3))
        equal(run.message.policy, deployed.policy)
        holds(run.message.posture["seccomp"], "strict")
        equal(d.status().jails, 0)


@test
def a_native_agent_has_its_socket(w):
    with Warderd(w) as d:
        tar = agent("exec python3 -c \"$(cat /agent/a.py)\"",
                    protocol="native", more=[("a.py", NATIVE)])
        run = d.spawn(d.deploy(tar).digest)
        s = socket.socket(fileno=os.dup(run.fd))
        check(not os.get_blocking(run.fd), "it is not non-blocking")
        s.setblocking(True)
        s.sendall(b"warder")
        equal(s.recv(100), b"hello warder")
        out, _ = run.finish()
        s.close()
        # 0, 1, 2, its socket, and the directory that is being read
        equal(out, "['0', '1', '2', '3', '4']\n")
        equal(d.receive("EXITED", run.id).end, "EXITED")


@test
def the_tree_is_read_only_and_root_is_not_its_owners(w):
    with Warderd(w) as d:
        out, err, _ = d.run("(echo x >/agent/new) 2>&1; touch /agent/run.sh "
                            "2>&1; id -u; stat -c %a /agent /agent/run.sh; "
                            "echo x >/workspace/file && echo written")
        holds(out, "Read-only file system", "1000\n755\n644\nwritten\n")


@test
def environment_of_agent_yaml_and_nothing_of_ours(w):
    with Warderd(w) as d:
        tar = agent("env | sort", "env: {GREETING: \"a = b\", EMPTY: \"\"}\n")
        run = d.spawn(d.deploy(tar).digest)
        names = [line.split("=")[0] for line in
                 run.finish()[0].splitlines()]
        equal(names, ["EMPTY", "GREETING", "HOME", "LOGNAME", "PATH", "PWD",
                      "SHELL", "USER"])


@test
def ends_have_their_names(w):
    with Warderd(w) as d:
        _, _, end = d.run("kill -9 $$")
        equal(end.end, "SIGNALLED")
        _, _, end = d.run("sleep 60", WALL % "200ms")
        equal(end.end, "WALL")
        check(end.wall_us >= 200000, f"too early: {end.wall_us} us")
        tar = agent("", command="[no-such-program]")
        run = d.spawn(d.deploy(tar).digest)
        run.finish()
        end = d.receive("EXITED", run.id)
        equal((end.end, end.sys), ("NOT_FOUND", 2))
        # the run's own time can be less than the policy's, not more
        for policy, wall_ms, least, most in (("30s", 200, 200, 20000),
                                             ("1s", 60000, 1000, 30000)):
            digest = d.deploy(agent("sleep 60", WALL % policy)).digest
            run = d.spawn(digest, wall_ms=wall_ms)
            run.finish()
            end = d.receive("EXITED", run.id)
            equal(end.end, "WALL")
            check(least * 1000 <= end.wall_us < most * 1000,
                  f"{wall_ms}: {end.wall_us} us")


@test
def memory_and_processor_time_are_kept(w):
    with Warderd(w) as d:
        _, _, end = d.run("python3 -c 'x = bytearray(300 << 20)'",
                          "policy: {policy: 1, limits: {memory: 64MiB}}\n")
        equal(end.end, "OOM")
        _, _, end = d.run("while :; do :; done",
                          "policy: {policy: 1, limits: {cpu_time: 300ms}}\n")
        equal(end.end, "CPU_TIME")
        check(end.cpu_us >= 300000, f"{end.cpu_us} us")


@test
def kill_ends_a_run_and_frees_its_id(w):
    with Warderd(w) as d:
        digest = d.deploy(agent("sleep 600 & sleep 600")).digest
        run = d.spawn(digest)
        d.kill(run.id)
        end = d.receive("EXITED", run.id)
        equal(end.end, "KILLED")
        run.close()
        again = d.spawn(digest, id_=run.id)
        d.kill(again.id, "TIMEOUT")
        equal(d.receive("EXITED", again.id).end, "KILLED")
        again.close()
        d.kill(987654)  # of nobody: nothing
        equal(d.status().jails, 0)


@test
def beside_a_run_a_command_of_its_own(w):
    """The run's files, environment and identity, another workspace."""
    policy = ("env: {GREETING: hello}\npolicy: {policy: 1, filesystem: "
              "{write: [{path: /workspace, size: 8MiB}]}, limits: {wall: "
              "1h}}\n")
    tar = agent("echo mine > /workspace/note; read line; cat "
                "/workspace/note", policy)
    with Warderd(w) as d:
        deployed = d.deploy(tar)
        run = d.spawn(deployed.digest)
        beside = d.exec(run.id, ["sh", "-c", "echo $GREETING; pwd; id -u; "
                                 "test -e /agent/run.sh; echo $?; ls "
                                 "/workspace; echo x > /workspace/note; "
                                 "cat >&2; ls /proc/self/fd; exit 7"])
        holds(beside.message.posture["seccomp"], "strict")
        check(beside.fd is None, "it has a socket")
        equal(beside.message.policy, deployed.policy)
        out, err = beside.finish(b"input")
        equal(out, "hello\n/agent\n1000\n0\n0\n1\n2\n3\n")
        equal(err, "input")
        end = d.receive("EXITED", beside.id)
        equal((end.end, os.waitstatus_to_exitcode(end.status)),
              ("EXITED", 7))
        # less of it: another policy
        less = d.exec(run.id, ["sleep", "600"], wall_ms=300)
        check(less.message.policy != deployed.policy, "the same policy")
        equal(d.receive("EXITED", less.id).end, "WALL")
        less.close()
        equal(run.finish(b"\n")[0], "mine\n")
        d.receive("EXITED", run.id)
        equal(d.exec(run.id, ["id"], expect="REFUSED").code, "NOT_FOUND")
        equal(d.status().jails, 0)


@test
def beside_a_run_it_ends_with_it(w):
    with Warderd(w) as d:
        run = d.spawn(d.deploy(agent("sleep 600")).digest)
        beside = [d.exec(run.id, ["sleep", "600"]) for _ in range(3)]
        one = beside.pop()
        d.kill(one.id)
        equal(d.receive("EXITED", one.id).end, "KILLED")
        equal(d.status().jails, 3)
        d.kill(run.id)
        equal(d.receive("EXITED", run.id).end, "KILLED")
        for other in beside:
            equal(d.receive("EXITED", other.id).end, "KILLED")
        equal(d.status().jails, 0)
        for r in (run, one, *beside):
            r.close()


@test
def beside_a_run_memory_and_processes_are_less(w):
    policy = ("policy: {policy: 1, limits: {pids: 64, memory: 256MiB, wall: "
              "1h}}\n")
    eat = "x=$(head -c 60000000 /dev/zero | tr '\\0' x); echo ${#x}"
    with Warderd(w) as d:
        run = d.spawn(d.deploy(agent("sleep 600", policy)).digest)
        equal(d.exec(run.id, ["sh", "-c", eat]).finish()[0], "60000000\n")
        less = d.exec(run.id, ["sh", "-c", eat], memory=16 << 20)
        check("60000000" not in less.finish()[0], "more than its memory")
        check(d.receive("EXITED", less.id).end in ("OOM", "EXITED"), "end")
        run.close()


@test(modes=("root",))
def freeze_stops_and_goes_on(w):
    with Warderd(w) as d:
        run = d.spawn(d.deploy(agent("while :; do echo x; sleep 0.02; done"))
                      .digest)

        def moved(seconds):
            time.sleep(seconds)
            try:
                return len(os.read(run.stdout, 65536))
            except BlockingIOError:
                return 0
        check(moved(0.3) > 0, "it does not write")
        d.send("FREEZE", FREEZE.pack(run.id, 1))
        d.receive("FROZEN")
        moved(0)
        equal(moved(0.3), 0, "bytes while it is frozen")
        d.send("FREEZE", FREEZE.pack(run.id, 0))
        d.receive("FROZEN")
        check(moved(0.3) > 0, "it does not go on")
        d.send("FREEZE", FREEZE.pack(run.id, 1))
        d.receive("FROZEN")
        d.kill(run.id)  # what is frozen dies too
        equal(d.receive("EXITED", run.id).end, "KILLED")
        run.close()
        d.send("FREEZE", FREEZE.pack(run.id, 1))
        equal(d.receive("REFUSED", run.id).code, "NOT_FOUND")


@test
def many_at_once_each_has_its_own(w):
    with Warderd(w) as d:
        digest = d.deploy(agent("read x; echo $x; hostname; sleep 0.2")).digest
        runs = [d.spawn(digest, run=f"r-{i}") for i in range(20)]
        equal(d.status().jails, 20)
        for i, run in enumerate(runs):
            out, _ = run.finish(b"%d\n" % i)
            equal(out, f"{i}\njail\n")
        for run in runs:
            equal(d.receive("EXITED", run.id).end, "EXITED")


@test
def limits_of_jails_are_kept(w):
    settings = "limits: {jails: 3, jails_per_tenant: 2}\n"
    with Warderd(w, settings=settings) as d:
        tar = agent("sleep 600")
        digest = d.deploy(tar).digest
        d.deploy(tar, "acme")
        runs = [d.spawn(digest), d.spawn(digest)]
        no = d.spawn(digest, expect="REFUSED")
        equal(no.code, "LIMIT")
        holds(no.text, "of this tenant")
        runs.append(d.spawn(digest, "acme"))
        no = d.spawn(digest, "acme", expect="REFUSED")
        holds(no.text, "3 jails are alive")
        d.kill(runs[0].id)
        d.receive("EXITED", runs[0].id)
        runs.append(d.spawn(digest))
        for run in runs:
            run.close()


@test
def a_tenant_has_its_own_versions(w):
    with Warderd(w) as d:
        digest = d.deploy(agent("echo x")).digest
        no = d.spawn(digest, "acme", expect="REFUSED")
        equal(no.code, "NOT_FOUND")
        no = d.spawn(digest, "other", expect="REFUSED")
        equal(no.code, "NOT_FOUND")
        holds(no.text, "tenant")
        d.spawn(digest).finish()


@test
def control_dies_and_its_jails_before_the_next(w):
    with Warderd(w) as d:
        digest = d.deploy(agent("sleep 600")).digest
        runs = [d.spawn(digest) for _ in range(3)]
        start = d.start_message.body
        d.socket.close()
        d.connect()
        equal([g for g in groups() if f"/warder-{d.pid}-" in g], [])
        check(not [p for p in descendants(d.pid)
                   if name_of(p) in ("sh", "sleep", "warder-init")],
              "a jail lives on")
        # one restart more, the rest of its start is the same
        equal(struct.unpack_from("<II", start), (1, 0))
        equal(struct.unpack_from("<II", d.start_message.body), (1, 1))
        equal(start[8:], d.start_message.body[8:])
        for run in runs:
            run.close()
        run = d.spawn(digest)
        d.kill(run.id)
        equal(d.receive("EXITED", run.id).end, "KILLED")
        run.close()


@test
def control_that_fails_is_started_later_and_later(w):
    with Warderd(w, back_off="30s") as d:
        times = [time.monotonic()]
        for _ in range(4):
            d.socket.close()
            d.connect()
            times.append(time.monotonic())
        gaps = [b - a for a, b in zip(times, times[1:])]
        check(gaps[0] >= 0.09 and gaps[3] >= 0.75, f"gaps {gaps}")
        check(gaps[3] < 5, f"gaps {gaps}")


@test
def sigterm_drains_and_waits_for_control(w):
    with Warderd(w) as d:
        digest = d.deploy(agent("read x; echo done")).digest
        run = d.spawn(digest)
        os.kill(d.pid, signal.SIGTERM)
        d.receive("DRAIN")
        no = d.spawn(digest, expect="REFUSED")
        equal(no.code, "CONFLICT")
        equal(d.status().draining, 1)
        # what runs may come to its end
        equal(run.finish(b"x\n")[0], "done\n")
        equal(d.receive("EXITED", run.id).end, "EXITED")
        d.socket.close()
        equal(d.process.popen.wait(10), 0)
        check(not os.path.exists(f"{d.folder}/api.sock"), "its socket stays")


@test
def a_second_sigterm_does_not_wait(w):
    with Warderd(w) as d:
        run = d.spawn(d.deploy(agent("sleep 600")).digest)
        os.kill(d.pid, signal.SIGTERM)
        d.receive("DRAIN")
        os.kill(d.pid, signal.SIGTERM)
        equal(d.process.popen.wait(10), 0)
        run.close()


@test
def kill_9_ends_every_jail_and_leaves_nothing(w):
    with Warderd(w) as d:
        digest = d.deploy(agent("sleep 600 & sleep 600")).digest
        runs = [d.spawn(digest) for _ in range(5)]
        os.kill(d.pid, signal.SIGKILL)
        d.process.popen.wait(10)
        for run in runs:
            # the end of its output: nobody holds the other end
            check(select.select([run.stdout], [], [], 5)[0], "it lives on")
            equal(os.read(run.stdout, 10), b"")
            run.close()
        wait_until(lambda: not descendants(os.getpid()), 5, "their ends")
        d.listener.close()
        d.listener = d.socket = None
        d.start()
        run = d.spawn(digest)
        d.kill(run.id)
        d.receive("EXITED", run.id)
        run.close()


@test
def a_control_that_does_not_read_loses_nothing(w):
    with Warderd(w) as d:
        digest = d.deploy(agent("exit 7")).digest
        d.spawn(digest).finish()
        d.receive("EXITED")
        before = len(os.listdir(f"/proc/{d.pid}/fd"))
        ids = [d.new_id() for _ in range(100)]
        for id_ in ids:
            d.send("SPAWN", SPAWN.pack(id_, digest, b"default", b"r", 1, 0))
        for id_ in ids:
            m = d.receive("SPAWNED", id_, 60)
            m.close()
            end = d.receive("EXITED", id_, 60)
            equal(os.waitstatus_to_exitcode(end.status), 7)
        equal(len(os.listdir(f"/proc/{d.pid}/fd")), before, "descriptors")
        equal([name_of(p) for p in children(d.pid)], ["bridge"])


@test
def one_instance_a_state_directory(w):
    with Warderd(w) as d:
        program = os.path.join(os.path.dirname(w.program), "..", "sbin",
                               "warderd")
        r = w.popen([program, "--config", d.file, "--state", d.state],
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE).finish()
        equal(r.status, 125)
        holds(r.said, "another warderd has this state")


@test
def listeners_are_opened_and_handed_over(w):
    with Warderd(w) as d:
        d.socket.close()
        d.connect(keep=True)
        equal(len(d.start_message.fds), 2)
        tcp, unix = [socket.socket(fileno=fd) for fd in
                     d.start_message.fds]
        d.start_message.fds = []
        for s in (tcp, unix):
            equal(s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN), 1)
            check(not os.get_blocking(s.fileno()), "it blocks")
        mode = os.stat(f"{d.folder}/api.sock").st_mode & 0o777
        equal(mode, 0o660)
        client = socket.create_connection(tcp.getsockname(), 5)
        client.close()
        tcp.close()
        unix.close()


@test(modes=("root",))
def directories_and_identities(w):
    with Warderd(w) as d:
        control = [p for p in children(d.pid) if name_of(p) == "bridge"]
        equal(len(control), 1, "controls")
        with open(f"/proc/{control[0]}/status", encoding="ascii") as f:
            status = dict(line.split(":\t", 1) for line in
                          f.read().splitlines() if ":\t" in line)
        uid = status["Uid"].split()
        equal(len(set(uid)), 1)
        check(int(uid[0]) >= 1879048000 or uid[0] != "0", "it is root")
        equal(status["Groups"].strip(), "")
        equal(status["NoNewPrivs"].strip(), "1")
        equal(int(status["CapEff"], 16), 0)
        fds = sorted(int(n) for n in os.listdir(f"/proc/{control[0]}/fd"))
        equal(fds[:4], [0, 1, 2, 3])
        with open(f"/proc/{control[0]}/environ", "rb") as f:
            equal(f.read(), b"", "its environment")
        for name, owner in (("db", int(uid[0])), ("agents", 0)):
            st = os.stat(os.path.join(d.state, name))
            equal((st.st_uid, st.st_mode & 0o777), (owner, 0o700), name)


@test(modes=("root",))
def the_capabilities_of_the_unit_are_enough(w):
    with open(os.path.join(TOP, "share", "systemd", "warderd.service"),
              encoding="utf-8") as f:
        unit = f.read().replace("\\\n", " ")
    caps = re.search(r"^CapabilityBoundingSet=(.*)$", unit, re.M).group(1)
    keep = ",".join(["-all", *("+" + c[4:].lower() for c in caps.split())])
    popen = w.popen
    w.popen = lambda argv, **more: popen(
        ["setpriv", "--bounding-set", keep, "--inh-caps", "-all",
         "--no-new-privs", *argv], **more)
    try:
        d = Warderd(w)
    finally:
        w.popen = popen
    with d:
        # an image on a loop device, control groups, the freezer
        out, err, end = d.run(
            "echo x >/workspace/file && id -u", "policy: {policy: 1, "
            "filesystem: {write: [{path: /workspace, size: 900MiB}]}}\n")
        equal((out, end.end), ("1000\n", "EXITED"), err)
        run = d.spawn(d.deploy(agent("sleep 600")).digest)
        d.send("FREEZE", FREEZE.pack(run.id, 1))
        d.receive("FROZEN")
        d.kill(run.id)
        equal(d.receive("EXITED", run.id).end, "KILLED")
        run.close()


@test
def check_config_says_every_defect(w):
    def said(text, status, ceiling=None):
        folder = w.scratch("etc")
        file = w.file("warder.yaml", text, folder=folder)
        if ceiling is not None:
            w.file("ceiling.yaml", ceiling, folder=folder)
        program = os.path.join(os.path.dirname(w.program), "..", "sbin",
                               "warderd")
        r = w.popen([program, "--config", file, "--check-config"],
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE).finish()
        equal(r.status, status, r.said)
        return r.said
    equal(said("warder: 1\n", 0), "")
    equal(said("warder: 1\nlisten: [\"[::1]:0\", /run/x.sock, {address: "
               "\"0.0.0.0:1\", tls: true}]\ntls: {cert: /a, key: /b}\n"
               "tenants: [a, b-1]\norigins: [\"https://x.example:8443\"]\n"
               "workers: 4000\nlimits: {jails: 1, "
               "jails_per_tenant: 1, streams: 1, body: 1KiB, "
               "archive: 1GiB, agent: 1MiB, queue: 1}\n"
               "workers_per_tenant: 4000\n"
               "retention: {events: 1h, runs: none, threads: 30d}\n",
               0), "")
    for text, *parts in (
            ("listen: []\n", "\"warder\" is missing", ":1:9"),
            ("warder: 2\n", ":1:9"),
            ("warder: 1\nlisten: [localhost:80]\n", ":2:10", "ADDRESS:PORT"),
            ("warder: 1\nlisten: [{address: \"1.2.3.4:1\", tls: true}]\n",
             ":2:9", "needs \"tls\""),
            ("warder: 1\nlisten: [{address: /x, tls: true}]\n", ":2:"),
            ("warder: 1\ntls: {cert: a, key: /b}\n", ":2:13"),
            ("warder: 1\ntenants: [Default]\n", ":2:11", "tenant"),
            ("warder: 1\ntenants: []\n", ":2:10"),
            ("warder: 1\norigins: [\"*\"]\n", ":2:11", "origin"),
            ("warder: 1\nworker: 3\n", "did you mean \"workers\""),
            ("warder: 1\nlimits: {jails: 4001, body: 1}\n", ":2:17",
             ":2:29"),
            ("warder: 1\nretention: {events: 5}\n", ":2:21"),
            # what nothing keeps yet is not taken in silence
            ("warder: 1\nlimits: {queue: 0}\n", ":2:17"),
            ("warder: 1\nworkers_per_tenant: 0\n", ":2:21"),
            ("warder: 1\nretention: {threads: 1}\n", ":2:22"),
            ("warder: 1\nagents: {roots: [/srv]}\n", ":2:1", "agents")):
        holds(said(text, 125), *parts)
    # the ceiling is looked at too, and a grant is none
    holds(said("warder: 1\n", 125, "policy: 1\nkind: ceiling\nlimit: {}\n"),
          "ceiling.yaml:3:1", "limits")
    holds(said("warder: 1\n", 125, "policy: 1\n"), "not a ceiling")


class Manager:
    """A service manager's socket."""

    def __init__(self, w):
        self.path = os.path.join(w.scratch("notify", mode=0o777), "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o777)
        self.socket.settimeout(10)

    def line(self):
        return self.socket.recv(4096).decode().splitlines()[0]


@test
def the_service_manager_is_told(w):
    manager = Manager(w)
    environment = w.environment
    w.environment = lambda **more: environment(
        NOTIFY_SOCKET=manager.path, WATCHDOG_USEC="400000", **more)
    try:
        d = Warderd(w, ready=False)
    finally:
        w.environment = environment
    with d:
        said = set()
        # it is alive before anybody is served, and says so
        while "WATCHDOG=1" not in said:
            said.add(manager.line())
        check("READY=1" not in said, "ready before control was")
        d.send("READY", struct.pack("<I", 1))
        while manager.line() != "READY=1":
            pass
        os.kill(d.pid, signal.SIGTERM)
        while manager.line() != "STOPPING=1":
            pass
        d.socket.close()
        equal(d.process.popen.wait(10), 0)
    manager.socket.close()


@test
def what_a_crash_left_is_swept(w):
    with Warderd(w) as d:
        digest = d.deploy(agent("exit 0")).digest
        d.stop()
        left = os.path.join(d.state, "agents", "default", ".new-12345")
        os.makedirs(os.path.join(left, "tree", "deep"))
        with open(os.path.join(left, "tree", "file"), "w",
                  encoding="ascii"):
            pass
        for folder, names, files in os.walk(left):
            for name in [*names, *files]:
                w.give(os.path.join(folder, name))
        w.give(left)
        d.start()
        check(not os.path.exists(left), "it is still there")
        d.spawn(digest).finish()


if __name__ == "__main__":
    sys.exit(main())
