#!/usr/bin/env python3
"""warder exec: every kind of end, and the exit status that belongs to it."""

import signal
import subprocess
import sys

from flow import check, equal, holds, main, test


@test
def own_status(w):
    for status in (0, 1, 2, 77, 124, 125, 126, 127, 137, 255):
        w.exec(f"exit {status}").expect(status, "")


@test
def streams_are_apart(w):
    r = w.exec("echo out; echo err >&2").expect(0, "out\n")
    equal(r.said, "err\n", "stderr")


@test
def signals_are_128_plus(w):
    for name in ("TERM", "KILL", "INT", "HUP", "SEGV", "ABRT", "USR1", "PIPE"):
        number = getattr(signal, "SIG" + name).value
        w.exec(f"kill -{name} $$; sleep 5").expect(128 + number)


@test
def not_found_is_127(w):
    r = w.exec(["no-such-command"]).expect(127, "")
    holds(r.said, "warder: no-such-command was not found")
    w.exec(["/no/such/file"]).expect(127, "")
    w.exec([""]).expect(127, "")


@test
def not_executable_is_126(w):
    r = w.exec(["/etc/passwd"]).expect(126, "")
    holds(r.said, "/etc/passwd could not be executed: Permission denied")
    w.exec(["/usr"]).expect(126, "")
    text = w.file("text", "not a program\n", mode=0o755)
    r = w.exec(["/mnt/text"], "--ro", f"{text}:/mnt/text").expect(126, "")
    holds(r.said, "Exec format error")


@test
def wall_limit_is_124(w):
    r, report = w.report("echo begun; sleep 30", "--limit", "wall=300ms")
    r.expect(124, "begun\n")
    holds(r.said, "ran longer than its wall-clock limit (wall: 300ms)")
    equal(report["end"]["kind"], "wall")
    check(300 <= report["used"]["wall_ms"] < 3000, report["used"])


@test
def idle_limit_is_124(w):
    begin = "for i in 1 2 3 4 5 6; do echo $i; sleep 0.1; done; sleep 30"
    r, report = w.report(begin, "--limit", "idle=400ms")
    r.expect(124, "1\n2\n3\n4\n5\n6\n")
    holds(r.said, "idle limit (idle: 400ms)")
    equal(report["end"]["kind"], "idle")
    check(report["used"]["wall_ms"] >= 900, "output did not keep it alive")


@test
def cpu_time_limit_is_124(w):
    r, report = w.report("while :; do :; done", "--limit", "cpu_time=300ms",
                         "--limit", "wall=30s")
    r.expect(124, "")
    holds(r.said, "processor time than its limit (cpu_time: 300ms)")
    equal(report["end"]["kind"], "cpu_time")


@test
def cpu_time_of_children_counts(w):
    code = ("import os, time\n"
            "for i in range(6):\n"
            " if os.fork() == 0:\n"
            "  while time.process_time() < 0.1: pass\n"
            "  os._exit(0)\n"
            " os.wait()\n"
            "time.sleep(20)\n")
    r, report = w.report(["python3", "-c", code], "--limit", "cpu_time=300ms",
                         "--limit", "wall=15s")
    r.expect(124)
    equal(report["end"]["kind"], "cpu_time")


@test
def out_of_memory_is_137_with_its_reason(w):
    eat = "x = []\nwhile True: x.append(bytearray(b'x' * 1048576))"
    r, report = w.report(["python3", "-c", eat], "--limit", "memory=64MiB")
    r.expect(137, "")
    holds(r.said, "used more memory than its limit (memory: 64MiB)")
    equal(report["end"]["kind"], "oom")


@test
def memory_of_files_counts(w):
    fill = ("head -c 60000000 /dev/zero >/dev/shm/x; "
            "head -c 60000000 /dev/zero >~/x; echo wrote; sleep 5")
    r, report = w.report(fill, "--limit", "memory=64MiB")
    r.expect(137)
    equal(report["end"]["kind"], "oom")


@test
def output_limit_is_137(w):
    r, report = w.report("yes", "--limit", "output=1MiB", "--limit",
                         "wall=20s")
    r.expect(137)
    holds(r.said, "wrote more output than its limit (output: 1MiB)")
    equal(report["end"]["kind"], "output")
    equal(len(r.out), 1048576, "bytes that came out")
    equal(report["used"]["output_bytes"], 1048576)


@test
def output_of_both_streams_counts(w):
    r = w.exec("yes >&2", "--limit", "output=100KiB", "--limit", "wall=20s")
    r.expect(137)


@test
def output_at_its_limit_is_no_end(w):
    for size, status in ((100000, 0), (100001, 137)):
        r = w.exec(f"head -c {size} /dev/zero", "--limit", "output=100000")
        r.expect(status)
        equal(len(r.out), 100000)


@test
def pids_limit_refuses_forks_and_is_reported(w):
    bomb = ("import os, time\nn = 0\ntry:\n while n < 200:\n"
            "  if os.fork() == 0: time.sleep(5); os._exit(0)\n  n += 1\n"
            "except OSError as e: print(e.errno)\n"
            "print(n < 20)\ntime.sleep(0.4)")
    r, report = w.report(["python3", "-c", bomb], "--limit", "pids=20")
    r.expect(0, "11\nTrue\n")
    equal(report["end"]["kind"], "exited")
    equal(report["end"]["pids_limit_met"], True)
    _, report = w.report("true | true", "--limit", "pids=20")
    counted = "cgroup" in report["posture"]["pids"]
    equal(report["end"]["pids_limit_met"], False if counted else None)


@test
def filter_violation_is_named(w):
    # a 32-bit system call: int 0x80 with number 20 (getpid)
    code = ("import mmap, ctypes\n"
            "m = mmap.mmap(-1, 4096, prot=7)\n"
            "m.write(b'\\xb8\\x14\\0\\0\\0\\xcd\\x80\\xc3')\n"
            "a = ctypes.addressof(ctypes.c_char.from_buffer(m))\n"
            "ctypes.CFUNCTYPE(ctypes.c_int)(a)()\n"
            "print('survived')")
    r, report = w.report(["python3", "-c", code])
    r.expect(128 + signal.SIGSYS, "")
    equal(report["end"]["kind"], "seccomp")
    holds(r.said, "was ended by the system call filter")


@test
def disk_full_is_reported(w):
    r, report = w.report("head -c 9000000 /dev/zero >/small/x || echo full",
                         *policy(w, "filesystem: {tmpfs: "
                                 "[{path: /small, size: 1MiB}]}"))
    r.expect(0, "full\n")
    equal(report["end"]["disk_full"], True)


def policy(w, text):
    return "--policy", w.file("p.yaml", "policy: 1\n" + text + "\n")


@test
def background_processes_die_with_the_command(w):
    r = w.exec("(trap '' TERM HUP INT; setsid sleep 600 & sleep 600 &) "
               "</dev/null >/dev/null 2>&1; echo done")
    r.expect(0, "done\n")


@test
def background_process_that_holds_the_output(w):
    """Its pipe ends with the jail: nobody waits for it."""
    r = w.exec("setsid sleep 600 & echo done", seconds=10)
    r.expect(0, "done\n")


@test
def last_output_is_never_lost(w):
    """It is read although the jail is dead by then."""
    for _ in range(20):
        r = w.exec("head -c 60000 /dev/zero; echo END; kill -9 $$")
        r.expect(137)
        equal(len(r.out), 60004)


@test
def names_are_shown_escaped(w):
    for name in ("new\nline", "esc\033[31mred", "bell\a", "\u202eright",
                 "c1\u009b31m", "\x7f"):
        r = w.exec([name]).expect(127, "")
        check(r.said.endswith("\n"), r.said)
        check(r.said[:-1].isprintable() and "\u202e" not in r.said,
              f"{name!r} is shown as {r.said!r}")


@test
def names_that_are_no_text(w):
    r = w.exec([b"\xff\xfe\x80"]).expect(127, "")
    check(all(32 <= b < 127 for b in r.err[:-1]), r.err)


@test
def working_directory_and_home(w):
    r = w.exec("pwd; echo $HOME; id -u; id -g; hostname; umask")
    r.expect(0, "/workspace\n/home/agent\n1000\n1000\njail\n0022\n")


@test
def groups_are_none_or_said(w):
    """Rootless the caller's cannot be dropped; then the report says so."""
    r, report = w.report("id -G")
    inherited = len(w.groups)
    equal(r.expect(0).text.split(), ["1000"] + ["65534"] * inherited)
    equal("groups" in report["posture"]["lessened"], inherited > 0)


@test
def the_default_is_no_input(w):
    w.exec("cat; readlink /proc/self/fd/0", data=b"not to be seen").expect(
        0, "/dev/null\n")


@test
def help_is_for_people(w):
    for argv in ((), ("exec",), ("enter",), ("ps",), ("kill",)):
        r = w.verb(*argv, "--help").expect(0)
        holds(r.text, "usage: warder ")
        equal(r.said, "")
    w.verb("--version").expect(0)
    equal(w.verb().status, 125, "no verb")


@test
def no_mount_has_setuid_programs_or_devices(w):
    """But the few devices of /dev themselves."""
    found = [line.split()[4:6] for line in
             w.exec("cat /proc/self/mountinfo").expect(0).text.splitlines()]
    check({"/", "/usr", "/workspace", "/tmp", "/proc"} <=
          {at for at, _ in found}, found)
    for at, flags in found:
        flags = flags.split(",")
        check("nosuid" in flags, f"{at}: {flags}")
        check("nodev" in flags or at.startswith("/dev/"), f"{at}: {flags}")


@test(modes=("root",))
def the_launcher_s_groups_stay_outside(w):
    """Rootless they cannot be dropped; the report says so."""
    def has(*argv):
        return w.popen([*argv, "sh", "-c", "grep ^Groups /proc/self/status"],
                       extra_groups=[4, 24], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE).finish().text.split()
    equal(has("env"), ["Groups:", "4", "24"], "the control")
    inside = has(w.program, "exec", "--")
    equal(inside[0], "Groups:")
    check(set(inside[1:]) <= {"1000"}, inside)


@test
def no_core_file_is_written_or_piped(w):
    """0 would let a program that core_pattern names run on the host."""
    w.exec(["python3", "-c", "import resource; "
            "print(resource.getrlimit(resource.RLIMIT_CORE))"]
           ).expect(0, "(1, 1)\n")


if __name__ == "__main__":
    sys.exit(main())
