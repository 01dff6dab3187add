#!/usr/bin/env python3
"""Secrets of the vault on the way out of a jail: who gets them, who does not.

The witness is the service: it keeps every Authorization that it was sent.
"""

import base64
import http.server
import os
import ssl
import subprocess
import sys
import threading
import time

from endpoint import Endpoint
from flow import Skip, check, equal, holds, main, test
from private import places

SECRET = "ghp_SwordfishSwordfishSwordfish"
POLICY = """policy: 1
network:
  services:
    api:
      to: [api.example.com, "other.example.com:8443"]
      dial: 127.0.0.1:{port}
      only_addresses: [127.0.0.0/8]
      tls: {{ca: {ca}}}
      allow: any
credentials:
  key:
    source: {{vault: bot}}
    placeholder: {{env: KEY, shape: github_pat}}
    inject: [{{service: api, as: bearer}}]
    scrub_response: true
"""


class Service:
    """Answers what it was sent; 401 while the token is not the one wanted."""

    def __init__(self, w):
        self.seen = []
        self.wants = None
        folder = w.scratch("service")
        self.ca = os.path.join(folder, "cert.pem")
        key = os.path.join(folder, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=service", "-addext",
                        "subjectAltName=DNS:api.example.com,"
                        "DNS:other.example.com", "-keyout", key, "-out",
                        self.ca], check=True, capture_output=True)
        os.chmod(self.ca, 0o644)
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.serve(self)

            do_POST = do_GET

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                      Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca, key)
        self.server.socket = context.wrap_socket(self.server.socket,
                                                 server_side=True)
        self.thread = threading.Thread(target=self.server.serve_forever,
                                       daemon=True)
        self.thread.start()

    def serve(self, h):
        got = h.headers.get("Authorization")
        n = int(h.headers.get("Content-Length", "0"))
        self.seen.append((h.headers["Host"], got, h.rfile.read(n)))
        good = self.wants in (None, got)
        token = (got or "").removeprefix("Bearer ").encode()
        data = b"you sent %s or %s\n" % (token, base64.b64encode(token))
        h.send_response(200 if good else 401)
        h.send_header("Content-Length", str(len(data)))
        h.send_header("X-Echo", got or "")
        h.end_headers()
        h.wfile.write(data)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Case:
    def __init__(self, w, prefix):
        self.w, self.prefix = w, prefix
        self.service = Service(w)
        self.policy = w.file("p.yaml", POLICY.format(
            port=self.service.server.server_port, ca=self.service.ca))

    def credential(self, *argv, data=SECRET):
        self.w.popen([*self.prefix, self.w.program, "credential", *argv],
                     stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                     stderr=subprocess.PIPE).finish(
                         data=data.encode()).expect(0)

    def exec(self, script):
        return self.w.popen(
            [*self.prefix, self.w.program, "exec", "--policy", self.policy,
             "--", "sh", "-c", script], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE).finish()

    def sent(self):
        return [auth for _, auth, _ in self.service.seen]


CURL = 'curl -sS -k -m 20 -H "Authorization: Bearer $KEY" '


def case(f):
    def run(w):
        if not os.path.exists("/usr/bin/curl"):
            raise Skip("there is no curl")
        with places(w) as prefix:
            c = Case(w, prefix)
            try:
                f(c)
            finally:
                c.service.close()
    run.__name__ = f.__name__
    return test(run)


@case
def the_secret_arrives_and_the_jail_never_has_it(c):
    c.credential("set", "bot", "--to", "api.example.com")
    r = c.exec(CURL + "-D - https://api.example.com/a; env; "
               "cat /proc/self/environ")
    equal(c.sent(), ["Bearer " + SECRET])
    holds(r.text, "you sent ghp_wdr", "X-Echo: Bearer ghp_wdr")
    for form in (SECRET, base64.b64encode(SECRET.encode()).decode()[:-2]):
        check(form not in r.text and form not in r.said, "the secret's form")


@case
def another_destination_of_the_policy_gets_nothing(c):
    c.credential("set", "bot", "--to", "api.example.com")
    r = c.exec(CURL + "-w '%{http_code}' https://other.example.com:8443/a")
    equal(c.sent(), [])
    holds(r.text, "403", "credential_destination")
    c.exec(CURL + "https://api.example.com/a")
    equal(c.sent(), ["Bearer " + SECRET])


@case
def without_the_entry_the_run_does_not_start(c):
    c.credential("set", "not-bot", "--to", "api.example.com")
    r = c.exec("echo started")
    r.refused("bot", "warder credential set bot")
    equal(c.sent(), [])


@case
def without_a_vault_the_run_does_not_start(c):
    c.exec("echo started").refused("no vault", "warder credential set")


@case
def a_rotated_secret_counts_within_seconds(c):
    c.credential("set", "bot", "--to", "api.example.com")
    jail = c.w.popen(
        [*c.prefix, c.w.program, "exec", "-i", "--policy", c.policy, "--",
         "sh", "-c", f"while read x; do {CURL} https://api.example.com/; "
         "done"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE)
    jail.popen.stdin.write(b"\n")
    jail.popen.stdin.flush()
    jail.line()
    c.credential("rotate", "bot", data="second-swordfish")
    jail.popen.stdin.write(b"\n")
    jail.popen.stdin.flush()
    jail.line()
    c.credential("remove", "bot")
    r = jail.finish(data=b"")
    equal(c.sent()[0], "Bearer " + SECRET)
    check(c.sent()[1] in ("Bearer " + SECRET, "Bearer second-swordfish"),
          "one of them")
    check("wordfish" not in r.text, "scrubbed")


@case
def a_replaced_entry_s_secret_goes_where_that_entry_says(c):
    """What the vault said of the old secret's destinations a moment ago does
    not hold for the new one."""
    c.credential("set", "bot", "--to", "api.example.com")
    code = "-o /dev/null -w '%{http_code}\\n' "
    jail = c.w.popen(
        [*c.prefix, c.w.program, "exec", "-i", "--policy", c.policy, "--",
         "sh", "-c", f"{CURL} {code} https://api.example.com/; read x; "
         f"{CURL} {code} https://other.example.com:8443/; "
         f"{CURL} {code} https://api.example.com/"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    equal(jail.line(), "200\n")
    c.credential("set", "bot", "--replace", "--to", "other.example.com:8443",
                 data="second-swordfish")
    r = jail.finish(data=b"\n")
    equal(r.text.split(), ["200", "403"])
    equal([(host, auth) for host, auth, _ in c.service.seen],
          [("api.example.com", "Bearer " + SECRET),
           ("other.example.com:8443", "Bearer second-swordfish")])


@case
def a_secret_of_before_is_scrubbed_while_it_is_used(c):
    c.credential("set", "bot", "--to", "api.example.com")
    go = threading.Event()

    def reason(h):
        if h.path == "/slow":
            go.wait(20)
        got = h.headers.get("Authorization").removeprefix("Bearer ")
        c.service.seen.append((h.headers["Host"], got, b""))
        h.send_response(200, got)
        h.send_header("Content-Length", "0")
        h.end_headers()

    c.service.serve = reason
    jail = c.w.popen(
        [*c.prefix, c.w.program, "exec", "-i", "--policy", c.policy, "--",
         "sh", "-c", f"{CURL} -D /tmp/slow https://api.example.com/slow & "
         f"sleep 1; echo up; read x; {CURL} -D - https://api.example.com/; "
         "echo done; wait; cat /tmp/slow"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    equal(jail.line(), "up\n")
    c.credential("rotate", "bot", data="second-swordfish")
    time.sleep(2.1)  # PROXY_TOKEN_MS
    jail.popen.stdin.write(b"\n")
    jail.popen.stdin.flush()
    while jail.line() != "done\n":
        pass
    go.set()
    r = jail.finish(data=b"")
    equal([got for _, got, _ in c.service.seen], ["second-swordfish", SECRET])
    holds(r.text, "HTTP/1.1 200")
    check("wordfish" not in r.text, r.text)
    check("wordfish" not in r.text, r.text)


@case
def secrets_of_before_are_scrubbed_later_too(c):
    """What a service was given and says again after a rotation, or three."""
    names = [f"swordfish-number-{i}" for i in range(5)]
    c.credential("set", "bot", "--to", "api.example.com", data=names[0])

    def gossip(h):
        got = h.headers.get("Authorization").removeprefix("Bearer ")
        c.service.seen.append((h.headers["Host"], got, b""))
        data = " ".join(x for _, x, _ in c.service.seen).encode()
        h.send_response(200)
        h.send_header("Content-Length", str(len(data)))
        h.end_headers()
        h.wfile.write(data)

    c.service.serve = gossip
    jail = c.w.popen(
        [*c.prefix, c.w.program, "exec", "-i", "--policy", c.policy, "--",
         "sh", "-c", f"while read x; do {CURL} https://api.example.com/; "
         "echo; done"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE)
    said = []
    for i, name in enumerate(names):
        if i > 0:
            c.credential("rotate", "bot", data=name)
            time.sleep(2.1)  # PROXY_TOKEN_MS
        jail.popen.stdin.write(b"\n")
        jail.popen.stdin.flush()
        said.append(jail.line())
    jail.finish(data=b"")
    equal([got for _, got, _ in c.service.seen], names)
    for line in said[:4]:
        check("swordfish" not in line, line)
    # the control: one more than PROXY_TOKENS_PAST
    holds(said[4], names[0])
    for name in names[1:]:
        check(name not in said[4], said[4])


@case
def a_401_fetches_another_token_once(c):
    endpoint = Endpoint(c.w)
    try:
        c.credential("set", "bot", "--to", "api.example.com", "--oauth",
                     "client_credentials", "--token-url", endpoint.url,
                     "--client-id", "i", "--token-ca", endpoint.ca)
        c.service.wants = "Bearer access-2"
        r = c.exec(CURL + "-w '%{http_code}\\n' https://api.example.com/")
        holds(r.text, "200")
        equal(c.sent(), ["Bearer access-1", "Bearer access-2"])
        c.service.wants = "Bearer never"
        r = c.exec(CURL + "-w '%{http_code}\\n' https://api.example.com/")
        holds(r.text, "401")
        equal(len(c.sent()), 4)
        # What has a body that has gone out is not sent twice.
        r = c.exec(CURL + "-d body -w '%{http_code}\\n' "
                   "https://api.example.com/")
        holds(r.text, "401")
        equal(len(c.sent()), 5)
    finally:
        endpoint.close()


@case
def a_vault_that_dies_sends_nothing_bare(c):
    c.credential("set", "bot", "--to", "api.example.com")
    jail = c.w.popen(
        [*c.prefix, c.w.program, "exec", "-i", "--policy", c.policy, "--",
         "sh", "-c", "echo up; read x; sleep 3; "
         f"{CURL} -w '%{{http_code}}' https://api.example.com/"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    equal(jail.line(), "up\n")
    subprocess.run(["pkill", "-9", "-f", "warder-vault --serve", "-P",
                    str(jail.pid)], check=True)
    r = jail.finish(data=b"\n")
    equal(c.sent(), [])
    check("502" in r.text or "503" in r.text, r.text[:200])


if __name__ == "__main__":
    sys.exit(main())
