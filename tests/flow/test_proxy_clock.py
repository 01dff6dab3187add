#!/usr/bin/env python3
"""The host's wall clock jumps while a jail has a way out.

Deadlines, kept tokens and limits are measured on the clock that nobody sets;
the wall clock only decides about certificates, and the time in records.  So a
jump closes what was certified for another time, and opens and ends nothing.

Only where nobody else lives by that clock: in a virtual machine, tests/vm/run
clock, which sets THE_CLOCK_IS_OURS.
"""

import json
import os
import subprocess
import sys
import time

from endpoint import Endpoint
from flow import Skip, check, equal, main, test, wait_until
from private import path, places
from upstream import Authority, Web

JUMP = 40 * 24 * 60 * 60
SECURE = ("35", "60")  # curl: no handshake; a certificate not believed
LIFE = 60  # of a token, in seconds
POLICY = """policy: 1
network:
  services:
    plain: {{to: "plain.example.com:80", tls: none, allow: any,
      dial: 127.0.0.1:{plain}}}
    safe: {{to: safe.example.com, tls: {{ca: {ca}}}, allow: [{{path: /**}}],
      dial: 127.0.0.1:{safe}}}
credentials:
  key: {{source: {{vault: bot}}, inject: [{{service: plain, as: bearer}}]}}
limits: {{wall: 30m}}
"""
LOOP = ("while read u; do curl -s -m 60 -o /dev/null -w "
        "'%{http_code} %{exitcode}\\n' $u; done")
PLAIN, SAFE = "http://plain.example.com/", "https://safe.example.com/"


class Clock:
    """The wall clock, so many seconds from the time that it is."""

    def __init__(self):
        self.zero = time.time() - time.monotonic()

    def jump(self, seconds):
        time.clock_settime(time.CLOCK_REALTIME,
                           self.zero + time.monotonic() + seconds)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.jump(0)


class Jail:
    def __init__(self, w, prefix, policy):
        self.process = w.popen(
            [*prefix, w.program, "exec", "-i", "--policy", policy, "--",
             "sh", "-c", LOOP], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)

    def get(self, url):
        """What curl says: the response's status and its own."""
        self.process.popen.stdin.write(url.encode() + b"\n")
        self.process.popen.stdin.flush()
        return self.process.line().split()


def lines_of(folder):
    found = []
    for name in sorted(os.listdir(folder)):
        if name.endswith(".jsonl") and name != "heads.jsonl":
            with open(os.path.join(folder, name), encoding="utf-8") as f:
                found += [json.loads(line) for line in f]
    return found


@test(modes=("root",))
def a_jump_opens_and_ends_nothing(w):
    if not os.environ.get("THE_CLOCK_IS_OURS"):
        raise Skip("others live by this clock: tests/vm/run clock")
    authority = Authority(w.scratch("ca"))
    endpoint = Endpoint(w)
    endpoint.expires = LIFE
    with places(w) as prefix, Web() as plain, Clock() as clock, \
            Web(context=authority.context("safe.example.com")) as safe:
        policy = w.file("p.yaml", POLICY.format(
            plain=plain.port, safe=safe.port, ca=authority.pem))
        w.popen([*prefix, w.program, "credential", "set", "bot", "--to",
                 "plain.example.com:80", "--oauth", "client_credentials",
                 "--token-url", endpoint.url, "--client-id", "i",
                 "--token-ca", endpoint.ca], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE).finish(
                    data=b"a-secret-of-the-client").expect(0)
        jail = Jail(w, prefix, policy)
        equal(jail.get(PLAIN), ["200", "0"])
        equal(jail.get(SAFE), ["200", "0"])
        began = time.monotonic()
        for jump in (JUMP, -JUMP):
            clock.jump(jump)
            # the token is as good as it was, and nobody asks for another
            equal(jail.get(PLAIN), ["200", "0"])
            check(endpoint.count == 1 or time.monotonic() > began + LIFE / 2,
                  "a token for each time of day")
            # certified for another time: not one byte goes there, also for
            # a client that believes anything
            for url in (SAFE, "-k " + SAFE):
                status, code = jail.get(url)
                check((status, code) == ("502", "0") or status == "000" and
                      code in SECURE, f"{jump} {url}: {status} {code}")
            equal(len(safe.requests), 1)
        # by this clock it has forty days to go: it is over all the same, and
        # whoever would give another is not to be believed
        wait_until(lambda: jail.get(PLAIN) == ["502", "0"], 2 * LIFE,
                   "the token's end")
        equal(endpoint.count, 1)
        clock.jump(0)
        equal(jail.get(SAFE), ["200", "0"])
        wait_until(lambda: jail.get(PLAIN) == ["200", "0"], LIFE,
                   "another token")
        equal([r.get("authorization") for r in (plain.requests[0],
                                                plain.requests[-1])],
              ["Bearer access-1", "Bearer access-2"])
        jail.process.finish(data=b"").expect(0)
        folder = path(w, prefix, "/var/lib/warder", "audit")
        lines = lines_of(folder)
        equal({x["host"] for x in lines if x["kind"] == "credential"},
              {"plain.example.com"})
        times = [x["time"] for x in lines]
        check(times != sorted(times), "the records say what the clock said")
        w.popen([*prefix, w.program, "audit", "verify"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE).finish().expect(0)
    endpoint.close()


if __name__ == "__main__":
    sys.exit(main())
