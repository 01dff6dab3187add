#!/usr/bin/env python3
"""The demonstrations of "make run", and that they can fail."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys

from flow import TOP, Skip, check, equal, holds, main, test, wait_until
from private import PLACES


def copy(w):
    """The examples in a tree of this user's own."""
    top = w.scratch("tree")
    shutil.copytree(os.path.join(TOP, "examples"),
                    os.path.join(top, "examples"))
    for folder, folders, files in os.walk(top):
        for name in folders + files:
            w.give(os.path.join(folder, name))
    return top


def run(w, top, example="analyse", **more):
    build = os.path.dirname(os.path.dirname(w.program))
    return w.popen([os.path.join(top, "examples", example, "run"), build],
                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                   stderr=subprocess.PIPE, **more).finish()


def edit(top, old, new, file="analyse/policy.yaml"):
    path = os.path.join(top, "examples", file)
    with open(path, encoding="utf-8") as f:
        text = f.read()
    check(old in text, f"{old} is not in {path}")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace(old, new))


@test
def demo_shows_what_was_refused(w):
    top = copy(w)
    r = run(w, top).expect(0)
    equal(r.said, "", "stderr")
    holds(r.text, "The work is done", "0 of 4", "4 of 4", "32 processes"
          if w.root else "then refused", "Now try")
    lines = {line[4:34].strip(): line[34:62].strip()
             for line in r.text.splitlines() if line.startswith("    ")}
    equal(lines["$DEMO_API_KEY"], "not there")
    equal(lines["~/.config/warder-demo/token"], "no such file or directory")
    check(len(r.text.splitlines()) < 60, "longer than a screen and a half")
    for name in ("result.json", "plot.svg", "table.txt"):
        check(os.path.getsize(os.path.join(top, "build/demo/out", name)) > 100,
              name)
    equal(os.path.exists(os.path.join(w.home, ".config")), False, "left")


@test
def demo_fails__secret_passed(w):
    top = copy(w)
    edit(top, "[DEMO_TARGETS]", "[DEMO_TARGETS, DEMO_API_KEY]")
    r = run(w, top).expect(1)
    holds(r.said, "got through: $DEMO_API_KEY", "the secret was written")


@test
def demo_fails__no_process_limit(w):
    top = copy(w)
    edit(top, "memory: 512MiB\n  pids: 32", "memory: 4GiB\n  pids: 1000")
    holds(run(w, top).expect(1).said, "not kept from forking")


def path_without_npm(w):
    """A PATH with no more than the demonstration calls."""
    folder = w.scratch("bin")
    for name in ("openssl", "mount", "unshare"):
        os.symlink(shutil.which(name), os.path.join(folder, name))
    return folder


@test
def token_demo_shows_what_was_refused(w):
    top = copy(w)
    scratch = w.scratch("tmp")
    before = [os.path.exists(p) for p in PLACES]
    r = run(w, top, "token", env=w.environment(
        TMPDIR=scratch, PATH=path_without_npm(w))).expect(0)
    equal(r.said, "", "stderr")
    holds(r.text, "It works", "Authorization: Bearer wdr-",
          "Authorization: Bearer token-", "200, 12 degrees", "7 of these 8",
          "Allowed   2 ", "Injected  2 ", "Refused   6 ", "whole, 13 lines",
          "broken: line 5", "Not shown", "there is no node", "Now try")
    rows = {line[4:32].strip(): line[34:].split("  ", 1)
            for line in r.text.splitlines() if line.startswith("    ")}
    for row, reason in (
            ("an answer that repeats it", "scrubbed"),
            ("another path, /v1/keys/mine", "path: Keys are made by people"),
            ("the token as ?key= in a URL", "credential_elsewhere"),
            ("another host, attacker.test", "service: "),
            ("http:// in place of https://", "tls: "),
            ("192.0.2.10, past the proxy", "service: ")):
        holds(rows[row][1], reason)
    check(all(len(line) <= 80 for line in r.text.splitlines()
              if "bin/warder" not in line), "wider than 80 columns")
    check(len(r.text.splitlines()) < 65, "longer than a screen and a half")
    folder = os.path.join(top, "build/demo/token")
    equal(sorted(os.listdir(folder)), ["audit.jsonl", "ca.pem", "policy.yaml",
                                       "program", "report.json"])
    w.verb("audit", "verify", os.path.join(folder, "audit.jsonl")).expect(0)
    w.verb("policy", "test", os.path.join(folder, "policy.yaml")).expect(0)
    equal(os.listdir(scratch), [], "left")
    equal([n for n in os.listdir(w.home) if n in (".config", ".local")], [],
          "left")
    equal([os.path.exists(p) for p in PLACES], before, "left")


@test
def oauth_demo_shows_tokens_that_end(w):
    top = copy_with_server(w)
    scratch = w.scratch("tmp")
    r = run(w, top, "token", env=w.environment(TMPDIR=scratch)).expect(0)
    equal(r.said, "", "stderr")
    server_was_there(r)
    holds(r.text, "200\n", "401, revoked\n",
          "200 12 degrees, rain, 200 12 degrees, rain", "Now try")
    log = os.path.join(top, "build/demo/oauth/audit.jsonl")
    w.verb("audit", "verify", log).expect(0)
    equal(os.listdir(scratch), [], "left")


@test
def oauth_demo_fails__never_revoked(w):
    top = copy_with_server(w)
    edit(top, "self.server.revoke(self.seen[0][0])", "pass", "token/oauth.py")
    r = run(w, top, "token")
    server_was_there(r)
    holds(r.expect(1).said, "the API saw")


@test
def oauth_demo_fails__no_token_is_issued(w):
    top = copy_with_server(w)
    edit(top, "clientCredentials: { enabled: true }",
         "clientCredentials: { enabled: false }",
         "token/npm/authorization.mjs")
    r = run(w, top, "token")
    server_was_there(r)
    holds(r.expect(1).said, "exit status")


def copy_with_server(w):
    """The tree, with the packages of an earlier run, which npm need not
    fetch again."""
    top = copy(w)
    have = os.path.join(TOP, "build/demo/npm")
    if os.path.isdir(have):
        there = os.path.join(top, "build/demo/npm")
        shutil.copytree(have, there, symlinks=True)
        for name in (os.path.join(top, "build"),
                     os.path.join(top, "build/demo"), there,
                     os.path.join(there, "authorization.mjs")):
            w.give(name)
    return top


def server_was_there(r):
    """Skips where neither npm nor its registry is to be had."""
    for line in r.text.splitlines():
        if line.startswith("Not shown"):
            raise Skip(line)


def token_demo_fails(w, old, new, *parts):
    top = copy(w)
    edit(top, old, new, "token/policy.yaml")
    r = run(w, top, "token").expect(1)
    holds(r.said, "demonstration: ", *parts)
    check("Now try" not in r.text, "it went on")


@test
def token_demo_fails__not_scrubbed(w):
    token_demo_fails(w, "as: bearer}]", "as: bearer}]\n"
                     "    scrub_response: false", "the token came out")


@test
def token_demo_fails__path_allowed(w):
    token_demo_fails(w, "- {path: /v1/keys/**,", "- {path: /v1/no/**,",
                     "/v1/keys/mine")


@test
def token_demo_fails__placeholder_may_go_anywhere(w):
    token_demo_fails(w, "as: bearer}]", "as: bearer}]\n"
                     "    elsewhere: pass", "the API was asked for")


@test
def token_demo_fails__call_refused(w):
    token_demo_fails(w, "path: /v1/**}", "path: /v2/**}", "the call failed")


@test
def token_demo_fails__run_refused(w):
    token_demo_fails(w, "policy: 1", "policy: 2", "exit status 125")


# ---- the service: its port and its places are fixed, so it gets a network and,
# as root, directories of its own ----------------------------------------------

def ended(pid):
    """Or waits for init to take notice."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            return f.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


class Alone:
    """Where nothing of the host's service is seen."""

    def __init__(self, w):
        if os.geteuid() != 0:
            raise Skip("a network of its own takes root")
        self.w = w
        self.pid = None  # warderd's, once it runs

    def run(self, argv, **more):
        done = subprocess.run(
            [*self.way(), *argv], stdin=subprocess.DEVNULL, check=False,
            capture_output=True, text=True, timeout=120, cwd=self.w.folder,
            env=self.w.environment(**more))
        started = re.search(r"^warderd, pid (\d+),", done.stdout, re.M)
        if started:
            self.pid = int(started.group(1))
        return done

    def way(self):
        """Into the same place as before, or into a new one."""
        kinds = ["--net", "--mount"] if self.w.root else ["--net"]
        if self.pid is not None:
            enter = ["nsenter", f"--target={self.pid}", *kinds, "--"]
        else:
            places = "".join(f"mkdir -p {p}; mount -t tmpfs none {p}; "
                             for p in ("/run", *PLACES))
            enter = ["unshare", *kinds, "sh", "-ec", "ip link set lo up; " +
                     (places if self.w.root else "") + "exec \"$@\"", "sh"]
        if not self.w.root:
            groups = ",".join(str(g) for g in self.w.groups)
            enter += ["setpriv", f"--reuid={self.w.uid}",
                      f"--regid={self.w.gid}",
                      f"--groups={groups}" if groups else "--clear-groups"]
        return enter

    def end(self):
        """As the demonstration says that it is ended."""
        if self.pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        wait_until(lambda: ended(self.pid), 30, "the end of warderd")


@contextlib.contextmanager
def alone(w):
    place = Alone(w)
    made = [p for p in PLACES if not os.path.exists(p)]
    try:
        yield place
    finally:
        place.end()
        for p in made if w.root else ():
            with contextlib.suppress(OSError):
                os.rmdir(p)


def service_demo(place, top):
    return place.run([os.path.join(top, "examples", "service", "run"),
                      os.path.dirname(os.path.dirname(place.w.program))])


@test
def service_demo_goes_on_after_a_kill(w):
    with alone(w) as place:
        r = service_demo(place, copy(w))
        equal((r.returncode, r.stderr), (0, ""), r.stdout)
        holds(r.stdout, "deployed: hello", "deployed: approve",
              "Hello, you", "kill -9 of warder-control",
              "the stream broke off; again from event",
              "waits for an answer; its state is interrupted",
              "drafted once, sent once", "now try",
              f"kill {place.pid} ends it")
        # what it tells people to try
        key = re.search(r"export WARDER_API_KEY=(wdr_\w+)", r.stdout).group(1)
        tried = place.run([w.program, "run", "approve", '{"to": "Bob"}',
                           "--json"], WARDER_API_KEY=key)
        check('"Bob"' in tried.stdout, f"{tried.stdout}{tried.stderr}")
        # once more, with the service that runs already
        r = service_demo(place, copy(w))
        equal((r.returncode, r.stderr), (0, ""), r.stdout)
        holds(r.stdout, "answers at 127.0.0.1:8123 already",
              "drafted once, sent once")


@test
def service_demo_fails__asked_nothing(w):
    top = copy(w)
    edit(top, "run.interrupt(", "dict(", "agents/approve/approve.py")
    with alone(w) as place:
        r = service_demo(place, top)
        equal((r.returncode, r.stderr), (1, "it asked nothing\n"), r.stdout)


if __name__ == "__main__":
    sys.exit(main())
