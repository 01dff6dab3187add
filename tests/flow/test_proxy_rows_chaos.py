#!/usr/bin/env python3
"""A jail and a service that end everything at the worst moment, at once.

Clients of every way send any part of a request, read any part of the
response, and close in order or by a reset; the service does the same.  No
order of events ends the proxy, leaves a connection behind, or lets a secret
into the jail.  Most is found by the build with sanitizers.
"""

import os
import random
import secrets
import socket
import subprocess
import sys
import threading

from attack import (EXPLICIT, ONCE, Attacker, Way, Witness, get, head,
                    service, write_policy)
from flow import (check, descendants, equal, main, name_of, test, wait_until)
from upstream import Authority, response

SEED = int(os.environ.get("CHAOS_SEED") or secrets.randbelow(1 << 32))
CLIENTS, ROUNDS = 12, 40

MONKEY = r"""
import os, random, socket, ssl, struct, sys, threading, time
seed, clients, rounds = map(int, sys.argv[1:4])
token = os.environ["TOKEN"]
leaked = []
got = [0, 0]
def connect(rng):
    way = rng.randrange(5)
    if way == 0:
        s = socket.create_connection(("127.0.0.1", 3128), 5)
        return s, "http://web.internal"
    if way == 1:
        return socket.create_connection(("10.9.8.7", 80), 5), ""
    if way == 2:
        return socket.create_connection(("web.internal", 80), 5), ""
    host, s = "sec.internal", None
    if way == 3:
        s = socket.create_connection(("127.0.0.1", 3128), 5)
        s.sendall(b"CONNECT sec.internal:443 HTTP/1.1\r\nHost: x\r\n\r\n")
        if rng.randrange(8) == 0:
            return s, ""
        s.recv(4096)
    else:
        s = socket.create_connection((host, 443), 5)
    if rng.randrange(8) == 0:
        return s, ""
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    return c.wrap_socket(s, server_hostname=host), ""
def request(rng, base, host):
    kind = rng.randrange(6)
    path = base + "/ok/%d" % rng.randrange(1000)
    text = "%s %s HTTP/1.%d\r\nHost: %s\r\n" % (
        "POST" if kind > 2 else "GET", path, rng.randrange(8) > 0, host)
    text += "Authorization: Bearer " + token + "\r\n"
    body = "x" * rng.choice([0, 1, 100, 20000, 200000])
    if rng.randrange(5) == 0:
        text += "Expect: 100-continue\r\n"
    if kind == 3:
        text += "Content-Length: %d\r\n\r\n" % len(body) + body
    elif kind > 3:
        text += "Transfer-Encoding: chunked\r\n\r\n"
        size = rng.choice([1, 7, 1000, 70000])
        for i in range(0, min(len(body), size * 300), size):
            part = body[i:i + size]
            text += "%x\r\n%s\r\n" % (len(part), part)
        text += "0\r\n\r\n"
    else:
        text += "\r\n"
    return text.encode()
def one(rng):
    s, base = connect(rng)
    host = "sec.internal" if isinstance(s, ssl.SSLSocket) else \
        "10.9.8.7" if s.getpeername()[0] == "10.9.8.7" else "web.internal"
    s.settimeout(0.3)
    data = b"".join(request(rng, base, host)
                    for _ in range(rng.choice([1, 1, 2, 5])))
    if rng.randrange(3) == 0:
        data = data[:rng.randrange(len(data))]
    try:
        at = 0
        while at < len(data):
            n = rng.choice([1, 10, 1000, 100000])
            s.sendall(data[at:at + n])
            at += n
            if rng.randrange(200) == 0:
                time.sleep(0.01)
                break
        if rng.randrange(4) == 0:
            s.shutdown(socket.SHUT_WR)
        for _ in range(rng.randrange(6)):
            said = s.recv(rng.choice([1, 100, 65536]))
            got[0] += b" 200 " in said
            if b"canary" in said:
                leaked.append(said[:200])
            if not said:
                break
    except OSError:
        pass
    if rng.randrange(3) == 0:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                     struct.pack("ii", 1, 0))
    s.close()
def client(number):
    rng = random.Random(seed * 1000 + number)
    for _ in range(rounds):
        got[1] += 1
        try:
            one(rng)
        except (OSError, ValueError):
            pass
threads = [threading.Thread(target=client, args=(i,)) for i in range(clients)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print("leaked" if leaked else "clean", got[1], got[0], flush=True)
sys.stdin.readline()
s = socket.create_connection(("127.0.0.1", 3128), 10)
s.sendall(("GET http://web.internal/ok/control HTTP/1.1\r\nHost: web.internal"
           "\r\nAuthorization: Bearer " + token + "\r\n\r\n").encode())
print(s.recv(4096).split(b"\r\n")[0].decode())
"""


class Moody(Witness):
    """Answers by chance; to /ok/control always."""

    def __init__(self, **more):
        self.rng = random.Random(SEED)
        self.lock = threading.Lock()
        super().__init__(self.mood, **more)

    def mood(self, request):
        if request.target.endswith("/control"):
            return response(b"fine")
        with self.lock:
            kind = self.rng.randrange(10)
            cut = self.rng.randrange(1, 200)
        echo = request.raw
        whole = response(echo)
        chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + \
            b"".join(b"%x\r\n%b\r\n" % (len(echo[i:i + cut]),
                                        echo[i:i + cut])
                     for i in range(0, len(echo), cut)) + b"0\r\n\r\n"
        return [[whole], [whole], [chunks], [chunks[:cut], 0.02, chunks[cut:]],
                [whole[:cut], "reset"], [chunks[:-cut], "close"], ["reset"],
                ["close"], [whole, "close"],
                [b"HTTP/1.1 103 H\r\n\r\n" + whole[:40], 0.05, whole[40:]]
                ][kind]


@test(modes=ONCE)
def everything_ends_at_the_worst_moment(w):
    print(f"# CHAOS_SEED={SEED}")
    ca = Authority(w.scratch("ca"))
    canary = f"canary-{secrets.token_urlsafe(20)}"
    rule = "{methods: [GET, POST], path: /ok/**}"
    with Moody() as up, Moody(context=ca.context("sec.internal")) as sec:
        policy = write_policy(w, {
            "web": service(["web.internal:80", "10.9.8.7:80"], up.port, rule),
            "sec": service("sec.internal:443", sec.port, rule,
                           tls=f"{{ca: {ca.pem}}}")},
            {"t": ["source: {env: SECRET}",
                   "placeholder: {env: TOKEN, shape: opaque}",
                   "inject: [{service: web, as: bearer}, "
                   "{service: sec, as: bearer}]"]})
        monkey = w.start(["python3", "-c", MONKEY, str(SEED), str(CLIENTS),
                          str(ROUNDS)], "-i", "--policy", policy,
                         env=w.environment(SECRET=canary),
                         stdin=subprocess.PIPE)
        words = monkey.line().split()
        check(words[:2] == ["clean", str(CLIENTS * ROUNDS)],
              f"{words} {'' if words else monkey.finish().said[-3000:]}")
        check(int(words[2]) > CLIENTS * ROUNDS // 20, f"only {words[2]} read")
        proxy, = [x for x in descendants(monkey.pid)
                  if name_of(x) == "warder-proxy"]
        # what is over leaves nothing: clients have gone, pools are bounded
        wait_until(lambda: sockets_of(proxy) < 180, 15, "connections end")
        r = monkey.finish(20, b"\n").expect(0)
        equal(r.text, "HTTP/1.1 200 OK\n")
        check(canary not in r.said, "the log has it")
        for server in (up, sec):
            check(server.saw(canary), "the control: the secret arrived")
            for x in server.requests:
                equal(x.get("authorization"), f"Bearer {canary}")


def sockets_of(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


@test(modes=ONCE)
def a_service_that_goes_away(w):
    """Refused, then there, then gone: 502, 200, 502, and no bytes lost."""
    free = socket.create_server(("127.0.0.1", 0))
    port = free.getsockname()[1]
    free.close()
    way = Way("explicit", "web.internal", EXPLICIT, absolute=True)
    with Attacker(w, write_policy(w, {
            "web": service("web.internal:80", port)})) as a:
        for number in range(3):
            r = a.play(*way.steps(get(), "/ok/a"))
            equal((r.status, r.code), (502, "unavailable"), f"{r}")
            if number == 0:
                r = a.play(*way.steps(head("Connection: close"), "/ok/b"))
                equal(r.status, 502, f"{r}")


if __name__ == "__main__":
    sys.exit(main())
