#!/usr/bin/env python3
"""Arguments and variables of every size (RX-09)."""

import resource
import sys

from flow import check, equal, holds, main, test


def big_stack():
    """execve takes a quarter of the stack limit, 6 MiB at most."""
    resource.setrlimit(resource.RLIMIT_STACK,
                       (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


COUNT = ["sh", "-c", 'echo $#', "sh"]


@test
def five_megabytes_of_arguments(w):
    """They come through whole, or it is said why not: nothing in between."""
    args = ["x" * 1000] * 5000
    r = w.exec([*COUNT, *args], preexec_fn=big_stack)
    if r.status == 0:
        equal(r.text, "5000\n")
        return
    check(r.status in (125, 126), r.status)
    holds(r.said, "warder: ")
    check("Argument list too long" in r.said or "the most is" in r.said,
          r.said[:300])


@test
def two_megabytes_of_arguments_fit(w):
    args = ["y" * 1000] * 1900
    w.exec([*COUNT, *args]).expect(0, "1900\n")


@test
def more_than_the_kernel_takes(w):
    """The caller's own exec fails: a control of the numbers here."""
    try:
        w.exec([*COUNT, *["x" * 1000] * 6500], preexec_fn=big_stack)
    except OSError as e:
        equal(e.errno, 7)
        return
    check(False, "6.5 MB came through execve")


@test
def the_longest_argument(w):
    r = w.exec(["sh", "-c", 'echo ${#1}', "sh", "z" * 131071])
    r.expect(0, "131071\n")
    try:
        w.exec(["true", "z" * 131072])
    except OSError as e:
        equal(e.errno, 7)


@test
def a_hundred_thousand_arguments(w):
    r = w.exec([*COUNT, *["a"] * 100000], preexec_fn=big_stack)
    r.expect(0, "100000\n")


@test
def more_arguments_than_the_limit(w):
    r = w.exec([*COUNT, *[""] * 140000], preexec_fn=big_stack)
    r.refused("the most is")


@test
def a_hundred_thousand_variables_of_the_caller(w):
    env = w.environment(**{f"V{i}": "1" for i in range(100000)})
    r = w.exec("env | grep -c ^V", env=env, preexec_fn=big_stack)
    equal(r.text, "0\n")
    r = w.exec("echo $V99999", "--env", "V99999", env=env,
               preexec_fn=big_stack)
    r.expect(0, "1\n")


@test
def large_values(w):
    env = w.environment(BIG="v" * 100000)
    w.exec("echo ${#BIG}", "--env", "BIG", env=env).expect(0, "100000\n")
    env = w.environment(**{f"B{i}": "v" * 120000 for i in range(5)})
    flags = [x for i in range(5) for x in ("--env", f"B{i}")]
    r = w.exec("echo ran", *flags, env=env)
    r.refused("262144 bytes")


@test
def empty_and_odd_arguments(w):
    code = "import sys; print([a.encode('utf-8', 'surrogateescape') " \
        "for a in sys.argv[1:]])"
    args = [b"", b" ", b"\n", b"\xff\xfe", b"-", b"--", b"a=b", b"'\"\\$`"]
    r = w.exec(["python3", "-c", code, *args]).expect(0)
    equal(r.text, f"{args}\n")


@test
def empty_argv(w):
    """execve with argc 0 of the launcher itself."""
    code = ("import ctypes, sys\n"
            "c = ctypes.CDLL(None)\n"
            "c.execve(sys.argv[1].encode(), (ctypes.c_char_p * 1)(None), "
            "(ctypes.c_char_p * 1)(None))")
    r = w.popen(["/usr/bin/python3", "-c", code, w.program],
                stdout=-1, stderr=-1).finish()
    equal(r.status, 125)


@test
def nothing_in_the_environment(w):
    r = w.exec("echo ran", env={"XDG_RUNTIME_DIR": w.runtime,
                                "HOME": w.home})
    r.expect(0, "ran\n")
    r = w.exec("echo ran", env={})
    check(r.status in (0, 125), r.said)
    if r.status:
        holds(r.said, "HOME")


@test
def malformed_environment(w):
    """No name, no sign, twice the same."""
    code = ("import ctypes, sys, os\n"
            "c = ctypes.CDLL(None)\n"
            "argv = [a.encode() for a in sys.argv[1:]] + [None]\n"
            "env = [b'=x', b'NOSIGN', b'TERM', b'TERM=one', b'TERM=two',\n"
            "  b'HOME=' + os.environb[b'HOME'],\n"
            "  b'XDG_RUNTIME_DIR=' + "
            "os.environb.get(b'XDG_RUNTIME_DIR', b'/x'), None]\n"
            "c.execve(argv[0], (ctypes.c_char_p * len(argv))(*argv), "
            "(ctypes.c_char_p * len(env))(*env))")
    r = w.popen(["/usr/bin/python3", "-c", code, w.program, "exec", "--",
                 "env"], stdout=-1, stderr=-1).finish()
    r.expect(0)
    check("NOSIGN" not in r.text and r.text.count("TERM=") == 1, r.text)


if __name__ == "__main__":
    sys.exit(main())
