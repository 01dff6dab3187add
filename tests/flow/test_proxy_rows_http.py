#!/usr/bin/env python3
"""What an attacker in a jail can make of HTTP: PX-01 to PX-12, every way out.

Each vector goes over each way that can carry it, with a request for
/ok/stowaway-N behind it on the same connection: what is refused must take
nobody with it.
"""

import contextlib
import sys

from attack import (EXPLICIT, ONCE, Attacker, Way, Witness, connect, get,
                    head, request, service, settled, write_policy)
from flow import check, equal, holds, main, test
from upstream import Authority

PLAIN_HOSTS = ["web.internal:80", "10.9.8.7:80", "[2001:db8::7]:80"]

TUNNEL = Way("CONNECT", "web.internal", *connect("web.internal", 80))
TLS = Way("CONNECT and TLS", "sec.internal", *connect("sec.internal", 443),
          ("tls", "sec.internal", ""))
WAYS = [
    Way("absolute form", "web.internal", EXPLICIT, absolute=True),
    TUNNEL,
    TLS,
    Way("captured IPv4", "10.9.8.7", ("connect", "10.9.8.7", 80),
        capture=True),
    Way("captured IPv6", "[2001:db8::7]", ("connect", "2001:db8::7", 80),
        capture=True),
    Way("captured name", "web.internal", ("connect", "web.internal", 80),
        capture=True),
    Way("captured TLS", "sec.internal", ("connect", "sec.internal", 443),
        ("tls", "sec.internal", ""), capture=True),
]


class Scene:
    """A plain and a TLS witness, and a jail that may reach both."""

    def __init__(self, w, *rules, more=(), answer=None):
        authority = Authority(w.scratch("ca"))
        self.plain = Witness(answer)
        self.tls = Witness(answer, context=authority.context("sec.internal"))
        self.policy = write_policy(w, {
            "web": service(PLAIN_HOSTS, self.plain.port, *rules, more=more),
            "sec": service("sec.internal:443", self.tls.port, *rules,
                           tls=f"{{ca: {authority.pem}}}", more=more)})
        self.attacker = Attacker(w, self.policy)

    def __enter__(self):
        self.attacker.__enter__()
        return self

    def __exit__(self, kind, *rest):
        self.attacker.__exit__(kind, *rest)
        self.plain.close()
        self.tls.close()

    def witness(self, way):
        return self.tls if "TLS" in way.name else self.plain

    def received(self):
        return settled(self.plain) + settled(self.tls)

    def control(self, way, mark):
        """The same way works, and the witness sees it."""
        r = self.attacker.play(*way.steps(get(), f"/ok/{mark}"))
        equal(r.status, 200, f"control over {way.name}, {r}")
        check(self.witness(way).saw(f"/ok/{mark}"),
              f"the witness is blind: {way.name} {mark} {r} "
              f"{self.witness(way).received!r:.2000}")


def post(*fields, body="", version="1.1"):
    lines = [f"POST {{T}} HTTP/{version}", "Host: {H}", *fields]
    return "\r\n".join(lines) + "\r\n\r\n" + body


# name, bytes, status.  All are in the head: nothing may be sent on.
IN_THE_HEAD = [
    ("length and coding", post("Content-Length: 5", "Transfer-Encoding: "
                               "chunked", body="0\r\n\r\n"), 400),
    ("coding and length", post("Transfer-Encoding: chunked",
                               "Content-Length: 5", body="0\r\n\r\n"), 400),
    ("two lengths", post("Content-Length: 5", "Content-Length: 0",
                         body="hello"), 400),
    ("the same length twice", post("Content-Length: 5", "Content-Length: 5",
                                   body="hello"), 400),
    ("a list of lengths", post("Content-Length: 5, 5", body="hello"), 400),
    ("+5", post("Content-Length: +5", body="hello"), 400),
    ("-1", post("Content-Length: -1"), 400),
    ("0x5", post("Content-Length: 0x5", body="hello"), 400),
    ("a length with space inside", post("Content-Length: 1 0"), 400),
    ("no length", post("Content-Length:"), 400),
    ("a length beyond 2^64", post("Content-Length: 18446744073709551621",
                                  body="hello"), (400, 413)),
    ("xchunked", post("Transfer-Encoding: xchunked", body="0\r\n\r\n"),
     (400, 501)),
    ("identity", post("Transfer-Encoding: identity", "Content-Length: 0"),
     (400, 501)),
    ("chunked twice", post("Transfer-Encoding: chunked, chunked",
                           body="0\r\n\r\n"), (400, 501)),
    ("gzip, chunked", post("Transfer-Encoding: gzip, chunked",
                           body="0\r\n\r\n"), (400, 501)),
    ("chunked, identity", post("Transfer-Encoding: chunked, identity",
                               body="0\r\n\r\n"), (400, 501)),
    ("two codings", post("Transfer-Encoding: chunked",
                         "Transfer-Encoding: x", body="0\r\n\r\n"),
     (400, 501)),
    ("a quoted coding", post('Transfer-Encoding: "chunked"',
                             body="0\r\n\r\n"), (400, 501)),
    ("a coding with a parameter", post("Transfer-Encoding: chunked;a=b",
                                       body="0\r\n\r\n"), (400, 501)),
    ("a coding with a vertical tab",
     post("Transfer-Encoding: \x0bchunked", body="0\r\n\r\n"), (400, 501)),
    ("a coding behind a fold", post("Transfer-Encoding:", " chunked",
                                    body="0\r\n\r\n"), 400),
    ("a coding with HTTP/1.0", post("Transfer-Encoding: chunked",
                                    body="0\r\n\r\n", version="1.0"), 400),
    ("a space before the colon", post("Transfer-Encoding : chunked",
                                      body="0\r\n\r\n"), 400),
    ("a tab before the colon", post("Content-Length\t: 5", body="hello"),
     400),
    ("a line that begins with a space", head("X: a", " Host: evil"), 400),
    ("the first line folded", "GET {T} HTTP/1.1\r\n X: a\r\nHost: {H}"
     "\r\n\r\n", 400),
    ("bare LF after a field", "GET {T} HTTP/1.1\r\nHost: {H}\n\r\n", 400),
    ("bare LF everywhere", "GET {T} HTTP/1.1\nHost: {H}\n\n", 400),
    ("bare LF in a value", head("X: a\nTransfer-Encoding: chunked"), 400),
    ("bare CR in a value", head("X: a\rTransfer-Encoding: chunked"), 400),
    ("CR CR LF", "GET {T} HTTP/1.1\r\r\nHost: {H}\r\n\r\n", 400),
    ("NUL in a value", head("X: a\0b"), 400),
    ("NUL in a name", head("X\0: a"), 400),
    ("no colon", head("X-Nothing"), 400),
    ("no name", head(": a"), 400),
    ("a name with a bracket", head("X(1): a"), 400),
    ("a name in UTF-8", head("X-\xc3\xa9: a"), 400),
    ("an empty line first", "\r\nGET {T} HTTP/1.1\r\nHost: {H}\r\n\r\n",
     400),
    ("a space first", " GET {T} HTTP/1.1\r\nHost: {H}\r\n\r\n", 400),
    ("two spaces", "GET  {T} HTTP/1.1\r\nHost: {H}\r\n\r\n", 400),
    ("a tab", "GET\t{T}\tHTTP/1.1\r\nHost: {H}\r\n\r\n", 400),
    ("a space last", "GET {T} HTTP/1.1 \r\nHost: {H}\r\n\r\n", 400),
    ("HTTP/0.9", "GET {T}\r\n", 400),
    ("HTTP/2.0", "GET {T} HTTP/2.0\r\nHost: {H}\r\n\r\n", (400, 505)),
    ("HTTP/1.10", "GET {T} HTTP/1.10\r\nHost: {H}\r\n\r\n", (400, 505)),
    ("http/1.1", "GET {T} http/1.1\r\nHost: {H}\r\n\r\n", 400),
    ("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
     (400, 505)),
    ("no Host", "GET {T} HTTP/1.1\r\n\r\n", 400),
    ("two Hosts", head("Host: evil.test"), 400),
    ("the same Host twice", head("host: {H}"), 400),
    ("Connection: Host", head("Connection: Host"), 400),
    ("Connection: Content-Length",
     post("Content-Length: 5", "Connection: content-length", body="hello"),
     400),
    ("Connection: Transfer-Encoding",
     post("Transfer-Encoding: chunked", "Connection: transfer-encoding",
          body="0\r\n\r\n"), 400),
    ("Expect: something", post("Content-Length: 5", "Expect: 200-ok",
                               body="hello"), 417),
    ("129 fields", head(*[f"X-{i}: a" for i in range(200)]), 431),
    ("a field of 1 MB", head("X: " + "a" * 1000000), 431),
    ("a head of 1 MB", head(*[f"X-{i}: " + "a" * 9000 for i in range(110)]),
     431),
]


def behind(way, number, text):
    """The vector's bytes and those of its stowaway."""
    path = f"/ok/vector-{number}"
    stow = "GET " + way.target(f"/ok/stowaway-{number}") + \
        " HTTP/1.1\r\nHost: {H}\r\n\r\n"
    if isinstance(text, str):
        text = text.encode("latin-1")
    return way.steps(text + stow.encode("latin-1"), path, ("all", 65536))


def is_one_of(status, allowed):
    return status in (allowed if isinstance(allowed, tuple) else (allowed,))


def all_refused(scene, way, vectors):
    """Refused each, nothing of it sent on, and the connection ended."""
    outcomes = scene.attacker.plays(
        [behind(way, n, text) for n, (_, text, _) in enumerate(vectors)],
        seconds=5)
    wrong = []
    for (name, _, status), r in zip(vectors, outcomes):
        # what is too long is refused before its end has come: the rest of
        # it may turn the close into a reset, after the answer or before
        cut = status == 431 and r.end in ("reset", "eof", "error")
        if not (is_one_of(r.status, status) or (cut and r.status == r.end)) \
                or r.end == "open":
            wrong.append(f"{name}: {r}")
    return [f"{way.name}: {x}" for x in wrong]


@test(modes=ONCE)
def a_request_that_two_readers_take_differently(w):
    """PX-05: refused, and nothing of it or behind it reaches the service."""
    with Scene(w) as scene:
        wrong = []
        for way in WAYS:
            scene.control(way, "before")
            wrong += all_refused(scene, way, IN_THE_HEAD)
            scene.control(way, "after")
        equal(wrong, [])
        received = scene.received()
        check(b"vector" not in received, f"sent on: {received!r:.900}")
        check(b"stowaway" not in received, f"smuggled: {received!r:.900}")
        holds(scene.attacker.finish().said, "code=malformed")


CHUNKED = "POST {T} HTTP/1.1\r\nHost: {H}\r\nTransfer-Encoding: chunked" \
    "\r\n\r\n"

# What is wrong comes after the head, so that the service may have seen the
# head; but no whole request, and never the stowaway.
IN_THE_BODY = [
    ("size 0x5", "0x5\r\nhello\r\n0\r\n\r\n"),
    ("size +5", "+5\r\nhello\r\n0\r\n\r\n"),
    ("size -5", "-5\r\nhello\r\n0\r\n\r\n"),
    ("a space before the size", " 5\r\nhello\r\n0\r\n\r\n"),
    ("size g", "g\r\nhello\r\n0\r\n\r\n"),
    ("no size", "\r\nhello\r\n0\r\n\r\n"),
    ("size of 17 digits", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("size ffffffffffffffff", "ffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
    ("size with _", "0_5\r\nhello\r\n0\r\n\r\n"),
    ("LF after the size", "5\nhello\r\n0\r\n\r\n"),
    ("CR after the size", "5\rhello\r\n0\r\n\r\n"),
    ("LF in an extension", "5;a\n\r\nhello\r\n0\r\n\r\n"),
    ("CR in an extension", "5;a=\rb\r\nhello\r\n0\r\n\r\n"),
    ("LF in a quoted extension", '5;a="\n"\r\nhello\r\n0\r\n\r\n'),
    ("an open quotation", '5;a="b\r\nhello\r\n0\r\n\r\n'),
    ("extensions without end", "5;" + "a" * 20000 + "\r\nhello\r\n"),
    ("data too long", "5\r\nhello!\r\n0\r\n\r\n"),
    ("LF after the data", "5\r\nhello\n0\r\n\r\n"),
    ("no end of the data", "5\r\nhello0\r\n\r\n"),
    ("LF after the last chunk", "5\r\nhello\r\n0\n\n"),
    ("a trailer Content-Length", "0\r\nContent-Length: 50\r\n\r\n"),
    ("a trailer Transfer-Encoding",
     "0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ("a trailer with LF", "0\r\nX: a\n\r\n"),
    ("a trailer that is folded", "0\r\nX: a\r\n b\r\n\r\n"),
    ("a trailer without a colon", "0\r\nX\r\n\r\n"),
    ("10000 trailers", "0\r\n" + "X: a\r\n" * 10000 + "\r\n"),
]


@test(modes=ONCE)
def chunks_that_two_readers_take_differently(w):
    """PX-06: refused or cut off; no whole request, nothing behind it."""
    with Scene(w, "{methods: [POST, GET], path: /ok/**}") as scene:
        wrong = []
        for way in WAYS:
            scene.control(way, "before")
            plays = [behind(way, n, CHUNKED + body)
                     for n, (_, body) in enumerate(IN_THE_BODY)]
            for (name, _), r in zip(IN_THE_BODY,
                                    scene.attacker.plays(plays, seconds=5)):
                if not is_one_of(r.status, (400, 431, "reset")) or \
                        r.end == "open":
                    wrong.append(f"{way.name}: {name}: {r}")
            scene.control(way, "after")
        equal(wrong, [])
        scene.received()
        for witness in (scene.plain, scene.tls):
            check(not witness.saw("stowaway"), "smuggled")
            whole = [x for x in witness.targets() if "vector" in x]
            equal(whole, [], "whole requests")


@test(modes=ONCE)
def trailers_and_10000_chunks(w):
    """PX-06: trailers that name fields of a head end here, others do not;
    tiny chunks are a body."""
    with Scene(w) as scene:
        for way in WAYS:
            witness = scene.witness(way)
            witness.requests.clear()
            trailers = "0\r\nHost: evil.test\r\nAuthorization: Bearer evil" \
                "\r\nX-Extra: harmless\r\n\r\n"
            a = scene.attacker.play(*way.steps(
                CHUNKED + "5\r\nhello\r\n" + trailers, "/post"))
            b = scene.attacker.play(*way.steps(
                CHUNKED + "1\r\nx\r\n" * 10000 + "0\r\n\r\n", "/post"))
            equal(b.status, 200, way.name)
            equal(a.status, 200, way.name)
            settled(witness)
            check(not witness.saw("evil"), f"{way.name}: a trailer went on")
            equal(witness.requests[-2].trailers, ["X-Extra: harmless"])
            equal(witness.requests[-1].body, b"x" * 10000)


# PX-07: bytes behind a request belong to no other.

@test
def each_request_is_judged_alone(w):
    """A pipeline: allowed, refused, allowed; the third never happens."""
    with Scene(w) as scene:
        for number, way in enumerate(WAYS):
            text = (get("/", "{H}") +
                    "GET " + way.target(f"/no/{number}") + " HTTP/1.1\r\n"
                    "Host: {H}\r\n\r\n"
                    "GET " + way.target(f"/ok/third-{number}") +
                    " HTTP/1.1\r\nHost: {H}\r\n\r\n")
            r = scene.attacker.play(*way.steps(
                text, f"/ok/first-{number}", ("response",), ("all",)))
            equal([r.said[-2][9:12], r.said[-1][9:12], r.end],
                  [b"200", b"403", "eof"], way.name)
            equal(r.code, "path")
            check(b"third" not in r.last, "the third was answered")
        received = scene.received()
        check(b"/no/" not in received and b"third" not in received,
              f"{received!r:.500}")
        equal(received.count(b"/ok/first-"), len(WAYS), f"{received!r:.3000}")


@test(modes=ONCE)
def bytes_behind_a_body_are_a_request(w):
    """Content-Length 5 and a request glued to it: two, judged as two."""
    with Scene(w) as scene:
        for way in WAYS:
            glued = request("POST", b"") \
                .replace("\r\n\r\n", "\r\nContent-Length: 5\r\n\r\n") + \
                "hello" + "DELETE " + way.target("/post") + \
                " HTTP/1.1\r\nHost: {H}\r\n\r\n"
            r = scene.attacker.play(*way.steps(
                glued, "/post", ("response",), ("response",)))
            equal([x[9:12] for x in r.said[-2:]], [b"200", b"403"],
                  f"{way.name} {r}")
            equal(r.code, "method")
        settled(scene.plain)
        for witness in (scene.plain, scene.tls):
            check(all(x.body == b"hello" for x in witness.requests), "body")
            check(not witness.saw("DELETE"), "DELETE went on")


# ---- PX-08, PX-10: targets and methods -------------------------------------

PATHS = [  # as sent, status, what the service sees if it was allowed
    ("/ok/a/../../no", 400, None),
    ("/ok/./a", 400, None),
    ("/ok/%2e%2e/no", 400, None),
    ("/ok/%2E%2e%2Fno", (400, 403), None),
    ("/ok/..%2fno", (400, 403), None),
    ("/ok/..;/no", 400, None),
    ("/ok//a", 400, None),
    ("//web.internal/ok/a", 400, None),
    ("//evil.test/ok/a", 400, None),
    ("/ok/a\\..\\no", 400, None),
    ("/ok/%5c..%5cno", 400, None),
    ("/ok/a%00", 400, None),
    ("/ok/a%0d%0aX:%20y", 400, None),
    ("/ok/a%zz", 400, None),
    ("/ok/a%", 400, None),
    ("/ok/a%c0%ae", 400, None),
    ("/ok/a%ff", 400, None),
    ("/ok/a#b", 400, None),
    ("/ok/a\xe9", 400, None),
    ("/ok/a?b#c", 400, None),
    ("/ok/a?b c", 400, None),
    ("/ok/%61", 200, "/ok/a"),
    ("/o%6b/a", 200, "/ok/a"),
    ("/ok/%7eb", 200, "/ok/~b"),
    ("/ok/a%2fb", (400, 403), None),
    ("/OK/a", 403, None),
    ("/ok", 403, None),
    ("/okay/a", 403, None),
    ("/ok/a?/../../no", 200, "/ok/a?/../../no"),
    ("/ok/http://evil.test/", 400, None),
    ("/", 403, None),
    ("/%6f%6b%2f", (400, 403), None),
]


@test(modes=ONCE)
def one_path_means_one_thing(w):
    """PX-08: what has no single reading is refused; the rest goes on so."""
    with Scene(w) as scene:
        wrong = []
        for way in WAYS:
            witness = scene.witness(way)
            for path, status, seen in PATHS:
                settled_before = len(witness.heads)
                r = scene.attacker.play(*way.steps(get(), path))
                went = [x.target for x in witness.heads[settled_before:]]
                if not is_one_of(r.status, status) or \
                        went != ([seen] if seen else []):
                    wrong.append(f"{way.name} {path!r}: {r.status} {went}")
        equal(wrong, [])


def form(way, text, path="/ok/form"):
    return way.steps(text, path)


@test(modes=ONCE)
def the_four_forms_of_a_target(w):
    """PX-08: the authority is the connection's, whatever a target says."""
    evil = "GET http://evil.test/ok/form HTTP/1.1\r\nHost: evil.test\r\n\r\n"
    with Scene(w) as scene:
        inside = [x for x in WAYS if not x.absolute]
        for way in inside:
            scheme = "https" if "TLS" in way.name else "http"
            other = "http" if "TLS" in way.name else "https"
            for text, status, code in [
                    (f"GET {scheme}://{way.host}/ok/same HTTP/1.1\r\n"
                     f"Host: {way.host}\r\n\r\n", 200, None),
                    (f"GET {other}://{way.host}/ok/form HTTP/1.1\r\n"
                     f"Host: {way.host}\r\n\r\n", 400, "malformed"),
                    (f"GET ftp://{way.host}/ok/form HTTP/1.1\r\n"
                     f"Host: {way.host}\r\n\r\n", 400, "malformed"),
                    (f"GET {scheme}://evil.test/ok/form HTTP/1.1\r\n"
                     f"Host: {way.host}\r\n\r\n", 400, "malformed"),
                    (f"GET {scheme}://u:p@{way.host}/ok/form HTTP/1.1\r\n"
                     f"Host: {way.host}\r\n\r\n", 400, "malformed"),
                    (evil if scheme == "http" else
                     evil.replace("http:", "https:"), (421, 403), None),
                    (get("/", "evil.test"), (421, 403), None),
                    ("OPTIONS * HTTP/1.1\r\nHost: {H}\r\n\r\n", 400,
                     "malformed"),
                    ("GET * HTTP/1.1\r\nHost: {H}\r\n\r\n", 400,
                     "malformed"),
                    ("CONNECT web.internal:80 HTTP/1.1\r\n"
                     "Host: web.internal:80\r\n\r\n", (403, 400), None),
                    ("GET web.internal:80 HTTP/1.1\r\nHost: {H}\r\n\r\n",
                     400, "malformed")]:
                r = scene.attacker.play(*form(way, text))
                check(is_one_of(r.status, status),
                      f"{way.name} {text!r}: {r}")
                check(code is None or r.code == code, f"{r}")
        absolute = WAYS[0]
        for text, status in [
                ("GET /ok/form HTTP/1.1\r\nHost: web.internal\r\n\r\n", 400),
                ("OPTIONS * HTTP/1.1\r\nHost: web.internal\r\n\r\n", 400),
                ("GET http://web.internal/ok/form HTTP/1.1\r\n"
                 "Host: evil.test\r\n\r\n", 400),
                ("GET http://evil.test/ok/form HTTP/1.1\r\n"
                 "Host: web.internal\r\n\r\n", 400),
                ("GET http://sec.internal:443/ok/form HTTP/1.1\r\n"
                 "Host: sec.internal:443\r\n\r\n", 403),
                ("GET http://sec.internal/ok/form HTTP/1.1\r\n"
                 "Host: sec.internal\r\n\r\n", 403),
                ("GET https://sec.internal/ok/form HTTP/1.1\r\n"
                 "Host: sec.internal\r\n\r\n", 400)]:
            r = scene.attacker.play(*form(absolute, text))
            equal(r.status, status, f"{text!r}: {r}")
        check(b"/ok/form" not in scene.received(), "one went on")
        check(scene.tls.saw("/ok/same") and scene.plain.saw("/ok/same"),
              "the control")


OVERRIDES = ["X-HTTP-Method-Override: DELETE", "X-HTTP-Method: DELETE",
             "X-Method-Override: DELETE", "X-Original-URL: /no",
             "X-Rewrite-URL: /no", "X-Forwarded-Host: evil.test",
             "X-Host: evil.test", "X-Forwarded-For: 127.0.0.1",
             "Forwarded: for=127.0.0.1;host=evil.test",
             "X-Real-IP: 127.0.0.1", "X-Forwarded-User: root",
             "X-Forwarded: for=127.0.0.1", "x_forwarded_for: 127.0.0.1",
             "X_HTTP_Method-Override: DELETE", "X-Original-Method: DELETE",
             "true_client_ip: 127.0.0.1"]


@test(modes=ONCE)
def the_method_is_the_one_that_is_judged(w):
    """PX-10: case counts, TRACE and CONNECT are none, overrides go."""
    with Scene(w) as scene:
        for number, way in enumerate(WAYS):
            for method, status in [
                    ("GET", 200), ("HEAD", 200), ("OPTIONS", 200),
                    ("get", (400, 403)), ("Get", (400, 403)),
                    ("TRACE", 403), ("TRACK", 403), ("PUT", 403),
                    ("DELETE", 403), ("X", 403), ("GETT", 403),
                    ("GE", 403), ("A" * 40, (400, 501)), ("G@T", (400, 403)),
                    ("POST", 403)]:
                r = scene.attacker.play(*way.steps(
                    f"{method} {{T}} HTTP/1.1\r\nHost: {{H}}\r\n\r\n",
                    f"/ok/{method}-{number}", ("head",)))
                check(is_one_of(r.status, status),
                      f"{way.name} {method}: {r}")
            r = scene.attacker.play(*way.steps(head(*OVERRIDES),
                                               f"/ok/over-{number}"))
            equal(r.status, 200)
            seen = [x for x in scene.witness(way).heads
                    if x.target == f"/ok/over-{number}"]
            equal(len(seen), 1)
            text = seen[0].raw.decode("latin-1")
            for line in OVERRIDES:
                check(line.split(":")[0].lower() not in text.lower(),
                      f"{line} went on in {text!r}")
        received = scene.received()
        for word in (b"TRACE", b"TRACK", b"PUT", b"DELETE", b"GETT", b"get "):
            check(word not in received, f"{word} went on")


@test(modes=ONCE)
def a_body_that_nobody_expects(w):
    """PX-10: GET with a body is one request; HEAD with one is refused."""
    with Scene(w) as scene:
        for way in WAYS:
            witness = scene.witness(way)
            text = "{M} {T} HTTP/1.1\r\nHost: {H}\r\nContent-Length: 37" \
                "\r\n\r\nGET /ok/inner HTTP/1.1\r\nHost: a.b\r\n\r\n"
            r = scene.attacker.play(*way.steps(text.replace("{M}", "GET"),
                                               "/ok/body"))
            check(is_one_of(r.status, (200, 400)), f"{way.name} {r}")
            r = scene.attacker.play(*way.steps(text.replace("{M}", "HEAD"),
                                               "/ok/head", ("head",)))
            equal(r.status, 400, f"{way.name} {r}")
            settled(witness)
            check("GET /ok/inner" not in witness.targets(), "two requests")
            check(not witness.saw("/ok/head"), "HEAD went on")


# ---- PX-12: hop by hop -------------------------------------------------------

HOPS = ["Connection: close, X-Nominated, Authorization-Note",
        "X-Nominated: 1", "Authorization-Note: 1", "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive", "Proxy-Authorization: Basic ZQ==",
        "Proxy-Authenticate: Basic", "TE: trailers, deflate",
        "Upgrade: h2c", "HTTP2-Settings: AAMAAABk",
        "Via: 1.1 elsewhere"]


@test(modes=ONCE)
def what_is_for_one_hop_ends_there(w):
    """PX-12: nominated and hop-by-hop fields are taken out."""
    with Scene(w) as scene:
        for number, way in enumerate(WAYS):
            r = scene.attacker.play(*way.steps(head("X-Stays: 1", *HOPS),
                                               f"/ok/hop-{number}"))
            equal(r.status, 200, f"{way.name} {r}")
            seen = [x for x in scene.witness(way).heads
                    if x.target == f"/ok/hop-{number}"]
            equal(len(seen), 1)
            names = [k for k, _ in seen[0].fields]
            check("x-stays" in names, "the control")
            for line in HOPS[1:-1]:
                check(line.split(":")[0].lower() not in names,
                      f"{line} went on: {names}")
            equal(len([x for x in names if x == "host"]), 1)
            equal(seen[0].get("host"), way.host)


@test(modes=ONCE)
def a_request_that_has_been_here_is_refused(w):
    """PX-12: our own Via comes back: a loop."""
    with Scene(w) as scene:
        way = WAYS[0]
        scene.control(way, "via")
        ours = scene.plain.heads[-1].get("via")
        check(isinstance(ours, str), f"no Via in {scene.plain.heads[-1].raw}")
        for way in WAYS:
            r = scene.attacker.play(*way.steps(head("Via: 1.0 a, " + ours),
                                               "/ok/loop"))
            equal(r.status, 508, f"{way.name} {r}")
        check(b"/ok/loop" not in scene.received(), "the loop went on")


@test(modes=ONCE)
def a_change_of_protocol_is_not_passed_on(w):
    with Scene(w) as scene:
        for way in WAYS:
            r = scene.attacker.play(*way.steps(head(
                "Connection: Upgrade", "Upgrade: websocket",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                "Sec-WebSocket-Version: 13"), "/ok/upgrade"))
            equal(r.status, 403, f"{way.name} {r}")
        check(b"/ok/upgrade" not in scene.received(), "it went on")


# ---- PX-01, PX-02: names ----------------------------------------------------

NAMES = [  # what CONNECT and the absolute form say, status, code
    ("github.test", 200, None),
    ("GitHub.TEST", 200, None),
    ("github.test.", 200, None),
    ("github.test..", 400, None),
    (".github.test", 400, None),
    ("evilgithub.test", 403, "service"),
    ("xgithub.test", 403, "service"),
    ("github.test.evil.test", 403, "service"),
    ("sub.github.test", 403, "service"),
    ("github.test@evil.test", 400, None),
    ("u:p@github.test", 400, None),
    ("github%2etest", 400, None),
    ("github.test%00.evil.test", 400, None),
    ("github.test\0.evil.test", 400, None),
    ("github.test\t", 400, None),
    ("github.test ", 400, None),
    ("github.test\x0b", 400, None),
    ("[github.test]", 400, None),
    ("github_test", (400, 403), None),
    ("", 400, None),
    ("-github.test", 400, None),
    ("g\xedthub.test", 400, None),
    ("xn--gthub-n4a.test", 403, "service"),
    ("github\uff0etest".encode().decode("latin-1"), 400, None),
    ("github.test/", 400, None),
    ("github.test?", 400, None),
    ("github.test#", 400, None),
    ("github.test\\", 400, None),
    ("github.test,evil.test", 400, None),
    ("*.wild.test", 400, None),
    ("a.wild.test", 200, None),
    ("A.WILD.test", 200, None),
    ("a.b.wild.test", 403, "service"),
    ("wild.test", 403, "service"),
    (".wild.test", 400, None),
    ("xwild.test", 403, "service"),
    ("a." * 130 + "wild.test", 400, None),
    ("a" * 64 + ".wild.test", 400, None),
    ("a" * 63 + ".wild.test", 200, None),
]


def is_name_refused(r, status, code):
    return is_one_of(r.status, status) and (code is None or r.code == code)


@test(modes=ONCE)
def names_are_bounded_by_labels(w):
    """PX-01, PX-02: the canonical name decides, or the request is refused."""
    with Witness() as up:
        policy = write_policy(w, {"hub": service(
            ["github.test:80", "*.wild.test:80"], up.port)})
        with Attacker(w, policy) as a:
            wrong = []
            for name, status, code in NAMES:
                said = name.encode("latin-1")
                raw = name if "\0" not in name else name
                for text in (
                        b"CONNECT " + said + b":80 HTTP/1.1\r\nHost: x"
                        b"\r\n\r\n",
                        b"GET http://" + said + b"/ok/name HTTP/1.1\r\n"
                        b"Host: " + said + b"\r\n\r\n"):
                    r = a.play(EXPLICIT, ("send", text), ("head",),
                               ("sleep", 0)) if status == 200 else \
                        a.play(EXPLICIT, ("send", text), ("response",))
                    if not is_name_refused(r, status, code):
                        wrong.append(f"{raw!r:.80} {text[:3]}: {r}")
            equal(wrong, [])
            hosts = {x.get("host") for x in up.heads}
            equal(hosts, {"github.test", "a.wild.test",
                          "a" * 63 + ".wild.test"}, "Host at the service")


@test(modes=ONCE)
def a_pattern_for_a_whole_zone_does_not_load(w):
    """PX-01: * and *.com are no policy."""
    for host in ("*", "*.com", "a.*.com", "*a.com", "**.a.com", "*.*.com"):
        policy = write_policy(w, {"all": service([f"{host}:80"], 9)})
        w.exec(["true"], "--policy", policy).refused("rows.yaml:")
    policy = write_policy(w, {"all": service(["*.a.com:80"], 9)})
    w.exec(["true"], "--policy", policy).expect(0)


# ---- PX-04: ports ------------------------------------------------------------

@test
def only_the_ports_that_are_listed(w):
    """PX-04: another port of an allowed host is another place."""
    with Scene(w) as scene:
        for port, status, code in [
                (22, 403, "port"), (25, 403, "port"), (443, 403, "port"),
                (8443, 403, "port"), (65535, 403, "port"), (0, 400, None),
                (65536, 400, None), ("", 400, None), ("080", 400, None),
                ("80 ", 400, None), ("+80", 400, None), ("0x50", 400, None),
                ("80,443", 400, None), ("http", 400, None), (80, 200, None)]:
            text = f"CONNECT web.internal:{port} HTTP/1.1\r\nHost: x\r\n\r\n"
            r = scene.attacker.play(EXPLICIT, ("send", text.encode()),
                                    ("head",) if status == 200
                                    else ("response",))
            check(is_name_refused(r, status, code), f"{port}: {r}")
            text = f"GET http://web.internal:{port}/ok/port HTTP/1.1\r\n" \
                f"Host: web.internal:{port}\r\n\r\n"
            r = scene.attacker.play(EXPLICIT, ("send", text.encode()),
                                    ("response",))
            check(is_name_refused(r, status, code), f"{port}: {r}")
        r = scene.attacker.play(EXPLICIT, ("send", b"CONNECT web.internal "
                                           b"HTTP/1.1\r\nHost: x\r\n\r\n"),
                                ("response",))
        equal(r.status, 400)
        for address in ("10.9.8.7", "2001:db8::7"):
            r = scene.attacker.play(("connect", address, 81), ("all",))
            check(r.end in ("reset", "error"), f"{r}")
        equal([x.target for x in scene.plain.heads], ["/ok/port"])


@test
def what_is_not_tls_where_tls_is_wanted(w):
    """PX-04: plain bytes in a tunnel of an inspected host: closed."""
    with Scene(w) as scene:
        scene.control(TLS, "before")
        for first in (get("/", "sec.internal").encode(), b"SSH-2.0-x\r\n",
                      b"\x16\x03\x01\x00\x02\x02\x00", b"\0" * 64,
                      b"\x80\x2e\x01\x03\x01", b"\x16\x03\x01\xff\xff"):
            tunnel = connect("sec.internal", 443)
            first = first.replace(b"{T}", b"/ok/bare").replace(
                b"{H}", b"sec.internal")
            r = scene.attacker.play(*tunnel, ("send", first), ("shut",),
                                    ("all",), seconds=5)
            check(r.end in ("eof", "reset"), f"{first!r}: {r}")
            check(b"200 OK" not in r.last, f"{r}")
        scene.control(TLS, "after")
        check(b"/ok/bare" not in scene.received(), "it went on")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
