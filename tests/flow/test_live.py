#!/usr/bin/env python3
"""warder enter, ps and kill: other commands in, and the end of, a jail."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

from flow import (Terminal, check, children, equal, holds, main,
                  test, wait_until)

NAMESPACES = "for n in user mnt pid net ipc uts cgroup time; do " \
    "readlink /proc/self/ns/$n; done"


def enter(w, name, command, *flags, **more):
    if isinstance(command, str):
        command = ["sh", "-c", command]
    return w.verb("enter", *flags, name, "--", *command, **more)


def begin_enter(w, name, command, **more):
    more.setdefault("stdin", subprocess.PIPE)
    return w.popen([w.program, "enter", name, "--", *command],
                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


@test
def same_namespaces_uid_and_filter(w):
    show = (f"{NAMESPACES}; id; pwd; grep -E '^(Seccomp|NoNewPrivs|Cap|Sig|"
            "Groups|Uid)' /proc/self/status | grep -v SigCgt; "
            "cat /proc/self/limits; env | sort; cat /proc/self/attr/current "
            "2>/dev/null; ls /proc/self/fd")
    path = os.path.join(w.folder, "first")
    with open(path, "wb") as out:
        jail = w.start(["sh", "-c", f"{show}; echo END; sleep 600"],
                       stdout=out)
    wait_until(lambda: open(path).read().endswith("END\n"))
    first = open(path).read()[:-4]
    r = enter(w, f"{jail.pid}-", show, data=b"").expect(0)
    equal(r.text, first)
    holds(r.text, "uid=1000(agent)", "Seccomp:\t2", "NoNewPrivs:\t1")
    jail.popen.kill()


@test
def files_and_processes_are_shared(w):
    jail, name = w.running("echo here >/tmp/mark; echo up; exec sleep 600")
    r = enter(w, name, "cat /tmp/mark; ls /workspace; cat /proc/[0-9]*/comm")
    holds(r.expect(0).text, "here\n", "sleep\n")
    jail.popen.kill()


@test
def exit_statuses(w):
    jail, name = w.running()
    for status in (0, 1, 77, 255):
        equal(enter(w, name, f"exit {status}").status, status)
    equal(enter(w, name, "kill -9 $$").status, 137)
    r = enter(w, name, ["no-such-command"])
    equal(r.status, 127)
    holds(r.said, "No such file")
    equal(enter(w, name, ["/etc/passwd"]).status, 126)
    jail.popen.kill()


@test
def streams(w):
    jail, name = w.running()
    data = bytes(range(256)) * 20000
    r = enter(w, name, ["cat"], data=data).expect(0)
    equal(r.out == data, True, "the same bytes")
    r = enter(w, name, "echo out; echo err >&2; cat")
    equal((r.text, r.said), ("out\n", "err\n"))
    r = enter(w, name, "echo a >/dev/stdout; echo b >/dev/stderr").expect(0)
    equal((r.text, r.said), ("a\n", "b\n"))
    jail.popen.kill()


@test
def names_can_be_shortened(w):
    one, name = w.running()
    two, other = w.running()
    full = [p["name"] for p in ps(w) if p["name"].startswith(name)][0]
    equal(enter(w, full, "exit 5").status, 5)
    r = enter(w, "", "true")
    equal(r.status, 125)
    holds(r.said, "jails begin with")
    r = enter(w, "zzz", "true")
    equal(r.status, 125)
    holds(r.said, 'no running jail "zzz"')
    for name in ("../x", "a/b", "\033[31m", "x" * 300):
        r = enter(w, name, "true")
        equal(r.status, 125)
        check("\033" not in r.said, r.said)
    one.popen.kill()
    two.popen.kill()


def ps(w):
    r = w.verb("ps", "--json").expect(0)
    return [json.loads(line) for line in r.text.splitlines()]


@test
def ps_shows_what_runs(w):
    jail, name = w.running()
    mine = [p for p in ps(w) if p["launcher_pid"] == jail.pid]
    equal(len(mine), 1)
    p = mine[0]
    check(p["name"].startswith(name), p)
    equal(p["command"], "sh")
    check(p["pid"] in children(jail.pid), p)
    equal(set(p), {"name", "pid", "launcher_pid", "age_ms", "cpu_ms",
                   "memory_peak_bytes", "policy", "command"})
    r = w.verb("ps").expect(0)
    holds(r.text, "NAME", p["name"], "sh\n")
    jail.popen.kill()
    jail.popen.wait()
    wait_until(lambda: not [p for p in ps(w)
                            if p["launcher_pid"] == jail.pid], 3)


@test
def ps_escapes_names(w):
    jail = w.popen([w.program, "exec", "--", "sh\033[31m\n"],
                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    jail.finish()
    link = w.file("p.yaml", 'policy: 1\nname: "x"\n')
    jail, _ = w.running("echo up; exec sleep 600", "--policy", link)
    check("\033" not in w.verb("ps").text, "escape")
    jail.popen.kill()


@test
def kill_ends_it(w):
    jail, name = w.running("trap '' TERM HUP INT; (setsid sleep 600 &); "
                           "echo up; sleep 600")
    begin = time.monotonic()
    equal(w.verb("kill", name).status, 0)
    equal(jail.finish(5).status, 137)
    check(time.monotonic() - begin < 3, "it took long")
    r = w.verb("kill", name)
    equal(r.status, 125)
    holds(r.said, "no running jail")
    holds(w.verb("kill").said, "usage: warder kill")


@test
def kill_several(w):
    jails = [w.running() for _ in range(3)]
    r = w.verb("kill", *[n for _, n in jails])
    equal(r.status, 0, r.said)
    for jail, _ in jails:
        equal(jail.finish(5).status, 137)


@test
def a_command_inside_does_not_outlive_the_jail(w):
    jail, name = w.running("echo up; exec sleep 2")
    inside = begin_enter(w, name, ["sleep", "600"])
    equal(jail.finish(20).status, 0)
    r = inside.finish(5)
    equal(r.status, 137)
    holds(r.said, "the jail ended")


@test
def a_killed_client_takes_its_command_along(w):
    jail, name = w.running()
    inside = begin_enter(w, name, ["sh", "-c", "echo in; exec sleep 600"])
    equal(inside.line(), "in\n")

    def sleeping():
        return enter(w, name, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"
                     ).text.count("sleep 600")

    equal(sleeping(), 2, "control")
    inside.popen.kill()
    inside.popen.wait()
    wait_until(lambda: sleeping() == 1, 3, "its command's end")
    check(jail.popen.poll() is None, "the jail ended with it")
    jail.popen.kill()


@test
def signals_are_forwarded(w):
    jail, name = w.running()
    inside = begin_enter(w, name, ["sh", "-c", "trap 'echo term; exit 9' "
                                   "TERM; echo in; while :; do sleep 0.02; "
                                   "done"])
    equal(inside.line(), "in\n")
    inside.signal(signal.SIGTERM)
    r = inside.finish(5)
    equal((r.status, r.text), (9, "term\n"))
    check(jail.popen.poll() is None, "the first command got it too")
    jail.popen.kill()


@test
def a_terminal(w):
    jail, name = w.running()
    t = Terminal(w, [w.program, "enter", "-t", name, "--", "sh", "-c",
                     "tty; stty size; echo ready; read x; echo got $x; "
                     "trap 'stty size' WINCH; echo again; "
                     "while :; do sleep 0.05; done"], rows=40, cols=100)
    t.expect("/dev/pts/")
    t.expect("40 100")
    t.expect("ready")
    check(t.raw(), "not raw")
    t.type("key\n")
    t.expect("got key")
    t.expect("again")
    t.size(20, 50)
    t.expect("20 50")
    t.type("\x03")
    equal(t.finish(), 130)
    check(not t.raw(), "raw afterwards")
    t.close()
    jail.popen.kill()


@test
def many_commands_in_one_jail(w):
    """At once, each with its own streams and status."""
    jail, name = w.running()
    inside = [begin_enter(w, name, ["sh", "-c", f"echo {i}; read x; exit {i}"])
              for i in range(8)]
    equal([p.line() for p in inside], [f"{i}\n" for i in range(8)])
    for i, p in enumerate(inside):
        equal(p.finish(10, b"go\n").status, i)
    jail.popen.kill()


@test
def too_many_clients_get_an_answer(w):
    jail, name = w.running()
    inside = [begin_enter(w, name, ["sh", "-c", "echo in; read x"])
              for _ in range(20)]
    wait_until(lambda: sum(p.popen.poll() is not None for p in inside) == 12,
               10, "twelve answers")
    for p in inside:
        if p.popen.poll() is not None:
            r = p.finish()
            equal(r.status, 125)
            holds(r.said, "serves 8 clients already")
    check(jail.popen.poll() is None, "the jail ended")
    jail.popen.kill()


@test
def a_long_command_is_refused(w):
    jail, name = w.running()
    r = enter(w, name, ["echo", "x" * 60000]).expect(0)
    equal(len(r.text), 60001)
    r = enter(w, name, ["echo", "x" * 131000])
    equal(r.status, 125)
    holds(r.said, "longer than 61440 bytes")
    r = enter(w, name, ["true", *["y"] * 5000])
    equal(r.status, 125)
    holds(r.said, "1024 arguments")
    equal(enter(w, name, ["true", *["y"] * 1023]).status, 0)
    r = enter(w, name, "echo still here")
    equal(r.text, "still here\n")
    jail.popen.kill()


@test
def a_stopped_launcher_holds_nobody_up(w):
    """However many wait for it already."""
    stopped, name = w.running()
    jail, other = w.running()
    os.kill(stopped.pid, signal.SIGSTOP)
    wait_until(lambda: stopped.state() == "T", what="stopping")
    for _ in range(12):
        begin_enter(w, name, ["true"])
    time.sleep(0.3)
    equal(enter(w, other, "exit 3", seconds=5).status, 3)
    equal(w.verb("kill", other, seconds=5).status, 0)
    equal(jail.finish(5).status, 137)
    stopped.popen.kill()


@test
def a_full_queue_is_no_absent_jail(w):
    jail, name = w.running()
    path = [os.path.join(w.jails, n) for n in os.listdir(w.jails)
            if n.startswith(name)][0]
    os.kill(jail.pid, signal.SIGSTOP)
    wait_until(lambda: jail.state() == "T", what="stopping")
    waiting = []
    while len(waiting) < 64:
        s = socket.socket(socket.AF_UNIX,
                          socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        waiting.append(s)
        try:
            s.connect(path)
        except BlockingIOError:
            break
    check(len(waiting) < 64, "control: the queue is full")
    r = enter(w, name, "true", seconds=30)
    equal(r.status, 125)
    holds(r.said, "does not answer, and others wait for it already")
    late = begin_enter(w, name, ["sh", "-c", "exit 4"])
    for s in waiting:
        s.close()
    os.kill(jail.pid, signal.SIGCONT)
    equal(late.finish().status, 4)
    jail.popen.kill()


@test
def stale_sockets_are_swept(w):
    w.exec("true").expect(0)
    path = os.path.join(w.jails, "dead-00000.jail")
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.bind(path)
    w.give(path)
    s.close()
    w.verb("ps").expect(0)
    check(os.path.exists(path), "one that may be just being born is spared")
    time.sleep(0.3)
    w.verb("ps").expect(0)
    check(not os.path.exists(path), "the stale socket is still there")


@test
def what_is_no_socket_stays(w):
    w.exec("true").expect(0)
    path = w.file("notes.jail", "mine", w.jails)
    try:
        w.verb("ps").expect(0)
        check(os.path.exists(path), "somebody's file was removed")
    finally:
        os.unlink(path)


@test
def junk_from_a_client_harms_nothing(w):
    jail, name = w.running()
    path = [os.path.join(w.jails, n) for n in os.listdir(w.jails)
            if n.startswith(name)][0]
    for data in (b"", b"x", b"\0" * 8, b"\xff" * 100, b"\1\0\0\0\xff\xff\0\0",
                 os.urandom(3000), b"\0" * 65536):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.connect(path)
        try:
            s.send(data)
        except OSError:
            pass
        s.close()
    equal(enter(w, name, "exit 6").status, 6)
    jail.popen.kill()


@test(modes=["root"])
def others_cannot_reach_it(w):
    """Neither the socket's directory nor its answer is for another user."""
    jail, name = w.running()
    path = [os.path.join(w.jails, n) for n in os.listdir(w.jails)
            if n.startswith(name)][0]
    code = (f"import socket\ns = socket.socket(socket.AF_UNIX, "
            f"socket.SOCK_SEQPACKET)\ns.connect({path!r})")
    r = subprocess.run(["/usr/bin/python3", "-c", code], user=65534,
                       group=65534, extra_groups=[], capture_output=True,
                       check=False)
    holds(r.stderr.decode(), "PermissionError")
    control = subprocess.run(["/usr/bin/python3", "-c", code], check=False)
    equal(control.returncode, 0)
    jail.popen.kill()


if __name__ == "__main__":
    sys.exit(main())
