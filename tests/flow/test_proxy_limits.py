#!/usr/bin/env python3
"""What one jail may take of its proxy, and what happens one past it."""

import os
import sys

from driver import case, policy, request, run, tcp, web
from flow import check, descendants, equal, holds, main, name_of, test
from flow import wait_until
from upstream import Echo, Web

CONNECTIONS = 256  # PROXY_CONNECTIONS_MAX
KEPT = 128  # PROXY_KEPT_JAIL
RESPONSE = 64 << 30  # PROXY_RESPONSE_MIB_MAX
BURST = 64  # RECORD_BURST
# KiB that a connection may add to the proxy; a sanitizer keeps what was freed
# for a while, and has room around everything.
SANITIZED = "address" in os.environ.get("WARDER_BUILD", "")
STUCK_KIB = (32 if SANITIZED else 4) << 10

# Fills the cap with connections that say nothing; one more is not served
# until one of them goes.
FILL = """
import socket, sys, time
n = int(sys.argv[1])
def ask(s):
    s.sendall(b"GET http://web.internal/ok/a HTTP/1.1\\r\\n"
              b"Host: web.internal\\r\\nConnection: close\\r\\n\\r\\n")
idle = [socket.create_connection(("127.0.0.1", 3128)) for _ in range(n)]
time.sleep(0.5)
s = socket.create_connection(("127.0.0.1", 3128)); s.settimeout(1); ask(s)
try: print("served", s.recv(12))
except socket.timeout: print("waits")
idle.pop().close(); s.settimeout(10)
print("then", s.recv(12)[:4].decode())
"""


@test
def connections_a_jail(w):
    with Web() as up:
        p = policy(w, {"web": web(up.port)})
        w.exec(["python3", "-c", FILL, str(CONNECTIONS)], "--policy",
               p).expect(0, "waits\nthen HTTP\n")
        # the control: one less, and nobody waits
        w.exec(["python3", "-c", FILL, str(CONNECTIONS - 1)], "--policy",
               p).expect(0, "served b'HTTP/1.1 200'\nthen  OK\r\n")
        equal(len(up.requests), 2)


@test
def bytes_of_a_response(w):
    """One that is announced as too large is refused before any of it; of one
    that is not, what comes is passed on."""
    def answer(r):
        return (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\nabc"
                % (RESPONSE + (r.target == "/ok/more")))

    def ask(path):
        return case(request(f"http://web.internal{path}", "web.internal"))

    with Web(answer) as up:
        answers, r = run(w, policy(w, {"web": web(up.port)}),
                         [ask("/ok/more"), ask("/ok/most")])
        equal(answers[0].status, 502)
        holds(answers[0].raw.decode(), '"code":"limit"')
        equal(answers[1].status, 200)
        holds(answers[1].raw.decode(), str(RESPONSE), "abc")
        holds(r.said, "too large")


# Asks for as many hosts of a service as each line of stdin says.
HOSTS = """
import socket, sys
for line in sys.stdin:
    s = socket.create_connection(("127.0.0.1", 3128)); f = s.makefile("rb")
    service, n = line.split()
    for i in range(int(n)):
        host = f"h{i}.{service}.internal"
        s.sendall(f"GET http://{host}/ok/a HTTP/1.1\\r\\nHost: {host}"
                  "\\r\\n\\r\\n".encode())
        assert b" 200 " in f.readline()
        while f.readline() != b"\\r\\n": pass
        f.readline()
    s.close()
    print("done", flush=True)
"""


@test
def connections_to_services_a_jail_keeps(w):
    """Those of the service that was asked least recently go first, and of one
    service the oldest."""
    with Web() as up:
        services = {f"s{i}": [f'to: "*.s{i}.internal:80"', "tls: none",
                              f"dial: 127.0.0.1:{up.port}",
                              "allow: [{path: /**}]"] for i in range(4)}
        p = w.popen([w.program, "exec", "-i", "--policy", policy(w, services),
                     "--", "python3", "-c", HOSTS], stdin=-1, stdout=-1,
                    stderr=-1)

        def ask(service, n):
            before = up.connections
            p.popen.stdin.write(f"{service} {n}\n".encode())
            p.popen.stdin.flush()
            equal(p.line(), "done\n")
            return up.connections - before

        def files():
            return len(os.listdir(f"/proc/{proxy}/fd"))
        equal(ask("s0", 1), 1)
        proxy = [x for x in descendants(p.pid)
                 if name_of(x) == "warder-proxy"][0]
        before = files()
        for i in range(4):
            equal(ask(f"s{i}", 60), 59 if i == 0 else 60)
            # the control: until then all are kept
            if i < 2:
                check(files() >= before + 60 * i + 58, files())
            check(files() <= before + KEPT, f"{before}, then {files()}")
        equal(ask("s3", 60), 0)
        equal(ask("s0", 1), 1)
        # one service alone
        check(ask("s2", KEPT + 50) >= KEPT - 50, "new ones")
        check(files() <= before + KEPT, f"{before}, then {files()}")
        p.finish(data=b"").expect(0)


@test
def refusals_do_not_flood_the_log(w):
    with Web() as up:
        script = ("import socket\n"
                  "for i in range(400):\n"
                  "  s = socket.create_connection(('127.0.0.1', 3128))\n"
                  "  s.sendall(b'GET http://other.test/ HTTP/1.1\\r\\n"
                  "Host: other.test\\r\\n\\r\\n')\n"
                  "  assert b' 403 ' in s.recv(99)\n"
                  "import time; time.sleep(0.5)\n"
                  "s = socket.create_connection(('127.0.0.1', 3128))\n"
                  "s.sendall(b'GET http://last.test/ HTTP/1.1\\r\\n"
                  "Host: last.test\\r\\n\\r\\n'); s.recv(99)\n")
        r = w.exec(["python3", "-c", script], "--policy",
                   policy(w, {"web": web(up.port)})).expect(0)
        lines = [x for x in r.said.splitlines() if "ev=refused" in x]
        check(BURST <= len(lines) < 200, f"{len(lines)} lines")
        holds(lines[-1], "last.test", "suppressed=")
        holds(r.said, "401 refused")


@test
def a_stuck_reader_holds_one_buffer(w):
    """A tunnel whose client does not read takes no more than its buffers."""
    with Echo() as up:
        script = ("import socket, time\n"
                  "s = socket.create_connection(('echo.internal', 7000))\n"
                  "s.settimeout(2); n = 0; print('up', flush=True)\n"
                  "time.sleep(0.5)\n"
                  "try:\n"
                  "  while n < 256 << 20: n += s.send(bytes(65536))\n"
                  "except socket.timeout: pass\n"
                  "print(n < 64 << 20, flush=True); time.sleep(1)\n")
        p = w.start(["python3", "-c", script], "--policy",
                    policy(w, {"echo": tcp(up.port)}))
        equal(p.line(), "up\n")
        proxy = [x for x in descendants(p.pid)
                 if name_of(x) == "warder-proxy"][0]
        before = anonymous_kib(proxy)
        equal(p.line(), "True\n")
        grown = anonymous_kib(proxy) - before
        check(grown < STUCK_KIB, f"{grown} KiB")
        p.finish(20).expect(0)


def anonymous_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii",
              errors="replace") as f:
        rows = dict(x.split(":", 1) for x in f if ":" in x)
    return int(rows["RssAnon"].split()[0])


@test
def nothing_stays_open(w):
    """A thousand requests, and as many descriptors as before."""
    with Web() as up:
        script = ("import socket\n"
                  "def ask():\n"
                  "  s = socket.create_connection(('127.0.0.1', 3128))\n"
                  "  s.sendall(b'GET http://web.internal/ok/a HTTP/1.1\\r\\n"
                  "Host: web.internal\\r\\nConnection: close\\r\\n\\r\\n')\n"
                  "  while s.recv(999): pass\n"
                  "ask(); print('one', flush=True); input()\n"
                  "for _ in range(500): ask()\n"
                  "print('many', flush=True); input()\n")
        p = w.popen([w.program, "exec", "-i", "--policy",
                     policy(w, {"web": web(up.port)}), "--", "python3", "-c",
                     script], stdin=-1, stdout=-1, stderr=-1)
        equal(p.line(), "one\n")
        proxy = [x for x in descendants(p.pid)
                 if name_of(x) == "warder-proxy"][0]
        before = len(os.listdir(f"/proc/{proxy}/fd"))
        p.popen.stdin.write(b"\n")
        p.popen.stdin.flush()
        equal(p.line(), "many\n")
        check(len(os.listdir(f"/proc/{proxy}/fd")) <= before + 2,
              os.listdir(f"/proc/{proxy}/fd"))
        p.finish(data=b"\n").expect(0)


@test
def a_client_that_has_left_is_forgotten(w):
    """At once, and not when the time for lingering is over: that would hold
    its place among the jail's connections."""
    with Web() as up:
        script = ("import socket\n"
                  "def ask():\n"
                  "  s = socket.create_connection(('127.0.0.1', 3128))\n"
                  "  s.sendall(b'GET http://web.internal/ok/a HTTP/1.1\\r\\n"
                  "Host: web.internal\\r\\n\\r\\n')\n"
                  "  assert b' 200 ' in s.recv(999)\n"
                  "  return s\n"
                  "ask().close(); print('one', flush=True); input()\n"
                  "all = [ask() for _ in range(100)]\n"
                  "print('many', flush=True); input()\n"
                  "for s in all: s.close()\n"
                  "print('none', flush=True); input()\n")
        p = w.popen([w.program, "exec", "-i", "--policy",
                     policy(w, {"web": web(up.port)}), "--", "python3", "-c",
                     script], stdin=-1, stdout=-1, stderr=-1)

        def step(word):
            equal(p.line(), word + "\n")

        def go():
            p.popen.stdin.write(b"\n")
            p.popen.stdin.flush()

        def files():
            return len(os.listdir(f"/proc/{proxy}/fd"))
        step("one")
        proxy = [x for x in descendants(p.pid)
                 if name_of(x) == "warder-proxy"][0]
        before = files()
        go()
        step("many")
        check(files() >= before + 99, f"{before}, then {files()}")
        go()
        step("none")
        wait_until(lambda: files() <= before + 2, 1, "the clients' end")
        p.finish(data=b"\n").expect(0)


if __name__ == "__main__":
    sys.exit(main())
