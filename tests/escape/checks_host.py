"""Witnesses on the host: namespaces, processes, files, channels."""

import hashlib
import os
import signal

import harness
from checks import row
from harness import descendants, namespaces_of, until

NS = ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup")


@row("NS-01")
def ns_01(case):
    # a living one: the numbers of what has ended are given out again
    sibling, pids = witness(case)
    theirs = namespaces_of(max(pids))
    _, beside, _ = case.probe(["NS-01"])
    beside = {r["attempt"]: r["got"] for r in beside}
    alive = sibling.process.poll() is None
    sibling.end()
    ours = namespaces_of(os.getpid())
    inside = case.inside()
    for name in NS + ("time",):
        got = inside.get(name, "nothing")
        case.attempt(f"{name} against the supervisor's", got,
                     f"not {ours[name]}",
                     got.startswith(name) and got != ours[name],
                     control=case.outside().get(name) == ours[name])
        got = beside.get(name, "nothing")
        case.attempt(f"{name} against a sibling's", got,
                     f"not {theirs.get(name)}",
                     got.startswith(name) and got != theirs.get(name),
                     control=alive and
                     theirs.get(name, "").startswith(name))


def ranges(text):
    """[(inside, outside, count)] of a uid_map with ; for line ends."""
    return [tuple(int(x) for x in line.split())
            for line in text.split(";") if line.strip()]


@row("NS-02")
def ns_02(case):
    # maps as the host sees them: of two jails alive at the same time
    jails = []
    for _ in range(2):
        jail = case.start([], ["sh", "-c", "echo up; exec sleep 60"])
        if jail.line() != b"up\n":
            case.attempt("a jail that waits", jail.finish(5)[2], "up", False)
            return
        jails.append(jail)
    inside = case.inside()
    case.attempt("setgroups", inside.get("setgroups"), "deny;",
                 control=case.outside().get("setgroups") == "allow;" or
                 os.geteuid() != 0)
    for kind in ("uid_map", "gid_map"):
        seen = []
        for jail in jails:
            seen.append([r for pid in in_jail(jail)
                         for r in ranges(host_map(pid, kind))])
        for found in seen:
            good = found and all(o > 0 and o + n <= 2 ** 32 - 1
                                 for _, o, n in found)
            case.attempt(f"{kind} without host id 0", found, "above 0",
                         bool(good),
                         control=ranges(case.outside()[kind])[0][1] == 0)
        if case.mode == "root":
            a, b = ({i for _, o, n in f for i in range(o, o + n)}
                    for f in seen)
            case.attempt(f"{kind}s disjoint", sorted(a & b), "none in common",
                         not a & b)
        else:
            me = case.user.uid if kind == "uid_map" else case.user.gid
            case.attempt(f"{kind} is the caller alone", seen,
                         f"only {me}",
                         all(f and all(o == me and n == 1 for _, o, n in f)
                             for f in seen))


def in_jail(jail):
    """Pids on the host of the processes that are in a pid namespace below."""
    ours = os.readlink("/proc/self/ns/pid")
    return [p for p in descendants(jail.launcher.pid)
            if namespaces_of(p).get("pid") not in (ours, None)]


def host_map(pid, kind):
    with open(f"/proc/{pid}/{kind}", encoding="ascii") as f:
        return f.read().replace("\n", ";")


@row("NS-03")
def ns_03(case):
    # no namespace may stay that a jail made
    before = harness.own_namespaces()
    jail, _ = witness(case)
    seen = harness.own_namespaces() - before
    case.probe(["NS-03"])
    jail.end()
    case.warder.end_all()
    left = until(lambda: not harness.own_namespaces() - before, 3)
    case.attempt("namespaces left on the host",
                 sorted(harness.own_namespaces() - before), "[]", bool(left),
                 control=len(seen) >= 7)


@row("NS-04")
def ns_04(case):
    inside, outside = case.inside(), case.outside()
    # a jail that was entered has another process of the same user's
    case.attempt("kill -1 0", inside.get("kill -1 0"),
                 "ok|ESRCH" if case.path == "exec" else "ESRCH",
                 control=outside.get("kill -1 0") == "ok")
    for name in ("processes listed", "processes that kill(2) knows",
                 "processes that pidfd_open(2) knows"):
        case.attempt(name, inside.get(name, "nothing"), "2|3|4",
                     control=int(outside.get(name, 0)) > 8)


def witness(case):
    """A jail with a few processes; its pids on the host."""
    jail = case.start([], ["sh", "-c", "sleep 600 & setsid sleep 600 & "
                           "echo up; exec sleep 600"])
    if jail.line() != b"up\n":
        raise AssertionError(jail.finish(5)[2])
    pids = until(lambda: len(in_jail(jail)) >= 4 and in_jail(jail), 3)
    return jail, pids or []


def gone(case, name, jail, pids):
    """Within two seconds nothing of it is left anywhere."""
    inodes = set()
    for pid in pids:
        inodes |= set(namespaces_of(pid).values()) - \
            set(namespaces_of(os.getpid()).values())
    yield
    alive = until(lambda: not harness.own() & set(pids), 2)
    case.attempt(f"{name}: processes left",
                 sorted(harness.own() & set(pids)), "none",
                 bool(alive), control=len(pids) >= 4)
    clean = until(lambda: not inodes & harness.own_namespaces(), 2)
    case.attempt(f"{name}: namespaces left",
                 sorted(inodes & harness.own_namespaces()), "none",
                 bool(clean), control=len(inodes) >= 7)


@row("NS-06", paths=["fresh"])
def ns_06(case):
    for name, victim in (("init", lambda j, p: min(p)),
                         ("launcher", lambda j, p: j.process.pid),
                         ("janitor", lambda j, p: janitor_of(j))):
        before = harness.cgroups_of_warder()
        jail, pids = witness(case)
        target = victim(jail, pids)
        if target is None:
            case.attempt(f"{name}: found", None, "a process", False)
            continue
        step = gone(case, name, jail, pids)
        next(step)
        others = descendants(jail.process.pid)
        os.kill(target, signal.SIGKILL)
        if name == "janitor":
            # the jail lives on without it; it must still end as a whole
            jail.end()
        next(step, None)
        jail.finish(5)
        left = until(lambda: not harness.own() & others, 6)
        case.attempt(f"{name}: helpers left",
                     [(p, harness.name_of(p)) for p in
                      harness.own() & others], "none", bool(left))
        if name != "janitor":
            def empty():
                return not [g for g in harness.cgroups_of_warder() - before
                            if not harness.members(g)]

            case.attempt(f"{name}: control groups left",
                         sorted(harness.cgroups_of_warder() - before), "none",
                         bool(until(empty, 6)))


def janitor_of(jail):
    for pid in descendants(jail.process.pid):
        if harness.name_of(pid) == "warder-janitor":
            return pid
    return None


@row("PR-04")
def pr_04(case):
    files = ["/usr/bin/env", "/usr/bin/dash", case.run.probe]
    before = [digest(f) for f in files]
    case.probe(["PR-04"])
    case.attempt("host files", [digest(f) for f in files], str(before),
                 [digest(f) for f in files] == before)


@row("PR-05")
def pr_05(case):
    before = digest("/usr/bin/env")
    case.probe(["PR-05"])
    case.attempt("the host file on disk and in the page cache",
                 digest("/usr/bin/env"), before,
                 digest("/usr/bin/env") == before)


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


@row("CP-03")
def cp_03(case):
    got = case.inside().get("groups", "nothing")
    if case.mode == "root":
        case.attempt("supplementary groups", got, "")
        return
    # the kernel lets nobody drop them rootless: they show as the overflow id
    case.attempt("supplementary groups", got, "1000 and 65534 only",
                 set(got.split()) <= {"1000", "65534"})


@row("FD-01")
def fd_01(case):
    # a caller that leaks: descriptors without CLOEXEC, low and high
    leaked = []
    null = os.open("/dev/null", os.O_RDONLY)
    soft, hard = resource_limit()
    for number in (3, 4, 5, 9, 10, 11, 50, 100, 1000, hard - 1):
        if number < hard and not is_open(number):
            os.dup2(null, number, inheritable=True)
            leaked.append(number)
    try:
        _, found, err = case.probe(["FD-01"], close_fds=False)
        seen = case.probe_outside(["FD-01"], close_fds=False)
    finally:
        for number in leaked:
            os.close(number)
        os.close(null)
    inside = {r["attempt"]: r["got"] for r in found}
    outside = {r["attempt"]: r["got"] for r in seen}
    case.attempt("descriptors of a caller that leaks",
                 inside.get("open descriptors", err), "0 1 2",
                 control=str(leaked[-1]) in
                 outside.get("open descriptors", "").split())
    del soft


def resource_limit():
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    hard = min(hard, 1 << 20)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return soft, hard


def is_open(number):
    try:
        os.fstat(number)
        return True
    except OSError:
        return False
