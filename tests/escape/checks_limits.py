"""Checks that use things up, and of what a dying jail leaves."""

import contextlib
import json
import os
import random
import resource
import signal
import socket
import subprocess
import threading
import time

import harness
from checks import row
from harness import Skip, until


def report_of(path):
    with contextlib.suppress(OSError, ValueError):
        with open(path, encoding="utf-8") as f:
            return json.load(f)
    return {"end": {}, "posture": {}}


class Reported:
    """Flags that ask for a report, and the report."""

    def __init__(self, case):
        self.path = os.path.join(case.user.directory("report"), "r.json")
        self.flags = ["--report", self.path]

    def end(self):
        return report_of(self.path)["end"]

    def posture(self):
        return report_of(self.path)["posture"]


def enforced(case, limit):
    """Whether this caller's jails have that limit by control group."""
    r = Reported(case)
    case.warder.start(r.flags, ["true"]).finish()
    return "cgroup" in r.posture().get(limit, ""), r.posture()


def own_jail(case, ids, flags=(), **more):
    """The probe in a jail with a report: (status, records, report)."""
    r = Reported(case)
    status, found, err = case.probe(ids, [*r.flags, *flags], **more)
    return status, found, r, err


def last(found, attempt, otherwise="nothing"):
    for r in found:
        if r["attempt"] == attempt:
            otherwise = r["got"]
    return otherwise


# ---- processes ------------------------------------------------------------

@row("RX-01", paths=["fresh"])
def rx_01(case):
    sibling = case.warder.start([], ["sh", "-c", "echo up; exec sleep 100"])
    sibling.line()
    status, found, r, err = own_jail(case, ["RX-01"],
                                     ["--limit", "pids=64"])
    case.attempt("fork ends with", last(found, "fork ends with"), "EAGAIN")
    count = int(last(found, "processes", "0"))
    case.attempt("processes", count, "40 to 64", 40 <= count <= 64)
    case.attempt("then a thread", last(found, "then a thread"), "EAGAIN")
    case.attempt("threads end with", last(found, "threads end with"),
                 "EAGAIN")
    count = int(last(found, "threads", "0"))
    case.attempt("threads", count, "40 to 64", 40 <= count <= 64)
    # while another is at its limit, a new jail starts and works
    bomb = case.warder.start(["--limit", "pids=64"],
                             ["sh", "-c", "f() { f | f & }; f; sleep 3"])
    time.sleep(0.3)
    begin = time.monotonic()
    other, out, _ = case.warder.start(
        [], ["sh", "-c", "for i in 1 2 3 4 5; do true | true; done; "
             "echo fine"]).finish()
    took = time.monotonic() - begin
    case.attempt("a sibling meanwhile", f"{other} {out} {took:.2f} s",
                 "0 fine, within 2 s", out == b"fine\n" and took < 2)
    case.attempt("the sibling from before", sibling.process.poll(), "None")
    bomb.end()
    by_group, posture = enforced(case, "pids")
    if by_group:
        case.attempt("reported", r.end(), "pids_limit_met",
                     r.end().get("pids_limit_met") is True)
    else:
        case.attempt("posture says", posture.get("pids"), "?*")
        # nobody counts refusals: it was seen at its limit, or not
        met = r.end().get("pids_limit_met", False)
        case.attempt("reported", met, "true or null", met in (True, None))


# ---- memory ---------------------------------------------------------------

@row("RX-02", paths=["fresh"])
def rx_02(case):
    by_group, posture = enforced(case, "memory")
    if not by_group:
        case.attempt("posture says", posture.get("memory"), "!cgroup*")
        raise Skip("no memory controller for this user; the posture says: " +
                   posture.get("memory", ""))
    sibling = case.warder.start([], ["sh", "-c", "echo up; exec sleep 100"])
    sibling.line()
    kinds = ["anonymous", "memfd", "tmpfs"]
    if not case.quick:
        kinds += ["shm", "page-tables", "pipes", "sockets"]
    for kind in kinds:
        status, found, r, err = own_jail(
            case, ["RX-02"], ["--limit", "memory=64MiB"],
            settings={"PROBE_KIND": kind}, seconds=60)
        taken = int(last(found, "MiB taken", "-1"))
        bounded = status == 137 and r.end().get("kind") == "oom" or \
            0 <= taken <= 64
        # a sized directory too large for that memory lies on a disk
        on_disk = kind == "tmpfs" and "image" in posture.get("disk", "") and \
            r.end().get("disk_full") is True
        case.attempt(kind, f"{status} {r.end()} {taken} MiB",
                     "oom, or refused within 64 MiB", bounded or on_disk)
    # with more allowed the same attempt succeeds
    status, found, r, err = own_jail(
        case, ["RX-02"], ["--limit", "memory=4GiB"],
        settings={"PROBE_KIND": "memfd"}, seconds=60)
    case.attempt("memfd within a larger limit", last(found, "MiB taken"),
                 "2048", control=last(found, "MiB taken") == "2048")
    case.attempt("a sibling", sibling.process.poll(), "None")


@row("RX-03", paths=["fresh"])
def rx_03(case):
    before = free_bytes()
    status, found, r, err = own_jail(case, ["RX-03"],
                                     ["--limit", "memory=4GiB"])
    sizes = {"/workspace": 1024, "/tmp": 256, "/home/agent": 64,
             "/dev/shm": 64}
    for place, most in sizes.items():
        case.attempt(f"write {place}", last(found, f"write {place}"),
                     "ENOSPC")
        case.attempt(f"MiB in {place}", last(found, f"MiB in {place}"),
                     f"{most - 1}|{most}")
        case.attempt(f"fallocate {place}", last(found, f"fallocate {place}"),
                     "ENOSPC")
    for place in ("/", "/etc", "/dev", "/sys"):
        case.attempt(f"write {place}", last(found, f"write {place}"),
                     "EROFS|EACCES")
    case.attempt("the probe's end", f"{status} {err}", "0*")
    case.attempt("host space afterwards", before - free_bytes(),
                 "less than 64 MiB gone", before - free_bytes() < 64 << 20)


def free_bytes():
    s = os.statvfs("/tmp")
    return s.f_bavail * s.f_frsize


@row("RX-04", paths=["fresh"], full=True)
def rx_04(case):
    begin = time.monotonic()
    status, found, r, err = own_jail(case, ["RX-04"],
                                     ["--limit", "memory=4GiB"], seconds=300)
    case.judge_probe(found)
    case.attempt("places", len(found), "4")
    # teardown of a full tree
    begin = time.monotonic()
    jail = case.warder.start(["--limit", "memory=4GiB"],
                             ["python3", "-c", FILL])
    jail.line()
    begin = time.monotonic()
    os.kill(jail.process.pid, signal.SIGKILL)
    jail.finish(30)
    gone = until(lambda: not harness.descendants(jail.process.pid), 10)
    case.attempt("teardown of 99000 files",
                 f"{time.monotonic() - begin:.1f} s", "within 10 s", gone)


FILL = """
import os, time
for i in range(99000): os.close(os.open(f"/workspace/{i}", os.O_CREAT))
print("up", flush=True)
time.sleep(100)
"""


@row("RX-05", paths=["fresh"])
def rx_05(case):
    allowed = {"descriptors": "EMFILE", "inotify": "EMFILE",
               "epoll": "EMFILE|ENFILE", "timerfd": "EMFILE",
               "eventfd": "EMFILE", "timers": "EAGAIN",
               "queues": "EMFILE|ENOSPC|EACCES"}
    for turn in ("first jail", "second jail"):
        _, found, _, err = own_jail(case, ["RX-05"], [])
        for name, expected in allowed.items():
            case.attempt(f"{turn}: {name}", last(found, name), expected)
    # a jail that holds all it can get takes nothing from the next one
    holder = case.warder.start([], ["python3", "-c", HOLD])
    case.attempt("a jail holds all it can", holder.line(), "b'up\\n'")
    _, found, _, err = own_jail(case, ["RX-05"], [])
    case.attempt("meanwhile another's inotify", last(found, "inotify"),
                 "EMFILE")
    status, out, _ = case.warder.start([], ["python3", "-c", USE]).finish()
    by_uid = case.mode == "root"
    case.attempt("meanwhile another jail's use", f"{status} {out}",
                 "fine (rootless: one uid, one account)",
                 out == b"fine\n" or not by_uid)
    here = subprocess.run(["/usr/bin/python3", "-c", USE],
                          capture_output=True, check=False)
    case.attempt("meanwhile the host's own use", here.stdout, "fine",
                 here.stdout == b"fine\n" or os.geteuid() != 0)


HOLD = """
import ctypes, os, time
libc = ctypes.CDLL(None)
try:
    while libc.inotify_init1(0) >= 0: pass
    os.close(1023)
except Exception: pass
p = []
try:
    while True: p.append(os.pipe())
except OSError: pass
os.write(1, b"up\\n")
time.sleep(60)
"""

USE = """
import ctypes
libc = ctypes.CDLL(None)
assert libc.inotify_init1(0) >= 0
print("fine")
"""


@row("RX-06", paths=["fresh"])
def rx_06(case):
    by_group, posture = enforced(case, "cpu")
    if not by_group:
        case.attempt("posture says", posture.get("cpu"), "?*")
        return
    # four busy processes in half a processor
    r = Reported(case)
    begin = time.monotonic()
    jail = case.warder.start(
        [*r.flags, "--limit", "cpu=0.5", "--limit", "wall=3s"],
        ["sh", "-c", "for i in 1 2 3 4; do (while :; do :; done) & done; "
         "wait"])
    time.sleep(2.5)
    used = sum(cpu_seconds(p) for p in harness.descendants(jail.process.pid))
    wall = time.monotonic() - begin
    case.attempt("cpu used of half a processor",
                 f"{used:.2f} s in {wall:.2f} s", "0.5 of the time, or less",
                 0.3 < used <= 0.5 * wall + 0.35)
    jail.finish(20)
    reported = report_of(r.path).get("used", {}).get("cpu_ms", -1) / 1000
    case.attempt("reported", f"{reported:.2f} s", "no less than seen",
                 reported >= used * 0.9)


def cpu_seconds(pid):
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0


@row("RX-12", paths=["fresh"])
def rx_12(case):
    with open("/proc/sys/kernel/core_pattern", encoding="ascii") as f:
        before = f.read()
    place = case.given_directory("core")
    status, out, err = case.warder.start(
        ["--rw", place + ":/given"],
        ["sh", "-c", "cd /given && kill -SEGV $$"]).finish()
    case.attempt("status of a crash", status, "139")
    case.attempt("core files on the host", os.listdir(place), "[]")
    with open("/proc/sys/kernel/core_pattern", encoding="ascii") as f:
        case.attempt("core_pattern", f.read(), before.replace("|", "?"))


# ---- ends -----------------------------------------------------------------

@row("SG-03", paths=["fresh"])
def sg_03(case):
    bad = (
        ("ignores TERM", "trap '' TERM INT HUP; while :; do sleep 1; done"),
        ("stopped", "kill -STOP $$"),
        ("stopped children", "sh -c 'kill -STOP $$' & sh -c 'kill -STOP $$' "
         "& wait"),
        ("own sessions", "setsid sleep 100 & setsid setsid sleep 100 & "
         "sleep 100"),
        ("a full pipe", "yes"),
        ("fsync storm", "while :; do dd if=/dev/zero of=/tmp/x bs=64k "
         "count=64 conv=fsync 2>/dev/null; done"),
    )
    for name, script in bad:
        begin = time.monotonic()
        status, out, _ = case.warder.start(
            ["--limit", "wall=1s", "--limit", "output=1MiB"],
            ["sh", "-c", script]).finish(20)
        took = time.monotonic() - begin
        case.attempt(name, f"{status} after {took:.1f} s",
                     "ended within 3 s", status > 0 and took < 3)


@row("SG-05")
def sg_05(case):
    def unclean():
        os.umask(0o077)
        os.nice(5)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1,
                                                  signal.SIGTERM])
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0)) \
            if case.user.uid == 0 else None
        resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, -1)) \
            if case.user.uid == 0 else None

    _, found, err = case.probe(["SG-05"], preexec_fn=unclean)
    dirty = {r["attempt"]: r["got"] for r in found}
    clean = case.inside()
    zeros = "0" * 16
    wanted = {"SigBlk": zeros, "SigIgn": zeros, "SigCgt": "*",
              "SigPnd": zeros, "Umask": "0022", "TracerPid": "0",
              "personality": "0", "scheduler": "0", "nice": "0",
              "limit CORE": "1 1", "limit NICE": "0 0", "limit RTPRIO": "0 0",
              "limit NOFILE": "1024 1024", "dumpable": "1",
              "limit MEMLOCK": "65536 65536"}
    # what only root may raise again, a rootless launcher cannot
    nice = os.nice(0) if case.mode == "rootless" else 0
    for name, expected in wanted.items():
        if name == "nice":
            expected = str(nice)
        case.attempt(f"plain caller: {name}", clean.get(name, err), expected)
    for name, expected in wanted.items():
        if case.mode == "rootless" and name == "nice":
            expected = f"{nice}|{min(nice + 5, 19)}"
        if name == "limit CORE":
            expected = "1 1|0 0"
        case.attempt(f"unclean caller: {name}", dirty.get(name, err),
                     expected)


# ---- channels -------------------------------------------------------------

class Canary:
    """Listeners on the host that count who came."""

    def __init__(self, folder):
        self.name = f"warder-canary-{os.getpid()}"
        self.came = []
        self.sockets = []
        self.path = os.path.join(folder, "canary.sock")
        for kind, flag in (("stream", socket.SOCK_STREAM),
                           ("dgram", socket.SOCK_DGRAM),
                           ("seqpacket", socket.SOCK_SEQPACKET)):
            self.listen(socket.AF_UNIX, flag, f"\0{self.name}-{kind}")
        self.listen(socket.AF_UNIX, socket.SOCK_STREAM, self.path)
        os.chmod(self.path, 0o777)
        self.port = self.listen(socket.AF_INET, socket.SOCK_STREAM,
                                ("0.0.0.0", 0)).getsockname()[1]
        self.listen(socket.AF_INET6, socket.SOCK_STREAM, ("::1", self.port))
        self.listen(socket.AF_INET, socket.SOCK_DGRAM,
                    ("127.0.0.1", self.port))
        self.listen(socket.AF_INET6, socket.SOCK_DGRAM, ("::1", self.port))
        self.over = False
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def listen(self, family, kind, address):
        s = socket.socket(family, kind)
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.bind(address)
        if kind != socket.SOCK_DGRAM:
            s.listen(64)
        s.setblocking(False)
        self.sockets.append(s)
        return s

    def watch(self):
        while not self.over:
            for s in self.sockets:
                with contextlib.suppress(OSError):
                    if s.type == socket.SOCK_DGRAM:
                        s.recv(16)
                    else:
                        s.accept()[0].close()
                    self.came.append(str(s.getsockname()))
            time.sleep(0.01)

    def close(self):
        time.sleep(0.2)
        self.over = True
        self.thread.join()
        for s in self.sockets:
            s.close()


def host_address():
    """An address of this host that is not its loopback's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        with contextlib.suppress(OSError):
            s.connect(("192.0.2.1", 9))
            return s.getsockname()[0]
    return "127.0.0.2"


@row("IP-01")
def ip_01(case):
    place = case.given_directory("sockets")
    canary = Canary(place)
    settings = {"PROBE_CANARY_SOCKET": canary.name,
                "PROBE_CANARY_PORT": str(canary.port),
                "PROBE_CANARY_ADDRESS": host_address(),
                "PROBE_CANARY_PATH": canary.path}
    try:
        outside = case.probe_outside(["IP-01"], settings)
        time.sleep(0.3)
        came, canary.came[:] = len(canary.came), []
        _, found, err = case.probe(["IP-01"], settings=settings)
    finally:
        canary.close()
    good = {r["attempt"] for r in outside if r["got"] == "ok"}
    for r in found:
        name = r["attempt"]
        expected = "0" if name.startswith("sockets") else \
            "ECONNREFUSED|ENOENT|EPERM|EACCES|ENETUNREACH"
        case.attempt(name, r["got"], expected,
                     control="none" if name.startswith("sockets")
                     else name in good)
    case.attempt("attempts", len(found), "10")
    case.attempt("who came to the host's canaries", canary.came, "[]",
                 control=came >= 8)


@row("IP-01", paths=["fresh"])
def ip_01_given(case):
    """A socket in a directory that the caller gives away is the caller's
    own affair only if it was told: none of it may be reachable."""
    place = case.given_directory("sockets")
    canary = Canary(place)
    try:
        status, found, err = case.probe(
            ["IP-01"], ["--rw", place + ":/given"],
            settings={"PROBE_CANARY_PATH": "/given/canary.sock"})
    finally:
        canary.close()
    if not found:
        case.attempt("refused with a socket in it", f"{status} {err}", "125*")
        return
    case.attempt("a socket of the host in a given directory",
                 last(found, "path"), "ECONNREFUSED|ENOENT|EPERM|EACCES")
    case.attempt("who came", canary.came, "[]")


@row("IP-02", paths=["fresh"])
def ip_02(case):
    maker = case.warder.start(
        harness.probe_flags(case.warder, {"PROBE_ROLE": "make"}),
        [harness.PROBE, "IP-02"])
    case.attempt("a jail that makes them", b"yes" in maker.line(), "True")
    _, both, _ = case.probe(["IP-02"], settings={"PROBE_ROLE": "both"})
    _, other, _ = case.probe(["IP-02"], settings={"PROBE_ROLE": "find"})
    outside = case.probe_outside(["IP-02"], {"PROBE_ROLE": "find"})
    found = {r["attempt"]: r["got"] for r in both}
    for r in other:
        case.attempt(f"from another jail: {r['attempt']}", r["got"],
                     "nothing", control=found.get(r["attempt"]) == "found"
                     if r["attempt"] != "mq" else "none")
    for r in outside:
        case.attempt(f"from the host: {r['attempt']}", r["got"], "nothing")
    case.attempt("kinds", len(other), "9")


@row("IP-04", paths=["fresh"])
def ip_04(case):
    jail = case.warder.start(
        harness.probe_flags(case.warder, {}),
        ["sh", "-c", f"{harness.PROBE} IP-04; {harness.PROBE} IP-04; "
         "echo up; exec sleep 60"])
    while True:
        line = jail.line()
        if line in (b"up\n", b""):
            break
    before = len(os.listdir(f"/proc/{jail.process.pid}/fd"))
    time.sleep(0.2)
    after = len(os.listdir(f"/proc/{jail.process.pid}/fd"))
    case.attempt("descriptors of the launcher", f"{before} {after}",
                 "constant, below 64", before == after < 64)


# ---- races ----------------------------------------------------------------

@row("FD-02", paths=["fresh"])
def fd_02(case):
    starts = 40 if case.quick else 200
    seen = []

    def one():
        _, found, err = case.probe(["FD-01"])
        seen.append(last(found, "open descriptors", str(err)))

    todo = list(range(starts))

    def worker():
        while todo:
            with contextlib.suppress(IndexError):
                todo.pop()
                one()

    # a caller that opens and leaks all the while
    threads = [threading.Thread(target=worker) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    case.attempt(f"descriptors in {starts} concurrent starts",
                 sorted(set(seen)), "['0 1 2']", set(seen) == {"0 1 2"})
    case.attempt("starts", len(seen), str(starts))


@row("NS-06", paths=["fresh"])
def killed_at_any_moment(case):
    """kill -9 of a participant while a jail starts, runs and ends."""
    rounds = 30 if case.quick else 300
    rng = random.Random(20261121)
    before = harness.cgroups_of_warder()
    there, spaces = harness.own(), harness.own_namespaces()
    killed = {}
    launchers = set()
    for _ in range(rounds):
        jail = case.warder.start([], ["sh", "-c", "sleep 0.01"])
        launchers.add(jail.process.pid)
        time.sleep(rng.uniform(0, 0.03))
        family = sorted(harness.descendants(jail.process.pid))
        target = rng.choice([jail.process.pid, *family])
        with contextlib.suppress(ProcessLookupError):
            name = harness.name_of(target)
            os.kill(target, signal.SIGKILL)
            killed[name] = killed.get(name, 0) + 1
        jail.finish(20)
    case.warder.started.clear()
    left = until(lambda: not harness.own() - there, 6)
    case.attempt(f"processes left after {rounds} kills ({killed})",
                 [(p, harness.name_of(p)) for p in harness.own() - there],
                 "[]", bool(left))
    gone = until(lambda: not harness.own_namespaces() - spaces, 6)
    case.attempt("namespaces left", sorted(harness.own_namespaces() - spaces),
                 "[]", bool(gone))
    # what a dead launcher could not remove, the next start sweeps
    case.warder.start([], ["true"]).finish()
    time.sleep(0.5)
    case.attempt("control groups after the next start",
                 sorted(own_groups(launchers, before)), "[]")
    jails = "/run/warder/jails" if case.user.uid == 0 else \
        os.path.join(case.user.folder, "warder")
    dead = [n for n in os.listdir(jails) if n.endswith(".jail") and
            int(n.split("-")[0]) in launchers]
    case.attempt("names of dead jails after the next start", dead, "[]")


def own_groups(launchers, before):
    """Of these launchers: others on this host have jails too."""
    return {g for g in harness.cgroups_of_warder() - before
            if g.rsplit("/warder-", 1)[1].split("-")[0] in
            {str(p) for p in launchers}}


# ---- files on the host ----------------------------------------------------

@row("FS-08", paths=["fresh"])
def fs_08(case):
    place = case.given_directory("links")
    before = os.stat("/usr/bin/env").st_nlink
    case.probe(["FS-08"], ["--rw", place + ":/given"],
               settings={"PROBE_SCRATCH": "/given"})
    case.attempt("links of the host's file", os.stat("/usr/bin/env").st_nlink,
                 str(before))


@row("FS-11", paths=["fresh"])
def fs_11(case):
    place = case.given_directory("bits")
    script = (
        "cd /given; cp /usr/bin/true a; chmod 4755 a; chmod 2755 a; "
        "mkdir d; chmod 2777 d; install -m 4755 /usr/bin/true b; "
        "python3 -c 'import os;os.open(\"c\",os.O_CREAT|os.O_WRONLY,0o4755)';"
        "tar -cf t.tar a; tar -xpf t.tar; "
        "python3 -c 'import os;os.setxattr(\"a\",\"security.capability\","
        "bytes(20))'; ln -s /etc/passwd link; mkfifo fifo; true")
    case.warder.start(["--rw", place + ":/given"],
                      ["sh", "-c", script]).finish()
    made = sorted(os.listdir(place))
    case.attempt("names made", made, "some", len(made) >= 4)
    bits, owners, attributes = [], set(), []
    for name in made:
        st = os.lstat(os.path.join(place, name))
        if st.st_mode & 0o6000:
            bits.append(name)
        owners.add(st.st_uid)
        attributes += os.listxattr(os.path.join(place, name),
                                   follow_symlinks=False)
    case.attempt("names with the bits", bits, "[]")
    case.attempt("attributes", attributes, "[]")
    owner = os.stat(place).st_uid
    case.attempt("owners", sorted(owners), f"[{owner}]", owners == {owner})


@row("FS-10", paths=["fresh"])
def fs_10(case):
    place = case.given_directory("odd")
    depth = "2000" if case.quick else "100000"
    status, found, err = case.probe(["FS-10"], ["--rw", place + ":/given"],
                                    settings={"PROBE_SCRATCH": "/given",
                                              "PROBE_DEPTH": depth},
                                    seconds=280)
    case.attempt("names made", last(found, "odd names made"), "10")
    case.attempt("depth", last(found, "depth reached"), depth)
    # whoever is given that tree next is told, and does not walk it for long
    begin = time.monotonic()
    status, _, err = case.warder.start(["--ro", place + ":/given"],
                                       ["true"]).finish()
    case.attempt("given again", f"{status} {err[-160:]!r}", "125*too deep*",
                 status == 125 and b"too deep" in err)
    took = time.monotonic() - begin
    case.attempt("and at once", f"{took:.1f} s", "within 10 s", took < 10)
    # --keep carries hostile names out, typed or whole
    keep = os.path.join(case.user.directory("keep"), "out")
    status, _, err = case.warder.start(
        ["--keep", keep], ["sh", "-c", "cd /workspace; touch -- -rf "
                           "$'a\\nb'; mkfifo f; ln -s /etc/shadow s; "
                           "echo fine >g"]).finish()
    case.attempt("kept", f"{status} {err[:200]!r}", "0|125*",
                 status in (0, 125))


@row("FS-05", paths=["fresh"])
def fs_05(case):
    place = case.given_directory("cwd")
    os.symlink("/", os.path.join(place, "link"))
    gone = os.path.join(case.user.directory("gone"), "deleted")
    os.mkdir(gone)
    if os.geteuid() == 0:
        os.chown(gone, case.user.uid, case.user.gid)

    def enter_and_delete():
        os.chdir(gone)
        os.rmdir(gone)

    seen = {}
    _, found, err = case.probe(["FS-05"], settings={
        "PROBE_BEYOND": "../../../../" + case.user.folder},
        preexec_fn=enter_and_delete)
    if found:  # else it was refused, without a jail
        seen["a deleted directory"] = found, err
    else:
        case.attempt("a deleted directory: refused", err, "warder*")
    for name, cwd in (("/proc/self/fd/0", "/proc/self/fd/0"),
                      ("a link", "/given/link"), ("dots", "/given/../.."),
                      ("/proc/1/root", "/proc/1/root"),
                      ("/proc/self/cwd", "/proc/self/cwd/../..")):
        policy = os.path.join(case.user.directory("policy"), "p.yaml")
        with open(policy, "w", encoding="ascii") as f:
            f.write("policy: 1\nname: t\nprocess: {cwd: \"" + cwd + "\"}\n"
                    "filesystem:\n  read:\n  - {path: /probe, from: " +
                    case.warder.probe_dir + "}\n  write:\n"
                    "  - {path: /given, from: " + place + "}\n")
        status, out, err = case.warder.start(
            ["--policy", policy], [harness.PROBE, "FS-05"]).finish()
        if not out and status in (125, 126, 127):
            case.attempt(f"{name}: refused", f"{status} {err[:100]!r}",
                         "12*")
            continue
        seen[name] = harness.records(out), err
    for name, (found, err) in seen.items():
        cwd = last(found, "getcwd", str(err))
        case.attempt(f"{name}: getcwd", cwd, "inside the root",
                     cwd.startswith("/") and "unreachable" not in cwd)
        case.attempt(f"{name}: dots end at",
                     last(found, "../../.. ends at"), "the root")
        case.attempt(f"{name}: beyond", last(found, "../../..canary"),
                     "ENOENT")


@row("FS-04", paths=["fresh"])
def fs_04(case):
    """Set-id copies of the probe, given by the host, must raise nothing."""
    if os.geteuid() != 0:
        raise Skip("making set-id programs needs root")
    import shutil
    for where in ("ro", "rw"):
        place = case.given_directory("suid")
        for name, mode in (("setuid", 0o4755), ("setgid", 0o2755)):
            path = os.path.join(place, name)
            shutil.copy(case.run.probe, path)
            os.chown(path, 0, 0)
            os.chmod(path, mode)
        path = os.path.join(place, "capable")
        shutil.copy(case.run.probe, path)
        os.chmod(path, 0o755)
        # cap_setuid+ep, version 2
        os.setxattr(path, "security.capability",
                    bytes.fromhex("0100000280000000000000000000000000000000"))
        for name in ("setuid", "setgid", "capable"):
            _, out, err = case.warder.start(
                ["--" + where, place + ":/given"],
                ["/given/" + name, "FS-04-self"]).finish()
            found = harness.records(out)
            case.attempt(f"{where} {name}: ids", last(found, "ids", err),
                         "1000 1000 1000 1000")
            case.attempt(f"{where} {name}: CapEff", last(found, "CapEff"),
                         "0000000000000000")


FS_01_NAMES = {"bin", "dev", "etc", "given", "home", "lib", "lib32", "lib64",
               "libx32", "probe", "proc", "sbin", "sys", "tmp", "usr", "var",
               "workspace"}


@row("FS-01")
def fs_01(case):
    inside = case.inside()
    names = set(inside.get("names in /", "").split())
    case.attempt("names in /", sorted(names - FS_01_NAMES), "[]",
                 bool(names) and names <= FS_01_NAMES)
    for attempt, got in inside.items():
        if not attempt.startswith("mount "):
            continue
        fields = dict(f.split("=", 1) for f in got.split() if "=" in f)
        leak = case.user.folder in fields["root"] or \
            os.path.dirname(case.run.probe) in fields["root"] or \
            case.user.folder in fields["source"]
        # what is given shows where it lies in its file system: the kernel
        # prints the root of every mount (docs/threat-model.md)
        given = attempt.split()[1].split("/")[1] in ("given", "probe")
        case.attempt(attempt, got, "no path of the host", given or not leak)
    case.attempt("mounts", len(inside), "many", len(inside) > 10)


@row("PR-06")
def pr_06(case):
    inside, outside = case.inside(), case.outside()
    _, found, _ = case.probe(["PR-06"])
    other = {r["attempt"]: r["got"] for r in found}
    for name in ("/proc/sys/kernel/random/boot_id", "/etc/machine-id"):
        case.attempt(name, inside.get(name), "this jail's own",
                     inside.get(name) not in (outside.get(name),
                                              other.get(name), None),
                     control=bool(outside.get(name)) or "none")
    for name, expected in (
            ("/etc/hostname", "jail;"), ("uname nodename", "jail *"),
            ("/proc/sys/kernel/hostname", "jail;"),
            ("/proc/net/arp", "!*:*:*:*:*:*"),
            ("/sys/class/dmi/id/product_name", "ENOENT"),
            ("/sys/class/net/eth0/address", "ENOENT"),
            ("/proc/fs/ext4", "EISDIR|ENOENT|EACCES")):
        case.attempt(name, inside.get(name), expected)
    groups = inside.get("/proc/self/cgroup", "").split(";")
    case.attempt("control groups", groups, "each its own root",
                 all(g.endswith(":/") for g in groups if g))
    case.attempt("network devices", inside.get("/proc/net/dev"), "lo alone",
                 inside.get("/proc/net/dev", "").count(":") == 1)
    memory = inside.get("/proc/meminfo", "").split()
    case.attempt("memory", memory[1:2], "the jail's limit, 1 GiB",
                 memory[1:2] == ["1048576"])
    for name in ("boottime", "monotonic"):
        case.attempt(name, inside.get(name), "of the jail, not of the host",
                     int(inside.get(name, 10 ** 9)) < 300,
                     control=int(outside[name]) > 300)
    up = float(inside.get("/proc/uptime", "1e9 0").split()[0])
    case.attempt("/proc/uptime", up, "of the jail, not of the host", up < 300)


@row("LL-05", paths=["fresh"])
def ll_05(case):
    """Somebody of the same uid in the same namespaces, outside the domain."""
    if os.geteuid() != 0:
        raise Skip("putting a helper into a jail's namespaces needs root")
    jail = case.warder.start([], ["python3", "-c", LL_INSIDE])
    first = jail.line()
    if first != b"up\n":
        raise Skip("no python3 in the jail")
    pids = [p for p in harness.descendants(jail.process.pid)
            if harness.name_of(p).startswith("python")]
    helper = subprocess.Popen(
        ["nsenter", "-t", str(pids[0]), "--net", "--pid", "setpriv",
         f"--reuid={os.stat(f'/proc/{pids[0]}').st_uid}",
         f"--regid={os.stat(f'/proc/{pids[0]}').st_gid}", "--clear-groups",
         "python3", "-c", LL_HELPER], stdout=subprocess.PIPE)
    helper.stdout.readline()
    words = jail.line().decode().split()
    helper.kill()
    helper.wait()
    got = dict(w.split("=") for w in words)
    case.attempt("signal to a process outside the domain", got.get("kill"),
                 "EPERM", control=got.get("own_kill") == "ok")
    case.attempt("abstract socket of a process outside the domain",
                 got.get("connect"), "EPERM",
                 control=got.get("own_connect") == "ok")


LL_HELPER = """
import os, socket, time
s = socket.socket(socket.AF_UNIX); s.bind("\\0helper"); s.listen(5)
print("up", flush=True)
time.sleep(20)
"""

LL_INSIDE = """
import errno, os, socket, time
def name(f):
    try:
        f()
        return "ok"
    except OSError as e:
        return errno.errorcode[e.errno]
print("up", flush=True)
mine = socket.socket(socket.AF_UNIX); mine.bind("\\0own"); mine.listen(5)
def connect(n):
    s = socket.socket(socket.AF_UNIX); s.connect(n)
for _ in range(100):
    others = [int(p) for p in os.listdir("/proc") if p.isdigit()
              and int(p) not in (1, os.getpid())]
    if others and name(lambda: connect("\\0helper")) != "ECONNREFUSED":
        break
    time.sleep(0.05)
# the helper is a child of nsenter, whose number is not ours to see
kill = "none"
for p in others:
    kill = name(lambda: os.kill(p, 0))
print("connect=" + name(lambda: connect("\\0helper")),
      "own_connect=" + name(lambda: connect("\\0own")),
      "kill=" + kill, "own_kill=" + name(lambda: os.kill(os.getpid(), 0)),
      flush=True)
time.sleep(5)
"""
