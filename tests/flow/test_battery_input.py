#!/usr/bin/env python3
"""IN-01 to IN-03 and IN-05 of the battery, at the port of a running service:
JSON, HTTP and archives of strangers.

What it costs is measured from outside: the time of the answer, and the memory
of warder-control by its /proc.
"""

import http.client
import io
import json
import secrets
import socket
import sys
import tarfile
import threading
import time

from battery import MIB, NOWHERE, Cost, statuses
from daemon import Daemon
from flow import check, equal, main, test
from json_cases import LIMIT, I, N, Y, YES
from service import Client

YAML = "name: tried\nprotocol: plain\ncommand: [sh, /agent/run.sh]\n"


class Kept:
    """One connection for many requests; it is made anew when it is closed."""

    def __init__(self, d, key):
        self.d, self.key = d, key
        self.connection = None

    def post(self, path, body):
        if self.connection is None:
            self.connection = http.client.HTTPConnection(
                "127.0.0.1", self.d.port, timeout=30)
        self.connection.request("POST", path, body, {
            "x-api-key": self.key, "content-type": "application/json"})
        got = self.connection.getresponse()
        text = got.read()
        if got.getheader("connection", "").lower() == "close":
            self.connection.close()
            self.connection = None
        return got.status, text


# ---- IN-01 -----------------------------------------------------------------

def verdict(kept, text):
    """How a document is taken as a whole body: any value but an object is
    JSON and still no request, which is another answer."""
    status, said = kept.post("/threads/count", text)
    if status in (200, 422):
        return YES
    check(status in (400, 413), f"{status}: {said[:200]}")
    check(b"the body" in said, said[:200])
    return LIMIT if status == 413 else "no"


def inside(user, text):
    """What comes back of a document that is kept."""
    made = user.ask("POST", "/threads", b'{"metadata":{"v":' + text + b"}}")
    return made.expect(200).json["metadata"]["v"]


@test(modes=("root",))
def in_01_json_is_taken_refused_and_answered_as_the_suite_says(w):
    with Daemon(w) as d:
        user = Client(d, d.key)
        kept = Kept(d, d.key)
        for name, text in Y.items():
            equal(verdict(kept, text), YES, f"y_{name}")
            equal(inside(user, text), json.loads(text), f"y_{name} kept")
        for name, text in N.items():
            check(verdict(kept, text) != YES, f"n_{name} was taken")
        for name, (text, want) in I.items():
            equal(verdict(kept, text), want, f"i_{name}")
        print(f"# y {len(Y)}, n {len(N)}, i {len(I)}", flush=True)


# ---- IN-02 -----------------------------------------------------------------

def poured(d, head, pieces):
    """A body in pieces until somebody answers: the status, or 0."""
    with socket.create_connection(("127.0.0.1", d.port), timeout=30) as s:
        s.sendall(head)
        try:
            for piece in pieces:
                s.sendall(piece)
        except OSError:
            pass
        try:
            line = s.makefile("rb").readline()
        except OSError:
            return 0
        return int(line.split()[1]) if line else 0


def head(d, path, *fields):
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: localhost",
                        f"x-api-key: {d.key}",
                        "content-type: application/json", *fields, "", ""]
                       ).encode()


@test(modes=("root",))
def in_02_what_is_huge_costs_little(w):
    deep, keys = 100000, 1000000
    many = b"{" + b",".join(b'"%d":0' % i for i in range(keys)) + b"}"
    bodies = {
        "depth": (b"[" * deep + b"]" * deep, (400, 413)),
        "depth of objects": (b'{"a":' * deep + b"1" + b"}" * deep,
                             (400, 413)),
        "a million keys": (many, (413,)),
        "values": (b"[" + b"{}," * 400000 + b"{}]", (413,)),
        "keys that are within 4 MiB":
            (b"{" + b",".join(b'"%d":0' % i for i in range(290000)) + b"}",
             (413,)),
    }
    with Daemon(w) as d:
        kept = Kept(d, d.key)
        equal(kept.post("/threads", b'{"metadata":{"a":[[1]]}}')[0], 200)
        for name, (body, wanted) in bodies.items():
            cost = Cost(d)
            got = poured(d, head(d, "/threads",
                                 f"content-length: {len(body)}"), [body])
            check(got in wanted, f"{name}: {got}")
            cost.bounded(10, name)
        # 100 MB of one string: with its length said, and in chunks
        cost = Cost(d)
        got = poured(d, head(d, "/threads", "content-length: 104857612"),
                     [b'{"metadata":"'] + [b"x" * MIB] * 100)
        equal(got, 413, "a string of 100 MB")
        chunk = b"100000\r\n" + b"x" * MIB + b"\r\n"
        got = poured(d, head(d, "/threads", "transfer-encoding: chunked"),
                     [b"d\r\n" + b'{"metadata":"' + b"\r\n"] + [chunk] * 100)
        equal(got, 413, "a string of 100 MB in chunks")
        took, grew = cost.bounded(20, "100 MB")
        print(f"# 200 MB: {took:.2f} s, {grew // 1024} KiB", flush=True)
        # as much at once from many
        cost = Cost(d)
        body = bodies["keys that are within 4 MiB"][0]
        threads = [threading.Thread(target=poured, args=(
            d, head(d, "/threads", f"content-length: {len(body)}"), [body]))
            for _ in range(16)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        cost.bounded(30, "sixteen at once")
        equal(Client(d, d.key).get("/ok").status, 200)


@test(modes=("root",))
def in_02_numbers_at_the_edges_come_back_as_they_were(w):
    with Daemon(w) as d:
        user = Client(d, d.key)
        for text in (b"-0", b"9007199254740993", b"9223372036854775807",
                     b"-9223372036854775808", b"0.1", b"1e-7", b"5e-324",
                     b"1.7976931348623157e308"):
            equal(inside(user, text), json.loads(text), text.decode())
        for text in (b"1e400", b"-1e400", b"9223372036854775808",
                     b"18446744073709551616", b"NaN", b"Infinity"):
            got = user.ask("POST", "/threads",
                           b'{"metadata":{"v":' + text + b"}}")
            got.expect(400, "the body")


# ---- IN-03 -----------------------------------------------------------------

def spoken(d, *pieces, pause=0.0):
    """All that is answered to these bytes, and the seconds until the end."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", d.port), timeout=60) as s:
        said = b""
        try:
            for piece in pieces:
                s.sendall(piece)
                if pause:
                    time.sleep(pause)
            while part := s.recv(65536):
                said += part
        except OSError:
            pass
    return said, time.monotonic() - began


STOWAWAY = b"GET /v1/stowaway HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /threads HTTP/1.1\r\nHost: a\r\ncontent-type: application/json"
AMBIGUOUS = {
    "two lengths": POST + b"\r\ncontent-length: 2\r\ncontent-length: 3"
                   b"\r\n\r\n{}",
    "length and chunks": POST + b"\r\ncontent-length: 2"
                         b"\r\ntransfer-encoding: chunked\r\n\r\n{}",
    "chunked twice": POST + b"\r\ntransfer-encoding: chunked, chunked"
                     b"\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "unknown coding": POST + b"\r\ntransfer-encoding: xchunked\r\n\r\n{}",
    "coding and a tab": POST + b"\r\ntransfer-encoding:\x0bchunked\r\n\r\n",
    "length with a sign": POST + b"\r\ncontent-length: +2\r\n\r\n{}",
    "length in hex": POST + b"\r\ncontent-length: 0x2\r\n\r\n{}",
    "a length of 2^64": POST + b"\r\ncontent-length: 18446744073709551618"
                        b"\r\n\r\n{}",
    "space before the colon": POST + b"\r\ncontent-length : 2\r\n\r\n{}",
    "folded": POST + b"\r\nx-a: b\r\n c\r\ncontent-length: 0\r\n\r\n",
    "bare LF": b"GET /ok HTTP/1.1\nHost: a\n\n",
    "bare CR": b"GET /ok HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
    "NUL": b"GET /ok HTTP/1.1\r\nHost: a\r\nx: \x00\r\n\r\n",
    "no host": b"GET /ok HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /ok HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "a chunk's size": POST + b"\r\ntransfer-encoding: chunked"
                      b"\r\n\r\n2 \r\n{}\r\n0\r\n\r\n",
    "a chunk's end": POST + b"\r\ntransfer-encoding: chunked"
                     b"\r\n\r\n2\r\n{}XX0\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@test(modes=("root",))
def in_03_a_request_that_two_readers_take_differently_is_none(w):
    with Daemon(w) as d:
        keyed = b"\r\nx-api-key: " + d.key.encode()
        # control: two requests that mean one thing are two answers
        said, _ = spoken(d, b"GET /ok HTTP/1.1\r\nHost: a\r\n\r\n" +
                         STOWAWAY[:-4] + b"\r\nconnection: close\r\n\r\n")
        equal(statuses(said), [200, 401], "control")
        for name, sent in AMBIGUOUS.items():
            sent = sent.replace(b"Host: a\r\ncontent-type",
                                b"Host: a" + keyed + b"\r\ncontent-type")
            said, _ = spoken(d, sent + STOWAWAY)
            got = statuses(said)
            check(len(got) == 1 and got[0] in (400, 501, 505, 413, 431),
                  f"{name}: {got}: {said[:200]}")
        # many fields, one long one, a long target
        for name, sent, wanted in (
                ("10^5 fields", b"GET /ok HTTP/1.1\r\nHost: a\r\n" +
                 b"".join(b"x-%d: y\r\n" % i for i in range(100000)) +
                 b"\r\n", (431,)),
                ("10^5 empty fields", b"GET /ok HTTP/1.1\r\nHost: a\r\n" +
                 b"a:\r\n" * 100000 + b"\r\n", (431,)),
                ("a long field", b"GET /ok HTTP/1.1\r\nHost: a\r\nx: " +
                 b"y" * MIB + b"\r\n\r\n", (431,)),
                ("a long target", b"GET /" + b"y" * MIB +
                 b" HTTP/1.1\r\nHost: a\r\n\r\n", (414, 431, 400))):
            cost = Cost(d)
            said, _ = spoken(d, sent)
            check(statuses(said) and statuses(said)[0] in wanted,
                  f"{name}: {said[:100]}")
            cost.bounded(10, name)


@test(modes=("root",))
def in_03_who_sends_slowly_is_alone_in_it(w):
    with Daemon(w) as d:
        cost = Cost(d)
        slow = []
        for i in range(200):
            s = socket.create_connection(("127.0.0.1", d.port), timeout=60)
            s.sendall(b"GET /ok HTTP/1.1\r\nHost: a\r\nx-%d: " % i)
            slow.append(s)
        began = time.monotonic()
        ended = []

        def drip():
            # a byte now and then does not make a head last longer
            while len(ended) < len(slow) and time.monotonic() - began < 50:
                for s in slow:
                    if s in ended:
                        continue
                    try:
                        s.sendall(b"y")
                    except OSError:
                        ended.append(s)
                time.sleep(1)

        dripping = threading.Thread(target=drip)
        dripping.start()
        while dripping.is_alive():
            start = time.monotonic()
            equal(Client(d, d.key).get(NOWHERE).status, 404)
            check(time.monotonic() - start < 5, "the others wait")
            time.sleep(2)
        equal(len(ended), len(slow), "connections that were closed")
        said = b""
        try:
            said = slow[0].recv(100)
        except OSError:
            pass  # our next byte met the closed end first
        check(said == b"" or statuses(said) == [408], said)
        for s in slow:
            s.close()
        cost.bounded(60, "200 slow heads")


# ---- IN-05 -----------------------------------------------------------------

def archive(*more):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as t:
        for name, content in (("agent.yaml", YAML), ("run.sh", "echo '{}'")):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            t.addfile(info, io.BytesIO(content.encode()))
        for info in more:
            t.addfile(info, io.BytesIO(b"\0" * info.size)
                      if info.isreg() else None)
    return out.getvalue()


def entry(name, kind=tarfile.REGTYPE, link="", **more):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    for key, value in more.items():
        setattr(info, key, value)
    return info


@test(modes=("root",))
def in_05_archives_that_harm_are_refused_over_the_api(w):
    huge = entry("huge")
    huge.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
                        "GNU.sparse.realsize": "1152921504606846976",
                        "GNU.sparse.name": "huge"}
    cases = {
        "..": archive(entry("../out", size=1)),
        "symlink out": archive(entry("a", tarfile.SYMTYPE, "/etc"),
                               entry("a/passwd", size=1)),
        "hard link out": archive(
            entry("a", tarfile.LNKTYPE, "../../etc/passwd")),
        "device": archive(entry("null", tarfile.CHRTYPE, devmajor=1,
                                devminor=3)),
        "fifo": archive(entry("fifo", tarfile.FIFOTYPE)),
        "twice": archive(entry("a", size=1), entry("a", size=2)),
        "sparse": archive(huge),
        "no archive": b"\0" * 10240,
        "noise": secrets.token_bytes(20000),
        "cut off": archive(entry("a", size=5000))[:4000],
        "nothing": b"",
    }
    with Daemon(w) as d:
        user = Client(d, d.key)
        tar = {"content-type": "application/x-tar"}
        got = user.post("/v1/agents", archive(), headers=tar)
        check(got.status in (200, 201), got.body[:300])
        before = user.get("/v1/agents/tried/versions").expect(200).json
        for name, data in cases.items():
            cost = Cost(d)
            got = user.post("/v1/agents", data, headers=tar)
            check(got.status in (400, 413, 422), f"{name}: {got.status} "
                  f"{got.body[:200]}")
            check(got.json["detail"], f"{name}: not told why")
            cost.bounded(20, name)
        # more than there is room for: refused before it is taken
        cost = Cost(d)
        got = poured(d, head(d, "/v1/agents", "content-length: 999999999999"
                             ).replace(b"application/json",
                                       b"application/x-tar"), [b"x" * MIB])
        equal(got, 413, "a length of a terabyte")
        cost.bounded(10, "a length of a terabyte")
        equal(user.get("/v1/agents/tried/versions").json, before, "versions")
        thread = user.thread()
        got = user.post(f"/threads/{thread}/runs/wait",
                        {"assistant_id": "tried", "input": {}})
        equal(got.expect(200).json, {}, "the one that is fine")


if __name__ == "__main__":
    sys.exit(main())
