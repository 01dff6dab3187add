#!/usr/bin/env python3
"""warder-vault --serve: to whom a secret is given, and how tokens are got.

The test plays the launcher and the proxy, over the sockets of
docs/protocol-vault.md, and a token endpoint with a certificate of its own.
"""

import contextlib
import os
import socket
import struct
import subprocess
import sys

from endpoint import Endpoint
from flow import check, equal, holds, main, test
from private import path, places

BIND, START, READY, FAILED, ASK, TOKEN, REFUSED = range(7)
UNBOUND, MISSING, DESTINATION, USER, UNAVAILABLE = range(5)
SECRET = "ghp_SwordfishSwordfishSwordfish"


# ---- the vault ------------------------------------------------------------------

class Vault:
    def __init__(self, w, prefix):
        self.w, self.prefix = w, prefix

    def credential(self, *argv, data=None):
        return self.w.popen(
            [*self.prefix, self.w.program, "credential", *argv],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE).finish(data=(data or "").encode())

    def set(self, name, *more, data=SECRET, to="api.example.com"):
        self.credential("set", name, "--to", to, *more, data=data).expect(0)

    def oauth(self, name, kind, endpoint, *more, data="client/secret"):
        self.set(name, "--oauth", kind, "--token-url", endpoint.url,
                 "--client-id", "the client", "--token-ca", endpoint.ca, *more,
                 data=data)

    def file(self, place, *below):
        return path(self.w, self.prefix, place, *below)


class Serving:
    """A running warder-vault and the other ends of its sockets."""

    def __init__(self, v, binds=(), user="alice", start=True):
        self.launcher, theirs = socket.socketpair(socket.AF_UNIX,
                                                  socket.SOCK_SEQPACKET)
        self.proxy, its = socket.socketpair(socket.AF_UNIX,
                                            socket.SOCK_SEQPACKET)
        files = [os.open(v.file("/var/lib/warder", "vault"), os.O_RDONLY),
                 os.open(v.file("/etc/warder", "vault.key"), os.O_RDONLY)]
        high = [os.dup(fd) for fd in
                (theirs.fileno(), its.fileno(), *files)]
        uid = os.fstat(files[0]).st_uid

        def become():
            for to, fd in enumerate(high, 3):
                os.dup2(fd, to)
            if os.geteuid() == 0:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)

        program = os.path.join(os.path.dirname(v.w.program), "..", "libexec",
                               "warder", "warder-vault")
        # The key was root's when it was opened; the vault has only the fd.
        self.popen = subprocess.Popen(
            [program, "--serve"], preexec_fn=become, env={}, cwd="/",
            pass_fds=(3, 4, 5, 6), stderr=subprocess.PIPE)
        for fd in (*files, *high):
            os.close(fd)
        theirs.close()
        its.close()
        self.serial = 0
        for s in (self.launcher, self.proxy):
            s.settimeout(20)
        for name in binds:
            self.send(self.launcher, BIND, name.encode().ljust(256, b"\0"))
        if start:
            self.send(self.launcher, START, struct.pack(
                "I65s64s3x", 1, user.encode(), b"run"))
            self.answer = self.receive(self.launcher)

    def send(self, to, kind, body):
        to.send(struct.pack("II", kind, len(body)) + body)

    def receive(self, source):
        data = source.recv(70000)
        if not data:
            return None, b""
        kind, size = struct.unpack_from("II", data)
        equal(len(data), 8 + size)
        return kind, data[8:]

    def question(self, entry, host="api.example.com", port=443, refused=0):
        self.serial += 1
        self.send(self.proxy, ASK, struct.pack(
            "IIQ256s256s", self.serial, port, refused, entry.encode(),
            host.encode()))
        return self.serial

    def reply(self):
        kind, body = self.receive(self.proxy)
        if kind == TOKEN:
            number, size, version, _, serial, fresh = struct.unpack_from(
                "IIIIQQ", body)
            equal(len(body), 32 + size)
            return {"id": number, "token": body[32:].decode(),
                    "version": version, "serial": serial, "fresh_ms": fresh}
        equal(kind, REFUSED)
        number, reason = struct.unpack_from("II", body)
        text = body[8:].split(b"\0")[0].decode()
        check("Swordfish" not in text and "client/secret" not in text, text)
        return {"id": number, "reason": reason, "text": text}

    def ask(self, *a, **k):
        self.question(*a, **k)
        return self.reply()

    def end(self):
        self.launcher.close()
        self.proxy.close()
        try:
            self.popen.wait(5)
        finally:
            self.popen.kill()
        said = self.popen.stderr.read().decode()
        self.popen.stderr.close()
        return said


def serving(f):
    def run(w):
        with places(w) as prefix:
            v = Vault(w, prefix)
            with contextlib.ExitStack() as stack:
                def serve(*a, **k):
                    s = Serving(v, *a, **k)
                    stack.callback(s.end)
                    return s

                def endpoint():
                    e = Endpoint(w)
                    stack.callback(e.close)
                    return e
                f(w, v, serve, endpoint)
    run.__name__ = f.__name__
    return test(run)


# ---- whom it serves -----------------------------------------------------------

@serving
def a_secret_goes_to_its_destination_and_nowhere_else(w, v, serve, _):
    v.set("a", data=SECRET)
    v.set("unbound", data=SECRET)
    s = serve(["a"])
    equal(s.answer[0], READY)
    equal(s.ask("a")["token"], SECRET)
    for host, port in (("evil.example.com", 443), ("api.example.com", 80),
                       ("xapi.example.com", 443), ("example.com", 443),
                       ("api.example.com.evil.net", 443)):
        equal(s.ask("a", host, port)["reason"], DESTINATION, host)
    equal(s.ask("unbound")["reason"], UNBOUND)
    equal(s.ask("nothing")["reason"], UNBOUND)
    equal(s.ask("a")["token"], SECRET)


@serving
def users_and_missing_entries_are_refused_before_the_run(w, v, serve, _):
    v.set("a", "--use", "alice", data=SECRET)
    equal(serve(["a"], user="alice").answer[0], READY)
    kind, body = serve(["a"], user="bob").answer
    equal(kind, FAILED)
    holds(body.decode(), "does not serve user bob")
    kind, body = serve(["a", "b"]).answer
    equal(kind, FAILED)
    holds(body.decode(), "warder credential set b")


@serving
def rotation_and_removal_count_at_once(w, v, serve, _):
    v.set("a", data="first-secret")
    s = serve(["a"])
    first = s.ask("a")
    v.credential("rotate", "a", data="second-secret").expect(0)
    second = s.ask("a", refused=first["serial"])
    equal((first["token"], second["token"]), ("first-secret", "second-secret"))
    check(second["serial"] != first["serial"], "another serial")
    v.credential("remove", "a").expect(0)
    equal(s.ask("a")["reason"], MISSING)


@serving
def malformed_messages_end_it(w, v, serve, _):
    v.set("a", data=SECRET)
    for who, kind, body in (("launcher", BIND, b""),
                            ("launcher", BIND, b"a" * 256),
                            ("launcher", BIND, b"../a".ljust(256, b"\0")),
                            ("launcher", ASK, b"\0" * 528),
                            ("launcher", 99, b""),
                            ("proxy", START, b"\0" * 136),
                            ("proxy", ASK, b"\0" * 10),
                            ("proxy", ASK, struct.pack(
                                "IIQ256s256s", 1, 443, 0, b"a", b"A.example")),
                            ("proxy", ASK, b"x" * 528)):
        s = serve(["a"])
        equal(s.answer[0], READY)
        s.send(getattr(s, who), kind, body)
        equal(s.popen.wait(5), 1, f"{who} {kind} {body[:20]}")
        equal(s.receive(s.proxy)[0], None)


@serving
def it_ends_with_its_launcher_and_with_its_proxy(w, v, serve, _):
    v.set("a", data=SECRET)
    for who in ("launcher", "proxy"):
        s = serve(["a"])
        getattr(s, who).close()
        equal(s.popen.wait(5), 0, who)


@serving
def it_has_its_own_user_a_filter_and_no_way_to_look_in(w, v, serve, _):
    v.set("a", data=SECRET)
    s = serve(["a"])
    with open(f"/proc/{s.popen.pid}/status", encoding="ascii") as f:
        status = dict(line.split(":\t", 1) for line in f if ":\t" in line)
    equal(status["Seccomp"].strip(), "2")
    equal(status["NoNewPrivs"].strip(), "1")
    uid = int(status["Uid"].split()[0])
    if w.root:
        check(uid not in (0, w.uid), "a user of its own")
        equal(int(status["CapEff"], 16), 0)
    equal(os.stat(f"/proc/{s.popen.pid}/mem").st_uid, 0, "not dumpable")
    equal(sorted(int(n) for n in os.listdir(f"/proc/{s.popen.pid}/fd"))[:6],
          [0, 1, 2, 3, 4, 5])


@serving
def a_proxy_that_does_not_read_holds_nobody_up(w, v, serve, _):
    v.set("long", data="x" * 8000)
    s = serve(["long"])
    # more than the socket takes, no more than may be unanswered
    numbers = [s.question("long") for _ in range(60)]
    got = [s.reply() for _ in numbers]
    equal([g["id"] for g in got], numbers)
    equal({len(g["token"]) for g in got}, {8000})
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for _ in range(400):
            s.question("long")
    equal(s.popen.wait(10), 1)
    holds(s.popen.stderr.read().decode(), "a peer that does not read")


# ---- OAuth ---------------------------------------------------------------------

@serving
def client_credentials_by_header_or_form(w, v, serve, endpoint):
    e = endpoint()
    v.oauth("a", "client_credentials", e, "--scope", "read write")
    v.oauth("b", "client_credentials", e, "--client-auth", "post")
    s = serve(["a", "b"])
    got = s.ask("a")
    equal(got["token"], "access-1")
    check(0 < got["fresh_ms"] <= 3600_000 * 4 / 5, "renewed early")
    equal(e.requests[0], (
        # base64 of the%20client:client%2Fsecret
        "Basic dGhlJTIwY2xpZW50OmNsaWVudCUyRnNlY3JldA==",
        {"grant_type": "client_credentials", "scope": "read write"}))
    equal(s.ask("b")["token"], "access-2")
    equal(e.requests[1], (None, {
        "grant_type": "client_credentials", "client_id": "the client",
        "client_secret": "client/secret"}))
    equal(s.ask("a")["token"], "access-1")
    equal(len(e.requests), 2, "kept while it lasts")


@serving
def single_flight(w, v, serve, endpoint):
    e = endpoint()
    e.delay = 0.3
    v.oauth("a", "client_credentials", e)
    s = serve(["a"])
    asked = {s.question("a") for _ in range(20)}
    answers = [s.reply() for _ in range(20)]
    equal({a["token"] for a in answers}, {"access-1"})
    equal({a["id"] for a in answers}, asked)
    equal(len(e.requests), 1)


@serving
def a_token_that_was_refused_is_fetched_anew_once(w, v, serve, endpoint):
    e = endpoint()
    v.oauth("a", "client_credentials", e)
    s = serve(["a"])
    first = s.ask("a")
    second = s.ask("a", refused=first["serial"])
    equal(second["token"], "access-2")
    equal(s.ask("a", refused=first["serial"])["token"], "access-2")
    equal(len(e.requests), 2)


@serving
def who_refuses_every_token_does_not_empty_the_endpoint(w, v, serve,
                                                        endpoint):
    e = endpoint()
    v.oauth("a", "client_credentials", e)
    s = serve(["a"])
    got = s.ask("a")
    for _ in range(5):
        got = s.ask("a", refused=got["serial"])
        equal(got["token"], "access-2")
    equal(len(e.requests), 2)


@serving
def a_token_goes_with_the_entry_it_was_fetched_for(w, v, serve, endpoint):
    def entry(to, *more):
        v.set("a", "--oauth", "client_credentials", "--token-url", e.url,
              "--client-id", "i", "--token-ca", e.ca, *more, to=to,
              data="client/secret")
    e = endpoint()
    entry("api.example.com")
    s = serve(["a"])
    equal(s.ask("a")["token"], "access-1")
    # Another entry of the same name, whose versions begin anew.
    v.credential("remove", "a").expect(0)
    entry("other.example.com")
    equal(s.ask("a", "other.example.com")["token"], "access-2")
    equal(s.ask("a")["reason"], DESTINATION)
    equal(s.ask("a", "other.example.com")["token"], "access-2", "kept")


@serving
def what_was_fetched_for_a_replaced_entry_serves_nobody(w, v, serve,
                                                        endpoint):
    e = endpoint()
    e.delay = 1
    v.oauth("a", "client_credentials", e)
    s = serve(["a"])
    first = s.question("a")
    v.set("a", "--replace", "--oauth", "client_credentials", "--token-url",
          e.url, "--client-id", "another", "--token-ca", e.ca,
          to="other.example.com", data="another/secret")
    second = s.question("a", "other.example.com")
    answers = {a["id"]: a for a in (s.reply(), s.reply())}
    equal(answers[first].get("reason"), UNAVAILABLE)
    equal(answers[second].get("token"), "access-2", answers[second])


@serving
def refresh_tokens_rotate_and_are_stored_first(w, v, serve, endpoint):
    e = endpoint()
    e.answer = e.rotating
    v.oauth("a", "refresh_token", e, data="refresh-1\nclient/secret\n")
    s = serve(["a"])
    first = s.ask("a")
    equal(first["token"], "access-1")
    s.ask("a", refused=first["serial"])
    equal([r[1]["refresh_token"] for r in e.requests],
          ["refresh-1", "refresh-2"])
    # A vault that is started anew goes on where the other was.
    equal(serve(["a"]).ask("a")["token"], "access-3")
    equal(e.requests[2][1]["refresh_token"], "refresh-3")


@serving
def a_refresh_token_that_cannot_be_stored_is_not_used(w, v, serve, endpoint):
    e = endpoint()
    e.answer = e.rotating
    v.oauth("a", "refresh_token", e, data="refresh-1\nclient/secret\n")
    s = serve(["a"])
    os.mkdir(v.file("/var/lib/warder", "vault", "entries.new"))
    got = s.ask("a")
    equal(got.get("reason"), UNAVAILABLE)
    check("token" not in got, "closed")


@serving
def what_an_endpoint_does_wrong(w, v, serve, endpoint):
    e = endpoint()
    v.oauth("a", "client_credentials", e)
    for answer, part in (
            ((400, {"error": "invalid_client"}), "invalid_client"),
            ((302, {}), "302"),
            ((200, {"access_token": "x"}), "bearer"),
            ((200, {"access_token": "a\r\nX: y", "token_type": "Bearer"}),
             "access_token"),
            ((200, {"access_token": "x" * 70000, "token_type": "Bearer"}),
             "token endpoint")):
        e.answer = lambda answer=answer: answer
        s = serve(["a"])
        got = s.ask("a")
        equal(got.get("reason"), UNAVAILABLE)
        holds(got["text"], part)
        before = len(e.requests)
        s.ask("a")
        equal(len(e.requests), before, "not asked again at once")


@serving
def a_certificate_of_somebody_else_sends_nothing(w, v, serve, endpoint):
    e, other = endpoint(), endpoint()
    v.set("a", "--oauth", "client_credentials", "--token-url", e.url,
          "--client-id", "i", "--token-ca", other.ca, data="client/secret")
    v.set("b", "--oauth", "client_credentials", "--token-url", e.url,
          "--client-id", "i", data="client/secret")
    s = serve(["a", "b"])
    for name in ("a", "b"):
        equal(s.ask(name).get("reason"), UNAVAILABLE)
    equal(e.requests, [])


@serving
def a_dead_endpoint_is_named(w, v, serve, endpoint):
    e = endpoint()
    v.oauth("a", "client_credentials", e)
    e.server.socket.close()
    got = serve(["a"]).ask("a")
    equal(got.get("reason"), UNAVAILABLE)
    holds(got["text"], "127.0.0.1")


if __name__ == "__main__":
    sys.exit(main())
