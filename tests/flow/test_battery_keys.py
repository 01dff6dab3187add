#!/usr/bin/env python3
"""AU-01, AU-04 and AU-05 of the battery: keys that are none, by the thousand,
tokens of other services, and a key that is revoked.
"""

import base64
import hashlib
import hmac
import http.client
import itertools
import json
import secrets
import socket
import sys
import threading
import time

from battery import NOWHERE, TWO, Cost, client, statuses
from daemon import Daemon
from flow import check, equal, main, test, wait_until
from service import Client

BAD = 10000
GUESSERS = 40


@test(modes=("root",))
def au_05_ten_thousand_bad_keys(w):
    """From one address, over 127.0.0.2; the others come from 127.0.0.1."""
    with Daemon(w, TWO) as d:
        users = [Client(d, d.key), client(d, "other")]
        counts, shapes = {}, {}
        lock = threading.Lock()
        stop = threading.Event()
        cost = Cost(d)

        def guess():
            while not stop.is_set():
                connection = http.client.HTTPConnection(
                    "127.0.0.1", d.port, timeout=60,
                    source_address=("127.0.0.2", 0))
                try:
                    while not stop.is_set():
                        connection.request("GET", NOWHERE, headers={
                            "x-api-key": "wdr_" + secrets.token_hex(20)})
                        got = connection.getresponse()
                        body = got.read()
                        with lock:
                            counts[got.status] = counts.get(got.status, 0) + 1
                            shapes.setdefault(got.status, set()).add(body)
                        if got.getheader("connection") == "close":
                            break
                except OSError:
                    pass
                connection.close()

        # 10^4 are spread over so many connections that the address's rate
        # is what limits them, as it should: so they are not awaited
        guessers = [threading.Thread(target=guess, daemon=True)
                    for _ in range(GUESSERS)]
        for t in guessers:
            t.start()
        worst, began = 0, time.monotonic()
        while time.monotonic() - began < 15:
            for user in users:
                start = time.monotonic()
                equal(user.get(NOWHERE).status, 404)
                worst = max(worst, time.monotonic() - start)
        stop.set()
        for t in guessers:
            t.join(10)
        asked = sum(counts.values())
        check(set(counts) == {401, 429}, counts)
        # the first twenty at once, and each connection one a second
        check(counts[401] < 20 + 15 + 10, counts)
        check(asked <= 20 + 15 + GUESSERS * 20, f"not throttled: {counts}")
        check(worst < 3, f"the others waited {worst:.1f} s")
        # which keys exist is not told: one answer for all of them
        for status, said in shapes.items():
            equal(len(said), 1, f"answers of {status}")
        # the key that is good is good from there, too
        connection = http.client.HTTPConnection(
            "127.0.0.1", d.port, timeout=30, source_address=("127.0.0.2", 0))
        connection.request("GET", NOWHERE,
                           headers={"x-api-key": d.key})
        equal(connection.getresponse().status, 404, "a good key from there")
        connection.close()
        cost.bounded(60, "bad keys")
        print(f"# {asked} answered in 15 s: {counts}; the others' worst "
              f"{worst * 1000:.0f} ms", flush=True)


@test(modes=("root",))
def au_05_ten_thousand_bad_keys_of_as_many_addresses(w):
    """Each address tries a few: none is late, none is let in."""
    with Daemon(w, TWO) as d:
        cost = Cost(d)
        user = Client(d, d.key)
        worst = 0
        for i in range(BAD // 4):
            address = f"127.{1 + i // 62500}.{i // 250 % 250}.{1 + i % 250}"
            with socket.create_connection(
                    ("127.0.0.1", d.port), timeout=30,
                    source_address=(address, 0)) as s:
                one = (f"GET {NOWHERE} HTTP/1.1\r\nHost: a\r\n"
                       f"x-api-key: wdr_{secrets.token_hex(20)}\r\n")
                s.sendall((3 * (one + "\r\n") + one +
                           "connection: close\r\n\r\n").encode())
                said = b""
                while part := s.recv(65536):
                    said += part
            # a bad key ends the connection, or it does not
            check(set(statuses(said)) == {401}, f"{address}: {said[:200]}")
            if i % 100 == 0:
                start = time.monotonic()
                equal(user.get(NOWHERE).status, 404)
                worst = max(worst, time.monotonic() - start)
        check(worst < 3, f"the others waited {worst:.1f} s")
        cost.bounded(120, "bad keys")


@test(modes=("root",))
def au_04_a_revoked_key_ends_soon(w):
    with Daemon(w) as d:
        made = d.json("keys", "create")
        user = Client(d, made["key"])
        equal(user.get(NOWHERE).status, 404)
        d.verb("keys", "revoke", made["key_id"]).expect(0)
        wait_until(lambda: user.get(NOWHERE).status == 401, 3,
                   "a revoked key that is refused")
        equal(Client(d, d.key).get(NOWHERE).status, 404)

# ---- AU-01 -----------------------------------------------------------------

def part(value):
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def token(head, key=b"", signature=None):
    """A JWT that says what its bearer would like to be."""
    text = part(head) + "." + part({
        "sub": "root", "tenant": "default", "role": "operator",
        "aud": "warder", "exp": 4102444800})
    if signature is None:
        signature = part(hmac.new(key, text.encode(),
                                  hashlib.sha256).digest())
    return f"{text}.{signature}"


PUBLIC = (b"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"
          b"\n-----END PUBLIC KEY-----\n")


def tokens():
    """What readers of tokens have taken for good, by what is wrong with it."""
    for none in ("none", "None", "NONE", "nOnE", ""):
        for signature in ("", "AA"):
            yield f"alg {none!r}, signed {signature!r}", \
                token({"alg": none, "typ": "JWT"}, signature=signature)
    yield "no alg", token({"typ": "JWT"}, signature="")
    for key in (PUBLIC, PUBLIC.strip(), b"", b"\0"):
        yield f"HS256 by {key[:20]!r}", token({"alg": "HS256"}, key)
    rsa = {"kty": "RSA", "n": part(b"\xff" * 256), "e": "AQAB"}
    ec = {"kty": "EC", "crv": "P-256", "x": part(b"\1" * 32),
          "y": part(b"\2" * 32)}
    for head in ({"alg": ["none", "HS256"]}, {"alg": None}, {"alg": 0},
                 {"jwk": rsa}, {"alg": "ES256", "jwk": rsa},
                 {"alg": "RS256", "jwk": ec},
                 {"alg": "HS256", "crit": ["x"], "x": 1},
                 {"alg": "HS256", "crit": []},
                 {"alg": "RS256", "jku": "http://127.0.0.1:1/keys"},
                 {"alg": "RS256", "x5u": "file:///etc/passwd"},
                 {"alg": "RS256", "x5c": [part(b"0")]},
                 {"alg": "HS256", "kid": "../../../../dev/null"},
                 {"alg": "HS256", "kid": "/etc/passwd"},
                 {"alg": "HS256", "kid": "a\0b"},
                 {"alg": "HS256", "kid": "' OR '1'='1"},
                 {"alg": "HS256", "kid": "x" * 3000}):
        yield f"{json.dumps(head)[:60]}", token(head)
    yield "ES256 signed by zeros", token({"alg": "ES256"},
                                         signature=part(b"\0" * 64))
    yield "no part", ""
    yield "empty parts", ".."
    yield "five parts", "a.b.c.d.e"


@test(modes=("root",))
def au_01_a_token_that_is_no_key_is_nobody(w):
    """There are keys and nothing else: whatever a token says, it is none."""
    with Daemon(w) as d:
        address = itertools.count()

        def ask(fields):
            i = next(address)
            connection = http.client.HTTPConnection(
                "127.0.0.1", d.port, timeout=60,
                source_address=(f"127.3.{i // 250}.{1 + i % 250}", 0))
            connection.request("GET", NOWHERE, headers=fields)
            got = connection.getresponse()
            said = (got.status, got.read(), sorted(
                (k.lower(), v) for k, v in got.getheaders()
                if k.lower() != "date"))
            connection.close()
            return said

        ways = (lambda t: {"x-api-key": t},
                lambda t: {"authorization": "Bearer " + t},
                lambda t: {"authorization": "bearer  " + t},
                lambda t: {"authorization": t},
                lambda t: {"authorization": "Basic " + t},
                lambda t: {"cookie": "token=" + t})
        bad = ask(ways[0]("wdr_" + secrets.token_hex(20)))
        equal(bad[0], 401, "a key that nobody has")
        equal(ask({}), bad, "nobody")
        tried = list(tokens())
        check(len(tried) > 30, "tokens")
        for name, text in tried:
            for i, way in enumerate(ways):
                equal(ask(way(text)), bad, f"{name}, way {i}")
        # nor does one open the door for what comes with it
        for way in ways[:4]:
            equal(ask(way(d.key + "." + tried[0][1])), bad, "a key and more")
        # control: a key is taken where it belongs, after all of that
        for way in ways[:2]:
            equal(ask(way(d.key))[0], 404, "a good key")


if __name__ == "__main__":
    sys.exit(main())
