#!/usr/bin/env python3
"""The verbs of "warder policy", and warder-config --serve under attack."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import traceback

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = TOP / os.environ.get("WARDER_BUILD", "build")
CONFIG = BUILD / "libexec/warder/warder-config"
WARDER = BUILD / "bin/warder"

TESTS = []


def test(function):
    TESTS.append(function)
    return function


def run(directory, *words, program=(CONFIG, "policy")):
    return subprocess.run([*program, *words], cwd=directory, text=True,
                          capture_output=True, timeout=60, check=False,
                          stdin=subprocess.DEVNULL)


def write(directory, name, text):
    path = pathlib.Path(directory) / name
    path.write_text(text, encoding="utf-8")
    return name


def equal(got, expected, what=""):
    assert got == expected, f"{what}: got {got!r}, expected {expected!r}"


def holds(text, *parts):
    for part in parts:
        assert part in text, f"{part!r} is not in {text!r}"


# ---- check ------------------------------------------------------------------

@test
def policy_check__good_file__0_and_silence(d):
    name = write(d, "p.yaml", "policy: 1\n")
    r = run(d, "check", name)
    equal((r.returncode, r.stdout, r.stderr), (0, "", ""))


@test
def policy_check__bad_file__2_and_its_place(d):
    name = write(d, "p.yaml", "policy: 1\nlimits: {pids: many}\n")
    r = run(d, "check", name)
    equal((r.returncode, r.stdout), (2, ""))
    holds(r.stderr, "warder: p.yaml:2:16: limits.pids takes")


@test
def policy_check__unreadable__2(d):
    equal(run(d, "check", "nowhere.yaml").returncode, 2)
    holds(run(d, "check", "nowhere.yaml").stderr, "nowhere.yaml")
    os.mkfifo(os.path.join(d, "fifo"))
    r = run(d, "check", "fifo")
    equal(r.returncode, 2)
    holds(r.stderr, "not a regular file")
    r = run(d, "check", ".")
    equal(r.returncode, 2)
    r = run(d, "check", write(d, "empty.yaml", ""))
    equal(r.returncode, 2)
    holds(r.stderr, "the file is empty")


FINDINGS = {
    "on every path":
        "network: {services: {a: {to: a.example, "
        "allow: [{methods: [POST], path: /**}]}}}",
    "can never match: line 2 denies":
        "network: {services: {a: {to: a.example, "
        "allow: [{methods: read, path: /x/y}], deny: [{path: /x/**}]}}}",
    "changes nothing: line 2 allows":
        "network: {services: {a: {to: a.example, "
        "allow: [{methods: read, path: /x/**}, "
        "{methods: [GET], path: /x/y}]}}}",
    "belongs to service a too":
        "network: {services: {a: {to: a.example, allow: any}, "
        "b: {to: a.example, allow: any}}}",
    "whatever its name resolves to":
        "network: {services: {a: {to: a.example, allow: any, "
        "dial: 127.0.0.1:1}}}",
    "credential k has no consumer":
        "credentials: {k: {source: {vault: a}}}",
    "nothing to protect": "filesystem: {protect: [/workspace/.git]}",
    "does not exist on this host":
        "filesystem: {read: [{from: /srv/nowhere}]}",
    "which is read-only: it must exist":
        "filesystem: {read: [{from: ., path: /data}], "
        "tmpfs: [{path: /data/x}]}",
    "hides what the root directory":
        "filesystem: {tmpfs: [{path: /usr/local}]}",
    "lies in no mount": "process: {cwd: /workspace}",
    "Landlock ABI": "requires: {landlock: 64}",
}


@test
def policy_check__each_finding__1_and_its_text(d):
    for text, body in FINDINGS.items():
        r = run(d, "check", write(d, "p.yaml", f"policy: 1\n{body}\n"))
        equal((r.returncode, r.stderr), (1, ""), text)
        holds(r.stdout, "p.yaml:2:", text)


@test
def policy_check__json__findings_as_strings(d):
    write(d, "p.yaml", "policy: 1\nrequires: {landlock: 64}\n")
    r = run(d, "check", "--json", "p.yaml")
    equal(r.returncode, 1)
    answer = json.loads(r.stdout)
    equal(answer["schema"], "warder.policy-check/1")
    equal(len(answer["findings"]), 1)


# ---- show -------------------------------------------------------------------

@test
def policy_show__default__the_file_itself(d):
    data = (TOP / "policy/data/default.yaml").read_text(encoding="utf-8")
    equal(run(d, "show", "default").stdout, data)
    equal(run(d, "show", "builtin/default").stdout, data)


@test
def policy_show__resolved__origin_of_each_line(d):
    write(d, "base.yaml", "policy: 1\nlimits: {pids: 77}\n")
    write(d, "p.yaml", "policy: 1\nextends: [./base.yaml]\n"
                       "process:\n  env: {A: \"yes\"}\n"
                       "filesystem: {write: [{from: ., path: /w}]}\n")
    r = run(d, "show", "--resolved", "p.yaml")
    equal((r.returncode, r.stderr), (0, ""))
    holds(r.stdout, f"pids: 77    # {d}/base.yaml:2\n",
          "A: \"yes\"    # p.yaml:4\n", "memory: 1GiB    # (default)\n",
          f"- {{from: {d}, path: /w}}    # p.yaml:5\n")


@test
def policy_show__resolved__is_a_policy_again(d):
    for path in sorted((TOP / "tests/unit/policy/accept").iterdir()):
        first = run(path.parent, "show", "--resolved", path.name)
        equal((first.returncode, first.stderr), (0, ""), path.name)
        write(d, "again.yaml", first.stdout)
        again = run(d, "show", "--json", "again.yaml")
        equal((again.returncode, again.stderr), (0, ""), path.name)
        whole = run(path.parent, "show", "--json", path.name)
        one, two = (json.loads(r.stdout)["policy"] for r in (whole, again))
        for key in ("extends", "use"):
            one.pop(key, None)
        equal(two, one, path.name)


@test
def policy_show__json__policy_origins_layers(d):
    write(d, "p.yaml", "policy: 1\nlimits: {pids: 5}\n"
                       "filesystem: {protect: [/a/**]}\n")
    answer = json.loads(run(d, "show", "--json", "p.yaml").stdout)
    equal(answer["policy"]["limits"]["pids"], 5)
    equal(answer["policy"]["filesystem"]["protect"], ["/a/**"])
    equal(answer["origins"]["limits.pids"], "p.yaml:2")
    equal(answer["origins"]["limits.memory"], "default")
    equal(answer["origins"]["filesystem.tmpfs[0].path"], "default")
    equal([l["kind"] for l in answer["layers"]], ["grant", "grant"])
    assert answer["digest"].startswith("sha256:")


# ---- the command line -------------------------------------------------------

@test
def policy_usage__mistakes__2_and_a_hint(d):
    for words, hint in (
            ((), "usage: warder policy VERB"),
            (("chek", "x"), "did you mean \"check\"?"),
            (("check",), "which FILE?"),
            (("check", "a", "b"), "one argument too many: b"),
            (("check", "--resolved", "a"), "unknown option: --resolved"),
            (("show", "--jason", "a"), "unknown option: --jason"),
            (("schema", "a"), "one argument too many")):
        r = run(d, *words)
        equal((r.returncode, r.stdout), (2, ""), str(words))
        holds(r.stderr, hint)
    equal(run(d, "--serve", program=(CONFIG,)).returncode, 2)
    equal(run(d, "--serve", "x", program=(CONFIG,)).returncode, 2)


@test
def policy_help__every_verb__0(d):
    for words in (("--help",), ("check", "--help"), ("show", "--help"),
                  ("schema", "--help")):
        r = run(d, *words)
        equal((r.returncode, r.stderr), (0, ""), str(words))
        holds(r.stdout, "usage: warder policy")


@test
def policy_check__dashes__a_file_with_a_dash(d):
    write(d, "-p.yaml", "policy: 1\n")
    equal(run(d, "check", "--", "-p.yaml").returncode, 0)


@test
def policy_show__closed_output__not_success(d):
    with open("/dev/full", "w", encoding="ascii") as full:
        status = subprocess.run([CONFIG, "policy", "schema"], stdout=full,
                                stderr=subprocess.DEVNULL,
                                check=False).returncode
    equal(status, 2)
    del d


@test
def policy_verbs__through_warder__the_same(d):
    write(d, "p.yaml", "policy: 1\nlimits: {pids: many}\n")
    r = run(d, "check", "p.yaml", program=(WARDER, "policy"))
    equal(r.returncode, 2)
    holds(r.stderr, "p.yaml:2:16: ")


@test
def policy_keys__reference__as_generated(d):
    text = (TOP / "docs/policy-keys.md").read_text(encoding="utf-8")
    table = run(d, "schema", "--keys").stdout
    assert text.endswith("\n" + table), \
        "docs/policy-keys.md is old: make docs"


@test
def policy_docs__every_example__loads(d):
    found = 0
    for path in (TOP / "docs/policy.md", TOP / "docs/man/warder-policy.5"):
        text = path.read_text(encoding="utf-8")
        for block in re.findall(r"```yaml\n(.*?)```", text, re.S) + \
                re.findall(r"^\.Bd .*?\n(.*?)^\.Ed", text, re.S | re.M):
            if not block.startswith("policy: 1"):
                block = "policy: 1\n" + block
            r = run(d, "check", write(d, "p.yaml", block))
            assert r.returncode in (0, 1), f"{path.name}: {r.stderr}{block}"
            found += 1
    assert found >= 7, found


# ---- --serve ----------------------------------------------------------------

def serve(*messages):
    """What --serve says to these messages, and how it ends."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = subprocess.Popen([CONFIG, "--serve", str(theirs.fileno())],
                             pass_fds=[theirs.fileno()],
                             stderr=subprocess.PIPE, text=True)
    theirs.close()
    for data, fds in messages:
        socket.send_fds(ours, [data], fds)
    ours.shutdown(socket.SHUT_WR)
    _, said = child.communicate(timeout=30)
    return child.returncode, said


@test
def config_serve__malformed_messages__ends_with_1(d):
    del d
    fd = os.memfd_create("text")
    head = (0).to_bytes(4, sys.byteorder)
    size = (3 * 4096).to_bytes(4, sys.byteorder)
    for message in ((), ((b"", ()),), ((b"abc", ()),),
                    ((head + size + b"x", ()),),
                    ((head + size + b"x" * 3 * 4096, ()),),
                    ((head + size + b"x" * 3 * 4096, (fd,)),)):
        status, said = serve(*message)
        equal(status, 1, str(message)[:60])
        holds(said, "warder-config: ")
    os.close(fd)


@test
def config_serve__locked__no_file_can_be_opened(d):
    """Its own seccomp state while it waits for the request."""
    del d
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = subprocess.Popen([CONFIG, "--serve", str(theirs.fileno())],
                             pass_fds=[theirs.fileno()],
                             stderr=subprocess.DEVNULL)
    theirs.close()
    try:
        for _ in range(500):
            with open(f"/proc/{child.pid}/status", encoding="ascii") as f:
                state = dict(line.split(":\t", 1) for line in f)
            if state["Seccomp"].strip() == "2":
                break
            signal.sigtimedwait([], 0.01)
        equal(state["Seccomp"].strip(), "2", "seccomp filter mode")
        equal(state["NoNewPrivs"].strip(), "1", "no_new_privs")
        if "asan" not in str(BUILD) and "address" not in str(BUILD):
            with open(f"/proc/{child.pid}/limits", encoding="ascii") as f:
                limits = f.read()
            holds(limits, "Max address space         268435456",
                  "Max cpu time              10 ",
                  "Max open files            16 ")
    finally:
        ours.close()
        child.wait(timeout=30)


def main():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    print(f"1..{len(TESTS)}", flush=True)
    failed = 0
    for number, function in enumerate(TESTS, 1):
        with tempfile.TemporaryDirectory() as directory:
            try:
                function(os.path.realpath(directory))
                print(f"ok {number} - {function.__name__}", flush=True)
            except (AssertionError, OSError, KeyError, ValueError,
                    subprocess.SubprocessError):
                failed += 1
                for line in traceback.format_exc().splitlines():
                    print("#", line)
                print(f"not ok {number} - {function.__name__}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
