#!/usr/bin/env python3
"""Standard streams: binary, large, slow, closed."""

import hashlib
import os
import random
import subprocess
import sys
import time

from flow import check, equal, holds, main, test

EVERY_BYTE = bytes(range(256)) * 300


@test
def binary_both_ways(w):
    r = w.exec(["cat"], "-i", data=EVERY_BYTE).expect(0)
    equal(r.out, EVERY_BYTE)


@test
def no_input_of_nothing(w):
    w.exec(["cat"], "-i", data=b"").expect(0, "")


@test
def large_both_ways(w):
    data = random.Random(1).randbytes(24 << 20)
    r = w.exec(["sh", "-c", "tee /dev/stderr"], "-i", "--limit",
               "output=100MiB", data=data).expect(0)
    for stream in (r.out, r.err):
        equal(hashlib.sha256(stream).hexdigest(),
              hashlib.sha256(data).hexdigest())


@test
def input_is_not_read_without_i(w):
    read, write = os.pipe()
    os.write(write, b"for somebody else")
    w.start(["cat"], stdin=read).finish().expect(0, "")
    equal(os.read(read, 100), b"for somebody else")
    os.close(read)
    os.close(write)


@test
def a_slow_reader_stops_the_jail_and_loses_nothing(w):
    jail = w.start(["sh", "-c", "seq 1 300000; echo end >&2"])
    time.sleep(0.5)
    check(jail.popen.poll() is None, "it ended with nobody reading")
    out = bytearray()
    while True:
        part = os.read(jail.popen.stdout.fileno(), 40960)
        if not part:
            break
        out += part
        time.sleep(0.0005)
    equal(bytes(out), "".join(f"{i}\n" for i in range(1, 300001)).encode())
    equal(jail.popen.stderr.read(), b"end\n")
    equal(jail.popen.wait(10), 0)


@test
def a_slow_jail_stops_the_writer(w):
    """What it does not read, we do not swallow."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    jail = w.start(["sleep", "600"], "-i", stdin=read)
    os.close(read)
    written, quiet = 0, 0
    while quiet < 30:
        try:
            written += os.write(write, b"x" * 4096)
            quiet = 0
        except BlockingIOError:
            quiet += 1
            time.sleep(0.02)
        check(written < 4 << 20, "megabytes vanished")
    os.close(write)
    jail.popen.terminate()
    equal(jail.finish().status, 128 + 15)


@test
def closed_output_is_a_broken_pipe_inside(w):
    read, write = os.pipe()
    jail = w.start(["sh", "-c", "yes; echo $? >&2"], stdout=write)
    os.close(write)
    os.read(read, 10)
    os.close(read)
    r = jail.finish()
    equal(r.said, "141\n", "status of yes")
    equal(r.status, 0)


@test
def output_that_is_not_open(w):
    """A caller without standard output or input is served all the same."""
    command = f"{w.program} exec -- sh -c 'echo out; echo err >&2; exit 5'"
    for closing, err in ((">&-", "err\n"), ("<&-", "err\n"),
                         ("<&- >&- 2>&-", "")):
        r = w.popen(["sh", "-c", f"{command} {closing}"],
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE).finish()
        equal(r.status, 5, closing)
        equal(r.said, err, closing)


@test
def an_early_end_of_input_is_seen(w):
    r = w.exec("cat; echo after", "-i", data=b"in\n").expect(0)
    equal(r.text, "in\nafter\n")


@test
def a_command_that_reads_nothing_ends(w):
    """However much input there is."""
    w.exec("exit 3", "-i", data=b"x" * (8 << 20), seconds=20).expect(3)


@test
def a_conversation(w):
    jail = w.start(["sh", "-c", "while read x; do echo got $x; done"], "-i",
                   stdin=subprocess.PIPE)
    for i in range(50):
        jail.popen.stdin.write(f"{i}\n".encode())
        jail.popen.stdin.flush()
        equal(jail.line(), f"got {i}\n")
    jail.popen.stdin.close()
    equal(jail.popen.wait(10), 0)


@test
def the_callers_descriptors_stay_blocking(w):
    """They are shared: making them non-blocking breaks everybody else."""
    read, write = os.pipe()
    check(os.get_blocking(write), "control")
    jail = w.start(["sh", "-c", "cat"], "-i", stdin=read, stdout=write)
    time.sleep(0.3)
    check(os.get_blocking(write) and os.get_blocking(read),
          "O_NONBLOCK was set on the caller's descriptor")
    jail.popen.kill()
    os.close(read)
    os.close(write)


@test
def nonblocking_caller(w):
    """A caller that hands over non-blocking descriptors loses nothing."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    jail = w.start(["seq", "1", "200000"], stdout=write)
    os.close(write)
    time.sleep(0.2)
    out = bytearray()
    while True:
        part = os.read(read, 65536)
        if not part:
            break
        out += part
    os.close(read)
    equal(jail.finish().status, 0)
    equal(bytes(out), "".join(f"{i}\n" for i in range(1, 200001)).encode())


@test
def a_full_disk_outside(w):
    with open("/dev/full", "wb") as full:
        r = w.start(["sh", "-c", "trap '' PIPE; echo x; sleep 0.2; "
                     "echo y || echo lost >&2"], stdout=full).finish()
    holds(r.said, "lost\n")


@test
def lost_output_is_no_success(w):
    """What the command wrote in good faith did not arrive."""
    with open("/dev/full", "wb") as full:
        r = w.start(["echo", "x"], stdout=full).finish()
        equal(r.status, 125)
        holds(r.said, "output was lost: No space left on device")
        equal(w.start(["sh", "-c", "echo x; exit 4"], stdout=full
                      ).finish().status, 4)
    equal(w.start(["true"], stdout=subprocess.DEVNULL).finish().status, 0)


@test
def streams_open_again_by_their_names(w):
    for t in ([], ["-i"]):
        r = w.exec("echo a >/dev/stdout; echo b >/dev/stderr; "
                   "echo c >>/proc/self/fd/1; cat /dev/stdin; "
                   "echo d | tee /dev/stderr", *t, data=b"in\n").expect(0)
        equal(r.text, "a\nc\n" + ("in\n" if t else "") + "d\n")
        equal(r.said, "b\nd\n")


@test
def escapes_come_out_as_they_are(w):
    """stdout belongs to the program: nothing is filtered (TT-03)."""
    hostile = (b"\033]52;c;aGk=\a\033[2J\xc2\x9b31m\0\xe2\x80\xae" +
               b"L" * (1 << 20) + b"\n")
    r = w.exec(["cat"], "-i", data=hostile).expect(0)
    equal(r.out, hostile)


@test
def jail_flags_do_not_reach_us(w):
    """O_NONBLOCK set inside changes nothing on our end."""
    code = ("import fcntl, os\n"
            "for fd in 0, 1, 2:\n"
            " fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NONBLOCK)\n"
            "n = 0\n"
            "while n < 400000:\n"
            " try: n += os.write(1, b'x' * 1000)\n"
            " except BlockingIOError: pass\n")
    r = w.exec(["python3", "-c", code], "-i", data=b"").expect(0)
    equal(len(r.out), 400000)


if __name__ == "__main__":
    sys.exit(main())
