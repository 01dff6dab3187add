#!/usr/bin/env python3
"""Runs of warderd with services: each has a proxy, and only while it runs."""

import os
import signal
import sys

from flow import (check, descendants, equal, holds, main, name_of, test,
                  wait_until)
from supervisor import Warderd, agent
from upstream import Web

CURL = ("curl -s -m 10 -o /dev/null -w '%{http_code}\\n' "
        "http://web.internal/ok/one; curl -s -m 10 -o /dev/null -w "
        "'%{http_code}\\n' http://web.internal/other; "
        "curl -s -m 10 -o /dev/null -w '%{http_code}\\n' "
        "http://elsewhere.internal/; true")


def services(port, path="/ok/**"):
    return ("network: {services: {web: {to: \"web.internal:80\", tls: none, "
            f"dial: \"127.0.0.1:{port}\", only_addresses: [127.0.0.0/8], "
            f"allow: [{{methods: read, path: {path}}}]}}}}}}")


def proxies(d):
    return [p for p in descendants(d.pid) if name_of(p) == "warder-proxy"]


@test
def a_service_is_reached_and_nothing_else(w):
    with Web() as up:
        ceiling = f"policy: 1\nkind: ceiling\n{services(up.port, '/**')}\n"
        with Warderd(w, ceiling=ceiling) as d:
            out, err, end = d.run(CURL, "policy: {policy: 1, "
                                  f"{services(up.port)}}}\n")
            codes = out.split()
            equal(codes[:2], ["200", "403"], err)
            check(codes[2] in ("000", "403"), codes)
            equal(end.end, "EXITED")
            equal(len(up.requests), 1)
            wait_until(lambda: not proxies(d), 5, "its proxy ends")
            # each run has its own
            digest = d.deploy(agent("read x", "policy: {policy: 1, "
                                    f"{services(up.port)}}}\n")).digest
            runs = [d.spawn(digest) for _ in range(3)]
            equal(len(proxies(d)), 3)
            for run in runs:
                run.finish(b"\n")
                equal(d.receive("EXITED", run.id).end, "EXITED")
            wait_until(lambda: not proxies(d), 5, "their proxies end")


@test
def a_proxy_that_dies_ends_its_run(w):
    with Web() as up:
        ceiling = f"policy: 1\nkind: ceiling\n{services(up.port)}\n"
        with Warderd(w, ceiling=ceiling) as d:
            digest = d.deploy(agent("sleep 600", "policy: {policy: 1, "
                                    f"{services(up.port)}}}\n")).digest
            run, other = d.spawn(digest), d.spawn(digest)
            first = min(proxies(d))
            os.kill(first, signal.SIGKILL)
            end = d.receive("EXITED")
            equal((end.end, end.id), ("PROXY", run.id))
            holds(end.text, "warder-proxy")
            d.kill(other.id)
            equal(d.receive("EXITED", other.id).end, "KILLED")
            run.close()
            other.close()


@test
def what_the_ceiling_takes_away_later(w):
    with Web() as up:
        ceiling = f"policy: 1\nkind: ceiling\n{services(up.port)}\n"
        with Warderd(w, ceiling=ceiling) as d:
            digest = d.deploy(agent("true", "policy: {policy: 1, "
                                    f"{services(up.port)}}}\n")).digest
            d.spawn(digest).finish()
            d.stop()
            w.file("ceiling.yaml", "policy: 1\nkind: ceiling\nnetwork: "
                   "{services: {}}\n", folder=d.etc)
            d.start()
            no = d.spawn(digest, expect="REFUSED")
            equal(no.code, "DENIED")
            holds(no.text, "web.internal")


if __name__ == "__main__":
    sys.exit(main())
