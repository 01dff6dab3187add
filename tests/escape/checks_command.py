"""Checks of the command line, of policies, and of the filter's table."""

import json
import os
import pty
import select
import socket

import harness
from checks import row
from harness import Skip, matches

# ---- the filter -----------------------------------------------------------

ALL_ONES = ("0xffffffffffffffff",) * 6


def golden(case, profile="strict"):
    path = os.path.join(case.run.build, "policy",
                        f"seccomp-golden-{profile}.json")
    if not os.path.exists(path):
        raise Skip("make seccomp-golden has not run")
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def verdicts(table):
    """{number: verdict for arguments that are all ones, or None}."""
    found = {}
    for call in table["calls"]:
        if call.get("bypass"):
            found[call["nr"]] = None
        else:
            found[call["nr"]] = call.get("bad", call["verdict"])
    return found


def agrees(verdict, got, outside):
    """Whether an answer is what the filter's verdict must lead to."""
    if verdict == "allow":
        # the kernel's own answer: never one that only a filter gives
        return got == outside or got not in ("EPERM", "ENOSYS")
    if verdict == "errno 0":
        return got == "ok"
    if verdict == "kill":
        return got == "signal:31"
    return got == verdict


def compare(case, inside, outside, name, verdict):
    got, control = inside.get(name, "nothing"), outside.get(name, "nothing")
    if verdict is None:  # newer kernels ask no filter about these
        case.attempt(f"call {name}", got, "not ok", got != "ok")
        return
    refused = verdict not in ("allow", "errno 0")
    case.attempt(f"call {name}", got, verdict, agrees(verdict, got, control),
                 # a kernel that refuses by itself shows nothing
                 control=control != got if refused and control != got
                 else "none")


@row("SC-01")
def sc_01(case):
    table = golden(case)
    inside, outside = case.inside(), case.outside()
    known = verdicts(table)
    for nr in range(table["highest"] + 65):
        compare(case, inside, outside, str(nr),
                known.get(nr, table["above"]))
    for c in table["cases"]:
        compare(case, inside, outside,
                " ".join([str(c["nr"]), *c["args"]]), c["verdict"])
    shown = sum(1 for a in case.attempts if a.control is True)
    case.attempt("refusals that the host would not have given", shown,
                 "at least 100", shown >= 100)


@row("SC-08")
def sc_08(case):
    table = golden(case)
    inside, outside = case.inside(), case.outside()
    known = verdicts(table)
    for nr in range(table["highest"] + 65):
        compare(case, inside, outside, str(nr),
                known.get(nr, table["above"]))


@row("SC-10")
def sc_10(case):
    # every thread of the jail, as the host sees it, some of them just made
    jail = case.start([], ["python3", "-c", THREADS])
    if jail.line() != b"up\n":
        raise Skip("no python3 in the jail: " +
                   jail.finish(5)[2].decode("utf-8", "replace"))
    ours = os.readlink("/proc/self/ns/pid")
    seen = []
    for pid in harness.descendants(jail.launcher.pid):
        if harness.namespaces_of(pid).get("pid") in (ours, None):
            continue
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/status",
                      encoding="utf-8") as f:
                status = dict(line.rstrip("\n").split(":\t", 1)
                              for line in f if ":\t" in line)
            seen.append((status["Seccomp"], status["Seccomp_filters"]))
    case.attempt("threads seen", len(seen), "at least 10", len(seen) >= 10)
    case.attempt("their modes and filters", sorted(set(seen)),
                 "[('2', '1')]", set(seen) == {("2", "1")})


THREADS = """
import threading, time
for _ in range(10):
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
print("up", flush=True)
time.sleep(60)
"""

# Programs that must work under the filter; a word that their output holds.
PROGRAMS = (
    ("bash", ["bash", "-c", "for i in 1 2 3; do (echo $i) & done; wait; "
              "test -r /etc/passwd && echo fine"], "fine"),
    ("coreutils", ["sh", "-c", "ls -laR /etc >/dev/null 2>&1; df /tmp; "
                   "sort </etc/passwd | tail -1; echo fine"], "fine"),
    ("python", ["python3", "-c", """
import asyncio, concurrent.futures, multiprocessing, subprocess, threading
t = threading.Thread(target=print, args=("t",)); t.start(); t.join()
print(subprocess.run(["echo", "s"], capture_output=True).stdout)
async def f(): await asyncio.sleep(0.01)
asyncio.run(f())
with multiprocessing.get_context("fork").Pool(2) as p: print(p.map(abs, [1]))
print("fine")"""], "fine"),
    ("node", ["node", "-e", """
const {Worker} = require('worker_threads');
const fs = require('fs');
fs.writeFileSync('/tmp/n', 'x');
require('child_process').execSync('true');
new Worker('0', {eval: true}).on('exit', () => console.log('fine'));"""],
     "fine"),
    ("gcc", ["sh", "-c", "echo 'int main(void){return 0;}' >a.c && "
             "gcc a.c -o a && ./a && echo fine"], "fine"),
    ("clang", ["sh", "-c", "echo 'int main(void){return 0;}' >b.c && "
               "$(command -v clang || command -v clang-14) b.c -o b && ./b "
               "&& echo fine"], "fine"),
    ("make -j", ["sh", "-c", "printf 'all: a b\\na b:\\n\\t@echo $@\\n' "
                 ">Makefile && make -j4 && echo fine"], "fine"),
    ("git", ["sh", "-c", "git init -q r && cd r && echo x >f && git add f && "
             "git -c user.name=a -c user.email=b commit -qm c && git gc -q "
             "&& echo fine"], "fine"),
    ("tar", ["sh", "-c", "tar cf t.tar /etc/alternatives 2>/dev/null; "
             "mkdir x && tar xf t.tar -C x && echo fine"], "fine"),
    ("xz", ["sh", "-c", "head -c 100000 /dev/urandom >d && xz -T2 d && "
            "xz -d d.xz && gzip d && gunzip d.gz && echo fine"], "fine"),
    ("sqlite", ["sqlite3", "t.db", "pragma journal_mode=wal; create table "
                "t(a); insert into t values('fine'); select a from t;"],
     "fine"),
    ("busybox", ["busybox", "sh", "-c", "busybox ls / >/dev/null && "
                 "busybox echo fine"], "fine"),
    ("perl", ["perl", "-e", "fork or exit; wait; print qq(fine\\n)"], "fine"),
    ("go", ["sh", "-c", "cat >m.go <<'E'\npackage main\nimport \"fmt\"\n"
            "func main() { c := make(chan int); for i := 0; i < 50; i++ "
            "{ go func() { c <- 1 }() }; for i := 0; i < 50; i++ { <-c }; "
            "fmt.Println(\"fine\") }\nE\nHOME=/tmp go run m.go"], "fine"),
    ("rustc", ["sh", "-c", "echo 'fn main(){println!(\"fine\")}' >r.rs && "
               "rustc r.rs && ./r"], "fine"),
)


@row("SC-11", full=True)
def sc_11(case):
    absent = 0
    for name, command, word in PROGRAMS:
        program = {"bash": "bash", "coreutils": "sh", "make -j": "make",
                   "sqlite": "sqlite3", "python": "python3"}.get(name, name)
        status, _, _ = case.start([], ["sh", "-c", f"command -v {program}"],
                                  ).finish()
        if status != 0:
            absent += 1
            continue
        # the host's own user's Go and Rust are no part of /usr
        status, out, err = case.start(["--limit", "memory=2GiB"],
                                      command).finish()
        case.attempt(name, f"{status}" if status else "0", "0",
                     status == 0 and word.encode() in out,
                     control="none")
        if status != 0:
            print(f"# {name}: {err.decode('utf-8', 'replace')[-300:]}")
    case.attempt("programs tried", len(PROGRAMS) - absent, "at least 5",
                 len(PROGRAMS) - absent >= 5)


# ---- terminals ------------------------------------------------------------

def on_terminal(case, flags, command, seconds=20):
    """Run a jail on a pty of ours, as a user at a terminal would."""
    master, slave = pty.openpty()
    os.set_inheritable(slave, True)
    jail = case.start(flags, command, stdin=slave, stdout=slave,
                      stderr=slave)
    os.close(slave)
    out = b""
    while True:
        ready, _, _ = select.select([master], [], [], seconds)
        if not ready:
            jail.end()
            break
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        if not piece:
            break
        out += piece
    os.close(master)
    jail.process.wait()
    return jail.process.returncode, out


@row("TT-01")
def tt_01(case):
    if case.path == "exec":
        return
    flags = harness.probe_flags(case.warder, {})
    _, out = on_terminal(case, ["-t", *flags], [harness.PROBE, "TT-01"])
    found = harness.records(out.replace(b"\r\n", b"\n"))
    for r in found:
        if r["id"] != "TT-01":
            continue
        expected = "ok" if r["attempt"].startswith("TIOCGWINSZ") else "EPERM"
        case.attempt("with -t: " + r["attempt"], r["got"], expected)
    case.attempt("with -t: attempts", len(found), "many", len(found) > 20)


@row("TT-02", paths=["fresh"])
def tt_02(case):
    flags = harness.probe_flags(case.warder, {})
    _, out = on_terminal(case, flags, [harness.PROBE, "TT-02"])
    found = {r["attempt"]: r["got"] for r in
             harness.records(out.replace(b"\r\n", b"\n"))}
    case.attempt("the caller's terminal without -t",
                 found.get("open /dev/tty"), "ENXIO")
    _, out = on_terminal(case, ["-t", *flags], [harness.PROBE, "TT-02"])
    found = {r["attempt"]: r["got"] for r in
             harness.records(out.replace(b"\r\n", b"\n"))}
    case.attempt("its own with -t", found.get("open /dev/tty"), "ok")
    case.attempt("its own's name", found.get("its name"), "/dev/pts/0")
    case.attempt("steal with -t", found.get("steal"), "EPERM")


EVIL = (b"\x1b]0;title\x07\x1b]52;c;eA==\x07\x9b31m\xe2\x80\xae\x00" +
        b"a" * (1 << 20) + b"\n")


@row("TT-03")
def tt_03(case):
    place = case.user.directory("out")
    name = os.path.join(place, "evil")
    with open(name, "wb") as f:
        f.write(EVIL)
    status, out, _ = case.start(["--ro", place + ":/evil"],
                                ["cat", "/evil/evil"]).finish()
    case.attempt("output verbatim", f"{status}, {len(out)} bytes",
                 f"0, {len(EVIL)} bytes", out == EVIL)
    # what the command line itself says of hostile names is escaped
    bad = b"/no/\x1b]0;t\x07\n\xff\xe2\x80\xae"
    status, out, err = case.warder.start([], [bad]).finish()
    case.attempt("a command's name in the error", err, "escaped",
                 status == 127 and b"\x1b" not in err and
                 b"\x07" not in err and b"\xe2\x80\xae" not in err and
                 err.count(b"\n") <= 2)
    status, out, err = case.warder.start(["--ro", bad], ["true"]).finish()
    case.attempt("a flag's value in the error", err, "escaped",
                 status == 125 and b"\x1b" not in err and
                 b"\x07" not in err and b"\xe2\x80\xae" not in err)


# ---- descriptors ----------------------------------------------------------

@row("FD-05", paths=["fresh"])
def fd_05(case):
    place = case.user.directory("stdio")
    name = os.path.join(place, "file")
    flags = harness.probe_flags(case.warder, {})

    def write(text):
        with open(name, "wb") as f:
            f.write(text)
        os.chmod(name, 0o666)

    write(b"the caller's\n")
    with open(name, "r+b") as f, open(name + ".out", "wb") as o:
        jail = case.warder.start(["-i", *flags], [harness.PROBE, "FD-05"],
                                 stdin=f, stdout=o, stderr=f)
        jail.process.wait(60)
    with open(name + ".out", "rb") as f:
        printed = f.read()
    with open(name, "rb") as f:
        left = f.read()
    judge_stdio(case, "file", harness.records(printed))
    case.attempt("the caller's file", left, "as it was",
                 left == b"the caller's\n")
    write(b"the caller's\n")
    with open(name, "r+b") as f:
        seen = {r["attempt"]: r["got"] for r in
                case.probe_outside(["FD-05"], stdin=f)}
    case.attempt("outside", seen.get("reopen 0"), "file",
                 control=seen.get("kind of 0") == "file")
    folder = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        jail = case.warder.start(["-i", *flags], [harness.PROBE, "FD-05"],
                                 stdin=folder)
        _, out, _ = jail.finish(60)
    finally:
        os.close(folder)
    judge_stdio(case, "directory", harness.records(out))
    _, out = on_terminal(case, ["-i", *flags], [harness.PROBE, "FD-05"])
    judge_stdio(case, "terminal",
                harness.records(out.replace(b"\r\n", b"\n")))


def judge_stdio(case, what, found):
    inside = {r["attempt"]: r["got"] for r in found}
    for n in range(3):
        case.attempt(f"{what}: kind of {n}", inside.get(f"kind of {n}"),
                     "pipe|null")
        case.attempt(f"{what}: reopen {n}", inside.get(f"reopen {n}"),
                     "pipe|null|EACCES|EPERM|ENXIO")
        case.attempt(f"{what}: lseek {n}", inside.get(f"lseek {n}"),
                     "ESPIPE|ok" if inside.get(f"kind of {n}") == "null"
                     else "ESPIPE")
        case.attempt(f"{what}: TIOCSTI {n}", inside.get(f"TIOCSTI {n}"),
                     "EPERM")


# ---- policies and arguments -----------------------------------------------

def with_policy(case, text, command=("true",)):
    path = os.path.join(case.user.directory("policy"), "p.yaml")
    with open(path, "wb") as f:
        f.write(text)
    return case.warder.start(["--policy", path], list(command)).finish()


GOOD = b"policy: 1\nname: t\n"

POLICIES = (
    ("empty", b""),
    ("null", b"null\n"),
    ("list", b"- a\n"),
    ("unknown key", GOOD + b"sandbox: off\n"),
    ("duplicate key", GOOD + b"name: u\n"),
    ("wrong type", GOOD + b"limits: {pids: [1]}\n"),
    ("negative", GOOD + b"limits: {pids: -1}\n"),
    ("profile off", GOOD + b"seccomp: {profile: unconfined}\n"),
    ("merge key", b"a: &a {policy: 1}\n<<: *a\nname: t\n"),
    ("two documents", GOOD + b"---\n" + GOOD),
    ("tag", b"policy: !!python/object:os.system 1\nname: t\n"),
    ("over-size", GOOD + b"summary: " + b"a" * (8 << 20) + b"\n"),
    ("user 0", GOOD + b"process: {user: 0}\n"),
    ("given /proc", GOOD + b"filesystem: {read: [{path: /x, from: /proc}]}\n"),
    ("given /run", GOOD + b"filesystem: {read: [{path: /x, from: /run}]}\n"),
    ("given /", GOOD + b"filesystem: {read: [{path: /x, from: /}]}\n"),
    ("over /proc", GOOD + b"filesystem: {tmpfs: [{path: /proc, size: 1MiB}]}"
     b"\n"),
    ("over /proc/self", GOOD +
     b"filesystem: {tmpfs: [{path: /proc/self, size: 1MiB}]}\n"),
    ("dots", GOOD + b"filesystem: {tmpfs: [{path: /tmp/../etc, size: 1MiB}]}"
     b"\n"),
    ("NUL", GOOD + b"process: {cwd: \"/tmp\\0/x\"}\n"),
)


@row("FC-02", paths=["fresh"])
def fc_02(case):
    status, _, err = with_policy(case, GOOD)
    case.attempt("a good policy", f"{status} {err}", "0", status == 0)
    for name, text in POLICIES:
        status, out, err = with_policy(case, text, ["echo", "ran"])
        case.attempt(name, f"{status} {err[:200]!r}", "125 and a reason",
                     status == 125 and b"ran" not in out and
                     b"warder: " in err and b"p.yaml" in err, control=True)
    status, out, err = case.warder.start(
        ["--policy", case.user.folder + "/none.yaml"], ["echo", "r"]).finish()
    case.attempt("absent", f"{status} {err!r}", "125", status == 125 and
                 not out)
    # nothing in the environment can loosen anything
    env = dict(case.user.environment(), WARDER_POLICY="/dev/null",
               WARDER_SECCOMP="off", WARDER_DEBUG="1", LD_PRELOAD="/x.so",
               WARDER_LIBEXEC="/tmp")
    status, out, _ = case.warder.start(
        [], ["sh", "-c", "grep Seccomp: /proc/self/status; env"],
        env=env).finish()
    case.attempt("environment", out, "ignored",
                 status == 0 and b"Seccomp:\t2" in out and
                 b"WARDER_" not in out and b"LD_PRELOAD" not in out)


@row("IN-06", paths=["fresh"])
def in_06(case):
    def hosts(text):
        return (GOOD + b"network: {services: {s: {to: \"" + text +
                b"\", allow: any}}}\n")

    for name, text in (("*", b"*"), ("*.com", b"*.com"), ("**", b"**"),
                       ("unclosed", b"[a"), ("nested", b"(a+)+$"),
                       ("1 MB", b"a" * (1 << 20)), ("space", b"a b"),
                       ("control", b"a\\x01b")):
        status, _, err = with_policy(case, hosts(text))
        case.attempt(name, f"{status} {err[:160]!r}", "125 by its host",
                     status == 125 and b"p.yaml" in err and
                     b"enforced" not in err)
    status, _, err = with_policy(case, hosts(b"api.example.org"))
    case.attempt("a good host", f"{status} {err!r}",
                 "not refused for its host",
                 status == 0 or b"enforced" in err)


@row("FC-04")
def fc_04(case):
    report = os.path.join(case.user.directory("report"), "r.json")
    status, _, err = case.warder.start(["--report", report],
                                       ["true"]).finish()
    if status != 0:
        case.attempt("report", err, "a report", False)
        return
    with open(report, encoding="utf-8") as f:
        posture = json.load(f)["posture"]
    probed = {r["attempt"]: r["got"] for r in case.run.inside(case.path)
              if r["id"] in ("CP-01", "SC-10", "LL-05", "NS-01", "RX-12")}
    case.attempt("capabilities", posture["capabilities"], "none*",
                 posture["capabilities"].startswith("none") and
                 probed["self CapEff"] == "0" * 16)
    case.attempt("no_new_privs", posture["capabilities"], "said and in force",
                 "no_new_privs" in posture["capabilities"] and
                 probed["self NoNewPrivs"] == "1")
    case.attempt("namespaces", posture["namespaces"], "all eight",
                 set(posture["namespaces"].split()) ==
                 {"user", "mount", "pid", "net", "ipc", "uts", "cgroup",
                  "time"})
    case.attempt("seccomp", posture["seccomp"], "strict*",
                 posture["seccomp"].startswith("strict") and
                 probed["self Seccomp"] == "2")
    case.attempt("landlock", posture["landlock"], f"ABI {probed['ABI']}*")
    case.attempt("core limit", posture["core_dumps"], "RLIMIT_CORE 1*",
                 probed["RLIMIT_CORE"] == "1 1" and
                 posture["core_dumps"].startswith("RLIMIT_CORE 1"))
    case.attempt("rootless", posture["rootless"], case.mode,
                 posture["rootless"] == (case.mode == "rootless"))


@row("HD-05")
def hd_05(case):
    witness = os.path.join(case.user.folder, "made-by-a-shell")
    words = ["-rf", "--", "--help", "a\nb", f"$(touch {witness})",
             f"`touch {witness}`", "'", '"', "%n%s%x", "\\", "*", ";true",
             f"|touch {witness}", "é\xff", ""]
    status, out, _ = case.start(
        [], ["/usr/bin/printf", "%s\\0", *words]).finish()
    got = out.decode("utf-8", "surrogateescape").split("\0")[:-1]
    case.attempt("arguments", got, str(words), status == 0 and
                 got == [os.fsencode(w).decode("utf-8", "surrogateescape")
                         for w in words])
    case.attempt("a shell's work", os.path.exists(witness), "False")
    for word in words:
        if not word:
            continue
        status, out, err = case.warder.start([], [word]).finish()
        case.attempt(f"a command named {word!r}", f"{status} {err[:80]!r}",
                     "126|127", status in (126, 127) and not out)
    case.attempt("a shell's work", os.path.exists(witness), "False")


@row("HD-04", paths=["fresh"])
def hd_04(case):
    place = case.given_directory("hostile")
    for name, target in (("up", "../.."), ("abs", "/etc"), ("proc", "/proc"),
                         ("root", "/proc/self/root")):
        os.symlink(target, os.path.join(place, name))

    def refused(what, flags, control=True):
        status, out, err = case.warder.start(
            flags, ["sh", "-c", "pwd; ls"]).finish()
        case.attempt(what, f"{status} {out[:80]!r} {err[:120]!r}", "125",
                     status == 125 and not out, control=control)

    status, out, _ = case.warder.start(["--rw", place + ":/given"],
                                       ["sh", "-c", "cd /given && pwd"]
                                       ).finish()
    good = status == 0 and out == b"/given\n"
    case.attempt("a plain directory", out, "/given", good)
    # where it is mounted
    refused("dest ..", ["--ro", place + ":/given/../../etc"], good)
    refused("dest relative", ["--ro", place + ":given"], good)
    refused("dest 4 KiB", ["--ro", place + ":/" + "a" * 4096], good)
    refused("dest over proc", ["--ro", place + ":/proc"], good)
    refused("dest in proc", ["--ro", place + ":/proc/1/root"], good)
    refused("dest in dev", ["--rw", place + ":/dev/shm/x"], good)
    # a later mount below a hostile directory must not follow its links
    for link in ("up", "abs", "proc", "root"):
        refused(f"below the link {link}",
                ["--rw", place + ":/given", "--ro",
                 f"{case.warder.probe_dir}:/given/{link}/x"], good)
        refused(f"on the link {link}",
                ["--rw", place + ":/given", "--ro",
                 f"{case.warder.probe_dir}:/given/{link}"], good)
    # what is given
    for name in ("/proc", "/sys", "/run", "/dev", "/", "/etc/warder",
                 "/proc/self/root/tmp", "/proc/self/fd", "/proc/self/cwd"):
        refused(f"source {name}", ["--ro", name + ":/x"], good)
    refused("source through a link to /proc",
            ["--ro", os.path.join(place, "proc") + ":/x"], good)
    refused("source missing", ["--ro", place + "/none:/x"], good)
    refused("home for writing", ["--rw", case.user.folder + ":/x"], good)
    fifo = os.path.join(place, "fifo")
    os.mkfifo(fifo)
    refused("source fifo", ["--ro", fifo + ":/x"], good)
    refused("source device", ["--ro", "/dev/null:/x"], good)
    with socket.socket(socket.AF_UNIX) as s:
        os.chdir(place)
        s.bind("sock")
        os.chdir("/")
        refused("source socket", ["--ro", place + "/sock:/x"], good)


@row("FC-01", paths=["fresh"])
def fc_01(case):
    raise Skip("the fault sweep injects these: make check-fault")


@row("CP-05", paths=["fresh"])
def cp_05(case):
    if case.mode == "root":
        raise Skip("as root the caller's groups are dropped: see CP-03")
    if not case.user.groups or os.geteuid() != 0:
        raise Skip("the caller has no supplementary group")
    place = case.user.directory("grouped")
    name = os.path.join(place, "file")
    with open(name, "w", encoding="ascii") as f:
        f.write("for the group\n")
    os.chown(name, 0, case.user.groups[0])
    os.chmod(name, 0o640)
    report = os.path.join(case.user.directory("report"), "r.json")
    status, records, _ = case.probe(
        ["CP-05"], ["--ro", place + ":/given", "--report", report],
        settings={"PROBE_GROUP_FILE": "/given/file"})
    got = records[0]["got"] if records else f"ended with {status}"
    with open(report, encoding="utf-8") as f:
        posture = json.load(f)["posture"]
    said = "supplementary" in json.dumps(posture) or \
        "group" in json.dumps(posture.get("lessened", ""))
    case.attempt("the group's file", f"{got}; posture: {posture['groups']}",
                 "absent, or reported as inherited",
                 matches(got, "EACCES|ENOENT|EPERM") or said)
