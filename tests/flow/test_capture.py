#!/usr/bin/env python3
"""A jail with services: every connection arrives at the proxy's sockets.

The test plays the proxy's part: it gets the listeners as the proxy would,
and sees where each connection wanted to go.
"""

import contextlib
import json
import os
import select
import shutil
import socket
import struct
import subprocess
import sys
import textwrap
import time

from flow import (Failed, Skip, check, equal, holds, main, test, wait_until)

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
        binary = os.path.join(os.path.dirname(w.program), "captured")
        if not os.path.exists(binary):
            build = os.environ.get("WARDER_BUILD", "build")
            shutil.copy(os.path.join(build, "tests", "flow", "captured"),
                        binary)
        command = program if isinstance(program, list) else [
            "/usr/bin/python3", "-c", PRELUDE + textwrap.dedent(program)]
        self.process = w.popen(
            [binary, str(theirs.fileno()), ports, w.file("p.yaml", policy),
             *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, pass_fds=[theirs.fileno()], **more)
        theirs.close()
        self.listeners = []
        self.seen = []
        self.conversations = {}
        self.receive(ours)
        ours.close()

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
        _, pid, self.mode, self.posture = text.split(" ", 3)
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
    said = jail.run()
    equal(len(said), 13)
    for host, port, answer in said:
        equal(answer, f"tcp {host} {port} hello")
    equal(jail.seen, [("tcp", h, p) for h, p, _ in said])


if __name__ == "__main__":
    sys.exit(main())
