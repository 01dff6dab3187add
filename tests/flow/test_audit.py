#!/usr/bin/env python3
"""The audit log of a run: what is in it, what is not, and that it holds."""

import base64
import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time

from flow import check, descendants, equal, holds, main, name_of, test
from private import path, places

SECRET = "swordfish-swordfish"


class Plain:
    """An HTTP service on loopback that says ok."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.seen = 0
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                c, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.one, args=(c,), daemon=True).start()

    def one(self, c):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = c.recv(4096)
            if not piece:
                return
            data += piece
        self.seen += 1
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"
                  b"Connection: close\r\n\r\nok\n")
        c.close()

    def close(self):
        self.socket.close()


POLICY = """policy: 1
network:
  services:
    api:
      to: "api.example.test:80"
      tls: none
      dial: 127.0.0.1:{port}
      only_addresses: [127.0.0.0/8]
      allow: [{{methods: read, path: /ok/**}}]
{more}"""

CREDENTIAL = """credentials:
  key:
    source: {env: SECRET_KEY}
    inject: [{service: api, as: bearer}]
"""


class Run:
    def __init__(self, w, prefix, more=""):
        self.w, self.prefix = w, prefix
        self.up = Plain()
        self.policy = w.file("p.yaml",
                             POLICY.format(port=self.up.port, more=more))
        self.report = os.path.join(w.scratch("report"), "r.json")

    def exec(self, script, **more):
        env = self.w.environment(SECRET_KEY=SECRET)
        return self.w.popen(
            [*self.prefix, self.w.program, "exec", "--policy", self.policy,
             "--report", self.report, "--", "sh", "-c", script], env=env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, **more).finish()

    def start(self, script):
        return self.w.popen(
            [*self.prefix, self.w.program, "exec", "--policy", self.policy,
             "--", "sh", "-c", script],
            env=self.w.environment(SECRET_KEY=SECRET),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)

    def audit(self):
        with open(self.report, encoding="utf-8") as f:
            return json.load(f)["network"]["audit"]

    def lines(self):
        name = path(self.w, self.prefix, "/var/lib/warder", "audit",
                    os.path.basename(self.audit()["file"]))
        with open(name, encoding="utf-8") as f:
            return name, [json.loads(x) for x in f.read().splitlines()]

    def verify(self, name, *flags):
        return self.w.verb("audit", "verify", *flags, name)

    def folder(self):
        return path(self.w, self.prefix, "/var/lib/warder", "audit")

    def segments(self):
        return sorted(n for n in os.listdir(self.folder())
                      if n.startswith("20"))

    def heads(self):
        with open(os.path.join(self.folder(), "heads.jsonl"),
                  encoding="utf-8") as f:
            return [json.loads(x) for x in f.read().splitlines()]

    def verb(self, *args, **more):
        """A verb on this user's own directory."""
        return self.w.popen([*self.prefix, self.w.program, "audit", *args],
                            env=self.w.environment(), stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, **more).finish()

    def whole(self, **counts):
        out = self.verb("verify", "--json").expect(0)
        got = json.loads(out.text.splitlines()[-1])
        equal(got["state"], "whole")
        for name, n in counts.items():
            equal(got[name], n, name)
        return got

    def broken(self, *parts):
        out = self.verb("verify")
        equal(out.status, 1)
        for part in parts:
            holds(out.text, part)
        holds(out.text.splitlines()[-1], ": broken")


def run(f, more=""):
    def wrapped(w):
        with places(w) as prefix:
            r = Run(w, prefix, more)
            try:
                f(r)
            finally:
                r.up.close()
    wrapped.__name__ = f.__name__
    return test(wrapped)


def with_credential(f):
    return run(f, CREDENTIAL)


CURL = "curl -sS -m 10 -o /dev/null "


@with_credential
def decisions_and_uses_of_credentials_a_line_each(r):
    out = r.exec(f"{CURL} 'http://api.example.test/ok/1?token=hush'; "
                 f"{CURL} http://api.example.test/no; "
                 f"{CURL} http://other.example.test/; true").expect(0)
    name, lines = r.lines()
    kinds = [x["kind"] for x in lines]
    equal(kinds, ["open", "allowed", "credential", "refused", "refused",
                  "summary", "close"])
    equal([x["seq"] for x in lines], list(range(1, 8)))
    equal({(x["run"], x["tenant"], x["policy"]) for x in lines},
          {(lines[0]["run"], "local", lines[0]["policy"])})
    allowed, credential, path_, service = lines[1:5]
    equal((allowed["method"], allowed["path"], allowed["host"],
           allowed["service"]), ("GET", "/ok/1", "api.example.test", "api"))
    holds(allowed["rule"], "p.yaml:")
    equal((credential["credential"], credential["service"]), ("key", "api"))
    equal((path_["code"], path_["record"]["code"]), ("path", "path"))
    equal((path_["record"]["run"], path_["record"]["policy"]),
          (lines[0]["run"], lines[0]["policy"]), "as the client got it")
    equal(service["code"], "service")
    equal(lines[5]["counts"]["allowed"], 1)
    text = json.dumps(lines)
    check("hush" not in text and "sword" not in text, "no query, no secret")
    holds(out.said, "warder: audit: ", r.audit()["file"])
    equal(os.stat(name).st_mode & 0o777, 0o600)


@run
def a_long_path_does_not_end_the_log(r):
    out = r.exec("long=$(printf %08000d 0); for p in ok/$long no/$long ok/1; "
                 "do curl -sS -m 10 -o /dev/null -w '%{http_code}\\n' "
                 "http://api.example.test/$p; done").expect(0)
    equal(out.text.split(), ["200", "403", "200"])
    _, lines = r.lines()
    equal([x["kind"] for x in lines], ["open", "allowed", "refused", "allowed",
                                       "summary", "close"])
    check(lines[1]["path"].startswith("/ok/000"), "its beginning")
    equal((lines[1]["path_bytes"], lines[3]["path"]), (8004, "/ok/1"))


@run
def it_verifies_and_the_report_has_its_head(r):
    r.exec(f"{CURL} http://api.example.test/ok/1").expect(0)
    name, lines = r.lines()
    head = r.audit()["head"]
    equal(r.audit()["lines"], len(lines))
    out = r.verify(name, "--head", head).expect(0).text
    holds(out, "whole", head)
    data = open(name, "rb").read()
    for changed, part in ((data.replace(b"allowed", b"refused", 1), "line 3"),
                          (data.split(b"\n", 1)[1], "line 1"),
                          (data[:-20], "line"), (b"", "head")):
        with open(name, "wb") as f:
            f.write(changed)
        got = r.verify(name, "--head", head)
        equal(got.status, 1)
        holds(got.text, part)


@run
def a_run_that_does_not_start_leaves_none(r):
    r.policy = r.w.file("q.yaml", POLICY.format(
        port=1, more=CREDENTIAL.replace("SECRET_KEY", "NOT_SET")))
    r.exec("true").refused("NOT_SET")
    folder = path(r.w, r.prefix, "/var/lib/warder", "audit")
    equal(sorted(os.listdir(folder)), ["empty", "key"])


@run
def without_a_place_for_it_nothing_starts(r):
    folder = path(r.w, r.prefix, "/var/lib/warder")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "audit"), "wb"):
        pass
    r.exec("echo started").refused("audit log")
    equal(r.up.seen, 0)


@test(modes=("root",))
def a_full_disk_lets_nothing_out(w):
    with places(w) as prefix:
        r = Run(w, prefix)
        holder = prefix[1].split("/")[2]
        folder = "/var/lib/warder/audit"
        subprocess.run(["nsenter", f"--mount=/proc/{holder}/ns/mnt", "sh",
                        "-c", f"mkdir {folder} && mount -t tmpfs -o "
                        f"size=8k,mode=0700 none {folder}"], check=True)
        out = r.exec("for i in $(seq 60); do curl -sS -m 10 -o /dev/null -w "
                     "'%{http_code}\\n' http://api.example.test/ok/$i; done")
        r.up.close()
        codes = out.text.split()
        check("200" in codes and codes[-1] == "503", str(codes))
        equal(r.up.seen, codes.count("200"), "what was let out was recorded")
        _, lines = r.lines()
        equal(sum(x["kind"] == "allowed" for x in lines), r.up.seen)


@run
def a_flood_of_refusals_is_counted_and_bounded(r):
    r.exec("""python3 - <<'EOF2'
import socket
for i in range(6000):
    s = socket.create_connection(("127.0.0.1", 3128))
    s.sendall(b"GET http://api.example.test/no HTTP/1.1\\r\\n"
              b"Host: api.example.test\\r\\nConnection: close\\r\\n\\r\\n")
    s.recv(10)
    s.close()
EOF2""").expect(0)
    _, lines = r.lines()
    refused = sum(x["kind"] == "refused" for x in lines)
    lost = sum(x.get("suppressed", 0) for x in lines)
    check(refused < 6000, "bounded")
    equal(refused + lost, 6000, "each is a line or counted")
    equal([x["counts"]["refused"] for x in lines if x["kind"] == "summary"],
          [6000])


def named(p, name):
    """A process of a run; the first of that name is the nearest to us."""
    return next(x for x in [p.pid, *descendants(p.pid)] if name_of(x) == name)


ONE = f"{CURL} http://api.example.test/ok/1"


@contextlib.contextmanager
def changed(name, change):
    """A file with other bytes, for a while."""
    with open(name, "rb") as f:
        was = f.read()
    now = change(was)
    check(now != was, "there is something to change")
    with open(name, "wb") as f:
        f.write(now)
    try:
        yield
    finally:
        with open(name, "wb") as f:
            f.write(was)


@contextlib.contextmanager
def gone(name):
    os.rename(name, name + ".away")
    try:
        yield
    finally:
        os.rename(name + ".away", name)


@run
def each_run_is_signed_and_what_is_missing_is_named(r):
    for _ in range(3):
        r.exec(ONE).expect(0)
    head = r.whole(signed=3, unsigned=0, live=0)["head"]
    equal((r.audit()["segments"], r.audit()["signed"]), (1, True))
    equal([h["segment"] for h in r.heads()], r.segments())
    equal({h["state"] for h in r.heads()}, {"closed"})
    first, second = (os.path.join(r.folder(), n) for n in r.segments()[:2])
    heads = os.path.join(r.folder(), "heads.jsonl")
    with gone(second):
        r.broken(os.path.basename(second) + ": missing")
    with changed(second, lambda b: b.replace(b"/ok/1", b"/ok/2", 1)):
        r.broken(os.path.basename(second) + ": broken")
    with changed(second, lambda b: b[:b[:-1].rindex(b"\n") + 1]):
        r.broken("cut off since it was signed")
    with changed(second, lambda b: open(first, "rb").read()):
        r.broken("changed since it was signed")
    lines = open(heads, "rb").read().splitlines(keepends=True)
    for other, part in (
            (lines[1:], "lines in front were removed"),
            ([lines[0], lines[2]], "number 3 where 2"),
            ([lines[0].replace(b"closed", b"broken")] + lines[1:],
             "line 1: its signature is wrong"),
            ([lines[0][:lines[0].index(b',"signature')] + b"}\n"] + lines[1:],
             "line 1: it is not signed"),
            (lines[:2], "unsigned")):
        with changed(heads, lambda _, o=other: b"".join(o)):
            old = time.time() - 60
            os.utime(os.path.join(r.folder(), r.segments()[2]), (old, old))
            r.broken(part)
    r.verb("verify", "--head", head).expect(0)
    with changed(heads, lambda b: b"".join(lines[:2])):
        equal(r.verb("verify", "--head", head).status, 1)
    r.whole(signed=3)


@run
def the_first_bad_record_is_named(r):
    """AL-01, in one segment, by who can write it: deleted, edited, in another
    order, inserted, cut off, or an older file in its place."""
    r.exec("; ".join([ONE] * 3)).expect(0)
    older = os.path.join(r.folder(), r.segments()[0])
    with open(older, "rb") as f:
        was = f.read()
    r.exec("; ".join([ONE] * 5)).expect(0)
    name = os.path.join(r.folder(), r.segments()[1])
    with open(name, "rb") as f:
        lines = f.read().splitlines(keepends=True)
    check(len(lines) >= 8, f"{len(lines)} records")
    middle = lines[4]
    for what, now, first in (
            ("deleted", lines[:4] + lines[5:], 5),
            ("edited", lines[:4] + [middle.replace(b'"time":"2',
                                                   b'"time":"3')] +
             lines[5:], 6),
            ("in another order", lines[:4] + [lines[5], lines[4]] + lines[6:],
             5),
            ("inserted", lines[:4] + [middle] + lines[4:], 6),
            ("said twice", lines + lines[-1:], len(lines) + 1)):
        with changed(name, lambda _, now=now: b"".join(now)):
            out = r.verb("verify")
            equal(out.status, 1, what)
            holds(out.text + out.said, f"line {first}:")
    for what, now in (("cut off", b"".join(lines[:-1])), ("older", was)):
        with changed(name, lambda _, now=now: now):
            out = r.verb("verify")
            equal(out.status, 1, what)
            holds(out.text + out.said, os.path.basename(name))
    r.whole(signed=2)


@run
def another_program_believes_the_signatures(r):
    r.exec(ONE).expect(0)
    pem = r.w.file("key.pem", r.verb("key").expect(0).text)
    with open(os.path.join(r.folder(), "heads.jsonl"), "rb") as f:
        line = f.readline()
    signed, rest = line.split(b',"signature":"')
    signature = r.w.file("signature", "")
    with open(signature, "wb") as f:
        f.write(base64.b64decode(rest.split(b'"')[0]))
    for text, status in ((signed, 0), (signed[:-1], 1)):
        done = subprocess.run(
            ["openssl", "dgst", "-sha256", "-verify", pem, "-signature",
             signature], input=text, capture_output=True, check=False)
        equal(done.returncode, status)
    equal(os.stat(os.path.join(r.folder(), "key")).st_mode & 0o777, 0o600)


BIG = """python3 - <<'EOF2'
import socket
path = "/ok/" + "x" * 4000
s = socket.create_connection(("127.0.0.1", 3128))
def ask():
    s.sendall(f"GET http://api.example.test{path} HTTP/1.1\\r\\n"
              "Host: api.example.test\\r\\n\\r\\n".encode())
    got = b""
    while b"\\r\\n\\r\\n" not in got:
        got += s.recv(4096)
    assert b" 200 " in got.split(b"\\r\\n")[0], got
    while b"ok" not in got:
        got += s.recv(4096)
for _ in range(4200):
    ask()
EOF2"""


@run
def a_full_segment_is_followed_by_another(r):
    r.exec(BIG).expect(0)
    equal(r.up.seen, 4200)
    names = [h["segment"] for h in r.heads()]
    equal(len(names), 2)
    equal(names[1], names[0].replace(".jsonl", ".2.jsonl"))
    equal([h["state"] for h in r.heads()], ["continued", "closed"])
    one, two = r.heads()
    equal((two["first"], two["before"]), (one["last"] + 1, one["head"]))
    check(1 << 24 <= one["bytes"] < 1 << 25, str(one["bytes"]))
    equal((r.audit()["lines"], r.audit()["segments"]), (two["last"], 2))
    equal(r.audit()["head"], f"{two['last']}:{two['head']}")
    r.whole(signed=2)
    for name in names:
        with gone(os.path.join(r.folder(), name)):
            r.broken(name + ": missing")


@run
def what_a_killed_proxy_leaves_is_signed_as_cut(r):
    p = r.start(f"{ONE}; echo up; sleep 30")
    equal(p.line(), "up\n")
    os.kill(named(p, "warder-proxy"), signal.SIGKILL)
    p.finish()
    equal([h["state"] for h in r.heads()], ["cut"])
    r.whole(signed=1, cut=1)


@run
def what_a_killed_launcher_leaves_is_signed_later(r):
    p = r.start(f"{ONE}; echo up; sleep 30")
    equal(p.line(), "up\n")
    r.whole(signed=0, live=1)
    r.verb("sign").expect(0)
    r.whole(signed=0, live=1)
    os.kill(named(p, "warder"), signal.SIGKILL)
    p.finish()
    name = os.path.join(r.folder(), r.segments()[0])
    old = time.time() - 60
    os.utime(name, (old, old))
    r.broken("unsigned")
    holds(r.verb("sign").expect(0).text, "1 signed")
    r.whole(signed=1, cut=1)


@run
def an_export_is_looked_at_with_a_key_kept_elsewhere(r):
    r.exec(ONE).expect(0)
    key = r.w.file("key.pem", r.verb("key").expect(0).text)
    r.exec(ONE).expect(0)
    to = os.path.join(r.w.scratch("away"), "copy")
    holds(r.verb("export", "--to", to).expect(0).text, "2 copied, 0 there")
    holds(r.verb("export", "--to", to).expect(0).text, "0 copied, 2 there")
    equal(sorted(os.listdir(to)),
          sorted([*r.segments(), "heads.jsonl", "key.pem"]))

    def look(*flags):
        # as somebody who has no key of their own
        return r.w.popen([r.w.program, "audit", "verify", *flags, to],
                         env=r.w.environment(HOME=r.w.scratch("elsewhere")),
                         stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE).finish()
    look("--key", key).expect(0)
    with gone(os.path.join(to, r.segments()[0])):
        equal(look("--key", key).status, 1)
    other = r.w.file("other.pem", subprocess.run(
        "openssl ecparam -name prime256v1 -genkey -noout | "
        "openssl ec -pubout", shell=True, check=True,
        capture_output=True).stdout.decode())
    out = look("--key", other)
    equal(out.status, 1)
    holds(out.text, "a key that is not believed")
    data = r.verb("export", "--to", "-").expect(0).out
    with tarfile.open(fileobj=io.BytesIO(data)) as t:
        equal(sorted(t.getnames()), sorted(os.listdir(to)))
        for n in t.getnames():
            with open(os.path.join(to, n), "rb") as f:
                equal(t.extractfile(n).read(), f.read())


@run
def what_is_old_is_removed_and_the_rest_stays_whole(r):
    r.exec(ONE).expect(0)
    r.exec(ONE).expect(0)
    time.sleep(1.1)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    r.exec(ONE).expect(0)
    names = r.segments()
    holds(r.verb("prune", "--older-than", "30d").expect(0).text, "0 removed")
    r.whole(signed=3)
    holds(r.verb("prune", "--older-than", now).expect(0).text, "2 removed")
    equal(r.segments(), names[2:])
    equal([h["kind"] for h in r.heads()], ["head", "pruned"])
    r.whole(signed=1)
    r.exec(ONE).expect(0)
    r.whole(signed=2)
    heads = os.path.join(r.folder(), "heads.jsonl")
    with changed(heads, lambda b: b.split(b"\n", 1)[1]):
        r.broken("lines in front were removed")
    time.sleep(1.1)
    holds(r.verb("prune", "--older-than", "0").expect(0).text, "2 removed")
    equal(r.segments(), [])
    r.whole(signed=0)
    r.exec(ONE).expect(0)
    r.whole(signed=1)


if __name__ == "__main__":
    sys.exit(main())
