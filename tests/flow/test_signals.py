#!/usr/bin/env python3
"""Signals to warder exec reach the command, as if it ran under the shell."""

import os
import signal
import sys
import time

from flow import check, children, equal, holds, main, stat_of, test, wait_until

SENT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT,
        signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM)


@test
def each_reaches_the_command(w):
    traps = " ".join(f"trap 'echo got {s.name}' {s.name[3:]};" for s in SENT)
    jail, _ = w.running(f"{traps} echo up; "
                        "while :; do sleep 0.02; done 2>/dev/null")
    for signo in SENT:
        jail.signal(signo)
        equal(jail.line(), f"got {signo.name}\n")
    jail.signal(signal.SIGKILL)


@test
def each_ends_it_by_default(w):
    for signo in SENT:
        jail, _ = w.running()
        jail.signal(signo)
        equal(jail.finish(10).status, 128 + signo, signo.name)


@test
def the_whole_group_gets_it(w):
    jail, _ = w.running("(trap 'echo child; exit' TERM; while :; do "
                        "sleep 0.02; done) & sleep 0.2; trap 'wait; echo "
                        "parent; exit 3' TERM; echo up; wait")
    jail.signal(signal.SIGTERM)
    r = jail.finish(10)
    equal(r.status, 3)
    equal(r.text, "child\nparent\n")


@test
def ignored_is_ignored(w):
    jail, _ = w.running("trap '' TERM; echo up; sleep 0.5; echo survived")
    jail.signal(signal.SIGTERM)
    jail.finish(10).expect(0, "survived\n")


@test
def the_command_chooses_its_status(w):
    jail, _ = w.running("trap 'exit 42' TERM; echo up; "
                        "while :; do sleep 0.02; done")
    jail.signal(signal.SIGTERM)
    equal(jail.finish(10).status, 42)


def ticks(jail, seconds):
    """Lines that came in this time."""
    os.set_blocking(jail.popen.stdout.fileno(), False)
    end, n = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        n += (jail.popen.stdout.read() or b"").count(b"\n")
        time.sleep(0.02)
    return n


@test
def stop_and_continue(w):
    jail, _ = w.running("echo up; while :; do echo tick; sleep 0.05; done")
    check(ticks(jail, 0.6) > 2, "control: it ticks")
    jail.signal(signal.SIGTSTP)
    wait_until(lambda: jail.state() == "T", what="the launcher stopping")
    ticks(jail, 0.2)
    jail.signal(signal.SIGCONT)
    wait_until(lambda: jail.state() != "T", what="the launcher going on")
    check(ticks(jail, 1.0) > 2, "it does not go on")
    jail.signal(signal.SIGKILL)


@test
def a_stopped_jail_does_no_work(w):
    jail, name = w.running("echo up; i=0; while :; do i=$((i+1)); "
                           "echo $i >/tmp/n; sleep 0.01; done")
    jail.signal(signal.SIGTSTP)
    wait_until(lambda: jail.state() == "T", what="the launcher stopping")
    shells = [p for i in children(jail.pid) for p in children(i)]
    check(shells, "control: the command is found")
    # D: stopped while its child has not yet called exec
    wait_until(lambda: all(stat_of(p)[0] in "TD" for p in shells), 5,
               "the command stopping")
    jail.signal(signal.SIGCONT)
    wait_until(lambda: all(stat_of(p)[0] != "T" for p in shells), 5,
               "the command going on")
    jail.signal(signal.SIGTERM)
    equal(jail.finish(10).status, 143)


@test
def the_whole_jail_stops(w):
    """What has left the command's group and session is the job's too."""
    folder = w.owned()
    loop = "while :; do echo x >>/mnt/w/%s; sleep 0.02; done"
    jail, _ = w.running(f"(setsid sh -c '{loop % 'away'}' &); echo up; " +
                        loop % "here", "--rw", f"{folder}:/mnt/w")

    def grows(name):
        path = os.path.join(folder, name)
        before = os.path.getsize(path)
        time.sleep(0.4)
        return os.path.getsize(path) > before

    names = ("here", "away")
    wait_until(lambda: all(os.path.exists(os.path.join(folder, n))
                           for n in names), what="both to begin")
    for name in names:
        check(grows(name), f"control: {name} works")
    jail.signal(signal.SIGTSTP)
    wait_until(lambda: jail.state() == "T", what="the launcher stopping")
    time.sleep(0.2)
    for name in names:
        check(not grows(name), f"{name} works on")
    jail.signal(signal.SIGCONT)
    wait_until(lambda: jail.state() != "T", what="the launcher going on")
    time.sleep(0.2)
    for name in names:
        check(grows(name), f"{name} does not go on")
    jail.signal(signal.SIGTERM)
    equal(jail.finish(10).status, 143)


@test
def start_state_is_clean(w):
    """Whatever the caller blocked or ignored (SG-05)."""
    def odd():
        signal.pthread_sigmask(signal.SIG_BLOCK, SENT)
        for signo in (signal.SIGPIPE, signal.SIGINT, signal.SIGCHLD,
                      signal.SIGUSR1):
            signal.signal(signo, signal.SIG_IGN)
        os.umask(0o077)
        os.nice(5)

    r = w.exec(["cat", "/proc/self/status"], preexec_fn=odd).expect(0)
    seen = dict(line.split(":\t", 1) for line in r.text.splitlines())
    for key in ("SigBlk", "SigIgn", "SigCgt"):
        equal(seen[key], "0" * 16, key)
    equal(seen["Umask"], "0022")


@test
def kill_9_of_the_launcher_ends_everything(w):
    jail, _ = w.running("trap '' TERM HUP INT; (setsid sleep 600 &) ; "
                        "echo up; sleep 600")
    jail.popen.kill()
    jail.popen.wait()  # the witness looks for the rest


@test
def jail_programs_cannot_signal_us(w):
    r = w.exec("kill -9 -1; kill -9 1; echo alive")
    check(r.status in (0, 137), r.status)
    r = w.exec("kill -TERM 1; kill -INT 1; kill -CHLD 1; sleep 0.1; "
               "echo alive").expect(0)
    holds(r.text, "alive")


if __name__ == "__main__":
    sys.exit(main())
