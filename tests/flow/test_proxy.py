#!/usr/bin/env python3
"""The way out: what the policy names is reached, and nothing else is."""

import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import time

from driver import policy, tcp, web
from flow import check, descendants, equal, holds, main, name_of, stat_of
from flow import test, wait_until
from upstream import Echo, Web

CURL = "curl -sS -m 10 -w '%{http_code}\\n' "


CONNECT = """
import socket, sys
s = socket.create_connection(("127.0.0.1", 3128)); s.settimeout(10)
s.sendall(f"CONNECT {sys.argv[1]} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n".encode())
f = s.makefile("rb")
print(f.readline().decode().split()[1], flush=True)
if len(sys.argv) > 2:
    while f.readline() != b"\\r\\n": pass
    s.sendall(sys.argv[2].encode()); s.shutdown(socket.SHUT_WR)
    print(f.read().decode())
"""


@test
def a_request_by_the_explicit_proxy(w):
    with Web() as up:
        r = w.exec(CURL + "http://web.internal/ok/a?b=1", "--policy",
                   policy(w, {"web": web(up.port)}))
        r.expect(0, "GET /ok/a?b=1 0\n200\n")
        equal(up.targets(), ["GET /ok/a?b=1"])
        equal(up.requests[0].get("host"), "web.internal")
        holds(r.said, "network: web: 1 allowed")


@test
def a_refusal_says_why_and_reaches_nobody(w):
    with Web() as up:
        r = w.exec(CURL + "http://web.internal/other/a", "--policy",
                   policy(w, {"web": web(up.port)})).expect(0)
        holds(r.text, '"code":"path"', '"service":"web"', "403\n",
              "out.yaml:9", '"run":"')
        holds(r.said, "ev=refused code=path", "network: web: 0 allowed, "
              "1 refused")
        equal((up.connections, up.received), (0, b""))


@test
def bodies_of_every_framing(w):
    with Web() as up:
        r = w.exec(
            "head -c 3000000 /dev/zero >/tmp/b; "
            f"{CURL} --data-binary @/tmp/b http://web.internal/post; "
            f"{CURL} -T - -X POST http://web.internal/post </tmp/b; "
            f"{CURL} -d '' http://web.internal/post; "
            f"{CURL} -I http://web.internal/ok/ | tail -n 1", "--policy",
            policy(w, {"web": web(up.port)}))
        r.expect(0, "POST /post 3000000\n200\n" * 2 + "POST /post 0\n200\n"
                 "200\n")
        equal([len(x.body) for x in up.requests], [3000000, 3000000, 0, 0])
        check(all(x.body.strip(b"\0") == b"" for x in up.requests), "changed")


@test
def a_tunnel_of_a_tcp_service(w):
    with Echo() as up:
        p = policy(w, {"echo": tcp(up.port)})
        r = w.exec(["python3", "-c", CONNECT, "echo.internal:7000", "hello"],
                   "--policy", p).expect(0, "200\nHELLOend\n")
        equal(up.received, b"hello")
        r = w.exec(["python3", "-c", CONNECT, "echo.internal:7001"],
                   "--policy", p).expect(0, "403\n")
        holds(r.said, "code=port")
        equal(up.connections, 1)


BYTES = """
import hashlib, os, random, socket, threading
s = socket.create_connection(("echo.internal", 7000)); s.settimeout(20)
sent, got = hashlib.sha256(), hashlib.sha256()
def read(n):
    while n:
        d = s.recv(min(n, 1 << 20))
        assert d
        got.update(d); n -= len(d)
def both(data):
    t = threading.Thread(target=read, args=(len(data),)); t.start()
    sent.update(data); s.sendall(data); t.join()
block = bytes(random.choices(range(65, 91), k=65536))
for round in range(3):
    both(block * 100 + block[:round * 777])
    for i in range(100): both(block[i:i + 10 * i + 1])
s.shutdown(socket.SHUT_WR)
assert s.recv(9) == b"end" and s.recv(9) == b""
print(sent.digest() == got.digest())
"""


@test
def a_tunnel_keeps_every_byte(w):
    """Much at once, which goes through pipes, and little by turns."""
    with Echo() as up:
        w.exec(["python3", "-c", BYTES], "--policy",
               policy(w, {"echo": tcp(up.port)})).expect(0, "True\n")


@test
def a_raw_address_is_reset_with_a_line(w):
    with Echo() as up:
        r = w.exec(["python3", "-c", "import socket\n"
                    "s = socket.create_connection(('10.9.8.7', 99), 5)\n"
                    "try: print(s.recv(1))\n"
                    "except ConnectionResetError: print('reset')"],
                   "--policy", policy(w, {"echo": tcp(up.port)}))
        check(r.text == "reset\n" or "ConnectionReset" in r.said or
              "refused" in r.said, r.said)
        holds(r.said, "way=capture", "connect 10.9.8.7:99")
        equal(up.connections, 0)


def proxy_of(launcher):
    found = [x for x in descendants(launcher.pid)
             if name_of(x) == "warder-proxy"]
    equal(len(found), 1, "proxies")
    return found[0]


@test
def the_proxy_s_death_ends_the_run(w):
    with Echo() as up:
        p = w.start(["sh", "-c", "echo up; sleep 30"], "--policy",
                    policy(w, {"echo": tcp(up.port)}))
        equal(p.line(), "up\n")
        os.kill(proxy_of(p), signal.SIGKILL)
        r = p.finish(10).expect(125)
        holds(r.said, "warder-proxy: it has ended",
              "was ended, because its proxy has failed")


@test
def what_is_not_http_needs_no_variable(w):
    """A client that obeys the variables goes straight to a TCP service."""
    with Echo() as echo, Web() as up:
        p = policy(w, {"echo": tcp(echo.port), "web": web(up.port)})
        r = w.exec("curl -sS --http0.9 -m 2 http://echo.internal:7000/x |"
                   "head -n 1;"
                   f"{CURL} http://web.internal/ok/a; echo $no_proxy",
                   "--policy", p)
        equal(r.text.replace("\r", ""), "GET /X HTTP/1.1\nGET /ok/a 0\n200\n"
              "localhost,127.0.0.1,::1,echo.internal\n")


@test
def the_launcher_s_death_ends_the_proxy(w):
    with Echo() as up:
        p = w.start(["sh", "-c", "echo up; sleep 30"], "--policy",
                    policy(w, {"echo": tcp(up.port)}))
        equal(p.line(), "up\n")
        proxy = proxy_of(p)
        p.popen.kill()
        wait_until(lambda: not os.path.exists(f"/proc/{proxy}") or
                   stat_of(proxy)[0] == "Z", 5, "warder-proxy's end")
        p.popen.communicate(timeout=10)


@test
def both_families_and_addresses_as_hosts(w):
    """IPv6 inside and outside; a service that is an address, captured and by
    the explicit proxy."""
    with Web(host="::1") as up:
        dial = [f'dial: "[::1]:{up.port}"', "tls: none", "allow: any"]
        p = policy(w, {"a": ["to: six.internal:80", *dial],
                       "b": ['to: "[2001:db8::5]:80"', *dial],
                       "c": ["to: 192.0.2.7:80", *dial]})
        direct = "curl -sSg -m 10 --noproxy '*' "
        w.exec(f"curl -sS -m 10 http://six.internal/1;"
               f"{direct} -6 http://six.internal/2;"
               f"{direct} -4 http://six.internal/3;"
               f"{direct} 'http://[2001:db8::5]/4';"
               f"{direct} http://192.0.2.7/5;"
               "curl -sSg -m 10 'http://[2001:db8::5]/6'", "--policy",
               p).expect(0, "".join(f"GET /{i} 0\n" for i in range(1, 7)))
        equal(up.targets(), [f"GET /{i}" for i in range(1, 7)])
        equal({r.get("host") for r in up.requests},
              {"six.internal", "[2001:db8::5]", "192.0.2.7"})


def status(pid):
    with open(f"/proc/{pid}/status", encoding="ascii",
              errors="replace") as f:
        return f.read()


@test
def it_is_locked_down(w):
    with Echo() as up:
        p = w.start(["sh", "-c", "echo up; sleep 1"], "--policy",
                    policy(w, {"echo": tcp(up.port)}))
        equal(p.line(), "up\n")
        text = status(proxy_of(p))
        holds(text, "Seccomp:\t2", "NoNewPrivs:\t1",
              "CapEff:\t0000000000000000")
        if w.root:
            check("Uid:\t0\t" not in text, text)
        cwd = f"/proc/{proxy_of(p)}/cwd"
        check(os.readlink(cwd).endswith("/audit/empty"), os.readlink(cwd))
        equal(os.listdir(cwd), [], "where it is")
        p.finish(10).expect(0)


@test
def a_proxy_that_reads_nothing_ends_with_its_launcher(w):
    """One that somebody has taken over does not look for the end of its
    socket; a stopped one stands for it."""
    with Echo() as up:
        p = w.start(["sh", "-c", "echo up; sleep 20"], "--policy",
                    policy(w, {"echo": tcp(up.port)}))
        equal(p.line(), "up\n")
        proxy = proxy_of(p)
        os.kill(proxy, signal.SIGSTOP)
        while "State:\tT" not in status(proxy):
            time.sleep(0.01)
        os.kill(p.pid, signal.SIGKILL)
        p.finish(10)
        for _ in range(50):
            if not os.path.exists(f"/proc/{proxy}") or \
                    "State:\tZ" in status(proxy):
                return
            time.sleep(0.1)
        check(False, f"the proxy is left: {status(proxy)}")


@test
def by_hand_it_does_nothing(w):
    proxy = os.path.join(os.path.dirname(os.path.dirname(w.program)),
                         "libexec/warder/warder-proxy")
    r = subprocess.run([proxy], stdin=subprocess.DEVNULL, check=False,
                       capture_output=True, text=True, timeout=10)
    equal(r.returncode, 2)
    holds(r.stderr, "started by warder(1)")


@test
def a_plan_that_is_none_fails_its_jail_alone(w):
    """The test plays a launcher that has been lied to."""
    add, remove, removed, failed = 0, 9, 12, 13
    proxy = os.path.join(os.path.dirname(os.path.dirname(w.program)),
                         "libexec/warder/warder-proxy")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    its = os.dup(theirs.fileno())
    theirs.close()
    p = subprocess.Popen([proxy], preexec_fn=lambda: os.dup2(its, 3),
                         pass_fds=(3,), env={})
    os.close(its)
    ours.settimeout(10)

    def say(kind, body, *fds):
        socket.send_fds(ours, [struct.pack("II", kind, len(body)) + body], fds)
        answer, fds, _, _ = socket.recv_fds(ours, 4096, 1)
        for fd in fds:
            os.close(fd)
        return struct.unpack_from("III", answer)[::2] if answer else None

    plan = os.memfd_create("plan", os.MFD_ALLOW_SEALING)
    os.write(plan, b"none")
    fcntl.fcntl(plan, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL |
                fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
    try:
        for jail in (1, 2):
            equal(say(add, struct.pack("III64s32s32s", 3, jail, 0, b"run",
                                       b"policy", b"seed"), plan),
                  (failed, jail))
        for jail in (1, 2):
            equal(say(remove, struct.pack("I", jail)), (removed, jail))
    finally:
        ours.close()
        os.close(plan)
        equal(p.wait(10), 0)


if __name__ == "__main__":
    sys.exit(main())
