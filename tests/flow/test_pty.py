#!/usr/bin/env python3
"""warder exec -t on a real terminal, as under a shell."""

import os
import signal
import sys
import termios
import time

from flow import check, equal, holds, main, test, wait_until


def terminal(w, command, *flags, **more):
    if isinstance(command, str):
        command = ["sh", "-c", command]
    return w.terminal(command, "-t", *flags, **more)


@test
def it_is_a_terminal(w):
    t = terminal(w, "tty; test -t 0 && test -t 1 && test -t 2 && echo all; "
                 "exit 7")
    t.expect("/dev/pts/0")
    t.expect("all")
    equal(t.finish(), 7)
    t.close()


@test
def without_t_it_is_none(w):
    t = w.terminal(["sh", "-c", "tty; test -t 1 || echo none; "
                    "cat /dev/tty; exit 7"], "-i")
    t.expect("not a tty")
    t.expect("none")
    t.expect("No such device or address")
    equal(t.finish(), 7)
    t.close()


@test
def it_controls_its_own_session(w):
    t = terminal(w, "echo hello >/dev/tty; ps -o tty= -p $$ 2>/dev/null; "
                 "echo end")
    t.expect("hello")
    t.expect("end")
    equal(t.finish(), 0)
    t.close()


@test
def the_window_size_is_ours(w):
    t = terminal(w, "stty size; trap 'stty size' WINCH; echo ready; "
                 "while :; do sleep 0.05; done", rows=31, cols=99)
    t.expect("31 99")
    t.expect("ready")
    t.size(45, 123)
    t.expect("45 123")
    t.type("\x03")
    equal(t.finish(), 130)
    t.close()


@test
def keys_are_the_jails(w):
    """Raw mode outside: every key goes through, the jail's tty acts."""
    t = terminal(w, "trap 'echo got-int' INT; trap 'echo got-quit' QUIT; "
                 "echo ready; for i in 1 2 3 4 5 6 7 8; do sleep 0.3; done; "
                 "echo over")
    t.expect("ready")
    check(t.raw(), "our terminal is not raw")
    t.type("\x03")
    t.expect("got-int")
    t.type("\x1c")
    t.expect("got-quit")
    t.expect("over")
    equal(t.finish(), 0)
    check(not t.raw(), "our terminal stayed raw")
    t.close()


@test
def interrupt_kills_as_usual(w):
    t = terminal(w, "echo ready; exec sleep 100")
    t.expect("ready")
    t.type("\x03")
    equal(t.finish(), 130)
    t.close()


@test
def end_of_file_key(w):
    t = terminal(w, "cat; echo after; exit 4")
    t.type("line\n")
    t.expect("line\r\nline\r\n")
    t.type("\x04")
    t.expect("after")
    equal(t.finish(), 4)
    t.close()


@test
def job_control_of_a_shell_inside(w):
    t = w.terminal(["bash", "--norc", "--noprofile", "-i"], "-t", "--env",
                   "PS1=prompt> ")
    t.expect("prompt> ")
    t.type("sleep 100\n")
    time.sleep(0.4)
    t.type("\x1a")
    t.expect("Stopped")
    t.expect("prompt> ")
    t.type("jobs\n")
    t.expect("sleep 100")
    t.type("fg\n")
    time.sleep(0.3)
    t.type("\x03")
    t.expect("prompt> ")
    t.type("exit 9\n")
    equal(t.finish(), 9)
    t.close()


@test
def settings_come_back_after_each_end(w):
    rows = (("exit 0", 0), ("kill -9 $$", 137), ("stty raw -echo; exit 3", 3))
    for command, status in rows:
        t = terminal(w, command)
        equal(t.finish(), status, command)
        equal(termios.tcgetattr(t.slave), t.before, command)
        t.close()
    t = terminal(w, "sleep 100", "--limit", "wall=300ms")
    equal(t.finish(), 124)
    equal(termios.tcgetattr(t.slave), t.before, "after a limit")
    t.close()


@test
def settings_come_back_after_a_signal(w):
    for signo in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        t = terminal(w, "echo ready; exec sleep 100")
        t.expect("ready")
        check(t.raw(), "control: not raw")
        t.process.signal(signo)
        equal(t.finish(), 128 + signo)
        equal(termios.tcgetattr(t.slave), t.before, signo.name)
        t.close()


@test
def settings_come_back_after_kill_9_of_the_jail(w):
    t = terminal(w, "echo ready; exec sleep 100")
    t.expect("ready")
    equal(w.verb("kill", f"{t.process.pid}-").status, 0)
    equal(t.finish(), 137)
    equal(termios.tcgetattr(t.slave), t.before)
    t.close()


@test
def settings_come_back_after_a_failed_start(w):
    t = terminal(w, ["no-such-command"])
    equal(t.finish(), 127)
    equal(termios.tcgetattr(t.slave), t.before)
    t.close()


@test
def suspended_from_outside_the_terminal_is_as_before(w):
    """SIGTSTP to the launcher: a shell must find its terminal usable."""
    t = terminal(w, "echo ready; while read x; do echo got $x; done")
    t.expect("ready")
    t.process.signal(signal.SIGTSTP)
    wait_until(lambda: t.process.state() == "T", what="the launcher stopping")
    check(not t.raw(), "raw mode while stopped")
    t.process.signal(signal.SIGCONT)
    wait_until(lambda: t.process.state() != "T", what="the launcher going on")
    wait_until(t.raw, 5, "raw mode again")
    t.type("x\n")
    t.expect("got x")
    t.type("\x04")
    equal(t.finish(), 0)
    equal(termios.tcgetattr(t.slave), t.before)
    t.close()


@test
def t_without_a_terminal_of_ours(w):
    """Input from a pipe, a terminal inside all the same."""
    r = w.exec("tty; stty size", "-t").expect(0)
    holds(r.text, "/dev/pts/0\r\n", "24 80\r\n")
    r = w.exec("read x; echo got $x", "-t", "-i", data=b"typed\n").expect(0)
    holds(r.text, "got typed")


@test
def end_of_piped_input_reaches_a_terminal(w):
    r = w.exec("cat; echo after", "-t", "-i", data=b"in\n",
               seconds=15).expect(0)
    holds(r.text, "after")


@test
def all_output_before_the_end_comes(w):
    for _ in range(5):
        r = w.exec("seq 1 20000; echo END", "-t").expect(0)
        equal(r.text.count("\n"), 20001)
        check(r.text.endswith("END\r\n"), r.text[-100:])


@test
def the_hangup_of_our_terminal_ends_it(w):
    t = terminal(w, "echo ready; exec sleep 100")
    t.expect("ready")
    os.close(t.slave)
    os.close(t.master)
    equal(t.process.finish(10).status, 128 + signal.SIGHUP)


@test
def our_terminal_is_unreachable_inside(w):
    """TIOCSTI pushes nothing into what the caller's shell reads."""
    code = ("import fcntl, termios\n"
            "for fd in 0, 1, 2:\n"
            " for b in b'evil\\n':\n"
            "  try: fcntl.ioctl(fd, termios.TIOCSTI, bytes([b])); "
            "print('PUSHED')\n"
            "  except OSError as e: print('errno', e.errno)\n"
            "print('end')")
    t = w.terminal(["python3", "-c", code], "-t")
    before = t.expect("end")
    holds(before, "errno 1")
    check("PUSHED" not in before, before)
    equal(t.finish(), 0)
    t.close()


if __name__ == "__main__":
    sys.exit(main())
