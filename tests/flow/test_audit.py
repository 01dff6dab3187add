#!/usr/bin/env python3
"""The audit log of a run: what is in it, what is not, and that it holds."""

import json
import os
import socket
import subprocess
import sys
import threading

from flow import check, equal, holds, main, test
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
    equal(os.listdir(folder) if os.path.isdir(folder) else [], [])


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


if __name__ == "__main__":
    sys.exit(main())
