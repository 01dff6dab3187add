#!/usr/bin/env python3
"""A jail with services: every connection arrives at the proxy's sockets.

The test plays the proxy's part: it gets the listeners as the proxy would,
and sees where each connection wanted to go.
"""

import contextlib
import ctypes
import errno
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time

from flow import (TOP, Failed, Skip, check, equal, holds, main, test,
                  wait_until)
from lacking import without

POLICY = """policy: 1
name: captured
extends: [builtin/default]
network: {services: {any: {to: example.com, allow: any}}}
"""

# What every program in the jail may use.
PRELUDE = """
import ctypes, errno, json, os, socket, struct, sys, threading, time

def name(e):
    return errno.errorcode.get(e.errno, str(e)) if e.errno else str(e)

def tcp(host, port, data=b"hello", family=None, seconds=5):
    \"\"\"What the other side answers, or the name of the error.\"\"\"
    family = family or (socket.AF_INET6 if ":" in host else socket.AF_INET)
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(seconds)
        try:
            s.connect((host, port))
            s.sendall(data)
            return s.recv(4096).decode()
        except OSError as e:
            return name(e)

def udp(host, port, data=b"hello", seconds=2, connected=False):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.settimeout(seconds)
        try:
            if connected:
                s.connect((host, port))
                s.send(data)
            else:
                s.sendto(data, (host, port))
            got, peer = s.recvfrom(4096)
            return [got.decode(), peer[0], peer[1]]
        except OSError as e:
            return name(e)

def say(value):
    print(json.dumps(value), flush=True)
"""

IP_PKTINFO, IPV6_PKTINFO = 8, 50


class Captured:
    """A jail whose listeners are ours, and the proxy that we are."""

    def __init__(self, w, program, ports="-", policy=POLICY, **more):
        self.w = w
        ours, theirs = socket.socketpair(socket.AF_UNIX,
                                         socket.SOCK_SEQPACKET)
        command = program if isinstance(program, list) else [
            "/usr/bin/python3", "-c", PRELUDE + textwrap.dedent(program)]
        self.process = w.popen(
            [self.binary(w), str(theirs.fileno()), ports, w.file("p.yaml", policy),
             *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, pass_fds=[theirs.fileno()], **more)
        theirs.close()
        self.listeners = []
        self.seen = []
        self.conversations = {}
        self.receive(ours)
        ours.close()

    @staticmethod
    def binary(w):
        """The launcher of such jails, beside the programs of this build."""
        path = os.path.join(os.path.dirname(w.program), "captured")
        if not os.path.exists(path):
            build = os.environ.get("WARDER_BUILD", "build")
            shutil.copy(os.path.join(TOP, build, "tests", "flow",
                                     "captured"), path)
        return path

    def receive(self, ours):
        ours.settimeout(20)
        while True:
            data, fds, _, _ = socket.recv_fds(ours, 4096, 4)
            if not data:
                raise Failed(f"no jail: {self.process.finish().said!r}")
            text = data[8:].decode()
            if text.startswith("up "):
                break
            self.listeners.append((text, socket.socket(fileno=fds[0])))
        _, pid, self.mode, lessened, self.posture = text.split(" ", 4)
        self.lessened = lessened == "1"
        self.pid = int(pid)

    def of(self, kind, family):
        found = [s for k, s in self.listeners
                 if (k, s.family) == (kind, family)]
        check(found, f"no {kind} listener of {family}")
        return found

    # -- the proxy's part --

    def accept(self, kind, listener):
        client, _ = listener.accept()
        where = client.getsockname()
        self.seen.append((kind, where[0], where[1]))
        client.settimeout(5)
        with client, contextlib.suppress(OSError):
            data = client.recv(4096)
            client.sendall(f"{kind} {where[0]} {where[1]} ".encode() + data)

    def datagram(self, kind, s):
        """The message that came with it sends the answer back."""
        data, extra, _, peer = s.recvmsg(4096, 256)
        for level, what, value in extra:
            if (level, what) == (socket.IPPROTO_IP, IP_PKTINFO):
                to = socket.inet_ntop(socket.AF_INET, value[8:12])
            elif (level, what) == (socket.IPPROTO_IPV6, IPV6_PKTINFO):
                to = socket.inet_ntop(socket.AF_INET6, value[:16])
        self.seen.append((kind, to, 53))
        s.sendmsg([f"{kind} {to} ".encode() + data], extra, 0, peer)

    def serve(self, seconds=0.0):
        ready = select.select([s for _, s in self.listeners], [], [],
                              seconds)[0]
        for kind, s in self.listeners:
            if s in ready:
                if kind == "dns-udp":
                    self.datagram(kind, s)
                else:
                    self.accept(kind, s)

    def run(self, seconds=30):
        """Serve until the program has ended; what it said, as values."""
        end = time.monotonic() + seconds
        while self.process.popen.poll() is None:
            if time.monotonic() > end:
                break
            self.serve(0.05)
        result = self.process.finish(1)
        self.close()
        check(result.status == 0, f"status {result.status}: {result.said}")
        return [json.loads(line) for line in result.text.splitlines()]

    def close(self):
        for _, s in self.listeners:
            s.close()
        self.listeners = []

    # -- what the kernel has --

    def inside(self, *argv):
        """A program of the host's in the jail's network namespace."""
        r = subprocess.run(["nsenter", f"--net=/proc/{self.pid}/ns/net",
                            *argv], capture_output=True, text=True,
                           check=False)
        check(r.returncode == 0, r.stderr)
        return r.stdout


# ---- where connections arrive ----

@test
def each_destination_arrives_as_it_was_meant(w):
    jail = Captured(w, """
        for host, port in [
                ["1.2.3.4", 80], ["93.184.216.34", 443], ["10.0.0.1", 22],
                ["169.254.169.254", 80], ["192.0.2.1", 1], ["240.1.2.3", 5],
                ["8.8.8.8", 53], ["198.18.0.7", 3128], ["1.1.1.1", 65535],
                ["2606:4700::1111", 443], ["fd00:ec2::254", 80],
                ["64:ff9b::7f00:1", 8443], ["2001:db8::1", 1]]:
            say([host, port, tcp(host, port)])
    """)
    equal(jail.mode, "tproxy")
    holds(jail.posture, "capture: tproxy")
    check(not jail.lessened, jail.posture)
    said = jail.run()
    equal(len(said), 13)
    for host, port, answer in said:
        equal(answer, f"tcp {host} {port} hello")
    equal(jail.seen, [("tcp", h, p) for h, p, _ in said])


@test
def large_data_and_half_closed_connections_pass(w):
    jail = Captured(w, """
        s = socket.create_connection(("203.0.113.9", 4433))
        digest = 0
        for i in range(200):
            s.sendall(bytes([i]) * 65536)
        s.shutdown(socket.SHUT_WR)
        got = b""
        while chunk := s.recv(65536):
            got += chunk
        say(got.decode())
    """)
    client = jail.of("tcp", socket.AF_INET)[0]
    select.select([client], [], [], 10)
    conversation, _ = client.accept()
    conversation.setblocking(True)
    size = 0
    while chunk := conversation.recv(1 << 20):
        size += len(chunk)
    conversation.sendall(f"got {size}".encode())
    conversation.close()
    equal(jail.run(), [f"got {200 * 65536}"])


@test
def bash_reaches_the_proxy_too(w):
    jail = Captured(w, ["/bin/bash", "-c", """
        exec 3<>/dev/tcp/100.64.1.2/8080
        printf 'hi' >&3
        read -r -t 5 answer <&3
        printf '"%s"\n' "$answer"
    """])
    equal(jail.run(), ["tcp 100.64.1.2 8080 hi"])


@test
def what_connects_early_waits_for_the_proxy(w):
    jail = Captured(w, """say(tcp("1.2.3.4", 443, seconds=20))""")
    time.sleep(0.5)
    equal(jail.run(), ["tcp 1.2.3.4 443 hello"])


@test
def without_a_proxy_everything_is_refused_at_once(w):
    jail = Captured(w, """
        while tcp("127.0.0.1", 3128) != "ECONNREFUSED":
            time.sleep(0.01)
        begin = time.monotonic()
        for host in "1.2.3.4", "2001:db8::5":
            say(tcp(host, 443))
        for host in "127.0.0.1", "::1":
            say(udp(host, 53, connected=True))
        say(time.monotonic() - begin < 2)
    """)
    jail.close()
    equal(jail.run(), ["ECONNREFUSED"] * 4 + [True])


# ---- loopback is the program's ----

@test
def loopback_stays_the_programs_own(w):
    jail = Captured(w, """
        def serve(family, host, port):
            s = socket.socket(family)
            s.bind((host, port))
            s.listen()
            def run():
                c = s.accept()[0]
                c.sendall(b"mine " + c.recv(99))
            threading.Thread(target=run, daemon=True).start()
        v4, v6 = socket.AF_INET, socket.AF_INET6
        for family, host, port in ((v4, "127.0.0.1", 8080),
                                   (v4, "127.9.8.7", 8443),
                                   (v4, "0.0.0.0", 8081),
                                   (v6, "::1", 8080), (v6, "::", 8444)):
            serve(family, host, port)
        say(tcp("127.0.0.1", 8080))
        say(tcp("127.9.8.7", 8443))
        say(tcp("127.0.0.1", 8081))
        say(tcp("::1", 8080))
        say(tcp("::1", 8444))
        # and nothing else is there
        for host in ("127.0.0.1", "127.255.0.1", "0.0.0.0", "::1", "::"):
            say(tcp(host, 1))
        say(tcp("::ffff:127.0.0.1", 81))
        receiver = socket.socket(v4, socket.SOCK_DGRAM)
        receiver.bind(("127.0.0.1", 5353))
        sender = socket.socket(v4, socket.SOCK_DGRAM)
        sender.sendto(b"mine", ("127.0.0.1", 5353))
        say(receiver.recv(99).decode())
        say(udp("127.0.0.1", 5354, connected=True))
    """)
    equal(jail.run(), ["mine hello"] * 5 + ["ECONNREFUSED"] * 6 +
          ["mine", "ECONNREFUSED"])
    equal(jail.seen, [])


@test
def the_explicit_proxy_is_on_loopback(w):
    jail = Captured(w, """
        say(tcp("127.0.0.1", 3128))
        say(tcp("::1", 3128))
        say(tcp("localhost", 3128, family=socket.AF_INET))
    """)
    equal(jail.run(), ["proxy 127.0.0.1 3128 hello", "proxy ::1 3128 hello",
                       "proxy 127.0.0.1 3128 hello"])


# ---- names ----

@test
def dns_answers_from_the_address_that_was_asked(w):
    jail = Captured(w, """
        for host in ("127.0.0.1", "8.8.8.8", "192.168.1.1", "::1",
                     "2001:4860:4860::8888", "127.0.0.53"):
            for connected in False, True:
                say([host, udp(host, 53, connected=connected)])
    """)
    for host, answer in jail.run():
        equal(answer, [f"dns-udp {host} hello", host, 53])
    equal(len(jail.seen), 12)


@test
def dns_by_tcp_arrives(w):
    jail = Captured(w, """
        for host in "127.0.0.1", "::1", "9.9.9.9", "2620:fe::9":
            say(tcp(host, 53))
    """)
    equal(jail.run(), [
        "dns-tcp 127.0.0.1 53 hello", "dns-tcp ::1 53 hello",
        "tcp 9.9.9.9 53 hello", "tcp 2620:fe::9 53 hello"])


# ---- nothing else goes anywhere ----

@test
def other_protocols_fail_at_once(w):
    jail = Captured(w, """
        begin = time.monotonic()
        for host, port in (("8.8.8.8", 443), ("10.0.0.1", 161),
                           ("224.0.0.251", 5353), ("239.1.2.3", 53),
                           ("2001:db8::1", 443), ("ff02::fb%lo", 5353),
                           ("fd00:ec2::254", 80)):
            say([host, udp(host, port), udp(host, port, connected=True)])
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        for port in 67, 53:
            try:
                s.sendto(b"x", ("255.255.255.255", port))
                say("sent")
            except OSError as e:
                say(name(e))
        say(tcp("255.255.255.255", 80))
        say(tcp("224.0.0.1", 80))
        for kind, protocol in ((socket.SOCK_DGRAM, socket.IPPROTO_ICMP),
                               (socket.SOCK_RAW, socket.IPPROTO_ICMP),
                               (socket.SOCK_RAW, socket.IPPROTO_RAW),
                               (socket.SOCK_STREAM, 132),
                               (socket.SOCK_DGRAM, 136)):
            try:
                s = socket.socket(socket.AF_INET, kind, protocol)
                s.sendto(b"x", ("8.8.8.8", 53 if protocol == 136 else 0))
                say("sent")
            except OSError as e:
                say(name(e))
        say(time.monotonic() - begin < 5)
    """)
    said = jail.run()
    quick = said.pop()
    for host, loose, connected in said[:7]:
        want = ["EPERM"]
        if host == "239.1.2.3":  # port 53 arrives; a group does not answer
            want = ["timed out"]
        if host.startswith("ff02"):
            want.append("EINVAL")
        check(loose in want and connected in want, (host, loose, connected))
    equal(said[7], "EPERM", "broadcast")
    check(said[8] in ("EPERM", "sent"), said[8])
    equal(said[9:11], ["ENETUNREACH", "ENETUNREACH"])
    for got in said[11:]:
        check(got in ("EACCES", "EPERM", "EPROTONOSUPPORT",
                      "ESOCKTNOSUPPORT", "EAFNOSUPPORT"), said[11:])
    check(quick, "it took long")
    check(not [s for s in jail.seen if s[0] != "dns-udp"], jail.seen)


# ---- nobody stands in for anybody ----

STEAL = """
import itertools
IP_FREEBIND, IPV6_FREEBIND, IP_TRANSPARENT = 15, 78, 19
V4, V6 = socket.AF_INET, socket.AF_INET6

def take(family, kind, host, port, freely=False, options=()):
    s = socket.socket(family, kind)
    try:
        for option in options:
            s.setsockopt(socket.SOL_SOCKET, option, 1)
        if freely:
            s.setsockopt(*((socket.IPPROTO_IP, IP_FREEBIND, 1)
                           if family == V4 else
                           (socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)))
        s.bind((host, port))
        if kind == socket.SOCK_STREAM:
            s.listen()
        s.setblocking(False)
        return s, "ok"
    except OSError as e:
        s.close()
        return None, name(e)
"""


@test
def no_program_takes_a_port_that_capture_serves(w):
    jail = Captured(w, STEAL + textwrap.dedent("""
        REUSE = socket.SO_REUSEADDR, socket.SO_REUSEPORT
        STREAM, DGRAM = socket.SOCK_STREAM, socket.SOCK_DGRAM
        for options in (), REUSE[:1], REUSE[1:], REUSE:
            for family, host, port in (
                    (V4, "127.0.0.1", 3128), (V4, "0.0.0.0", 3128),
                    (V6, "::1", 3128), (V6, "::", 3128),
                    (V6, "::ffff:127.0.0.1", 3128),
                    (V4, "192.0.2.1", 1), (V4, "0.0.0.0", 1),
                    (V4, "127.0.0.1", 53), (V6, "2001:db8::1", 1),
                    (V6, "::", 1)):
                for freely in False, True:
                    say(take(family, STREAM, host, port, freely,
                             options)[1])
            for family, host in ((V4, "127.0.0.1"), (V4, "0.0.0.0"),
                                 (V4, "8.8.8.8"), (V6, "::1"), (V6, "::"),
                                 (V6, "::ffff:8.8.8.8"),
                                 (V6, "2001:db8::5")):
                say(take(family, DGRAM, host, 53, True, options)[1])
        try:
            s = socket.socket()
            s.setsockopt(socket.IPPROTO_IP, IP_TRANSPARENT, 1)
            say("ok")
        except OSError as e:
            say(name(e))
        # the control: where nobody is, the same works
        say(take(V4, STREAM, "127.0.0.1", 3129)[1])
        say(take(V4, DGRAM, "0.0.0.0", 5353)[1])
    """))
    *tried, first, second = jail.run()
    equal((first, second), ("ok", "ok"))
    for got in tried:
        check(got in ("EADDRINUSE", "EACCES", "EPERM", "EADDRNOTAVAIL"),
              tried)


@test
def no_listener_shares_its_port(w):
    """Ports below 1024 would hide it until the host opens them to all."""
    for ports, filters in (("-", {}), ("443", {
            "preexec_fn": without(errno.EPROTONOSUPPORT)})):
        jail = Captured(w, ["/bin/true"], ports=ports, **filters)
        check(len(jail.listeners) >= 8, jail.listeners)
        for kind, s in jail.listeners:
            for option in socket.SO_REUSEADDR, socket.SO_REUSEPORT:
                equal(s.getsockopt(socket.SOL_SOCKET, option), 0, kind)
            check(not os.get_blocking(s.fileno()), kind)
        jail.run()


def impersonate(jail_alive):
    return STEAL + textwrap.dedent(f"""
        STREAM, DGRAM = socket.SOCK_STREAM, socket.SOCK_DGRAM
        alive = {jail_alive}
        while not alive and tcp("127.0.0.1", 3128) != "ECONNREFUSED":
            time.sleep(0.01)
        victims = [(V4, "93.184.216.34"), (V6, "2606:4700::1111")]
        say([take(f, STREAM, h, 8443)[1] for f, h in victims])
        taken = []
        for family, host in victims:
            for kind in STREAM, DGRAM:
                s, how = take(family, kind, host, 8443, freely=True)
                taken += [s] if s else []
        say(len(taken))
        say([tcp(h, 8443) for f, h in victims])
        say([udp(h, 8443, seconds=0.3) for f, h in victims])
        stolen = 0
        for s in taken:
            try:
                s.accept() if s.type == STREAM else s.recv(99)
                stolen += 1
            except OSError:
                pass
        say(stolen)
    """)


@test
def nobody_impersonates_a_remote_address(w):
    jail = Captured(w, impersonate(True))
    plain, taken, answers, sent, stolen = jail.run()
    equal(plain, ["EADDRNOTAVAIL"] * 2)
    equal(taken, 4, "the attempt itself is possible")
    equal(answers, ["tcp 93.184.216.34 8443 hello",
                    "tcp 2606:4700::1111 8443 hello"])
    equal(sent, ["EPERM"] * 2)
    equal(stolen, 0)


@test
def nobody_impersonates_when_the_proxy_has_gone(w):
    jail = Captured(w, impersonate(False))
    jail.close()
    _, taken, answers, sent, stolen = jail.run()
    equal(taken, 4)
    equal(answers, ["ECONNREFUSED"] * 2)
    equal(sent, ["EPERM"] * 2)
    equal(stolen, 0)


@test
def simultaneous_opens_do_not_meet(w):
    """Two that connect to each other with addresses that are not theirs."""
    jail = Captured(w, STEAL + textwrap.dedent("""
        end = time.monotonic() + 3
        rounds = met = 0
        while time.monotonic() < end:
            rounds += 1
            port, far = 20000 + rounds % 20000, 40000 + rounds % 20000
            a, b = (socket.socket(V6) for _ in range(2))
            try:
                a.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
                a.bind(("2606:4700::1111", far))
                b.bind(("::1", port))
                for s in a, b:
                    s.setblocking(False)
                def go(s, to):
                    try:
                        s.connect(to)
                    except OSError:
                        pass
                t = threading.Thread(target=go, args=(a, ("::1", port)))
                t.start()
                go(b, ("2606:4700::1111", far))
                t.join()
                try:
                    met += b.getpeername() == a.getsockname() and \
                        a.getpeername() == b.getsockname()
                except OSError:
                    pass
            finally:
                a.close()
                b.close()
        say([rounds, met])
    """))
    rounds, met = jail.run()[0]
    check(rounds > 100, f"{rounds} rounds")
    equal(met, 0)


# ---- what the kernel has, and who may change it ----

RULES = """table inet warder {
	chain in {
		type filter hook prerouting priority mangle; policy drop;
		ip daddr 127.0.0.0/8 accept
		ip6 daddr ::1 accept
		meta nfproto ipv4 meta l4proto tcp tproxy ip to 192.0.2.1:1 accept
		meta nfproto ipv6 meta l4proto tcp tproxy ip6 to [2001:db8::1]:1 accept
		udp dport 53 accept
		meta l4proto tcp reject with tcp reset
	}

	chain out {
		type filter hook output priority filter; policy drop;
		ip daddr 127.0.0.0/8 accept
		ip6 daddr ::1 accept
		meta l4proto tcp accept
		udp dport 53 accept
	}
}
"""


def need(*programs):
    for program in programs:
        if shutil.which(program) is None:
            raise Skip(f"{program} is not installed")
    if os.geteuid() != 0:
        raise Skip("needs root, to look into the jail's namespace")


@test
def the_kernel_has_these_rules_and_routes(w):
    need("nft", "ip")
    jail = Captured(w, ["/bin/sleep", "60"])
    equal(jail.inside("nft", "list", "ruleset"), RULES)
    holds(jail.inside("ip", "-4", "route", "show", "table", "default"),
          "local default dev lo proto static scope host src 127.0.0.1")
    equal(jail.inside("ip", "-4", "route", "show", "table", "main"), "")
    holds(jail.inside("ip", "-6", "route", "show", "table", "all"),
          "local default dev lo proto static src ::1")
    links = json.loads(jail.inside("ip", "-j", "address"))
    equal([(i["ifname"], "UP" in i["flags"]) for i in links], [("lo", True)])
    equal({a["local"] for a in links[0]["addr_info"]}, {"127.0.0.1", "127.0.0.2", "::1"})
    jail.close()
    jail.process.popen.kill()


CHANGES = (
    ["ip", "-4", "route", "del", "local", "default", "table", "default"],
    ["ip", "-6", "route", "del", "local", "default", "table", "main"],
    ["ip", "link", "set", "lo", "down"],
    ["ip", "address", "add", "10.0.0.1/8", "dev", "lo"],
    ["nft", "add", "table", "inet", "x"],
    ["nft", "flush", "ruleset"],
)
BINDS = tuple(["python3", "-c", "from socket import *; " + text] for text in (
    "socket().bind((\"127.0.0.1\", 80))",
    "socket(AF_PACKET, SOCK_RAW, 0)",
    "socket(AF_INET, SOCK_RAW, 1)",
    "socket().setsockopt(0, 19, 1)",  # IP_TRANSPARENT
    "socket().setsockopt(SOL_SOCKET, SO_MARK, 1)",
))


def with_all_capabilities(jail):
    """For preexec_fn: in the jail's user and network namespaces."""
    libc = ctypes.CDLL(None, use_errno=True)
    fds = [os.open(f"/proc/{jail.pid}/ns/{kind}", os.O_RDONLY)
           for kind in ("net", "user")]

    def enter():
        for fd in fds:
            if libc.setns(fd, 0) == -1:
                raise OSError(ctypes.get_errno(), "setns")
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)
        caps = (ctypes.c_uint32 * 6)()
        libc.capget(header, caps)
        caps[2], caps[5] = caps[1], caps[4]
        libc.capset(header, caps)
        for cap in range(41):
            libc.prctl(47, 2, cap, 0, 0)  # PR_CAP_AMBIENT_RAISE
    return enter


@test
def capabilities_of_the_jail_change_nothing(w):
    """All of them, in the jail's own user namespace, as an error might map."""
    need("nft", "ip")
    jail = Captured(w, ["/bin/sleep", "60"])
    enter = with_all_capabilities(jail)
    before = jail.inside("nft", "list", "ruleset")
    caps = subprocess.run(["grep", "CapEff", "/proc/self/status"], check=True,
                          capture_output=True, text=True, preexec_fn=enter)
    check(int(caps.stdout.split()[1], 16) & 0x3400 == 0x3400, caps.stdout)
    for command in (*CHANGES, *BINDS):
        r = subprocess.run(command, check=False, capture_output=True,
                           text=True, preexec_fn=enter)
        check(r.returncode != 0 and ("permitted" in r.stderr or
                                     "denied" in r.stderr),
              f"{command}: {r.returncode} {r.stderr}")
    equal(jail.inside("nft", "list", "ruleset"), before)
    # the control: from outside the same commands do what they say
    for command in (*BINDS, *CHANGES):
        jail.inside(*command)
    equal(jail.inside("nft", "list", "ruleset"), "")
    jail.close()
    jail.process.popen.kill()


@test
def without_services_there_is_loopback_alone(w):
    program = PRELUDE + textwrap.dedent("""
        say(open("/proc/net/route").read().splitlines()[1:])
        say([l.split()[0] for l in open("/proc/net/ipv6_route")
             if " lo" in l and int(l.split()[1], 16) == 0 and
             l.split()[8] == "00000001"])
        say(open("/proc/net/tcp").read().splitlines()[1:])
        say(open("/proc/net/udp").read().splitlines()[1:])
        say([tcp("1.2.3.4", 80), tcp("2001:db8::1", 80), udp("8.8.8.8", 53),
             tcp("127.0.0.1", 3128)])
    """)
    r = w.exec(["/usr/bin/python3", "-c", program]).expect(0)
    said = [json.loads(line) for line in r.text.splitlines()]
    equal(said, [[], [], [], [],
                 ["ENETUNREACH", "ENETUNREACH", "ENETUNREACH",
                  "ECONNREFUSED"]])
    _, report = w.report(["true"])
    check("capture" not in report["posture"]["network"], report["posture"])


# ---- where nf_tables is missing ----

@test
def without_nf_tables_the_named_ports_are_captured(w):
    """Port 53 is captured whether the policy names it or not."""
    for number, ports in ((errno.EPROTONOSUPPORT, "443,5432,53"),
                          (errno.EAFNOSUPPORT, "443,5432")):
        jail = Captured(w, """
            for host in "1.2.3.4", "2001:db8::7":
                for port in 443, 5432, 53, 3128, 80:
                    say([host, port, tcp(host, port)])
            say(udp("8.8.8.8", 53))
            say(tcp("127.0.0.1", 3128))
            say(tcp("::1", 53))
            say(udp("9.9.9.9", 443))
            say(udp("2001:db8::7", 443, connected=True))
        """, ports=ports, preexec_fn=without(number))
        equal((jail.mode, jail.lessened), ("ports", True))
        holds(jail.posture, "capture: ports")
        said = jail.run()
        for host, port, answer in said[:10]:
            kind = "dns-tcp" if port == 53 else "tcp"
            equal(answer, "ENETUNREACH" if port in (80, 3128) else
                  f"{kind} {host} {port} hello")
        equal(said[10:], [["dns-udp 8.8.8.8 hello", "8.8.8.8", 53],
                          "proxy 127.0.0.1 3128 hello",
                          "dns-tcp ::1 53 hello", "ENETUNREACH",
                          "ENETUNREACH"])


@test
def without_nf_tables_nobody_impersonates_either(w):
    for ports, answer in (("443", "ENETUNREACH"), ("443,8443", None)):
        jail = Captured(w, impersonate(True), ports=ports,
                        preexec_fn=without(errno.EPROTONOSUPPORT))
        plain, _, answers, sent, stolen = jail.run()
        equal(plain, ["EADDRNOTAVAIL"] * 2)
        equal(answers, [answer] * 2 if answer else
              ["tcp 93.184.216.34 8443 hello",
               "tcp 2606:4700::1111 8443 hello"])
        equal(sent, ["ENETUNREACH"] * 2)
        equal(stolen, 0)


def refused(w, ports, number, *parts):
    try:
        Captured(w, ["/bin/true"], ports=ports,
                 preexec_fn=without(number)).close()
    except Failed as e:
        holds(str(e), "the jail did not start: network: ", *parts)
    else:
        raise Failed("the jail started")


@test
def without_any_way_to_capture_the_start_is_refused(w):
    refused(w, "-", errno.EPROTONOSUPPORT, "nf_tables", "not supported")
    refused(w, "443", errno.ENOMEM, "nf_tables", "Cannot allocate memory")
    refused(w, "443", errno.EPERM, "nf_tables", "not permitted")
    many = ",".join(str(p) for p in range(1000, 1033))
    refused(w, many, errno.EPROTONOSUPPORT, "too many named ports")
    jail = Captured(w, ["/bin/true"], ports=many[5:],
                    preexec_fn=without(errno.EPROTONOSUPPORT))
    equal(len(jail.listeners), 6 + 64)
    jail.run()


@test
def without_ipv6_there_are_half_the_listeners(w):
    if "KERNEL_LACKS_IPV6" not in os.environ:
        raise Skip("this kernel has IPv6; tests/vm has one without")
    jail = Captured(w, """
        say(tcp("1.2.3.4", 443))
        say(udp("8.8.8.8", 53))
        try:
            say(tcp("2001:db8::1", 443))
        except OSError as e:
            say(name(e))
    """)
    equal({s.family for _, s in jail.listeners}, {socket.AF_INET})
    equal((jail.mode, len(jail.listeners)), ("tproxy", 4))
    tcp, dns, ipv6 = jail.run()
    equal(tcp, "tcp 1.2.3.4 443 hello")
    equal(dns[0], "dns-udp 8.8.8.8 hello")
    check(ipv6 in ("EAFNOSUPPORT", "ENETUNREACH", "EADDRNOTAVAIL"), ipv6)


# ---- the end ----

@test
def a_killed_launcher_leaves_no_jail(w):
    jail = Captured(w, ["/bin/sleep", "60"])
    os.kill(jail.process.pid, signal.SIGKILL)
    wait_until(lambda: not os.path.exists(f"/proc/{jail.pid}/ns/net"), 2,
               "the jail's end")
    jail.close()


# Jails one after the other, each killed with its launcher.  A namespace is
# freed a moment after the last that held it: a start is tried again.
ONE_BY_ONE = """
import ctypes, os, socket, subprocess, sys, time
binary, policy, keep = sys.argv[1:]

def one(held):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    p = subprocess.Popen([binary, str(theirs.fileno()), "-", policy,
                          "/bin/sleep", "60"], pass_fds=[theirs.fileno()],
                         stderr=subprocess.PIPE)
    theirs.close()
    with ours:
        while True:
            data, fds, _, _ = socket.recv_fds(ours, 4096, 4)
            if not data:
                p.wait()
                return p.stderr.read().decode()
            if data[8:11] == b"up ":
                break
            held += fds
    pid = int(data.split()[1])
    p.kill()
    p.wait()
    p.stderr.close()
    os.waitpid(pid, 0)

ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # what a launcher leaves is ours
for i in range(12):
    held, end = [], time.monotonic() + (2 if keep == "keep" else 15)
    while (error := one(held)) and time.monotonic() < end:
        time.sleep(0.05)
    if error:
        sys.exit(f"{i}: {error}")
    if keep != "keep":
        for fd in held:
            os.close(fd)
print("all")
"""


@test(modes=("rootless",))
def namespaces_go_with_their_listeners(w):
    """Of a number too small to let one in three stay."""
    need("unshare", "setpriv")
    binary = Captured.binary(w)
    policy = w.file("p.yaml", POLICY)
    runner = w.file("runner.py", ONE_BY_ONE)

    def run(keep):
        return w.popen(
            ["unshare", "--user", "--map-user=1000", "--map-group=1000",
             "--keep-caps", "sh", "-c",
             "echo 4 >/proc/sys/user/max_net_namespaces && exec setpriv "
             "--ambient-caps=-all --inh-caps=-all python3 \"$@\"", "sh",
             runner, binary, policy, keep], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE).finish()
    result = run("keep")
    check(result.status == 1 and result.said.startswith("4: ") and
          "network namespace: No space left" in result.said,
          f"the control: {result.status} {result.said} {result.text}")
    result = run("close")
    equal(result.text, "all\n", result.said)


if __name__ == "__main__":
    sys.exit(main())
