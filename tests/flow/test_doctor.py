#!/usr/bin/env python3
"""warder doctor: what it says of this host, of hosts that lack something (in
namespaces made for it), of a probe that gets out; and what --clean removes."""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

import flow
from flow import Skip, check, equal, holds, main, test, wait_until

CLONE_NEWUSER, CLONE_NEWNS = 0x10000000, 0x00020000
GRACE_S = 2  # a group younger than this is nobody's to remove
LIBC = ctypes.CDLL(None, use_errno=True)


def doctor(w, *flags, status=0, **more):
    r = w.verb("doctor", "--json", *flags, **more)
    r.expect(status)
    report = json.loads(r.text)
    equal(report["schema"], "warder.doctor/1")
    return report


def row(report, part, name):
    found = [r for r in report[part] if r["name"] == name]
    equal(len(found), 1, f"rows {name} of {part}")
    return found[0]


# ---- a host on which all is well ------------------------------------------

@test
def every_probe_holds_and_every_claim_is_true(w):
    report = doctor(w)
    equal(report["rootless"], not w.root)
    for probe in report["probes"]:
        equal(probe["verdict"], "held", f"{probe}")
    for claim in report["posture"]:
        check(claim["agrees"], f"{claim}")
    check(len(report["probes"]) >= 24, len(report["probes"]))
    equal(len(report["posture"]), 12)
    check(len(report["host"]) >= 20, len(report["host"]))
    check("error" not in report, report)


@test
def controls_are_another_answer_than_the_jails(w):
    for probe in doctor(w)["probes"]:
        check(probe["inside"] != probe["outside"], f"{probe}")


@test
def posture_is_that_of_exec(w):
    said = {c["name"]: c["value"] for c in doctor(w)["posture"]}
    got = w.report(["true"])[1]["posture"]
    for name, value in said.items():
        if name != "identity":  # each jail of root's has its own uids
            equal(value, got[name], name)


@test
def what_is_lessened_has_its_remedy(w):
    report = doctor(w)
    for found in report["host"]:
        check(found["state"] == "ok" or found.get("remedy"), f"{found}")
        check(found["value"], f"{found}")
    if not w.root:
        equal(row(report, "posture", "identity")["state"], "lessened")
        equal(report["result"], "lessened")


@test
def text_is_two_screens_of_eighty_columns(w):
    r = w.verb("doctor").expect(0)
    lines = r.text.splitlines()
    check(len(lines) < 66, f"{len(lines)} lines")
    for line in lines:
        if max(len(word) for word in [*line.split(), ""]) < 40:  # no path
            check(len(line) <= 80, line)
    holds(r.text, "offers, to", "held", "seccomp")
    check("FALSE" not in r.text and "ESCAPED" not in r.text, r.text)


@test(modes=("root",))
def document_has_every_row(w):
    report = doctor(w)
    with open(os.path.join(flow.TOP, "docs", "doctor.md"),
              encoding="utf-8") as f:
        text = f.read()
    for part in ("host", "probes"):
        for found in report[part]:
            holds(text, f"\n| `{found['name']}` |")


@test
def usage(w):
    w.verb("doctor", "--no-such").refused("unknown option")
    w.verb("doctor", "x").refused("usage: warder doctor")
    holds(w.verb("doctor", "--help").expect(0).text, "--json", "--clean")


# ---- hosts that lack something --------------------------------------------

def needs_root():
    if os.geteuid() != 0:
        raise Skip("making such a host needs root")


def in_namespace(w, prepare, argv, flags=CLONE_NEWUSER):
    """Run argv as this user in a namespace that prepare() has changed as its
    root; all ids up to 2^22 are there, as on a host."""
    needs_root()
    ready, maps = os.pipe(), os.pipe()

    def enter():
        if LIBC.unshare(flags) == -1:
            os._exit(99)
        os.write(ready[1], b"x")
        os.read(maps[0], 1)
        prepare()
        os.setgroups([])
        os.setresgid(w.gid, w.gid, w.gid)
        os.setresuid(w.uid, w.uid, w.uid)

    pid = os.fork()
    if pid == 0:
        # Popen() returns only when its child is past enter()
        try:
            r = subprocess.run(argv, preexec_fn=enter, env=w.environment(),
                               cwd="/", capture_output=True, check=False,
                               stdin=subprocess.DEVNULL,
                               pass_fds=(ready[1], maps[0]))
            with open(os.path.join(w.folder, "namespace"), "wb") as f:
                f.write(json.dumps([r.returncode, r.stdout.decode(),
                                    r.stderr.decode()]).encode())
        finally:
            os._exit(0)
    os.read(ready[0], 1)
    if flags & CLONE_NEWUSER:
        child = wait_until(lambda: flow.children(pid), what="the child")[0]
        for name in ("uid_map", "gid_map"):
            with open(f"/proc/{child}/{name}", "w", encoding="ascii") as f:
                f.write("0 0 4194304\n")
    os.write(maps[1], b"x")
    os.waitpid(pid, 0)
    for fd in ready + maps:
        os.close(fd)
    with open(os.path.join(w.folder, "namespace"), encoding="utf-8") as f:
        status, out, err = json.load(f)
    return flow.Result(status, out.encode(), err.encode())


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def limited(w, name, *argv):
    path = f"/proc/sys/user/{name}"
    return in_namespace(w, lambda: write(path, "0"), [w.program, *argv])


@test(modes=("rootless",))
def limit_of_zero_is_named_with_its_remedy(w):
    rows = {"max_user_namespaces": "user namespaces",
            "max_mnt_namespaces": "namespaces",
            "max_net_namespaces": "namespaces",
            "max_pid_namespaces": "namespaces",
            "max_ipc_namespaces": "namespaces",
            "max_uts_namespaces": "namespaces",
            "max_cgroup_namespaces": "namespaces"}
    for name, where in rows.items():
        r = limited(w, name, "doctor", "--json").expect(1)
        report = json.loads(r.text)
        found = row(report, "host", where)
        equal(found["state"], "missing", name)
        holds(found["remedy"], f"/proc/sys/user/{name} is 0",
              f"sysctl -w user.{name}=")
        holds(report["error"]["remedy"], name)
        equal(report["result"], "failed")


@test(modes=("rootless",))
def limit_that_is_not_met_changes_nothing(w):
    """The control of the test above: the same namespace, nothing at 0."""
    r = in_namespace(w, lambda: None, [w.program, "doctor", "--json"])
    r.expect(0)
    equal(row(json.loads(r.text), "host", "user namespaces")["state"], "ok")


@test(modes=("rootless",))
def time_namespaces_are_not_needed_to_tell(w):
    r = limited(w, "max_time_namespaces", "doctor", "--json")
    found = row(json.loads(r.text), "host", "time namespace")
    equal(found["state"], "lessened")
    holds(found["remedy"], "max_time_namespaces is 0")


@test(modes=("rootless",))
def one_namespace_is_one_too_few(w):
    path = "/proc/sys/user/max_user_namespaces"
    r = in_namespace(w, lambda: write(path, "1"),
                     [w.program, "doctor", "--json"]).expect(1)
    found = row(json.loads(r.text), "host", "user namespaces")
    equal(found["state"], "missing")
    holds(found["remedy"], "max_user_namespaces is 1 here")


@test(modes=("rootless",))
def refused_exec_names_the_switch(w):
    r = limited(w, "max_user_namespaces", "exec", "--", "true")
    r.refused("clone3: No space left on device",
              "max_user_namespaces is 0", "sysctl -w user.")
    equal(len(r.said.splitlines()), 2, r.said)


@test(modes=("rootless",))
def refused_exec_of_another_kind_has_no_hint(w):
    r = w.exec(["true"], "--limit", "memory=1").refused("memory")
    check("refused by this host" not in r.said, r.said)


def mounted_over(where):
    def prepare():
        if LIBC.mount(b"none", b"/", None, 0x4000 | 0x40000, None) == -1 or \
           LIBC.mount(b"none", where, b"tmpfs", 0, None) == -1:
            os._exit(98)
    return prepare


@test(modes=("rootless",))
def over_mounted_proc_is_named(w):
    prepare = mounted_over(b"/proc/sys/kernel")
    r = in_namespace(w, prepare, [w.program, "doctor", "--json"],
                     CLONE_NEWNS).expect(1)
    found = row(json.loads(r.text), "host", "proc")
    equal(found["state"], "missing")
    holds(found["remedy"], "/proc is over-mounted here (/proc/sys/kernel)",
          "systempaths=unconfined")
    in_namespace(w, prepare, [w.program, "exec", "--", "true"],
                 CLONE_NEWNS).refused("/proc: Operation not permitted",
                                      "over-mounted here")


@test(modes=("rootless",))
def hidepid_does_not_matter(w):
    def prepare():
        if LIBC.mount(b"none", b"/", None, 0x4000 | 0x40000, None) == -1 or \
           LIBC.mount(b"proc", b"/proc", b"proc", 0, b"hidepid=2") == -1:
            os._exit(98)

    r = in_namespace(w, prepare, [w.program, "doctor", "--json"], CLONE_NEWNS)
    r.expect(0)
    report = json.loads(r.text)
    holds(row(report, "host", "hidepid")["value"], "hidepid=")
    for claim in report["posture"]:
        check(claim["agrees"], f"{claim}")


def filtered(refused, sys):
    """For a child: a filter as a container has one."""
    def insn(code, k, jt=0, jf=0):
        return struct.pack("<HBBI", code, jt, jf, k)

    body = insn(0x20, 0)
    for number in refused:
        body += insn(0x15, number, 0, 1) + insn(0x06, 0x50000 | sys)
    body += insn(0x06, 0x7fff0000)

    def prepare():
        text = ctypes.create_string_buffer(body, len(body))
        program = struct.pack("<HxxxxxxQ", len(body) // 8,
                              ctypes.addressof(text))
        if LIBC.prctl(38, 1, 0, 0, 0) == -1 or \
           LIBC.prctl(22, 2, program, 0, 0) == -1:
            os._exit(97)
    return prepare


@test(modes=("rootless",))
def filter_of_a_container_is_named(w):
    if os.uname().machine != "x86_64":
        raise Skip("numbers of system calls are those of x86-64")
    calls = (272, 435)  # unshare, clone3
    r = w.verb("doctor", "--json", preexec_fn=filtered(calls, 1)).expect(1)
    report = json.loads(r.text)
    found = row(report, "host", "user namespaces")
    equal(found["state"], "missing")
    holds(found["remedy"], "container", "seccomp=unconfined")
    holds(row(report, "host", "seccomp")["value"], "one around us")
    w.exec(["true"], preexec_fn=filtered(calls, 1)).refused(
        "clone3: Operation not permitted", "seccomp=unconfined")
    # the control: a filter that refuses nothing of it, which is one more
    r = w.verb("doctor", "--json", preexec_fn=filtered((), 1)).expect(0)
    for claim in json.loads(r.text)["posture"]:
        check(claim["agrees"], f"{claim}")


@test(modes=("rootless",))
def root_of_a_user_namespace_is_told_so(w):
    r = w.popen(["unshare", "-Ur", w.program, "doctor", "--json"],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE).finish()
    r.expect(1)
    found = row(json.loads(r.text), "host", "caller")
    equal(found["state"], "missing")
    holds(found["remedy"], "1879048192", "--map-current-user")


# ---- programs that are missing, and a probe that tells of the worst -------

def tree(w):
    """A copy of the programs, to break."""
    to = os.path.join(w.scratch("tree"), "programs")
    shutil.copytree(os.path.dirname(os.path.dirname(w.program)), to)
    return to


def broken(w, to, *flags):
    return w.popen([os.path.join(to, "bin", "warder"), "doctor", *flags],
                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                   stderr=subprocess.PIPE).finish()


@test
def missing_programs_are_named(w):
    for name in ("warder-init", "warder-config", "warder-probe"):
        to = tree(w)
        os.unlink(os.path.join(to, "libexec", "warder", name))
        report = json.loads(broken(w, to, "--json").expect(1).text)
        found = row(report, "host", "programs")
        equal(found["state"], "missing")
        holds(found["value"], name, "No such file")


def false_probe(w, script):
    to = tree(w)
    path = os.path.join(to, "libexec", "warder", "warder-probe")
    os.unlink(path)
    write(path, "#!/bin/sh\n" + script)
    os.chmod(path, 0o755)
    return to


@test
def probe_that_gets_out_is_said_loudly(w):
    """A probe in whose eyes every attempt works."""
    to = false_probe(w, "for i in mount setns tcp_loopback; do echo $i ok; "
                        "done; echo end 1\n")
    r = broken(w, to).expect(1)
    holds(r.text, "ESCAPED  mount", "FALSE    seccomp", "BUT THE PROBE SAW",
          "do not run anything")
    report = json.loads(broken(w, to, "--json").expect(1).text)
    equal(report["result"], "failed")
    equal(row(report, "probes", "setns")["verdict"], "escaped")
    equal(row(report, "posture", "capabilities")["agrees"], False)


@test
def witness_is_believed_before_the_probe(w):
    """It says ESRCH, but the signal arrived: outside, as its control."""
    to = false_probe(w, '[ $1 = outside ] && kill -USR1 $3\n'
                        'echo signal ESRCH; echo end 1\n')
    report = json.loads(broken(w, to, "--json").expect(1).text)
    equal(row(report, "probes", "signal")["inside"], "ESRCH")
    equal(row(report, "probes", "signal")["verdict"], "escaped")


@test
def probe_that_says_nothing_is_a_failure(w):
    for script in ("exit 0\n", "echo mount EPERM\n", "kill -9 $$\n",
                   "head -c 100000 /dev/zero\n"):
        report = json.loads(
            broken(w, false_probe(w, script), "--json").expect(1).text)
        holds(report["error"]["text"], "the probe")
        equal(report["probes"], [])


# ---- --clean --------------------------------------------------------------

def cleaned(w):
    r = w.verb("doctor", "--clean", "--json").expect(0)
    return json.loads(r.text)["removed"]


def kill_all(w, jail):
    """The launcher and all that clean up for it, before one of them can."""
    pids = [jail.pid, *flow.descendants(jail.pid)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    jail.popen.wait()
    wait_until(lambda: not set(pids) & set(flow.descendants(os.getpid())),
               what="their end")


def own(w, jail):
    groups = [g for g in flow.groups()
              if os.path.basename(g).startswith(f"warder-{jail.pid}-")]
    sockets = [n for n in os.listdir(w.jails)
               if n.startswith(f"{jail.pid}-")]
    return groups, sockets


@test
def clean_removes_what_a_kill_of_everybody_left(w):
    dead, _ = w.running()
    live, name = w.running()
    kill_all(w, dead)
    groups, sockets = own(w, dead)
    # root's directory is everybody's: another warder may have swept it
    check(len(sockets) == 1 or w.root, sockets)
    check(groups or not w.root, "no control group was left: nothing to test")
    time.sleep(GRACE_S)
    removed = cleaned(w)
    check(removed["sockets"] == 1 or w.root, removed)
    check(removed["control_groups"] >= len(groups), removed)
    equal(own(w, dead), ([], []))
    # what lives was not touched
    check(own(w, live)[1], "the live one's socket has gone")
    holds(w.verb("ps").text, name)
    equal(w.verb("enter", name, "--", "echo", "here").text, "here\n")
    live.signal(signal.SIGTERM)
    live.finish()
    if not w.root:
        equal(cleaned(w), {"sockets": 0, "control_groups": 0})


@test
def clean_waits_for_no_stopped_launcher(w):
    """Its socket takes so many connections and then none."""
    jail, name = w.running()
    path = os.path.join(w.jails, own(w, jail)[1][0])
    jail.signal(signal.SIGSTOP)
    wait_until(lambda: jail.state() == "T", what="its stop")
    clients = []
    try:
        with contextlib.suppress(BlockingIOError):
            while len(clients) < 100:
                clients.append(socket.socket(
                    socket.AF_UNIX,
                    socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK))
                clients[-1].connect(path)
        check(1 < len(clients) < 100, f"{len(clients)} connections")
        w.verb("doctor", "--clean", seconds=20).expect(0)
        check(own(w, jail)[1], "a stopped one's socket was removed")
    finally:
        for client in clients:
            client.close()
        jail.signal(signal.SIGCONT)
    holds(w.verb("ps").text, name)
    jail.signal(signal.SIGTERM)
    jail.finish()


@test(modes=("root",))
def clean_leaves_what_is_not_its_own(w):
    parents = {os.path.dirname(g) for g in own(w, w.running()[0])[0]}
    if not parents:
        raise Skip("no control groups on this host")
    parent = parents.pop()
    dead = subprocess.run(["true"], check=False)
    equal(dead.returncode, 0)
    names = {"warder-": True, "warder-x": True, "warder-1-ff": True,
             "warder-notes-1": True, "other-1-ff": True,
             f"warder-{os.getpid()}-1": False,  # from before we began
             f"warder-{2**22 - 3}-ff": False}
    made = [os.path.join(parent, n) for n in names]
    try:
        for path in made:
            os.mkdir(path)
        cleaned(w)
        equal({os.path.basename(p): os.path.exists(p) for p in made}, names)
    finally:
        for path in made:
            with contextlib.suppress(FileNotFoundError):
                os.rmdir(path)


if __name__ == "__main__":
    sys.exit(main())
