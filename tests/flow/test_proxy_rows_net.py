#!/usr/bin/env python3
"""What an attacker in a jail can reach without asking: NE, DN, PX-15, AL-02.

The witnesses are canaries on the host's loopback and on its own address, and
a name server in the place of the system's.  Each canary is reached from
outside in the same test, so that silence means something.
"""

import contextlib
import json
import os
import re
import secrets
import socket
import struct
import subprocess
import sys
import threading
import time

from attack import (AGENT, EXPLICIT, ONCE, Attacker, Outcome, Way, Witness,
                    connect, get, memory_of, plain, service, settled,
                    write_policy)
from flow import (check, descendants, equal, holds, main, name_of, test,
                  wait_until)
from nameserver import NameServer
from upstream import Authority


def own_address():
    """An address of this host that is not loopback, or None."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with s, contextlib.suppress(OSError):
        s.connect(("192.0.2.1", 9))
        return s.getsockname()[0]
    return None


class Canary:
    """TCP on every address of the host; nobody may come."""

    def __init__(self):
        self.sockets = [socket.create_server(("", 0))]
        self.port = self.sockets[0].getsockname()[1]
        with contextlib.suppress(OSError):
            self.sockets.append(socket.create_server(
                ("::", self.port), family=socket.AF_INET6,
                dualstack_ipv6=False))
        self.came = []
        self.threads = [threading.Thread(target=self.accept, args=(s,),
                                         daemon=True) for s in self.sockets]
        for thread in self.threads:
            thread.start()

    def accept(self, s):
        with contextlib.suppress(OSError):
            while True:
                connection, peer = s.accept()
                self.came.append(peer[0])
                with contextlib.suppress(OSError):
                    connection.sendall(b"HTTP/1.1 200 OK\r\n"
                                       b"Content-Length: 6\r\n\r\ncanary")
                connection.close()

    def control(self, *hosts):
        for host in hosts:
            before = len(self.came)
            socket.create_connection((host, self.port), 5).close()
            wait_until(lambda n=before: len(self.came) > n, 5, "a canary")
        self.came.clear()

    def close(self):
        for s, thread in zip(self.sockets, self.threads):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            s.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def anything(port):
    """A policy that has services, so that there is a proxy to fool."""
    return {"web": service("web.internal:80", port)}


# ---- NE-02: programs that ask nobody ----------------------------------------

@test
def programs_that_know_no_proxy(w):
    """NE-02: without the variables it is the same policy, or no way."""
    own = own_address()
    with Witness() as up, Canary() as canary:
        canary.control("127.0.0.1", *([own] if own else []))
        places = ["127.0.0.1", "localhost", "0.0.0.0", "[::1]",
                  own or "127.0.0.2"]
        unset = "unset http_proxy https_proxy all_proxy HTTP_PROXY " \
            "HTTPS_PROXY ALL_PROXY; export NO_PROXY='*' no_proxy='*'; "
        script = unset + "for h in " + " ".join(
            f"'{x}'" for x in places) + f"; do p={canary.port}; " + """
            echo "curl $h $(curl -s -m 3 --noproxy '*' http://$h:$p/ | \
                head -c 6)"
            echo "wget $h $(wget -q -T 3 -t 1 --no-proxy -O - \
                http://$h:$p/ 2>&1 | head -c 6)"
            echo "tcp $h $(bash -c "exec 3<>/dev/tcp/${h#[}/$p && \
                head -c 6 <&3" 2>/dev/null)"
            done
            echo "allowed $(curl -s -m 5 --noproxy '*' \
                http://web.internal/ok/direct)"
            echo "refused $(curl -s -m 5 --noproxy '*' -o /dev/null \
                -w '%{http_code}' http://web.internal/no)"
            echo "raw $(bash -c 'exec 3<>/dev/tcp/web.internal/80; printf \
                "GET /ok/raw HTTP/1.1\\r\\nHost: web.internal\\r\\n\\r\\n" \
                >&3; head -n 1 <&3')"
            echo "elsewhere $(curl -s -m 5 --noproxy '*' \
                http://93.184.215.14/ || echo no)"
            """
        r = w.exec(["bash", "-c", script], "--policy",
                   write_policy(w, anything(up.port))).expect(0)
        check("canary" not in r.text and "HTTP/1" not in r.text.split(
            "raw ")[0], r.text)
        holds(r.text, "allowed GET /ok/direct 0", "refused 403",
              "raw HTTP/1.1 200", "elsewhere no")
        equal(canary.came, [], "who came to the canary")
        equal(up.targets(), ["GET /ok/direct", "GET /ok/raw"])


# ---- NE-04: the host, in every spelling, through the proxy ------------------

SPELLINGS = [
    "127.0.0.1", "localhost", "localhost.", "LOCALHOST", "127.1", "127.0.1",
    "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001",
    "127.0.0.1.", "127.000.000.001", "0", "0.0.0.0", "0x0", "[::1]", "[::]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]",
    "[2002:7f00:0001::1]", "[2001:0:7f00:1::]", "[0:0:0:0:0:0:0:1]",
    "[::1%lo]", "[::1%251]", "[fe80::1%25lo]", "[::ffff:0:127.0.0.1]",
    "127.0.0.1%20", "127.0.0.1%00.web.internal", "web.internal@127.0.0.1",
    "web.internal:80@127.0.0.1", "127.0.0.1#web.internal",
    "127.0.0.1?web.internal", "127.0.0.1\\.web.internal",
    "\xe2\x91\xa0\xe2\x91\xa1\xe2\x91\xa6.0.0.1", "ip6-localhost",
    "localhost.localdomain", "127.0.0.2", "127.255.255.254",
    "169.254.169.254", "[fd00:ec2::254]", "100.100.100.200",
]


@test
def the_host_in_every_spelling(w):
    """NE-04: no spelling of an address is a way past the policy."""
    own = own_address()
    with Witness() as up, Canary() as canary:
        canary.control("127.0.0.1", *([own] if own else []))
        spellings = SPELLINGS + ([own, f"[::ffff:{own}]"] if own else [])
        policy = write_policy(w, anything(up.port))
        with Attacker(w, policy) as a:
            plays = []
            for host in spellings:
                place = f"{host}:{canary.port}".encode("latin-1")
                plays.append([EXPLICIT, (
                    "send", b"CONNECT " + place + b" HTTP/1.1\r\nHost: x"
                    b"\r\n\r\n"), ("response",)])
                plays.append([EXPLICIT, (
                    "send", b"GET http://" + place + b"/ok/a HTTP/1.1\r\n"
                    b"Host: " + place + b"\r\n\r\n"), ("response",)])
                plays.append([EXPLICIT, (
                    "send", b"GET http://web.internal/ok/a HTTP/1.1\r\n"
                    b"Host: " + place + b"\r\n\r\n"), ("response",)])
            outcomes = a.plays([[plain(s) for s in p] for p in plays])
            wrong = [f"{spellings[i // 3]} {r}"
                     for i, r in enumerate(outcomes)
                     if r.status not in (400, 403)]
            equal(wrong, [])
            r = a.play(EXPLICIT, (
                "send", b"GET http://web.internal/ok/control HTTP/1.1\r\n"
                b"Host: web.internal\r\n\r\n"), ("response",))
            equal(r.status, 200, "control")
        equal(canary.came, [], "who came to the canary")
        equal(up.targets(), ["GET /ok/control"])


@test(modes=ONCE)
def an_address_that_a_policy_names(w):
    """NE-04, NE-13: named is not opened; only_addresses opens, but not all."""
    own = own_address()
    with Canary() as canary:
        canary.control("127.0.0.1", *([own] if own else []))
        hosts = ["127.0.0.1", "[::1]", "127.0.0.2"] + ([own] if own else [])
        services = {f"s{i}": [f'to: "{h}:{canary.port}"', "tls: none",
                              "allow: any"] for i, h in enumerate(hosts)}
        services["t"] = [f'to: "127.0.0.3:{canary.port}"', "protocol: tcp",
                         "allow: any"]
        policy = write_policy(w, services)
        with Attacker(w, policy) as a:
            for host in hosts:
                place = f"{host}:{canary.port}"
                r = a.play(EXPLICIT, ("send", f"GET http://{place}/ HTTP/1.1"
                                      f"\r\nHost: {place}\r\n\r\n".encode()),
                           ("response",))
                equal((r.status, r.code), (403, "address_class"), f"{r}")
            r = a.play(EXPLICIT, ("send", f"CONNECT 127.0.0.3:{canary.port} "
                                  "HTTP/1.1\r\nHost: x\r\n\r\n".encode()),
                       ("response",))
            equal((r.status, r.code), (403, "address_class"), f"{r}")
        equal(canary.came, [])
        services["s0"].append("only_addresses: [127.0.0.1/32]")
        with Attacker(w, write_policy(w, services)) as a:
            place = f"127.0.0.1:{canary.port}"
            r = a.play(EXPLICIT, ("send", f"GET http://{place}/ HTTP/1.1"
                                  f"\r\nHost: {place}\r\n\r\n".encode()),
                       ("response",))
            equal(r.status, 200, f"control {r}")
        equal(len(canary.came), 1)


# ---- DN: a name is a message ------------------------------------------------

def question(name, kind, number=7, flags=0x100, klass=1):
    labels = name if isinstance(name, list) else name.encode().split(b".")
    return struct.pack("!HHHHHH", number, flags, 1, 0, 0, 0) + b"".join(
        bytes([len(x)]) + x for x in labels) + b"\0" + \
        struct.pack("!HH", kind, klass)


KINDS = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "NULL": 10, "PTR": 12,
         "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "HTTPS": 65, "AXFR": 252,
         "ANY": 255}
RCODE = {0: "ok", 1: "format", 2: "failure", 3: "no name", 4: "no such",
         5: "refused"}


def rcode(answer):
    return answer[3] & 15 if len(answer) >= 12 else None


@test(modes=("root",))
def nothing_leaves_in_a_name(w):
    """DN-01, DN-02: by UDP and TCP, to anybody, of every type."""
    canary = secrets.token_hex(12)
    names = [f"{canary}.evil.test", f"{canary}.web.internal",
             f"{canary}.wild.internal", f"a.{canary}.wild.internal",
             "web.internal", ".".join([canary * 2] * 4), f"{canary}",
             f"_{canary}._tcp.web.internal", f"{canary}.in-addr.arpa"]
    with Witness() as up, NameServer({"web.internal": [(1, "127.0.0.1")]}) \
            as server:
        policy = write_policy(w, {
            "web": [*service("web.internal:80", up.port)],
            "wild": service(["*.wild.internal:80"], up.port),
            "real": [f"to: web.internal:{up.port}", "tls: none",
                     "allow: [{path: /real}]",
                     "only_addresses: [127.0.0.1/32]"]})
        argv = server.under(w, [w.program, "exec", "-i", "--policy", policy,
                                "--", "python3", "-c", AGENT])
        process = w.popen(argv, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if process.line() != "ready\n":
            check(False, process.finish().said)

        def plays(*several):
            orders = [{"seconds": 1, "steps": [plain(s) for s in x]}
                      for x in several]
            process.popen.stdin.write(json.dumps(orders).encode() + b"\n")
            process.popen.stdin.flush()
            return [Outcome(x) for x in json.loads(process.line())]

        # the witness is there, and the proxy's resolver asks it
        r, = plays([EXPLICIT, ("send", f"GET http://web.internal:{up.port}"
                               "/real HTTP/1.1\r\nHost: web.internal:"
                               f"{up.port}\r\n\r\n".encode()),
                    ("response",)])
        equal(r.status, 200, f"control {r}")
        check(("web.internal", 1) in server.asked, "the control's question")
        server.asked.clear()
        for to in ("127.0.0.1", "::1", "8.8.8.8", server.address,
                   "2001:4860:4860::8888"):
            several = [[("udp", to, 53, question(n, k))]
                       for n in names for k in KINDS.values()]
            told = plays(*several)
            for (name, kind), r in zip(
                    [(n, k) for n in names for k in KINDS], told):
                code = rcode(r.last)
                good = name in ("web.internal", f"{canary}.wild.internal")
                if good and kind in ("A", "AAAA"):
                    equal(code, 0, f"{to} {name} {kind} {r}")
                    continue
                check(code is None or code in RCODE, f"{r}")
                if code == 0 and not good:
                    count = struct.unpack("!H", r.last[6:8])[0]
                    equal(count, 0, f"{to} {name} {kind} {r}")
        tcp = question(names[0], 16)
        odd = [question([b"\xff" * 63] * 3, 1), question([b"a\0b", b"c"], 1),
               question("web.internal", 1, flags=0), b"", b"\0" * 11,
               question("web.internal", 1)[:-3],
               question("web.internal", 1) + b"x" * 4000,
               question("web.internal", 1, klass=3),
               question("web.internal", 1, flags=0x2900),
               struct.pack("!HHHHHH", 1, 0x100, 1, 0, 0, 0) +
               b"\xc0\x0c\0\1\0\1",
               struct.pack("!HHHHHH", 1, 0x100, 65535, 65535, 0, 0)]
        several = [[("udp", "127.0.0.1", 53, x, 0.3)] for x in odd]
        several += [[("connect", to, 53),
                     ("send", struct.pack("!H", len(tcp)) + tcp),
                     ("sleep", 0.05)] for to in ("127.0.0.1", "8.8.8.8")]
        several += [[("connect", to, port), ("send", b"x" * 64), ("all",)]
                    for to in ("8.8.8.8", server.address, "1.1.1.1")
                    for port in (853, 443, 5353, 53)]
        several += [[("udp", to, port, question(names[0], 1), 0.2)]
                    for to, port in (("224.0.0.251", 5353),
                                     ("ff02::fb", 5353),
                                     ("224.0.0.252", 5355),
                                     ("255.255.255.255", 53),
                                     ("8.8.8.8", 5353), ("8.8.8.8", 443),
                                     (server.address, 5355))]
        plays(*several)
        r = plays([("udp", "127.0.0.1", 53, question("web.internal", 1))])
        equal(rcode(r[0].last), 0, "it answers no more")
        process.finish(20, b"")
        equal(server.asked, [], "asked outside")
    equal(up.targets(), ["GET /real"])


@test(modes=ONCE)
def names_by_another_road(w):
    """DN-02: DoH at an allowed host's other path is another path."""
    with Witness() as up:
        with Attacker(w, write_policy(w, anything(up.port))) as a:
            for way in (Way("explicit", "web.internal", EXPLICIT,
                            absolute=True),
                        Way("captured", "web.internal",
                            ("connect", "web.internal", 80))):
                for path in ("/dns-query?dns=AAABAAABAAAAAAAA",
                             "/resolve?name=canary.evil.test"):
                    r = a.play(*way.steps(get(), path))
                    equal((r.status, r.code), (403, "path"))
                r = a.play(*way.steps(
                    "POST {T} HTTP/1.1\r\nHost: {H}\r\nContent-Type: "
                    "application/dns-message\r\nContent-Length: 5\r\n\r\n"
                    "hello", "/dns-query"))
                equal((r.status, r.code), (403, "path"))
        equal((up.connections, up.received), (0, b""))


# ---- many and slow ----------------------------------------------------------

FLOOD = r"""
import resource, select, socket, sys, time
resource.setrlimit(resource.RLIMIT_NOFILE, (900, 900))
held = []
def open_one(kind, i):
    s = socket.socket()
    s.setblocking(False)
    try:
        s.connect(("10.9.8.7", 80) if kind == 2 else ("127.0.0.1", 3128))
    except BlockingIOError:
        pass
    held.append(s)
    return s
for i in range(int(sys.argv[1])):
    kind = i % 4
    s = open_one(kind, i)
    time.sleep(0.0005)
    try:
        if kind == 1:
            s.send(b"GET http://web.internal/ok/half HTTP/1.1\r\nHost: we")
        elif kind == 3:
            s.send(b"CONNECT sec.internal:443 HTTP/1.1\r\nHost: x\r\n\r\n"
                   b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc")
    except OSError:
        pass
print("up", len(held), flush=True)
sys.stdin.readline()
for s in held:
    s.close()
held.clear()
time.sleep(0.2)
s = socket.create_connection(("127.0.0.1", 3128), 10)
s.settimeout(10)
s.sendall(b"GET http://web.internal/ok/after HTTP/1.1\r\n"
          b"Host: web.internal\r\n\r\n")
print(s.recv(4096).split(b"\r\n")[0].decode(), flush=True)
sys.stdin.readline()
"""


@test
def six_hundred_connections(w):
    """One jail takes all it can get; another is served, and it is again."""
    ca = Authority(w.scratch("ca"))
    with Witness() as up, Witness(context=ca.context("sec.internal")) as sec:
        policy = write_policy(w, {
            "web": service(["web.internal:80", "10.9.8.7:80"], up.port),
            "sec": service("sec.internal:443", sec.port,
                           tls=f"{{ca: {ca.pem}}}")})
        flood = w.start(["python3", "-c", FLOOD, "600"], "-i", "--policy",
                        policy, "--limit", "open_files=1000",
                        stdin=subprocess.PIPE)
        equal(flood.line(), "up 600\n")
        proxy, = [x for x in descendants(flood.pid)
                  if name_of(x) == "warder-proxy"]
        with contextlib.suppress(PermissionError):
            check(len(os.listdir(f"/proc/{proxy}/fd")) < 400,
                  "more than its cap")
        check(memory_of(proxy) < 160 << 20, f"{memory_of(proxy)} bytes")
        begin = time.monotonic()
        with Attacker(w, policy) as a:
            r = a.play(EXPLICIT, ("send", b"GET http://web.internal/ok/other "
                                  b"HTTP/1.1\r\nHost: web.internal\r\n\r\n"),
                       ("response",))
            equal(r.status, 200)
        check(time.monotonic() - begin < 10, "the other jail waited")
        flood.popen.stdin.write(b"\n")
        flood.popen.stdin.flush()
        equal(flood.line(), "HTTP/1.1 200 OK\n")
        flood.finish(20, b"\n").expect(0)
        settled(up)
        check(not up.saw("/ok/half"), "half a request")


@test(modes=ONCE)
def one_byte_at_a_time(w):
    """Slow heads, slow greetings and half-open ends are waited for alone."""
    with Witness() as up:
        with Attacker(w, write_policy(w, anything(up.port))) as a:
            text = b"GET http://web.internal/ok/slow HTTP/1.1\r\n" \
                b"Host: web.internal\r\n\r\n"
            r = a.play(EXPLICIT, ("send", text, 1, 0.002), ("response",))
            equal(r.status, 200)
            r = a.play(EXPLICIT, ("send", text), ("shut",), ("response",))
            equal(r.status, 200, f"half-closed after the request: {r}")
            r = a.play(EXPLICIT, ("send", text[:-2]), ("shut",), ("all",))
            check(r.status in (400, "eof", "reset"), f"{r}")
            r = a.play(EXPLICIT, ("shut",), ("all",))
            equal((r.last, r.end), (b"", "eof"))
        settled(up)
        equal(len(up.heads), 2)


# ---- PX-15: the jail's authority --------------------------------------------

@test(modes=ONCE)
def the_authority_of_one_jail(w):
    """PX-15: its key is nowhere; another jail does not believe it."""
    ca = Authority(w.scratch("ca"))
    with Witness(context=ca.context("sec.internal")) as up:
        policy = write_policy(w, {"sec": service(
            "sec.internal:443", up.port, tls=f"{{ca: {ca.pem}}}")})
        way = [*connect("sec.internal", 443), ("tls", "sec.internal")]
        with Attacker(w, policy) as one, Attacker(w, policy) as two:
            a, b = one.play(*way), two.play(*way)
            check(a.end is None and b.end is None, f"control {a} {b}")
            leaves = [ca_of(x.said[-1], w) for x in (a, b)]
            check(leaves[0]["issuer"] != leaves[1]["issuer"], "one issuer")
            # a name that is no service's gets no leaf
            for name in ("evil.test", "127.0.0.1", "sec.internal.evil.test",
                         "internal", "x.sec.internal"):
                r = one.play(*connect("sec.internal", 443), ("tls", name))
                check(r.end is not None, f"a leaf for {name}")
        r = w.exec("grep -rlE 'PRIVATE KEY' /etc /tmp /run /home /dev "
                   "/workspace 2>/dev/null; echo done", "--policy", policy)
        equal(r.expect(0).text, "done\n")


def ca_of(leaf, w):
    path = w.file("leaf.der", leaf)
    text = subprocess.run(["openssl", "x509", "-inform", "DER", "-in", path,
                           "-noout", "-issuer", "-subject"], check=True,
                          capture_output=True, text=True).stdout
    return dict(x.split("=", 1) for x in text.splitlines())


# ---- AL-02: what is written of it -------------------------------------------

NASTY = ["a\x1b[31mred", "a\u202etxt.exe", "a\x07", "a\x9b31m", "\xff\xfe",
         "a' ev=allowed code=ok", 'a" ev=allowed', "a}\",\"kind\":\"evil",
         "a%0aev=allowed", "a\tb", "x" * 9000]


@test(modes=ONCE)
def what_an_attacker_says_stays_one_line(w):
    """AL-02: hosts, paths, fields and reasons of any bytes: escaped."""
    reply = b"HTTP/1.1 200 O\xe2\x80\xaeK \x9b31m\r\nContent-Length: 0\r\n" \
        b"\r\n"
    with Witness(lambda _: reply) as up:
        with Attacker(w, write_policy(w, anything(up.port))) as a:
            for text in NASTY:
                raw = text.encode("utf-8", "surrogateescape")
                for line in (
                        b"GET http://" + raw + b"/ HTTP/1.1\r\nHost: " +
                        raw + b"\r\n\r\n",
                        b"GET http://web.internal/" + raw +
                        b" HTTP/1.1\r\nHost: web.internal\r\n\r\n",
                        b"CONNECT " + raw + b":80 HTTP/1.1\r\nHost: x"
                        b"\r\n\r\n",
                        raw + b" http://web.internal/ HTTP/1.1\r\n"
                        b"Host: web.internal\r\n\r\n",
                        b"GET http://web.internal/ok/ua HTTP/1.1\r\n"
                        b"Host: web.internal\r\nUser-Agent: " + raw +
                        b"\r\n\r\n"):
                    a.play(EXPLICIT, ("send", line), ("head",), seconds=3)
            said = a.finish().err
    for line in said.splitlines():
        check(all(32 <= c < 127 for c in line), f"{line!r}")
        check(len(line) < 20000, f"{len(line)} bytes")
        if b"proc=" in line:
            keys = re.findall(rb'(?:^| )([a-z_]+)=(?:"(?:[^"\\]|\\.)*"|'
                              rb'[^ "]*)', line)
            equal(keys.count(b"ev"), 1, f"{line!r}")
    check(said.count(b"ev=") >= 5, "nothing was said at all")


@test(modes=ONCE)
def a_log_that_is_not_flooded(w):
    """AL-04: 3000 refusals: a bounded number of lines, an exact sum."""
    with Witness() as up:
        with Attacker(w, write_policy(w, anything(up.port))) as a:
            text = b"GET http://web.internal/no HTTP/1.1\r\n" \
                b"Host: web.internal\r\n\r\n"
            for _ in range(10):
                told = a.plays([[EXPLICIT, ("send", text), ("head",)]] * 300)
                equal({x.status for x in told}, {403})
            said = a.finish().said
        check(said.count("ev=refused") < 1500, f"{said.count('ev=')} lines")
        holds(said, "web: 0 allowed, 3000 refused")
        equal(up.connections, 0)


if __name__ == "__main__":
    sys.exit(main())
