#!/usr/bin/env python3
"""HTTP through the proxy: battery rows PX, each with what the upstream saw."""

import sys

import driver
from driver import case, policy, request, web
from flow import check, equal, holds, main, test
from upstream import Raw, Web, response

HOST = "web.internal"
ANY = ["{path: /**}"]


def ask(w, port, cases, *rules, **more):
    p = policy(w, {"web": web(port, *(rules or ANY))})
    return driver.run(w, p, cases, **more)


def absolute(path, method="GET", host=HOST, **more):
    return request(f"http://{HOST}{path}", host, method, **more)


def table(w, rows, rules=()):
    """rows: name, bytes to send, status expected, requests the upstream sees.
    Each has a connection of its own, in one jail; then a good one is sent, so
    that a server which nobody reaches would be noticed."""
    with Web() as up:
        rows = list(rows) + [("control", absolute("/ok/control"), 200, 1)]
        answers, _ = ask(w, up.port, [case(r[1]) for r in rows], *rules)
        for row, answer in zip(rows, answers):
            equal(answer.status, row[2], f"{row[0]}: {answer}")
        equal(len(up.requests), sum(r[3] for r in rows), up.targets())
        return up, answers


@test
def px_02_hosts_have_one_spelling(w):
    def at(host):
        return request(f"http://{host}/a", host)
    up, _ = table(w, [
        ("upper case", at("WEB.Internal"), 200, 1),
        ("a dot at the end", at("web.internal."), 200, 1),
        ("two dots", at("web.internal.."), 400, 0),
        ("user", at("x@web.internal"), 400, 0),
        ("escape", at("web%2einternal"), 400, 0),
        ("NUL", at("web.internal\0.x"), 400, 0),
        ("space", at("web.internal .x"), 400, 0),
        ("empty", at(""), 400, 0),
        ("254 bytes", at("a" * 254), 400, 0),
        ("above 0x7f", at("w\xe9b.internal"), 400, 0),
        ("another", at("evilweb.internal"), 403, 0),
        ("below", at("a.web.internal"), 403, 0),
        ("above", at("web.internal.evil.test"), 403, 0),
    ])
    equal({r.get("host") for r in up.requests}, {HOST})


@test
def px_03_host_is_where_it_goes(w):
    table(w, [
        ("Host is another", request(f"http://{HOST}/a", "other"), 400, 0),
        ("another port", request(f"http://{HOST}/a", HOST + ":81"), 400, 0),
        ("two", request(f"http://{HOST}/a", HOST,
                        fields=[("Host", "b")]), 400, 0),
        ("none", request(f"http://{HOST}/a", None), 400, 0),
    ])


@test
def px_06_framing_is_not_ambiguous(w):
    def body(fields, data=b""):
        return absolute("/p", "POST", fields=fields, body=data)
    chunked = [("Transfer-Encoding", "chunked")]
    up, _ = table(w, [
        ("both lengths", body([("Content-Length", "5"), *chunked],
                              b"0\r\n\r\n"), 400, 0),
        ("two lengths", body([("Content-Length", "5")] * 2, b"12345"), 400,
         0),
        ("a sign", body([("Content-Length", "+5")], b"12345"), 400, 0),
        ("a coding", body([("Transfer-Encoding", "gzip, chunked")],
                          b"0\r\n\r\n"), 400, 0),
        ("a space", b"POST http://web.internal/p HTTP/1.1\r\n"
         b"Host: web.internal\r\nContent-Length : 3\r\n\r\nabc", 400, 0),
        ("folding", absolute("/a", fields=[("A", "b\r\n c")]), 400, 0),
        ("bare LF", absolute("/a").replace(b"\r\n", b"\n"), 400, 0),
        ("good chunks", body(chunked, b"3;x=1\r\nabc\r\n0\r\n\r\n"), 200, 1),
    ])
    equal(up.requests[0].body, b"abc")


@test
def px_06_bad_chunks_are_not_finished(w):
    bad = [b"0x3\r\nabc\r\n0\r\n\r\n", b"-1\r\nabc\r\n0\r\n\r\n",
           b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n", b"3\r\nabcd\r\n0\r\n\r\n",
           b"3\nabc\r\n0\r\n\r\n", b"3;\"\r\nabc\r\n0\r\n\r\n"]
    with Web() as up:
        answers, _ = ask(w, up.port, [
            case(absolute("/p", "POST", fields=[("Transfer-Encoding",
                                                 "chunked")], body=b))
            for b in bad])
        for b, answer in zip(bad, answers):
            equal(answer.status, 400, f"{b!r}: {answer}")
        equal(up.requests, [], "whole requests")


@test
def px_06_many_small_chunks(w):
    data = b"1\r\na\r\n" * 50000 + b"0\r\nHost: x\r\n\r\n"
    with Web() as up:
        answers, _ = ask(w, up.port, [
            case(absolute("/p", "POST", fields=[
                ("Transfer-Encoding", "chunked")], body=data), seconds=20)])
        # a trailer that tells of framing or routing is refused
        check(answers[0].status in (200, 400), answers[0])
        answers, _ = ask(w, up.port, [
            case(absolute("/p", "POST", fields=[
                ("Transfer-Encoding", "chunked")],
                body=data.replace(b"Host: x\r\n", b"")), seconds=20)])
        equal(answers[0].status, 200, answers[0])
        equal(up.requests[-1].body, b"a" * 50000)


@test
def px_07_each_request_alone(w):
    good, bad = absolute("/ok/1"), absolute("/no")
    post = absolute("/ok/p", "POST", fields=[("Content-Length", "3")],
                    body=b"abc")
    rules = ["{path: /ok/**}"]
    with Web() as up:
        answers, _ = ask(w, up.port, [
            case(good * 3), case(good + bad + good), case(post + good),
            case([good[:20], good[20:], good[:-1], b"\n"]),
        ], *rules)
        equal(answers[0].statuses(), [200, 200, 200])
        equal((answers[1].statuses(), answers[1].end), ([200, 403], "eof"))
        equal(answers[2].statuses(), [200, 200])
        equal(answers[3].statuses(), [200, 200])
        equal(up.targets(), ["GET /ok/1"] * 4 + ["POST /ok/p"] +
              ["GET /ok/1"] * 3)
        equal([r.body for r in up.requests if r.method == "POST"], [b"abc"])


@test
def px_08_forms_of_the_target(w):
    table(w, [
        ("origin form", request("/ok/a", HOST), 400, 0),
        ("asterisk", request("*", HOST, "OPTIONS"), 400, 0),
        ("https here", request(f"https://{HOST}/ok/a", HOST), 400, 0),
        ("two slashes", absolute("//ok/a"), 400, 0),
        ("in the middle", absolute("/ok//a"), 400, 0),
        ("dots", absolute("/ok/../no"), 400, 0),
        ("encoded dots", absolute("/ok/%2e%2e/no"), 400, 0),
        ("backslash", absolute("/ok\\a"), 400, 0),
        ("encoded slash", absolute("/ok/a%2fb"), 400, 0),
        ("NUL", absolute("/ok/%00"), 400, 0),
        ("fragment", absolute("/ok/a#b"), 400, 0),
        ("no path", request(f"http://{HOST}", HOST), 403, 0),
        ("a URL inside", absolute("/ok/http://other/"), 400, 0),
        ("unreserved, encoded", absolute("/%6fk/a"), 200, 1),
    ], ["{methods: read, path: /ok/**}"])


@test
def px_10_methods(w):
    up, _ = table(w, [
        ("lower case", absolute("/ok/a", "get"), 400, 0),
        ("another", absolute("/ok/a", "DELETE"), 403, 0),
        ("TRACE", absolute("/ok/a", "TRACE"), 403, 0),
        ("CUSTOM", absolute("/ok/a", "CUSTOM"), 403, 0),
        ("HEAD of a read rule", absolute("/ok/a", "HEAD"), 200, 1),
        ("OPTIONS of a read rule", absolute("/ok/a", "OPTIONS"), 200, 1),
        ("HEAD with a body", absolute("/ok/a", "HEAD", fields=[
            ("Content-Length", "1")], body=b"x"), 400, 0),
        ("GET with a body", absolute("/ok/a", fields=[
            ("Content-Length", "1")], body=b"x"), 200, 1),
        ("overrides", absolute("/ok/a", fields=[
            ("X-HTTP-Method-Override", "DELETE"), ("X-Original-URL", "/no"),
            ("x-method-override", "PUT"), ("X-HTTP-Method", "PUT"),
            ("X-Rewrite-Url", "/no")]), 200, 1),
    ], ["{methods: read, path: /ok/**}"])
    seen = {k for r in up.requests for k, _ in r.fields}
    equal(seen & {"x-http-method-override", "x-original-url",
                  "x-method-override", "x-http-method", "x-rewrite-url"},
          set())


@test
def px_12_fields_of_this_hop_stay_here(w):
    up, answers = table(w, [
        ("nominated", absolute("/a", fields=[
            ("Connection", "keep-alive, X-Secret"), ("X-Secret", "1"),
            ("Keep-Alive", "300"), ("Proxy-Authorization", "Basic eDp5"),
            ("Proxy-Connection", "keep-alive"), ("TE", "trailers, deflate"),
            ("X-Forwarded-For", "1.2.3.4"), ("Forwarded", "for=1.2.3.4"),
            ("X-Forwarded-Host", "other"), ("X-Kept", "yes"),
            ("Upgrade", "h2c")]), 200, 1),
        ("names Host", absolute("/a", fields=[("Connection", "Host")]), 400,
         0),
    ])
    names = [k for k, _ in up.requests[0].fields]
    equal(sorted(names), ["host", "via", "x-kept"])
    check(b"Keep-Alive" not in answers[0].raw, answers[0])


@test
def no_request_changes_the_protocol(w):
    """Refused with the record, also where any request is allowed, and not a
    byte is sent; HTTP/2 in the clear is an offer that is not taken up."""
    def upgrade(*words, connection="Upgrade", more=()):
        return absolute("/a", fields=[("Connection", connection),
                                      *(("Upgrade", x) for x in words), *more])
    rows = [
        ("websocket", upgrade("websocket", more=[
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Version", "13")]), 403, 0),
        ("capitals", upgrade("WebSocket", connection="keep-alive, UPGRADE"),
         403, 0),
        ("two", upgrade("h2c", "websocket"), 403, 0),
        ("a list", upgrade("h2c, websocket"), 403, 0),
        ("another", upgrade("tcp"), 403, 0),
        ("TLS", upgrade("TLS/1.0"), 403, 0),
        ("h2c", upgrade("h2c", connection="Upgrade, HTTP2-Settings",
                        more=[("HTTP2-Settings", "AAMAAABk")]), 200, 1),
        ("not said in Connection", absolute("/a", fields=[
            ("Upgrade", "websocket")]), 200, 1),
    ]
    up, answers = table(w, rows)
    for row, answer in zip(rows, answers):
        if row[2] == 403:
            holds(answer.raw.decode(), '"code":"service"',
                  "WebSocket not yet")
    for r in up.requests:
        equal([k for k, _ in r.fields if "upgrade" in k or "http2" in k], [])


@test
def a_service_changes_no_protocol(w):
    """101 is an answer to a question that was not asked."""
    with Raw(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
             b"Upgrade: websocket\r\n\r\n\x81\x05hello") as up:
        got, _ = ask(w, up.port, [case(absolute("/a"))])
        equal(got[0].status, 502)
        check(b"hello" not in got[0].raw, got[0])


@test
def px_12_a_loop_ends(w):
    """The upstream sends what it got once more, through the same proxy."""
    with Web() as up:
        p = policy(w, {"web": web(up.port, *ANY)})
        first, _ = driver.run(w, p, [case(absolute("/a"))])
        equal(first[0].status, 200)
        via = up.requests[0].get("via")
        answers, _ = driver.run(w, p, [case(absolute("/a", fields=[
            ("Via", "1.1 other, " + via)]))])
        # another process, another name: a chain is no loop
        equal(answers[0].status, 200, answers[0])
        loop = ("import socket,re\n"
                "def ask(via):\n"
                " s=socket.create_connection(('127.0.0.1',3128))\n"
                " s.sendall(('GET http://web.internal/v HTTP/1.1\\r\\n'"
                "'Host: web.internal\\r\\n'+via+'Connection: close\\r\\n\\r\\n'"
                ").encode())\n"
                " return s.makefile('rb').read().decode()\n"
                "v=re.search('warder-[0-9a-f]+',ask(''))[0]\n"
                "print(ask('Via: 1.1 '+v+'\\r\\n').split()[1])\n")
        up.answer = lambda r: response(r.get("via").encode())
        w.exec(["python3", "-c", loop], "--policy", p).expect(0, "508\n")


@test
def px_13_redirects_are_not_followed(w):
    def answer(_):
        return response(b"", "302 Found", Location="http://10.0.0.1/x",
                        Alt_Svc='h3=":443"', Refresh="0; url=http://x/",
                        Set_Cookie="a=b; Domain=.internal")
    with Web(answer) as up:
        answers, _ = ask(w, up.port, [case(absolute("/a") * 2)])
        equal(answers[0].statuses(), [302, 302])
        holds(answers[0].raw.decode(), "Location: http://10.0.0.1/x",
              "Refresh:", "Set-Cookie:")
        check(b"alt-svc" not in answers[0].raw.lower(), answers[0])
        equal(up.targets(), ["GET /a"] * 2)
        check(all(r.get("cookie") is None for r in up.requests), "a cookie")


# Raw responses, and what the client may see of each: the status, and whether
# it must be cut off.
RESPONSES = [
    ("plain", [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"], 200, False),
    ("until the end", [b"HTTP/1.1 200 OK\r\n\r\nab"], 200, False),
    ("HTTP/1.0", [b"HTTP/1.0 200 OK\r\n\r\nab"], 200, False),
    ("chunks", [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"2\r\nab\r\n0\r\n\r\n"], 200, False),
    ("both lengths", [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
                      b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"], 502,
     False),
    ("two lengths", [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
                     b"Content-Length: 3\r\n\r\nabc"], 502, False),
    ("HTTP/0.9", [b"hello there, this is a body without a head\r\n"], 502,
     False),
    ("no answer", [], 502, False),
    ("a head cut off", [b"HTTP/1.1 200 OK\r\nContent-"], 502, False),
    ("folding", [b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0"
                 b"\r\n\r\n"], 502, False),
    ("bare LF", [b"HTTP/1.1 200 OK\nContent-Length: 0\n\n"], 502, False),
    ("CR in a value", [b"HTTP/1.1 200 OK\r\nA: b\rX: c\r\n"
                       b"Content-Length: 0\r\n\r\n"], 502, False),
    ("NUL", [b"HTTP/1.1 200 OK\r\nA: b\0c\r\nContent-Length: 0\r\n\r\n"], 502,
     False),
    ("1 MB of head", [b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 170000 +
                      b"\r\n"], 502, False),
    ("10,000 informational", [b"HTTP/1.1 103 Early\r\n\r\n" * 10000 +
                              b"HTTP/1.1 200 OK\r\n\r\n"], 502, False),
    ("a few informational", [b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n"
                             b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
                             b"ab"], 200, False),
    ("101", [b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n"
             b"Connection: Upgrade\r\n\r\n"], 502, False),
    ("a bad chunk", [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                     b"2\r\nab\r\nzz\r\n"], 200, True),
    ("chunks cut off", [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                        b"\r\n5\r\nab"], 200, True),
    ("a length cut off", [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"],
     200, True),
]


@test
def px_16_responses(w):
    """Each from a server of its own: a service a row, all in one jail."""
    ups = [Raw(*pieces) for _, pieces, _, _ in RESPONSES]
    services = {f"s{i}": web(up.port, *ANY, to=f"s{i}.internal:80")
                for i, up in enumerate(ups)}
    cases = [case(request(f"http://s{i}.internal/", f"s{i}.internal"),
                  seconds=10) for i in range(len(ups))]
    cases.append(cases[0])  # it serves others still
    answers, _ = driver.run(w, policy(w, services), cases, seconds=120)
    for (name, _, status, cut), answer in zip(RESPONSES, answers):
        if cut and answer.end == "reset":
            check(answer.status in (None, 200), f"{name}: {answer}")
            continue
        equal(answer.status, status, f"{name}: {answer}")
        whole = answer.raw.endswith(b"0\r\n\r\n") or \
            b"Content-Length: 2\r\n" in answer.raw
        if status == 200:
            equal(whole, not cut, f"{name}: {answer}")
        check(b"Link" not in answer.raw, f"{name}: {answer}")
    equal(answers[-1].status, 200, answers[-1])
    for up in ups:
        up.close()


@test
def px_16_an_endless_body_is_not_kept(w):
    """Memory stays bounded while the client does not read."""
    piece = b"x" * 65536

    class Endless(Raw):
        sent = 0

        def serve(self, connection):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                connection.sendall(piece)
                self.sent += len(piece)

    with Endless() as up:
        script = ("import socket,time\n"
                  "s=socket.create_connection(('127.0.0.1',3128))\n"
                  "s.sendall(b'GET http://web.internal/ HTTP/1.1\\r\\n"
                  "Host: web.internal\\r\\n\\r\\n')\n"
                  "s.recv(10); time.sleep(2)\n")
        w.exec(["python3", "-c", script], "--policy",
               policy(w, {"web": web(up.port, *ANY)})).expect(0)
        check(0 < up.sent < 32 << 20, f"{up.sent} bytes were taken")


@test
def early_responses_and_continue(w):
    def answer(r):
        return response(b"too large", "413 Content Too Large")
    with Raw(answer(None)) as up:
        head = absolute("/p", "POST", fields=[("Content-Length", "9000000")])
        answers, _ = ask(w, up.port, [case([head, b"x" * 100000])])
        equal(answers[0].status, 413, answers[0])
        holds(answers[0].raw.decode(), "Connection: close", "too large")
    with Web() as up:
        head = absolute("/p", "POST", fields=[
            ("Content-Length", "3"), ("Expect", "100-continue")])
        refused = absolute("/no", "POST", fields=[
            ("Content-Length", "3"), ("Expect", "100-continue")])
        answers, _ = ask(w, up.port, [case([head, b"abc"], pause=0.5),
                                      case(refused)],
                         "{methods: [POST], path: /p}")
        equal(answers[0].statuses(), [100, 200], answers[0])
        equal(answers[1].statuses(), [403], answers[1])
        equal((up.targets(), up.requests[0].body), (["POST /p"], b"abc"))
        equal(up.requests[0].get("expect"), None)


@test
def connections_to_the_service_are_kept(w):
    """Whatever ends a response, the next request finds its beginning."""
    answers = {
        "/length": response(b"ab"),
        "/chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                   b"1\r\na\r\n1;x=y\r\nb\r\n0\r\n\r\n",
        "/trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                     b"2\r\nab\r\n0\r\nX-Sum: 1\r\n\r\n",
        "/none": b"HTTP/1.1 204 No Content\r\n\r\n",
        "/same": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n",
        "/early": b"HTTP/1.1 103 Early Hints\r\n\r\n" + response(b"ab"),
    }
    with Web(lambda r: answers[r.target]) as up:
        order = ["/length", *answers, *answers]
        got, _ = ask(w, up.port, [case(b"".join(map(absolute, order)))])
        equal(got[0].statuses(), [{"/none": 204, "/same": 304}.get(x, 200)
                                  for x in order])
        equal(got[0].raw.count(b"ab") + got[0].raw.count(b"a\r\n1\r\nb"), 9,
              got[0])
        equal((up.connections, up.targets()),
              (1, [f"GET {x}" for x in order]))
        check(b"X-Sum" not in got[0].raw, "a trailer")


CHUNKED = ("Transfer-Encoding", "chunked")
WANTS = [("TE", "trailers"), ("Connection", "TE")]


@test
def trailers_of_a_request(w):
    """Passed on behind the body; not what belongs into a head, or is about
    who asks, or what Connection and the like could smuggle."""
    def post(trailers, *fields):
        return absolute("/p", "POST", fields=[CHUNKED, *fields],
                        body=b"3\r\nabc\r\n0\r\n" + trailers + b"\r\n")
    never = ["Authorization: x", "Cookie: x", "Host: x.internal",
             "X-Forwarded-Prefix: /x", "X-Original-URL: /x", "Via: x",
             "X-HTTP-Method-Override: PUT", "Connection: x", "Trailer: x"]
    with Web() as up:
        got, _ = ask(w, up.port, [
            case(post(b"X-Sum: 7\r\nx-empty:\r\nX-Sum: 8\r\n",
                      ("Trailer", "x-sum, Authorization"))),
            case(post("".join(x + "\r\n" for x in [*never, "X-Sum: 9"])
                      .encode())),
            case(post(b"")),
            case(absolute("/p", "POST", fields=[
                ("Content-Length", "3"), ("Trailer", "X-Sum")],
                body=b"abc")),
            case(post(b"X-Sum: 1\r\n") + absolute("/next")),
            case(post(b"".join(b"X-%d: 1\r\n" % i for i in range(33)))),
            case(post(b"X-Long: " + b"x" * 8192 + b"\r\n")),
            case(post(b"Content-Length: 3\r\n")),
            case(post(b"X: a\r\n\tb\r\n")),
        ])
        equal([a.status for a in got], [200] * 5 + [400] * 4, repr(got))
        equal(got[4].statuses(), [200, 200])
        equal([r.trailers for r in up.requests],
              [["X-Sum: 7", "x-empty: ", "X-Sum: 8"], ["X-Sum: 9"], [], [],
               ["X-Sum: 1"], []])
        equal([r.get("trailer") for r in up.requests],
              ["x-sum", None, None, None, None, None])
        equal([r.body for r in up.requests], [b"abc"] * 5 + [b""])
        equal({r.get("te") for r in up.requests}, {None})


@test
def trailers_of_a_response(w):
    """For a client that says that it takes them, and says so rightly."""
    def answer(r):
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" \
            b"Trailer: X-Sum, Set-Cookie\r\n\r\n2\r\nab\r\n0\r\n"
        return head + {
            "/many": b"".join(b"X-%d: 1\r\n" % i for i in range(33)),
            "/framing": b"Content-Length: 3\r\n",
        }.get(r.target, b"X-Sum: 7\r\nSet-Cookie: a=b\r\nAlt-Svc: x\r\n"
              b"Age: 3\r\n") + b"\r\n"
    with Web(answer) as up:
        got, _ = ask(w, up.port, [
            case(absolute("/a", fields=WANTS)),
            case(absolute("/a")),
            case(absolute("/a", fields=WANTS[:1])),
            case(absolute("/a", fields=WANTS, version="1.0")),
            case(absolute("/many", fields=WANTS)),
            case(absolute("/framing", fields=WANTS)),
            case(absolute("/a", fields=WANTS) + absolute("/b", fields=WANTS)),
        ])
        head, _, body = got[0].raw.partition(b"\r\n\r\n")
        check(b"\r\nTrailer: X-Sum\r\n" in head + b"\r\n", head)
        equal(body, b"2\r\nab\r\n0\r\nX-Sum: 7\r\n\r\n")
        for one in got[1:4]:
            check(b"X-Sum" not in one.raw and one.status == 200, one)
        for one in got[4:6]:
            check(not one.raw.endswith(b"0\r\n\r\n"), one)
        equal(got[6].raw.count(b"X-Sum: 7\r\n\r\n"), 2)
        equal([r.get("te") for r in up.requests],
              ["trailers", None, None, None] + ["trailers"] * 4)
        equal(up.requests[0].get("connection"), "TE")


@test
def a_service_that_hangs_up_between_requests(w):
    """Its kept connection is gone: the next request takes another."""
    def answer(r):
        return response(b"ab", Connection="close")
    with Web(answer) as up:
        got, _ = ask(w, up.port, [case([absolute("/1"), absolute("/2")],
                                       pause=0.3)])
        equal(got[0].statuses(), [200, 200], got[0])
        equal(up.connections, 2)


@test
def a_body_over_the_limit(w):
    with Web() as up:
        p = policy(w, {"web": [*web(up.port, *ANY), "body: {max: 64KiB}"]})
        big = b"%x\r\n" % 70000 + b"x" * 70000 + b"\r\n0\r\n\r\n"
        answers, _ = driver.run(w, p, [
            case(absolute("/p", "POST", fields=[("Content-Length", "65537")],
                          body=b"x" * 65537)),
            case(absolute("/p", "POST", fields=[
                ("Transfer-Encoding", "chunked")], body=big)),
            case(absolute("/p", "POST", fields=[("Content-Length", "65536")],
                          body=b"x" * 65536))])
        equal([a.status for a in answers], [413, 413, 200])
        equal([len(r.body) for r in up.requests], [65536])


@test
def old_clients(w):
    with Web() as up:
        answers, _ = ask(w, up.port, [
            case(absolute("/a", version="1.0")),
            case(absolute("/a", host=None, version="1.0"))])
        equal([(a.status, a.end) for a in answers],
              [(200, "eof"), (400, "eof")])


@test
def slow_heads_and_silence(w):
    """A client that stops in the middle holds nothing that others need."""
    with Web() as up:
        stuck = [case([absolute("/a")[:30]], seconds=1, half=False) for _ in range(3)]
        answers, _ = ask(w, up.port, [*stuck, case(absolute("/a"))])
        equal([a.end for a in answers[:3]], ["silence"] * 3)
        equal(answers[3].status, 200)


if __name__ == "__main__":
    sys.exit(main())
