"""Jails, witnesses and results for the escape battery."""

import contextlib
import fnmatch
import json
import os
import pwd
import secrets
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.dirname(HERE))

import tables  # noqa: E402

PROBE = "/probe/probe"  # where every jail of the battery has it
USER_PREFIX = "wescape"  # of a user that is made for one run
RUN_S = 120  # one jail, unless a check says otherwise


class Skip(Exception):
    """A row that cannot be tried here, with the reason."""


def read_table(name, columns):
    """Rows of a table beside this file."""
    return tables.read(os.path.join(HERE, name), columns)


# ---- who starts the jails -------------------------------------------------

class User:
    """The caller of the command line: root, or an ordinary user."""

    def __init__(self, name, uid, gid, groups, folder):
        self.name = name
        self.uid = uid
        self.gid = gid
        self.groups = groups
        self.folder = folder  # private: home, runtime directory, scratch

    def environment(self):
        env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8",
               "HOME": self.folder, "XDG_RUNTIME_DIR": self.folder}
        if self.uid == 0:
            env.pop("XDG_RUNTIME_DIR")
        return env

    def popen(self, argv, **more):
        """As subprocess.Popen, as this user, in a session of its own."""
        if os.geteuid() != self.uid:
            more.update(user=self.uid, group=self.gid,
                        extra_groups=self.groups)
        more.setdefault("env", self.environment())
        more.setdefault("cwd", self.folder)
        more.setdefault("start_new_session", True)
        return subprocess.Popen(argv, **more)

    def directory(self, name):
        """A new directory of this user's."""
        path = tempfile.mkdtemp(prefix=name + "-", dir=self.folder)
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid)
        os.chmod(path, 0o755)
        return path


@contextlib.contextmanager
def folder_of(uid, gid):
    path = tempfile.mkdtemp(prefix="warder-escape-")
    if os.geteuid() == 0:
        os.chown(path, uid, gid)
    os.chmod(path, 0o700)
    try:
        yield path
    finally:
        # jails nest directories deeper than shutil.rmtree can go
        subprocess.run(["rm", "-rf", "--", path], check=False)


@contextlib.contextmanager
def root_user():
    if os.geteuid() != 0:
        raise Skip("the root mode needs root")
    with folder_of(0, 0) as folder:
        yield User("root", 0, 0, [], folder)


@contextlib.contextmanager
def ordinary_user():
    """The caller, or as root one that is made for this run only."""
    if os.geteuid() != 0:
        me = pwd.getpwuid(os.geteuid())
        with folder_of(me.pw_uid, me.pw_gid) as folder:
            yield User(me.pw_name, me.pw_uid, me.pw_gid,
                       os.getgroups(), folder)
        return
    name = USER_PREFIX + secrets.token_hex(3)
    group = name + "g"
    subprocess.run(["groupadd", group], check=True)
    try:
        subprocess.run(["useradd", "--no-create-home", "--groups", group,
                        "--shell", "/usr/sbin/nologin", name], check=True)
        who = pwd.getpwnam(name)
        extra = [g for g in os.getgrouplist(name, who.pw_gid)
                 if g != who.pw_gid]
        with folder_of(who.pw_uid, who.pw_gid) as folder:
            yield User(name, who.pw_uid, who.pw_gid, extra, folder)
    finally:
        end_processes_of(name)
        subprocess.run(["userdel", name], check=False,
                       stderr=subprocess.DEVNULL)
        subprocess.run(["groupdel", group], check=False,
                       stderr=subprocess.DEVNULL)


def end_processes_of(name):
    """Of a user that was made for this run: whatever is left is ours."""
    try:
        uid = pwd.getpwnam(name).pw_uid
    except KeyError:
        return

    def left():
        found = []
        for pid in processes():
            with contextlib.suppress(OSError):
                if os.stat(f"/proc/{pid}").st_uid == uid:
                    os.kill(pid, signal.SIGKILL)
                    found.append(pid)
        return found

    until(lambda: not left(), 5)


MODES = {"root": root_user, "rootless": ordinary_user}


# ---- how a program gets into a jail ---------------------------------------

class Jail:
    """A running warder command with what it printed so far."""

    def __init__(self, process, launcher=None):
        self.process = process
        self.launcher = launcher or process  # the jail's first command's

    def finish(self, seconds=RUN_S):
        """(status, stdout, stderr); status -1 when it had to be killed."""
        try:
            out, err = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.end()
            out, err = self.process.communicate()
            return -1, out, err
        return self.process.returncode, out, err

    def end(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def line(self):
        return self.process.stdout.readline()


class Warder:
    """The command line of one build, used by one user."""

    def __init__(self, build, user, probe_dir):
        self.program = os.path.join(os.path.abspath(build), "bin", "warder")
        self.user = user
        self.probe_dir = probe_dir
        self.started = []

    def has(self, verb):
        """Whether this build knows a verb."""
        if not hasattr(self, "_help"):
            with open(os.devnull, "rb") as null:
                p = subprocess.run([self.program, "--help"], stdin=null,
                                   capture_output=True, check=False)
            self._help = (p.stdout + p.stderr).decode("utf-8", "replace")
        return any(line.split()[:1] == [verb]
                   for line in self._help.splitlines())

    def start(self, flags, command, verb="exec", **more):
        argv = [self.program, verb, *flags, "--", *command]
        more.setdefault("stdin", subprocess.DEVNULL)
        more.setdefault("stdout", subprocess.PIPE)
        more.setdefault("stderr", subprocess.PIPE)
        jail = Jail(self.user.popen(argv, **more))
        self.started.append(jail)
        return jail

    def run(self, flags, command, seconds=RUN_S, **more):
        return self.start(flags, command, **more).finish(seconds)

    def end_all(self):
        for jail in self.started:
            if jail.process.poll() is None:
                jail.end()
                jail.process.wait()
        self.started.clear()


def probe_flags(warder, settings):
    flags = ["--ro", warder.probe_dir + ":/probe"]
    for key, value in sorted(settings.items()):
        flags += ["--env", f"{key}={value}"]
    return flags


def fresh(warder, flags, command, **more):
    return warder.start(flags, command, **more)


def entered(warder, flags, command, **more):
    """A second command in a jail whose first one only waits."""
    if not warder.has("enter"):
        raise Skip("this build has no warder enter")
    holder = warder.start(flags, ["sh", "-c", "echo up; exec sleep 600"])
    if holder.line() != b"up\n":
        raise Skip("the jail to enter did not start: " +
                   holder.finish(5)[2].decode("utf-8", "replace"))
    settings = [flags[i + 1] for i, f in enumerate(flags) if f == "--env"]
    terminal = [f for f in flags if f == "-t"]
    # the jail's name starts with its launcher's number
    argv = [warder.program, "enter", *terminal, f"{holder.process.pid}-",
            "--", "/usr/bin/env", *settings, *command]
    more.setdefault("stdin", subprocess.DEVNULL)
    more.setdefault("stdout", subprocess.PIPE)
    more.setdefault("stderr", subprocess.PIPE)
    jail = Jail(warder.user.popen(argv, **more), holder.process)
    warder.started.append(jail)
    return jail


def by_library(way, warder, flags, command, **more):
    """As libwarder's example starts it."""
    program = os.path.join(os.path.dirname(os.path.dirname(warder.program)),
                           "examples", "run")
    if not os.path.exists(program):
        raise Skip("the example of libwarder is not built")
    if "-t" in flags or "-i" in flags or "--report" in flags:
        raise Skip("the example has no terminal, no input and no report")
    said = warder.user.popen([warder.program, "exec", *flags,
                              "--print-policy"], stdout=subprocess.PIPE)
    text = said.communicate()[0]
    path = tempfile.mktemp(suffix=".yaml", dir=warder.probe_dir)
    with open(path, "wb") as f:
        f.write(text)
    os.chmod(path, 0o644)
    argv = [program, way, "--policy", path, "--", *command]
    more.setdefault("stdin", subprocess.DEVNULL)
    more.setdefault("stdout", subprocess.PIPE)
    more.setdefault("stderr", subprocess.PIPE)
    jail = Jail(warder.user.popen(argv, **more), None)
    warder.started.append(jail)
    return jail


def pooled(warder, flags, command, **more):
    """From a pool of prepared jails."""
    return by_library("--pool", warder, flags, command, **more)


def ahead(warder, flags, command, **more):
    """In the jail that was made while the one before ended."""
    return by_library("--ahead", warder, flags, command, **more)


# The path matrix: a fingerprint must be the same whichever way in was taken.
PATHS = {"fresh": fresh, "pool": pooled, "ahead": ahead, "exec": entered}


# ---- results --------------------------------------------------------------

def records(text):
    """The JSON lines of the probe among other output."""
    found = []
    for line in text.decode("utf-8", "surrogateescape").splitlines():
        if not line.startswith("{"):
            continue
        with contextlib.suppress(ValueError):
            found.append(json.loads(line))
    return found


def matches(value, patterns):
    """Whether a value is one of "a|b*|c"; "!a|b" is anything else."""
    if patterns.startswith("!"):
        return not matches(value, patterns[1:])
    return any(fnmatch.fnmatchcase(value, p.replace("[", "[[]"))
               for p in patterns.split("|"))


class Attempt:
    def __init__(self, row, name, got, expected, control):
        self.row = row
        self.name = name
        self.got = got
        self.expected = expected
        # True, False, or a word: "absent" (not on this host), "none"
        self.control = control
        self.passed = False

    def judge(self, passed):
        self.passed = passed and self.control is not False
        return self


class Expectations:
    """expect.tsv: what an attempt must come to, inside and outside."""

    def __init__(self):
        self.lines = [(i, m, a, j, o) for i, m, a, j, o in
                      read_table("expect.tsv", 5)]

    def rows(self):
        return {line[0] for line in self.lines}

    def find(self, row, mode, attempt):
        for i, m, a, jail, outside in self.lines:
            if i == row and m in ("*", mode) and matches(attempt, a):
                return a, jail, outside
        return None

    def control(self, row, pattern, outside, attempt, controls):
        """True, False, "none", or "absent" where the host lacks the thing."""
        if outside == "-":
            return "none"
        found = [c for c in controls if c["attempt"] == attempt] or \
                [c for c in controls if matches(c["attempt"], pattern)]
        if not found:
            return False
        if any(matches(c["got"], outside) for c in found):
            return True
        # what this host has not, or allows not even root
        excuses = {"ENOENT", "ENODEV", "ENXIO", "ENOSYS", "EPERM", "EACCES",
                   "EAFNOSUPPORT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT",
                   "empty", "zeros"}
        if all(c["got"] in excuses for c in found):
            return "absent"
        return False

    def judge(self, row, mode, inside, controls):
        """Attempts of one row from the probe's words; None: not ours."""
        found = []
        controls = [c for c in controls if c["id"] == row]
        for r in inside:
            if r["id"] != row:
                continue
            line = self.find(row, mode, r["attempt"])
            if line is None:
                # an attempt that nobody thought about is a failed one
                found.append(Attempt(row, r["attempt"], r["got"],
                                     "a line of expect.tsv", "none"))
                continue
            pattern, jail, outside = line
            if jail == "@":  # judged by a function of checks
                continue
            c = self.control(row, pattern, outside, r["attempt"], controls)
            a = Attempt(row, r["attempt"], r["got"], jail, c)
            found.append(a.judge(matches(r["got"], jail)))
        return found


# ---- witnesses ------------------------------------------------------------

def processes():
    """{pid: parent} of the host; of those that have ended nothing is left."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError, IndexError, ValueError):
            with open(f"/proc/{name}/stat", encoding="utf-8",
                      errors="replace") as f:
                state, parent = f.read().rsplit(")", 1)[1].split()[:2]
                if state not in "ZX":
                    found[int(name)] = int(parent)
    return found


def descendants(pid):
    tree = processes()
    found, todo = set(), [pid]
    while todo:
        parent = todo.pop()
        for child, up in tree.items():
            if up == parent and child not in found:
                found.add(child)
                todo.append(child)
    return found


def name_of(pid):
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/comm", encoding="utf-8",
                  errors="replace") as f:
            return f.read().strip()
    return ""


def namespaces_of(pid):
    found = {}
    for name in ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"):
        with contextlib.suppress(OSError):
            found[name] = os.readlink(f"/proc/{pid}/ns/{name}")
    return found


def own():
    """Who descends from the runner, which inherits what loses its parent.

    Others on this host have jails too, and the kernel gives the numbers of
    what is gone to them.
    """
    return descendants(os.getpid())


def own_namespaces():
    """Every namespace that one of them is in."""
    found = set()
    for pid in own():
        found.update(namespaces_of(pid).values())
    return found


def patience(seconds):
    """So long on a machine that is ours alone."""
    return seconds * min(max(1, os.getloadavg()[0] / os.cpu_count()), 15)


def until(condition, seconds):
    """Wait for a condition, longer on a busy machine; what it last came to."""
    end = time.monotonic() + patience(seconds)
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(0.02)


def cgroups_of_warder():
    """Control groups on the host that say Warder."""
    found = set()
    for top, names, _ in os.walk("/sys/fs/cgroup"):
        for name in names:
            if name.startswith("warder-"):
                found.add(os.path.join(top, name))
    return found


def members(group):
    """The processes of a control group; some, if it has just gone."""
    with contextlib.suppress(OSError):
        with open(os.path.join(group, "cgroup.procs"),
                  encoding="ascii") as f:
            return f.read().split()
    return ["gone"]
