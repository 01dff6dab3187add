#!/usr/bin/env python3
"""Names in a jail: other people's resolvers, our answers.

The test does the I/O of the proxy's part: queries that arrive at the jail's
DNS sockets go to proxy/dns.c (dns_answer) and its answers back.
"""

import contextlib
import os
import shutil
import socket
import struct
import subprocess
import sys

from flow import TESTS, TOP, check, equal, main, test
from test_capture import Captured

TESTS.clear()  # the other file's, which its import has registered

ALLOWED = ("api.example", "files.example", "xn--bcher-kva.example")
RESOLVING = """
def resolve(name, family=0, flags=0):
    try:
        return sorted({i[4][0] for i in socket.getaddrinfo(
            name, 443, family, socket.SOCK_STREAM, 0, flags)})
    except socket.gaierror as e:
        return {v: k for k, v in vars(socket).items()
                if k.startswith("EAI_")}[e.errno]
"""


class Resolved(Captured):
    """A jail whose names are answered, and whose streams are echoed."""

    def __init__(self, w, program, **more):
        build = os.environ.get("WARDER_BUILD", "build")
        self.answerer = subprocess.Popen(
            [os.path.join(TOP, build, "tests", "flow", "dns_answer"),
             *ALLOWED], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        super().__init__(w, program, **more)

    def answer(self, query):
        """What proxy/dns.c says; b"": nothing."""
        out = self.answerer.stdout
        self.answerer.stdin.write(struct.pack(">H", len(query)) + query)
        self.answerer.stdin.flush()
        size = struct.unpack(">H", out.read(2))[0]
        return out.read(size)

    def datagram(self, kind, s):
        data, extra, _, peer = s.recvmsg(4096, 256)
        reply = self.answer(data)
        if reply:
            s.sendmsg([reply], extra, 0, peer)

    def accept(self, kind, listener):
        if listener.getsockname()[1] != 53:
            super().accept(kind, listener)
            return
        client, _ = listener.accept()
        client.settimeout(5)
        with client, contextlib.suppress(OSError):
            size = struct.unpack(">H", client.recv(2, socket.MSG_WAITALL))[0]
            reply = self.answer(client.recv(size, socket.MSG_WAITALL))
            client.sendall(struct.pack(">H", len(reply)) + reply)

    def close(self):
        super().close()
        self.answerer.stdin.close()
        self.log = [line.split(" ") for line in
                    self.answerer.stderr.read().decode().splitlines()]
        self.answerer.wait()
        self.answerer.stdout.close()
        self.answerer.stderr.close()


@test
def the_c_library_finds_what_is_allowed(w):
    jail = Resolved(w, RESOLVING + """
say(resolve("api.example", socket.AF_INET))
say(resolve("api.example", socket.AF_INET6))
say(resolve("api.example"))
say(resolve("API.Example.", socket.AF_INET))
say(resolve("files.example", socket.AF_INET))
say(resolve("b\\u00fccher.example", socket.AF_INET))
say(resolve("localhost", socket.AF_INET))
say(socket.gethostbyaddr("198.18.0.2")[0])
say(socket.getnameinfo(("fd57:6172:6465:7200::1", 443), 0)[0])
""")
    said = jail.run()
    equal(said[:4], [["198.18.0.1"], ["fd57:6172:6465:7200::1"],
                     ["198.18.0.1", "fd57:6172:6465:7200::1"],
                     ["198.18.0.1"]])
    equal(said[4:], [["198.18.0.2"], ["198.18.0.3"], ["127.0.0.1"],
                     "files.example", "api.example"])


@test
def who_asks_for_what_is_configured_gets_ipv4(w):
    """AI_ADDRCONFIG, as many programs ask: loopback does not count there."""
    jail = Resolved(w, RESOLVING + """
for family in socket.AF_UNSPEC, socket.AF_INET:
    say(resolve("api.example", family, socket.AI_ADDRCONFIG))
""")
    equal(jail.run(), [["198.18.0.1"]] * 2)


@test
def what_is_not_allowed_does_not_exist(w):
    jail = Resolved(w, RESOLVING + """
begin = time.monotonic()
for name in ("example", "api.example.org", "www.api.example", "jail.example",
             "metadata.google.internal", "a_b.example", "_x.api.example",
             "x" * 63 + ".example", "printer.local", "0x7f.0.0.x"):
    say([name, resolve(name)])
try:
    say(socket.gethostbyaddr("198.18.0.9"))
except OSError as e:
    say(type(e).__name__)
say(time.monotonic() - begin < 3)
""")
    *said, pointer, quick = jail.run()
    for name, got in said:
        equal(got, "EAI_NONAME", name)
    equal((pointer, quick), ("herror", True))
    # each was asked here, nothing left for anybody else
    check({line[2] for line in jail.log} >=
          {"api.example.org", "metadata.google.internal"}, jail.log)


@test
def a_connection_by_name_arrives_at_its_address(w):
    jail = Resolved(w, RESOLVING + """
for name in "files.example", "api.example":
    with socket.create_connection((name, 8443), 5) as s:
        s.sendall(b"hello")
        say([name, s.getpeername()[0], s.recv(99).decode()])
""")
    for name, where, answer in jail.run():
        equal(answer, f"tcp {where} 8443 hello", name)
        check(where.startswith(("198.18.", "fd57:6172:6465:7200:")), where)


@test
def dns_by_tcp_is_the_same(w):
    """What the resolver asks by TCP when it is told to."""
    jail = Resolved(w, RESOLVING + """
os.environ["RES_OPTIONS"] = "use-vc"
say(resolve("api.example", socket.AF_INET))
say(resolve("api.org", socket.AF_INET))
""")
    equal(jail.run(), [["198.18.0.1"], "EAI_NONAME"])
    check(not any(k == "dns-udp" for k, *_ in jail.seen), jail.seen)


def clients():
    """Others that resolve by themselves: (what, command, what it prints)."""
    found = [
        ("getent", "getent ahostsv4 api.example", "198.18.0.1"),
        ("perl", "perl -MSocket -e 'print inet_ntoa(inet_aton("
         "\"api.example\"))'", "198.18.0.1"),
        ("busybox", "busybox nslookup api.example 127.0.0.1",
         "fd57:6172:6465:7200::1"),
        ("curl", "curl -s --http0.9 --max-time 10 http://api.example:81/",
         "tcp 198.18.0.1 81"),
        ("dig", "dig +short @8.8.8.8 api.example AAAA",
         "fd57:6172:6465:7200::1"),
        ("host", "host api.example 127.0.0.1", "198.18.0.1"),
        ("node", "node -e 'require(\"dns\").resolve4(\"api.example\", "
         "(e, a) => console.log(e || a[0]))'", "198.18.0.1"),
    ]
    return [c for c in found if shutil.which(c[0], path="/usr/bin:/bin")]


@test
def other_programs_resolve_too(w):
    known = clients()
    check(len(known) >= 2, known)
    for what, command, wanted in known:
        jail = Resolved(w, ["/bin/sh", "-c",
                            f"{command} >/tmp/o 2>&1; exec /usr/bin/python3 "
                            "-c 'import json; print(json.dumps(open("
                            "\"/tmp/o\").read()))'"])
        said = jail.run()[0]
        check(wanted in said, f"{what}: {said!r}")
        print(f"# {what}: {said.strip().splitlines()[-1][:60]}")


if __name__ == "__main__":
    sys.exit(main())
