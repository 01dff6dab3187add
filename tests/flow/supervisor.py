"""A warderd of this build whose warder-control is the test.

tests/flow/bridge runs in control's place and passes every datagram on, so a
test speaks docs/protocol-spawn.md itself, well or badly.
"""

import fcntl
import hashlib
import io
import json
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import tarfile
import time

from flow import Failed, check, equal, wait_until

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))


def build():
    return os.path.abspath(os.environ.get("WARDER_BUILD", "build"))


def enum(header, macro):
    """The names of an X-macro's rows, in order."""
    with open(os.path.join(TOP, "include", header), encoding="utf-8") as f:
        text = f.read()
    body = re.search(rf"#define {macro}\(X\) \\\n((?:.*\\\n)*.*)", text)
    return re.findall(r"\bX\((\w+),", body.group(1))


MESSAGES = {name: i for i, name in
            enumerate(enum("msg_spawn.h", "SPAWN_MSGS"))}
NAMES = {i: name for name, i in MESSAGES.items()}
ENDS = enum("run_end.h", "RUN_ENDS")
CODES = enum("err.h", "ERR_CODES")
WHYS = {name: i for i, name in enumerate(enum("msg_spawn.h", "SPAWN_WHYS"))}

SPAWN = struct.Struct("<Q32s41s40s3xIQ")
DEPLOY = struct.Struct("<Q41s7x")
KILL = struct.Struct("<QI4x")
FREEZE = struct.Struct("<QI4x")
EXEC = struct.Struct("<QQQQQQIIII16384s")
NO_NETWORK, READ_ONLY = 1, 2
DEPLOYED = struct.Struct("<Q32s32sI4x")
SPAWNED = struct.Struct("<QQQQ32s4096s")
REFUSED = struct.Struct("<QIIi8192s4x")
EXITED = struct.Struct("<QIiiii4xQQQQQQQ256s")
STATE = struct.Struct("<IIIIQQQ")


def text(field):
    return field.split(b"\0")[0].decode()


class Message:
    """One datagram of warderd's, taken apart; descriptors are closed."""

    def __init__(self, data, fds):
        self.type, size = struct.unpack_from("<II", data)
        self.name = NAMES.get(self.type, "?")
        self.body = data[8:]
        self.fds = fds
        equal(len(self.body), size, f"{self.name}: size")
        take = getattr(self, "take_" + self.name, None)
        if take:
            take()

    def take_DEPLOYED(self):
        self.id, self.digest, self.policy, self.fresh = \
            DEPLOYED.unpack(self.body)
        with os.fdopen(self.fds.pop(), "rb") as f:
            self.card = json.load(f)

    def take_SPAWNED(self):
        (self.id, self.start_us, self.idle_ms, self.output_bytes,
         self.policy, posture) = SPAWNED.unpack(self.body)
        self.posture = json.loads(text(posture))

    def take_REFUSED(self):
        self.id, self.what, code, self.sys, why = REFUSED.unpack(self.body)
        self.code, self.text = CODES[code], text(why)

    def take_EXITED(self):
        (self.id, end, self.status, self.sys, self.pids_met, self.disk_met,
         self.wall_us, self.cpu_us, self.memory, self.rss, _, _, self.oom,
         why) = EXITED.unpack(self.body)
        self.end, self.text = ENDS[end], text(why)

    def take_STATE(self):
        (self.jails, self.jails_max, self.deploys, self.draining,
         self.spawned, self.refused, self.uptime_ms) = \
            STATE.unpack(self.body)

    def close(self):
        for fd in self.fds:
            os.close(fd)
        self.fds = []

    def __repr__(self):
        return f"{self.name} {getattr(self, 'text', '')!r}"


def sealed(data, seal=True):
    fd = os.memfd_create("archive", os.MFD_ALLOW_SEALING)
    with os.fdopen(os.dup(fd), "wb") as f:
        f.write(data)
    if seal:
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL |
                    fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW |
                    fcntl.F_SEAL_WRITE)
    return fd


def archive(files, mode=0o644):
    """A tar of names and their contents; a TarInfo is added as it is."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files:
            if isinstance(name, tarfile.TarInfo):
                tar.addfile(name, io.BytesIO(content) if content else None)
                continue
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), mode
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def agent(script, policy="", protocol="plain", more=(),
          command="[sh, /agent/run.sh]"):
    """An agent that is a shell script."""
    yaml = (f"name: tried\nprotocol: {protocol}\n"
            f"command: {command}\n{policy}")
    return archive([("agent.yaml", yaml), ("run.sh", script), *more])


class Warderd:
    """Started, with the test in control's place."""

    def __init__(self, w, ceiling=None, settings="", ready=True,
                 back_off="20ms", program=None):
        self.w = w
        self.program = program or os.path.join(
            os.path.dirname(w.program), "..", "sbin", "warderd")
        self.back_off = back_off
        self.folder = w.scratch("warderd")
        self.etc = os.path.join(self.folder, "etc")
        self.state = os.path.join(self.folder, "state")
        for path in (self.etc, self.state):
            os.mkdir(path)
            w.give(path)
        self.file = w.file("warder.yaml", "warder: 1\nlisten: [\""
                           f"127.0.0.1:0\", {self.folder}/api.sock]\n"
                           "tenants: [default, acme]\n" + settings,
                           folder=self.etc)
        if ceiling is not None:
            w.file("ceiling.yaml", ceiling, folder=self.etc)
        self.log = os.path.join(self.folder, "log")
        self.bridge = shutil.copy(
            os.path.join(build(), "tests", "flow", "bridge"), self.folder)
        self.next = 0
        self.listener = self.socket = None
        self.waiting = []
        self.start(ready)

    def start(self, ready=True):
        with open(self.log, "ab") as log:
            os.chmod(self.log, 0o666)
            self.process = self.w.popen(
                [self.program, "--config", self.file, "--state", self.state,
                 "--control", self.bridge, "--back-off", self.back_off],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=log)
        self.pid = self.process.pid
        self.connect(ready)

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def connect(self, ready=True, seconds=15, keep=False):
        """Be the next control that is started."""
        db = os.path.join(self.state, "db")
        if self.socket:
            self.socket.close()
        if not self.listener:
            wait_until(lambda: os.path.isdir(db) or
                       self.process.popen.poll() is not None, 10, "db")
            check(os.path.isdir(db), self.said())
            self.listener = socket.socket(socket.AF_UNIX,
                                          socket.SOCK_SEQPACKET)
            path = os.path.join(db, "test.sock")
            if os.path.exists(path):
                os.unlink(path)
            self.listener.bind(path)
            os.chmod(path, 0o777)
            self.listener.listen(4)
        self.listener.settimeout(seconds)
        try:
            self.socket = self.listener.accept()[0]
        except TimeoutError:
            raise Failed(f"no control was started: {self.said()}") from None
        self.start_message = self.receive("START")
        if not keep:
            self.start_message.close()
        if ready:
            self.send("READY", struct.pack("<I", 1))
        return self.start_message

    def new_id(self):
        self.next += 1
        return self.next

    def raw(self, data, fds=()):
        socket.send_fds(self.socket, [data], list(fds))

    def send(self, name, body, fds=()):
        self.raw(struct.pack("<II", MESSAGES[name], len(body)) + body, fds)

    def read(self, seconds=20):
        """The next datagram; None at the end."""
        if not select.select([self.socket], [], [], seconds)[0]:
            raise Failed(f"nothing came within {seconds} s; log "
                         f"{self.said()[-600:]}")
        try:
            data, fds, _, _ = socket.recv_fds(self.socket, 70000, 16)
        except ConnectionResetError:
            return None
        return Message(data, list(fds)) if data else None

    def receive(self, name, id_=None, seconds=20):
        """The first of that name (and id); others wait for theirs."""
        for m in self.waiting:
            if m.name == name and id_ in (None, getattr(m, "id", None)):
                self.waiting.remove(m)
                return m
        while True:
            m = self.read(seconds)
            if m is None:
                raise Failed(f"{name} did not come; log {self.said()}")
            if m.name == name and id_ in (None, getattr(m, "id", None)):
                return m
            if m.name == "REFUSED" and id_ == m.id:
                raise Failed(f"in place of {name}: {m.code} {m.text}")
            self.waiting.append(m)

    # -- requests --

    def deploy(self, tar, tenant="default", expect="DEPLOYED"):
        id_ = self.new_id()
        fd = sealed(tar)
        self.send("DEPLOY", DEPLOY.pack(id_, tenant.encode()), [fd])
        os.close(fd)
        return self.receive(expect, id_, 60)

    def spawn(self, digest, tenant="default", wall_ms=0, run="run-1",
              expect="SPAWNED", id_=None, attempt=1):
        id_ = id_ or self.new_id()
        self.send("SPAWN", SPAWN.pack(id_, digest, tenant.encode(),
                                      run.encode(), attempt, wall_ms))
        m = self.receive(expect, id_, 30)
        return Run(self, m) if expect == "SPAWNED" else m

    def exec(self, parent, argv, wall_ms=0, cpu_ms=0, memory=0, pids=0,
             flags=0, expect="SPAWNED"):
        """A command beside a run."""
        id_ = self.new_id()
        args = b"".join(os.fsencode(a) + b"\0" for a in argv)
        self.send("EXEC", EXEC.pack(id_, parent, wall_ms, cpu_ms, memory,
                                    pids, flags, 0, len(args), 0, args))
        m = self.receive(expect, id_, 30)
        return Run(self, m) if expect == "SPAWNED" else m

    def kill(self, id_, why="INTERRUPT"):
        self.send("KILL", KILL.pack(id_, WHYS[why]))

    def status(self):
        self.send("STATUS", struct.pack("<I", 1))
        return self.receive("STATE")

    def run(self, script, policy="", data=b"", **more):
        """Deploy a script, run it to its end: output and EXITED."""
        digest = self.deploy(agent(script, policy)).digest
        run = self.spawn(digest, **more)
        out, err = run.finish(data)
        return out, err, self.receive("EXITED", run.id)

    # -- the end --

    def stop(self, expect=0, seconds=20):
        """SIGTERM, DRAIN, and no more work: its exit status."""
        if self.process.popen.poll() is None:
            os.kill(self.pid, signal.SIGTERM)
            if self.socket:
                self.receive("DRAIN")
                self.socket.close()
                self.socket = None
        status = self.process.popen.wait(seconds)
        if self.listener:
            self.listener.close()
            self.listener = None
        equal(status, expect, f"exit status; log {self.said()[-800:]}")

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.process.popen.poll() is None and kind is None:
            self.stop()
        elif self.process.popen.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
            self.process.popen.wait(10)
        if self.listener:
            self.listener.close()


class Run:
    """The streams of a run that was spawned."""

    def __init__(self, d, m):
        self.d, self.message, self.id = d, m, m.id
        self.stdin, self.stdout, self.stderr, *rest = m.fds
        self.fd = rest[0] if rest else None

    def close(self):
        for fd in (self.stdin, self.stdout, self.stderr, self.fd):
            if fd is not None:
                os.close(fd)
        self.stdin = self.stdout = self.stderr = self.fd = None

    def finish(self, data=b"", seconds=30):
        """Write the input, read both outputs to their ends."""
        out = {self.stdout: b"", self.stderr: b""}
        os.set_blocking(self.stdin, True)
        if data:
            os.write(self.stdin, data)
        os.close(self.stdin)
        self.stdin = None
        left = set(out)
        end = time.monotonic() + seconds
        while left:
            ready = select.select(list(left), [], [],
                                  max(0, end - time.monotonic()))[0]
            if not ready:
                raise Failed(f"no end of its output; so far {out}")
            for fd in ready:
                got = os.read(fd, 65536)
                out[fd] += got
                if not got:
                    left.discard(fd)
        result = out[self.stdout].decode(), out[self.stderr].decode()
        self.close()
        return result


def digest_of(tar):
    return hashlib.sha256(tar).digest()
