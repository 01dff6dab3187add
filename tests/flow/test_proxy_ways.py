#!/usr/bin/env python3
"""Every way out runs the same table of intents, and gives the same answers.

The answers are those of "warder policy why", which asks the compiled plan
alone; what was really sent is what the upstreams wrote down.
"""

import glob
import os
import re
import sys

import driver
from driver import case, policy, request, tcp, web
from flow import TOP, Failed, check, equal, holds, main, test
from upstream import Authority, Echo, Web

# Host, port, method, path of what is asked for.
INTENTS = [
    ("plain.internal", 80, "GET", "/ok/a"),
    ("plain.internal", 80, "GET", "/ok/a?x=1"),
    ("plain.internal", 80, "HEAD", "/ok/a"),
    ("plain.internal", 80, "GET", "/other"),
    ("plain.internal", 80, "POST", "/ok/a"),
    ("plain.internal", 80, "POST", "/post"),
    ("plain.internal", 80, "DELETE", "/ok/gone"),
    ("plain.internal", 80, "GET", "/ok/denied"),
    ("plain.internal", 80, "GET", "/ok/ask"),
    ("plain.internal", 81, "GET", "/ok/a"),
    ("a.wild.internal", 80, "GET", "/ok/a"),
    ("a.b.wild.internal", 80, "GET", "/ok/a"),
    ("wild.internal", 80, "GET", "/ok/a"),
    ("other.test", 80, "GET", "/ok/a"),
    ("secret.internal", 443, "GET", "/ok/a"),
    ("secret.internal", 443, "GET", "/other"),
    ("secret.internal", 443, "PUT", "/ok/a"),
    ("secret.internal", 80, "GET", "/ok/a"),
    ("10.1.2.3", 80, "GET", "/ok/a"),
    ("127.0.0.1", 9, "GET", "/ok/a"),
    ("169.254.169.254", 80, "GET", "/latest"),
]

RULES = ["allow: [{methods: read, path: /ok/**}, "
         "{methods: [POST], path: /post}]",
         "deny: [{methods: read, path: /ok/denied}]",
         "ask: [{methods: read, path: /ok/ask}]"]


def make(w, plain, secret, authority):
    lines = ["tls: none", f"dial: 127.0.0.1:{plain.port}", *RULES]
    return policy(w, {
        "plain": ["to: plain.internal:80", *lines],
        "wild": ["to: '*.wild.internal:80'", *lines],
        "secret": ["to: secret.internal", f"tls: {{ca: {authority.pem}}}",
                   f"dial: 127.0.0.1:{secret.port}", *RULES],
    })


def url(intent):
    host, port, _, path = intent
    scheme = "https" if port == 443 else "http"
    place = host if port in (80, 443) else f"{host}:{port}"
    return f"{scheme}://{place}{path}"


def inner(intent, target):
    host, port, method, _ = intent
    return request(target, host if port in (80, 443) else f"{host}:{port}",
                   method, [("Content-Length", "0")] if method in
                   ("POST", "PUT") else ())


def explicit(intent):
    """The absolute form, which only http has."""
    if intent[1] == 443:
        return None
    return case(inner(intent, url(intent)))


def through(way):
    """The same inside a connection, with TLS where the scheme has it."""
    def make_case(intent):
        host, port, _, path = intent
        tls = port == 443
        return case(inner(intent, path), way, host, port, tls,
                    host if tls else None, seconds=1)
    return make_case


# Who asks authorize() in the proxy, and where that is tried.  What comes to
# one of the first four is a way in; the others ask again on the way out.
ASKERS = {
    "listener.c": "connect: explicit, capture below",
    "conn.c": "capture, and the greeting: every_way_gives_the_plan_s_answers, "
              "names_and_streams_as_the_plan_says",
    "http.c": "explicit, connect: every_way_gives_the_plan_s_answers",
    "dnsio.c": "dns: names_and_streams_as_the_plan_says",
    "reach.c": "the address: test_proxy_names.py",
    "exchange.c": "another policy meanwhile: test_reload.py",
}
# Who makes a connection to the world: each takes a target that reach.c has
# asked about, and nothing else.
DIALERS = {"dial.c", "upstream.c"}
ROUTES = {"locals.c"}  # what the kernel routes as local: netlink alone

WAYS = {
    "explicit": explicit,
    "connect": through("connect"),
    "capture": through("capture"),  # after a query, by the address given
}


def allowed(answer):
    return answer.status == 200


def expected(w, path, intent):
    """What the plan alone says: 0 allow, 3 deny, 4 ask."""
    r = w.verb("policy", "why", path, f"{intent[2]} {url(intent)}")
    if r.status not in (0, 3, 4):
        raise Failed(f"why: {r.status} {r.said}")
    return r.status == 0


@test
def every_way_gives_the_plan_s_answers(w):
    folder = w.scratch("ca")
    authority = Authority(folder)
    context = authority.context("secret.internal")
    with Web() as plain, Web(context=context) as secret:
        path = make(w, plain, secret, authority)
        right = [expected(w, path, i) for i in INTENTS]
        check(any(right) and not all(right), "a table that says one thing")
        for name, way in WAYS.items():
            plain.requests.clear()
            secret.requests.clear()
            cases = [(i, r, way(i)) for i, r in zip(INTENTS, right)]
            cases = [c for c in cases if c[2] is not None]
            answers, _ = driver.run(w, path, [c[2] for c in cases])
            for (intent, wanted, _), answer in zip(cases, answers):
                equal(allowed(answer), wanted, f"{name}: {intent}: {answer}")
            wanted = [(i[2], i[3]) for i, r, _ in cases if r]
            seen = [(r.method, r.target)
                    for r in plain.requests + secret.requests]
            equal(sorted(seen), sorted(wanted), name)


def sources_with(pattern):
    found = set()
    for name in glob.glob(os.path.join(TOP, "proxy", "*.c")):
        with open(name, encoding="utf-8") as f:
            text = re.sub(r"/\*.*?\*/|\"(\\.|[^\"\\])*\"", "", f.read(),
                          flags=re.S)
        if re.search(pattern, text):
            found.add(os.path.basename(name))
    return found


@test(modes=("root",))
def there_is_no_other_way(w):
    """A new way in, or a new hand that dials, is to be tried here too."""
    equal(sources_with(r"\bauthorize\("), set(ASKERS))
    equal(sources_with(r"(?<![.>\w])(socket|connect)\("), DIALERS | ROUTES)
    for name in DIALERS:
        check(name in sources_with(r"reach_target|reach_result"),
              f"{name} dials what nobody has judged")
    equal(sources_with(r"AF_NETLINK"), ROUTES)


@test
def names_and_streams_as_the_plan_says(w):
    """DNS knows the hosts of services and no other; TCP its own."""
    with Echo() as echo, Web() as up:
        path = policy(w, {"echo": tcp(echo.port), "web": web(up.port)})
        script = ("import socket\n"
                  "for n in 'echo.internal', 'web.internal', 'other.test',"
                  " 'x.echo.internal', 'localhost', '10.0.0.1':\n"
                  "  try: print(n, socket.gethostbyname(n)[:7])\n"
                  "  except OSError as e: print(n, e.errno)\n"
                  "for a in ('echo.internal', 7000), ('echo.internal', 7001),"
                  " ('web.internal', 80), ('198.18.9.9', 7000):\n"
                  "  try:\n"
                  "    s = socket.create_connection(a, 5); s.settimeout(2)\n"
                  "    s.sendall(b'hi\\r\\n\\r\\n'); print(a, s.recv(9))\n"
                  "  except OSError as e: print(a, 'no')\n")
        r = w.exec(["python3", "-c", script], "--policy", path).expect(0)
        lines = r.text.splitlines()
        equal(lines[:2], ["echo.internal 198.18.", "web.internal 198.18."])
        check(lines[2].split()[1].startswith("-"), lines[2])
        check(lines[3].split()[1].startswith("-"), lines[3])
        equal(lines[4:6], ["localhost 127.0.0", "10.0.0.1 10.0.0."])
        equal(lines[6], "('echo.internal', 7000) b'HI\\r\\n\\r\\n'")
        equal(lines[7], "('echo.internal', 7001) no")
        holds(lines[8], "b'HTTP/1.1 '")
        equal(lines[9], "('198.18.9.9', 7000) no")
        equal((echo.connections, up.connections), (1, 0))
        holds(r.said, "way=dns what=\"dns other.test\"",
              "way=capture what=\"connect 198.18.9.9:7000\"")


@test
def a_name_keeps_its_address(w):
    with Web() as up:
        path = policy(w, {"wild": web(up.port, to="'*.names.internal:80'")})
        script = ("import socket\n"
                  "a = [socket.gethostbyname(f'h{i % 50}.names.internal')"
                  " for i in range(200)]\n"
                  "print(len(set(a)), a[:50] * 4 == a)\n")
        w.exec(["python3", "-c", script], "--policy", path).expect(
            0, "50 True\n")


@test
def sni_and_host_name_where_it_goes(w):
    """Row PX-03: connection, greeting and Host must be one."""
    authority = Authority(w.scratch("ca"))
    with Web(context=authority.context("a.internal", "b.internal")) as up:
        lines = [f"tls: {{ca: {authority.pem}}}",
                 f"dial: 127.0.0.1:{up.port}", "allow: [{path: /**}]"]
        path = policy(w, {"a": ["to: a.internal", *lines],
                          "b": ["to: b.internal", *lines],
                          "s": ["to: s.internal", "tls: splice", "allow: any",
                                f"dial: 127.0.0.1:{up.port}"]})

        def ask(to, sni, host):
            return case(request("/x", host), "connect", to, 443, True, sni,
                        seconds=1)
        answers, _ = driver.run(w, path, [
            ask("a.internal", "b.internal", "a.internal"),
            ask("a.internal", "a.internal", "b.internal"),
            ask("a.internal", "b.internal", "b.internal"),
            ask("s.internal", "a.internal", "s.internal"),
            ask("a.internal", None, "a.internal"),
            case(b"SSH-2.0-x\r\n", "connect", "a.internal", 443, seconds=1),
            case(b"SSH-2.0-x\r\n", "connect", "s.internal", 443, seconds=1),
        ])
        for answer in (answers[0], answers[2], answers[3]):
            check(answer.status is None and answer.end != "silence", answer)
        equal(answers[1].status, 421, answers[1])
        equal(answers[4].status, 200, answers[4])
        for answer in answers[5:]:
            check(answer.raw == b"" and answer.end in ("reset", "eof"),
                  answer)
        equal(up.targets(), ["GET /x"])
        equal(up.requests[0].get("host"), "a.internal")


if __name__ == "__main__":
    sys.exit(main())
