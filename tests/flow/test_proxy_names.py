#!/usr/bin/env python3
"""Names of the world: what they resolve to decides whether they are dialed.

Battery rows NE-05, NE-07, DN-04, DN-05.  As root, because the name server has
port 53 and the system's resolv.conf is covered by one that names it.
"""

import base64
import json
import os
import socket
import subprocess
import sys
import time

import driver
from driver import case, policy, request
from flow import check, equal, holds, main, test
from nameserver import A, AAAA, CNAME, NameServer
from upstream import Echo, Web

SPECIAL = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200",
    "127.0.0.1", "127.9.9.9", "169.254.1.1", "169.254.169.254", "172.16.0.1",
    "192.0.0.1", "192.0.0.192", "192.168.1.1", "198.18.0.1", "224.0.0.1",
    "240.0.0.1", "255.255.255.255", "168.63.129.16", "::", "::1", "fe80::1",
    "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "::ffff:127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::", "2002:a00:1::1",
    "::127.0.0.1",
]
# No policy opens these, whatever only_addresses says.
BLOCKED = ["0.0.0.0", "100.100.100.200", "169.254.1.1", "169.254.169.254",
           "168.63.129.16", "192.0.0.192", "198.18.0.1", "224.0.0.1",
           "240.0.0.1", "255.255.255.255", "::", "fe80::1", "fd00:ec2::254",
           "ff02::1"]


def record(text):
    return (AAAA if ":" in text else A, text)


def run(w, server, path, cases, seconds=60):
    argv = server.under(w, [w.program, "exec", "-i", "--policy", path, "--",
                            "python3", "-c", driver.SCRIPT])
    r = w.popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE).finish(seconds,
                                               json.dumps(cases).encode())
    check(r.status == 0, f"{r.status} {r.said[-1500:]}")
    return [driver.Answer(base64.b64decode(a["raw"]), a["end"])
            for a in json.loads(r.text)], r


def http(host, port):
    return case(request(f"http://{host}:{port}/", f"{host}:{port}"),
                seconds=25)


def services(port, names, *more):
    return {n.split(".")[0]: [f"to: {n}:{port}", "tls: none",
                              "allow: [{path: /**}]", *more] for n in names}


def codes(answers):
    return [json.loads(a.raw.split(b"\r\n\r\n", 1)[1])["code"]
            if a.status != 200 else "ok" for a in answers]


@test(modes=["root"])
def ne_05_special_addresses(w):
    names = [f"n{i}.internal" for i in range(len(SPECIAL))]
    table = {n: [record(a)] for n, a in zip(names, SPECIAL)}
    with Web() as up, NameServer(table) as server:
        path = policy(w, services(up.port, names))
        answers, r = run(w, server, path, [http(n, up.port) for n in names])
        for address, answer, code in zip(SPECIAL, answers, codes(answers)):
            equal((answer.status, code), (403, "address_class"),
                  f"{address}: {answer}")
        equal(up.connections, 0)
        holds(r.said, "address=169.254.169.254 class=blocked",
              "address=127.0.0.1 class=host")


@test(modes=["root"])
def ne_05_what_a_policy_opens(w):
    """only_addresses opens host and private ranges, and never the others."""
    names = ["open.internal", "shut.internal"]
    names += [f"n{i}.internal" for i in range(len(BLOCKED))]
    table = {n: [record(a)] for n, a in
             zip(names, ["127.0.0.1", "127.0.0.2", *BLOCKED])}
    with Web() as up, NameServer(table) as server:
        some = services(up.port, names[:2], "only_addresses: [127.0.0.1/32]")
        some.update(services(
            up.port, names[2:], "only_addresses: [0.0.0.0/0, '::/0']"))
        path = policy(w, some)
        answers, _ = run(w, server, path, [http(n, up.port) for n in names])
        equal(codes(answers)[:2], ["ok", "address"], answers[:2])
        for address, answer in zip(BLOCKED, answers[2:]):
            equal(answer.status, 403, f"{address}: {answer}")
        equal(up.targets(), ["GET /"])


@test(modes=["root"])
def ne_07_each_address_alone(w):
    table = {
        "mixed.internal": [(A, "10.0.0.1"), (A, "127.0.0.1"),
                           (AAAA, "fd00::1")],
        "six.internal": [(AAAA, "::1")],
        "alias.internal": [(CNAME, "mixed.internal")],
    }
    names = list(table)
    with Web() as up, NameServer(table) as server:
        path = policy(w, services(up.port, names,
                                  "only_addresses: [127.0.0.1/32]"))
        answers, _ = run(w, server, path, [http(n, up.port) for n in names])
        equal(codes(answers), ["ok", "address", "unavailable"])
        equal(up.targets(), ["GET /"])


@test(modes=["root"])
def dn_04_rebinding(w):
    """First a good address, then a bad one: each request asks once, and what
    was judged is what is dialed."""
    answers = {A: iter(["127.0.0.1", "169.254.169.254", "127.0.0.1"] * 9)}

    def table(name, kind):
        return [(A, next(answers[A]))] if kind == A else []

    with Web() as up, NameServer(table) as server:
        path = policy(w, services(up.port, ["re.internal"],
                                  "only_addresses: [127.0.0.1/32]"))
        # requests of one kept connection, then of others
        one = request(f"http://re.internal:{up.port}/",
                      f"re.internal:{up.port}")
        got, _ = run(w, server, path, [case(one), case(one), case(one)])
        equal([a.status for a in got], [200, 403, 200], got)
        equal([n for n, k in server.asked if k == A], ["re.internal"] * 3)
        equal(len(up.requests), 2)


@test(modes=["root"])
def dn_05_malformed_answers(w):
    def table(name, kind):
        return {
            "loop": b"\x81\x80\0\1\0\1\0\0\0\0\xc0\x0c\0\1\0\1\xc0\x0c\0\1"
                    b"\0\1\0\0\0\0\0\4\x7f\0\0\1",
            "short": b"\x81\x80\0\1",
            "junk": b"\xff" * 600,
            "other": b"\x81\x80\0\1\0\1\0\0\0\0\5other\0\0\1\0\1\xc0\x0c\0\1"
                     b"\0\1\0\0\0\0\0\4\x7f\0\0\1",
            "family": b"\x81\x80\0\1\0\1\0\0\0\0\6family\x08internal\0\0"
                      + bytes([kind]) + b"\0\1\xc0\x0c\0" + bytes([kind])
                      + b"\0\1\0\0\0\0\0\3\x7f\0\0",
            "silent": "silence",
            "none": None,
            "empty": [],
            "good": [(A, "127.0.0.1")],
        }[name.split(".")[0]]
    names = [f"{n}.internal" for n in ("loop", "short", "junk", "other",
                                       "family", "silent", "none", "empty",
                                       "good")]
    with Web() as up, NameServer(table) as server:
        path = policy(w, services(up.port, names,
                                  "only_addresses: [127.0.0.1/32]"))
        answers, _ = run(w, server, path, [http(n, up.port) for n in names],
                         seconds=120)
        equal(codes(answers), ["unavailable"] * 8 + ["ok"], answers)
        equal(up.connections, 1)


@test(modes=["root"])
def the_search_list_is_not_used(w):
    with Web() as up, NameServer({}) as server:
        path = policy(w, services(up.port, ["a.internal", "short.test"]))
        run(w, server, path, [http("a.internal", up.port),
                              http("short.test", up.port)])
        equal(sorted({n for n, _ in server.asked}),
              ["a.internal", "short.test"])


# Opens a connection for each name and asks; "left" of them are closed at once.
BURST = """
import json, socket, sys
names, left, port = json.loads(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
def ask(name):
    s = socket.create_connection(("127.0.0.1", 3128)); s.settimeout(25)
    s.sendall(f"GET http://{name}:{port}/ok/a HTTP/1.1\\r\\nHost: {name}:{port}"
              "\\r\\nConnection: close\\r\\n\\r\\n".encode())
    return s
all = [ask(n) for n in names[:left]]
import time; time.sleep(0.3)
for s in all: s.close()
time.sleep(0.1)
all = [ask(n) for n in names[left:]]
def answer(s):
    d = b""
    while True:
        p = s.recv(65536)
        if not p: break
        d += p
    if b" 200 " in d[:14]: return "ok"
    return d[9:12].decode() + " " + json.loads(d.split(b"\\r\\n\\r\\n")[1])["code"]
print(json.dumps([answer(s) for s in all]))
"""
RESOLVES = 64  # PROXY_RESOLVES_MAX


def burst(w, server, path, port, names, left=0):
    argv = server.under(w, [w.program, "exec", "--policy", path, "--",
                            "python3", "-c", BURST, json.dumps(names),
                            str(left), str(port)])
    r = w.popen(argv, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE).finish(60)
    check(r.status == 0, f"{r.status} {r.said[-1500:]}")
    return json.loads(r.text)


@test(modes=["root"])
def a_burst_waits_for_one_lookup(w):
    """Many connections at once to one name: it is asked for once."""
    def table(_name, kind):
        time.sleep(0.5)
        return [(A, "127.0.0.1")] if kind == A else []

    with Web() as up, NameServer(table) as server:
        path = policy(w, services(up.port, ["one.internal"],
                                  "only_addresses: [127.0.0.1/32]"))
        n = 3 * RESOLVES
        equal(burst(w, server, path, up.port, ["one.internal"] * n),
              ["ok"] * n)
        check(len(server.asked) <= 4, server.asked)


@test(modes=["root"])
def names_looked_up_at_a_time(w):
    """The bound counts names, and those whose clients have left too."""
    def table(name, kind):
        if name.startswith("silent"):
            return "silence"
        return [(A, "127.0.0.1")] if kind == A else []

    names = [f"silent{i}.many.internal" for i in range(RESOLVES)]
    more = ["good.many.internal", names[-1]]
    with Web() as up, NameServer(table) as server:
        path = policy(w, {"many": [f'to: "*.many.internal:{up.port}"',
                                   "tls: none", "allow: [{path: /**}]",
                                   "only_addresses: [127.0.0.1/32]"]})
        equal(burst(w, server, path, up.port, names + more, RESOLVES),
              ["503 limit", "502 unavailable"])
        # the control: one less
        equal(burst(w, server, path, up.port, names[1:] + more, RESOLVES - 1),
              ["ok", "502 unavailable"])


@test(modes=["root"])
def addresses_that_do_not_answer(w):
    """Many of them, each with a time of its own, and a time for all."""
    addresses = [f"127.{os.getpid() % 200 + 20}.7.{i + 1}" for i in range(6)]
    full = []
    port = None
    for a in addresses:
        # a listener whose queue is full drops what comes
        s = socket.socket()
        s.bind((a, port or 0))
        port = s.getsockname()[1]
        s.listen(0)
        full.append(s)
        for _ in range(3):
            c = socket.socket()
            c.setblocking(False)
            c.connect_ex((a, port))
            full.append(c)
    with NameServer({"none.internal": [(A, a) for a in addresses]}) as server:
        path = policy(w, {"none": [f"to: none.internal:{port}",
                                   "protocol: tcp", "allow: any",
                                   "only_addresses: [127.0.0.0/8]"]})
        to = f"none.internal:{port}"
        ask = f"CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n".encode()
        began = time.monotonic()
        answers, _ = run(w, server, path, [case(ask, seconds=40)])
        took = time.monotonic() - began
        holds(answers[0].raw.decode(), "504 ", "in time")
        check(29 < took < 36, took)
    for s in full:
        s.close()


ASK_BY_TCP = """
import socket, struct, sys
def ask(name, address, twice=False):
    q = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + b"".join(
        bytes([len(x)]) + x.encode() for x in name.split(".")) + b"\\0" + \\
        struct.pack(">2H", 1, 1)
    with socket.create_connection((address, 53), 10) as s:
        f = s.makefile("rb")
        for _ in range(2 if twice else 1):
            s.sendall(struct.pack(">H", len(q)) + q)
            a = f.read(struct.unpack(">H", f.read(2))[0])
    return f"{a[3] & 15}:{struct.unpack('>H', a[6:8])[0]}"
print(ask("web.internal", "127.0.0.1"), ask("web.internal", "8.8.8.8", True),
      ask("web.internal", "2001:db8::8"), ask("evil.test", "8.8.8.8"),
      ask("web.internal", "169.254.169.254"))
with socket.create_connection(("203.0.113.9", 53), 10) as s:
    s.sendall(b"hello")
    s.shutdown(socket.SHUT_WR)
    print(s.makefile("rb").read().decode())
"""


@test
def questions_by_tcp_to_any_address(w):
    """As by UDP; but a service that the policy has at port 53 is one."""
    with Web() as up, Echo() as echo:
        p = policy(w, {"web": driver.web(up.port, "{path: /**}"),
                       "zone": driver.tcp(echo.port, "203.0.113.9:53")})
        r = w.exec(["python3", "-c", ASK_BY_TCP], "--policy", p).expect(0)
        equal(r.text, "0:1 0:1 0:1 3:0 0:1\nHELLOend\n")
        equal((up.connections, echo.received), (0, b"hello"))


@test(modes=["root"])
def no_query_of_the_jail_leaves(w):
    """Row DN-01: what is asked inside is answered inside."""
    with Web() as up, NameServer({}) as server:
        path = policy(w, services(up.port, ["a.internal"]))
        script = ("import socket\n"
                  "for n in ('canary.example.com', 'a.internal',"
                  " 'canary.a.internal', 'x'):\n"
                  "  try: socket.getaddrinfo(n, 80)\n"
                  "  except OSError as e: print(n, e.errno)\n")
        argv = server.under(w, [w.program, "exec", "--policy", path, "--",
                                "python3", "-c", script])
        r = w.popen(argv, stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE).finish()
        equal((r.status, r.text.count("\n")), (0, 3), r.said)
        equal(server.asked, [])


if __name__ == "__main__":
    sys.exit(main())
