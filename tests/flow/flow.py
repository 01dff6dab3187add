"""Users, launchers, witnesses and TAP for tests with real processes.

A test is a function with one argument, a Warder: the command line of this
build as one user uses it.  It runs as root and as an ordinary user (one that
exists for this program only, by its number).  After each test a witness looks
for what must not be left: processes, control groups, sockets, mounts.

The test program is the reaper of everything that it starts, so a process that
outlives its launcher is found here and nowhere else.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import pty
import secrets
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import traceback

sys.dont_write_bytecode = True

from watcher import Watcher  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
PR_SET_CHILD_SUBREAPER = 36
GONE_S = 2  # how long anything may outlive its launcher
RUN_S = 60  # one command, unless the test says otherwise
BLOCK_BASE, BLOCK_SIZE = 1879048192, 65536

TESTS = []


class Skip(Exception):
    """A test that cannot be tried here, with the reason."""


class Failed(Exception):
    """What was seen in place of what was expected."""


def test(function=None, *, modes=("root", "rootless")):
    """Register a test; its name is the function's."""
    def register(f):
        TESTS.append((f, modes))
        return f
    return register(function) if function else register


def check(condition, what):
    if not condition:
        raise Failed(what)


def equal(got, expected, what=""):
    if got != expected:
        raise Failed(f"{what + ': ' if what else ''}got {got!r}, "
                     f"expected {expected!r}")


def holds(text, *parts):
    """Every part is in the text."""
    for part in parts:
        if part not in text:
            raise Failed(f"{part!r} is not in {text[:600]!r}")


def patience(seconds):
    """So long on a machine that is ours alone; where ten want each processor,
    what takes that long takes ten times as long."""
    return seconds * min(max(1, os.getloadavg()[0] / os.cpu_count()), 15)


def wait_until(condition, seconds=10, what="it"):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {seconds} s")
        time.sleep(0.01)


# ---- results --------------------------------------------------------------

class Result:
    def __init__(self, status, out, err):
        self.status = status
        self.out = out
        self.err = err
        self.text = out.decode("utf-8", "replace")
        self.said = err.decode("utf-8", "replace")

    def expect(self, status, out=None):
        """The exit status, and exactly this output; itself."""
        if self.status != status:
            raise Failed(f"exit status {self.status}, expected {status}; "
                         f"stderr {self.said[:300]!r}")
        if out is not None:
            equal(self.text, out, "output")
        return self

    def refused(self, *parts):
        """125, nothing on standard output, and a reason that holds these."""
        self.expect(125, "")
        holds(self.said, "warder: ", *parts)
        return self


class Process:
    """A running warder command; its own session and process group."""

    def __init__(self, popen):
        self.popen = popen
        self.pid = popen.pid

    def finish(self, seconds=RUN_S, data=None):
        try:
            out, err = self.popen.communicate(data, timeout=seconds)
        except subprocess.TimeoutExpired:
            for pid in [*descendants(self.pid), self.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            out, err = self.popen.communicate()
            raise Failed(f"did not end within {seconds} s; stderr {err!r}, "
                         f"stdout {(out or b'')[-500:]!r}") from None
        return Result(self.popen.returncode, out or b"", err or b"")

    def line(self):
        return self.popen.stdout.readline().decode("utf-8", "replace")

    def signal(self, signo):
        self.popen.send_signal(signo)

    def state(self):
        return stat_of(self.pid)[0]


class Terminal:
    """A command on a real pseudo-terminal, as under a shell."""

    def __init__(self, warder, argv, rows=24, cols=80):
        self.master, slave = pty.openpty()
        self.size(rows, cols)
        self.before = termios.tcgetattr(slave)

        def own():
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = warder.popen(argv, stdin=slave, stdout=slave,
                                    stderr=slave, preexec_fn=own)
        self.slave = slave  # kept, to look at the settings afterwards
        self.seen = ""

    def size(self, rows, cols):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ,
                    struct.pack("HHHH", rows, cols, 0, 0))

    def read(self, seconds):
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.seen += data.decode("utf-8", "replace")
        return bool(data)

    def expect(self, part, seconds=15):
        """Wait until the part appears; what came before it is dropped."""
        end = time.monotonic() + seconds
        while part not in self.seen:
            left = end - time.monotonic()
            if left <= 0:
                raise Failed(f"{part!r} did not appear in {self.seen!r}")
            self.read(min(left, 0.2))
        before, self.seen = self.seen.split(part, 1)
        return before

    def type(self, text):
        os.write(self.master, text.encode())

    def raw(self):
        """Whether keys go through as they are."""
        return not termios.tcgetattr(self.slave)[3] & termios.ICANON

    def finish(self, seconds=15):
        end = time.monotonic() + seconds
        while self.process.popen.poll() is None:
            if time.monotonic() > end:
                self.process.popen.kill()
                raise Failed(f"did not end within {seconds} s; "
                             f"seen {self.seen!r}")
            self.read(0.05)
        while self.read(0.05):
            pass
        return self.process.popen.returncode

    def close(self):
        os.close(self.master)
        os.close(self.slave)


# ---- witnesses ------------------------------------------------------------

def stat_of(pid):
    """State and parent of a process; None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8",
                  errors="replace") as f:
            fields = f.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return fields[0], int(fields[1])


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8",
                  errors="replace") as f:
            return f.read().strip()
    except OSError:
        return "?"


def children(pid):
    found = []
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for task in tasks:
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/task/{task}/children",
                      encoding="ascii") as f:
                found += [int(p) for p in f.read().split()]
    return found


def descendants(pid):
    """All living ones; zombies of this program's own are reaped."""
    found = []
    for child in children(pid):
        state = stat_of(child)
        if state is None:
            continue
        if state[0] == "Z":
            if pid == os.getpid():
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(child, os.WNOHANG)
            continue
        found += [child, *descendants(child)]
    return found


def groups():
    """Every control group of Warder's on this host; some may be old."""
    found = set()
    for folder, names, _ in os.walk("/sys/fs/cgroup"):
        found |= {os.path.join(folder, n) for n in names
                  if n.startswith("warder-")}
    return found


def loops():
    """What the loop devices say of their jails, by the devices' names."""
    found = {}
    LOOP_GET_STATUS64 = 0x4C05
    for name in os.listdir("/sys/block"):
        if not os.path.exists(f"/sys/block/{name}/loop"):
            continue
        with contextlib.suppress(OSError):
            with open(f"/dev/{name}", "rb") as f:
                info = fcntl.ioctl(f, LOOP_GET_STATUS64, bytes(232))
                found[name] = info[56:120].split(b"\0")[0].decode()
    return found


def namespaces():
    """Those that a process of this program's is in."""
    found = set()
    for pid in [os.getpid(), *descendants(os.getpid())]:
        for kind in ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup"):
            with contextlib.suppress(OSError):
                found.add(os.readlink(f"/proc/{pid}/ns/{kind}"))
    return found


def mounts():
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        return set(f.read().splitlines())


def somebody_elses(mount, folder):
    """One that another program made in its own temporary directory."""
    point = mount.split()[4]
    return point.startswith("/tmp/") and not point.startswith(
        os.path.dirname(folder))


# ---- users ----------------------------------------------------------------

class Warder:
    """The command line of this build, used by one user."""

    def __init__(self, mode, folder, program, watcher=None):
        self.mode = mode
        self.root = mode == "root"
        self.program = program
        if self.root:
            self.uid = self.gid = 0
            self.groups = []
        elif os.geteuid() == 0:
            self.uid = self.gid = 200000 + secrets.randbelow(100000)
            self.groups = [self.gid + 1]
        else:
            self.uid, self.gid = os.geteuid(), os.getegid()
            self.groups = os.getgroups()
        self.folder = os.path.join(folder, mode)
        self.make(self.folder, 0o755)
        self.home = self.directory("home", 0o700)
        self.runtime = self.directory("runtime", 0o700)
        self.jails = "/run/warder/jails" if self.root else os.path.join(
            self.runtime, "warder")
        self.launchers = []
        self.started = []
        self.watcher = watcher

    def make(self, path, mode):
        os.mkdir(path)
        os.chmod(path, mode)
        self.give(path)

    def give(self, path):
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid)

    def directory(self, name, mode=0o755):
        """A new directory of this user's."""
        path = os.path.join(self.folder, name)
        self.make(path, mode)
        return path

    def scratch(self, name="scratch", uid=None, mode=0o755):
        """One with a unique name, and another owner if root asks for it."""
        path = tempfile.mkdtemp(prefix=name + "-", dir=self.folder)
        os.chmod(path, mode)
        self.give(path)
        if uid is not None and os.geteuid() == 0:
            os.chown(path, uid, uid)
        return path

    def owned(self, name="owned"):
        """A directory that can be given for writing: nobody gives root's."""
        return self.scratch(name, uid=23456 if self.root else None)

    def file(self, name, text, folder=None, mode=0o644):
        path = os.path.join(folder or self.scratch("file"), name)
        with open(path, "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        os.chmod(path, mode)
        self.give(path)
        return path

    def environment(self, **more):
        env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8",
               "TERM": "dumb", "HOME": self.home}
        if not self.root:
            env["XDG_RUNTIME_DIR"] = self.runtime
        env.update(more)
        return env

    # -- starting --

    def popen(self, argv, **more):
        if os.geteuid() == 0 and not self.root:
            more.update(user=self.uid, group=self.gid,
                        extra_groups=self.groups)
        more.setdefault("env", self.environment())
        more.setdefault("cwd", self.folder)
        more.setdefault("start_new_session", True)
        process = Process(subprocess.Popen(argv, **more))
        self.launchers.append(process.pid)
        self.started.append(process)
        if self.watcher:
            self.watcher.add(process.pid)
        return process

    def start(self, command, *flags, verb="exec", **more):
        more.setdefault("stdin", subprocess.DEVNULL)
        more.setdefault("stdout", subprocess.PIPE)
        more.setdefault("stderr", subprocess.PIPE)
        return self.popen([self.program, verb, *flags, "--", *command],
                          **more)

    def exec(self, command, *flags, data=None, seconds=RUN_S, **more):
        """Run a command (a string is for sh) to its end."""
        if isinstance(command, str):
            command = ["sh", "-c", command]
        if data is not None:
            more["stdin"] = subprocess.PIPE
        return self.start(command, *flags, **more).finish(seconds, data)

    def verb(self, *argv, data=None, seconds=RUN_S, **more):
        """Another verb: warder ps, warder kill …"""
        more.setdefault("stdin", subprocess.PIPE if data is not None
                        else subprocess.DEVNULL)
        more.setdefault("stdout", subprocess.PIPE)
        more.setdefault("stderr", subprocess.PIPE)
        return self.popen([self.program, *argv], **more).finish(seconds, data)

    def report(self, command, *flags, **more):
        """Run a command; its result and the report as a dictionary."""
        path = os.path.join(self.scratch("report"), "report.json")
        result = self.exec(command, "--report", path, *flags, **more)
        check(os.path.exists(path), f"no report; stderr {result.said!r}")
        with open(path, encoding="utf-8") as f:
            return result, json.load(f)

    def terminal(self, command, *flags, rows=24, cols=80, verb="exec"):
        return Terminal(self, [self.program, verb, *flags, "--", *command],
                        rows, cols)

    def running(self, command="echo up; exec sleep 600", *flags, **more):
        """A jail whose first command has printed "up"; and its name."""
        jail = self.start(["sh", "-c", command], *flags, **more)
        line = jail.line()
        if line != "up\n":
            raise Failed(f"the jail did not start: {line!r} "
                         f"{jail.finish().said!r}")
        return jail, f"{jail.pid}-"

    # -- witnesses --

    def leftovers(self):
        found = [f"process {p} ({name_of(p)})"
                 for p in descendants(os.getpid())]
        mine = {str(p) for p in self.launchers}
        found += [g for g in groups() - self.old_groups
                  if os.path.basename(g).split("-")[1] in mine]
        with contextlib.suppress(FileNotFoundError):
            found += [n for n in os.listdir(self.jails)
                      if n.split("-")[0] in mine]
        if self.root:
            found += [f"/dev/{d} of {n}" for d, n in loops().items()
                      if n.split("-")[0] in mine]
        found += [f"mount {m}" for m in mounts() - self.mounts
                  if not somebody_elses(m, self.folder)]
        return found

    def begin(self):
        self.mounts, self.old_groups = mounts(), groups()
        self.launchers.clear()
        self.started.clear()

    def end(self, gone_s=GONE_S):
        """After a test: nothing of it may run, or lie anywhere."""
        running = [p for p in self.started if p.popen.poll() is None]
        for process in running:
            process.popen.kill()
            process.popen.wait()
        for process in self.started:
            for stream in (process.popen.stdin, process.popen.stdout,
                           process.popen.stderr):
                if stream:
                    with contextlib.suppress(OSError):
                        stream.close()
        end = time.monotonic() + patience(gone_s)
        while True:
            left = self.leftovers()
            if not left:
                return
            if time.monotonic() > end:
                break
            time.sleep(0.02)
        for pid in descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        raise Failed(f"left behind: {'; '.join(left)}")


# ---- running --------------------------------------------------------------

def install(folder):
    """The build's programs, in a place that every user can reach."""
    build = os.environ.get("WARDER_BUILD", "build")
    build = os.path.join(TOP, build)
    to = os.path.join(folder, "programs")
    for part in ("bin", "sbin", "libexec", "share"):
        source = os.path.join(build, part)
        if os.path.isdir(source):
            shutil.copytree(source, os.path.join(to, part))
    for where, folders, _ in os.walk(to):
        for name in folders:
            os.chmod(os.path.join(where, name), 0o755)
    program = os.path.join(to, "bin", "warder")
    if not os.path.exists(program):
        raise SystemExit(f"Bail out! {build} holds no bin/warder: run make")
    os.chmod(to, 0o755)
    return program


@contextlib.contextmanager
def stage():
    """The folder of one test program, removed at its end, and a watcher."""
    folder = tempfile.mkdtemp(prefix="warder-flow-")
    os.chmod(folder, 0o755)
    watcher = Watcher(folder)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield folder, watcher
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def usable(mode):
    if mode == "root" and os.geteuid() != 0:
        raise Skip("needs root")


def said_at(function, e):
    """One failure of a test's."""
    where = traceback.extract_tb(e.__traceback__)
    line = [f.lineno for f in where if f.name == function.__name__]
    sys.stdout.write(f"# line {line[-1] if line else '?'}: {e}\n")


def run_one(function, warder):
    try:
        warder.begin()
        try:
            function(warder)
        finally:
            warder.end()
    except Skip as e:
        return "ok", f" # SKIP {e}"
    except Failed as e:
        # a test that was broken off leaves things: what broke it off is first
        if isinstance(e.__context__, Failed):
            said_at(function, e.__context__)
        said_at(function, e)
        return "not ok", ""
    except Exception:  # a test that breaks is a test that fails
        sys.stdout.write("".join("# " + line + "\n" for line in
                                 traceback.format_exc().splitlines()))
        return "not ok", ""
    return "ok", ""


def main(*names):
    """Run the tests; names on the command line choose some."""
    wanted = names or sys.argv[1:]
    number = failed = 0
    with stage() as (folder, watcher):
        program = install(folder)
        warders = {}
        for function, modes in TESTS:
            for mode in modes:
                name = f"{mode} {function.__name__}"
                if wanted and not any(w in name for w in wanted):
                    continue
                number += 1
                try:
                    usable(mode)
                    if mode not in warders:
                        warders[mode] = Warder(mode, folder, program,
                                               watcher)
                    verdict, note = run_one(function, warders[mode])
                except Skip as e:
                    verdict, note = "ok", f" # SKIP {e}"
                failed += verdict != "ok"
                print(f"{verdict} {number} - {name}{note}", flush=True)
    print(f"1..{number}")
    return 1 if failed else 0
