#!/usr/bin/python3
"""base/http1 against h11, a parser that shares nothing with it.

Messages made at random, most of them spoiled somewhere, are read by both.
What ours accepts h11 must accept too: the same method, target, status, fields
and payload, and the next message beginning at the same byte.  Where ours
refuses, h11 may do as it likes: ours is the stricter one.

The differences that are meant are in the table DROPPED and in differs().

/usr/bin/python3: where Debian's python3-h11 is.
"""
import argparse
import collections
import glob
import os
import random
import struct
import subprocess
import sys

try:
    import h11
except ImportError:
    print("1..0 # SKIP h11 of python3-h11 is missing")
    sys.exit(0)

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
READ = os.path.join(TOP, os.environ.get("WARDER_BUILD", "build"),
                    "tests/flow/http1_read")
REQUEST, RESPONSE = 0, 1
ACCEPTED_MIN = 0.1  # of the inputs: below, the comparison would be empty

# Trailers that ours drops (include/http1.h, http1_is_forbidden_trailer) and
# h11 hands on.  Those of them that the inputs below use.
DROPPED = {b"host", b"authorization", b"connection", b"te", b"upgrade",
           b"expect", b"cookie", b"trailer"}

Record = collections.namedtuple("Record", "kind method data")
Message = collections.namedtuple(
    "Message", "start minor first second fields payload trailers end")


# --- what the two say --------------------------------------------------------

def unhex(word):
    assert word[0] == "x"
    return bytes.fromhex(word[1:])


def ours(records):
    """For each record: its complete messages, and why there are no more."""
    data = b"".join(
        struct.pack("<BB", r.kind, len(r.method)) + r.method +
        struct.pack("<I", len(r.data)) + r.data for r in records)
    output = subprocess.run([READ], input=data, check=True,
                            stdout=subprocess.PIPE).stdout.decode()
    answers, messages = [], []
    for line in output.splitlines():
        tag, *words = line.split(" ")
        if tag == "M":
            start, minor = int(words[0]), int(words[1])
            first, second = map(unhex, words[2:])
            fields, trailers, payload = [], [], b""
        elif tag in "FT":
            pair = tuple(map(unhex, words))
            (fields if tag == "F" else trailers).append(pair)
        elif tag == "B":
            payload = unhex(words[0])
        elif tag == "E":
            messages.append(Message(start, minor, first, second, fields,
                                    payload, trailers, int(words[0])))
        else:
            answers.append((messages, words[0]))
            messages = []
    assert len(answers) == len(records)
    return answers


def peer_connection(record):
    """A connection of h11's that expects one message of that kind."""
    if record.kind == REQUEST:
        return h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    conn = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    target = "a.test:1" if record.method == b"CONNECT" else "/"
    # Upgrade: without it, h11 takes 101 for an error.
    conn.send(h11.Request(method=record.method, target=target, headers=[
        ("Host", "a.test"), ("Upgrade", "x"), ("Connection", "upgrade")]))
    conn.send(h11.EndOfMessage())
    return conn


def peer(record, start):
    """The message at start as h11 reads it; RemoteProtocolError if not."""
    conn = peer_connection(record)
    data = record.data[start:]
    conn.receive_data(data)
    head, payload = conn.next_event(), b""
    if head in (h11.NEED_DATA, h11.PAUSED):
        raise h11.RemoteProtocolError("no whole head")
    trailers, ended = [], False
    if isinstance(head, h11.InformationalResponse):
        ended = True
    while not ended:
        event = conn.next_event()
        if isinstance(event, h11.Data):
            payload += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            trailers = list(event.headers.raw_items())
            ended = True
        elif event is h11.NEED_DATA:
            conn.receive_data(b"")  # the end of the connection
        elif event is h11.PAUSED:
            ended = True  # a tunnel begins
        else:
            raise h11.RemoteProtocolError(f"unexpected {event}")
    if isinstance(head, h11.Request):
        first, second = head.method, head.target
    else:
        first, second = str(head.status_code).encode(), head.reason
    end = start + len(data) - len(conn.trailing_data[0])
    return Message(start, int(head.http_version.split(b".")[1]), bytes(first),
                   bytes(second), list(head.headers.raw_items()), payload,
                   trailers, end)


def plain(message):
    """A message without what is meant to differ.

    Ours drops trailers of the table.  h11 lower-cases "chunked" and writes
    the fields that it understands anew.
    """
    def values(pairs):
        return [(name, value.lower()
                 if name.lower() == b"transfer-encoding" else value)
                for name, value in pairs]
    return message._replace(
        fields=values(message.fields),
        trailers=[(name, value) for name, value in message.trailers
                  if name.lower() not in DROPPED])


def differs(record, message):
    """What h11 says otherwise about a message that ours accepted, or None."""
    try:
        other = peer(record, message.start)
    except h11.RemoteProtocolError as error:
        return f"h11 refuses it: {error}"
    mine, theirs = plain(message), plain(other)
    for name, a, b in zip(Message._fields, mine, theirs):
        if a != b:
            return f"{name}: {a!r} and {b!r}"
    return None


# --- inputs ------------------------------------------------------------------

METHODS = [b"GET", b"POST", b"PUT", b"OPTIONS", b"HEAD", b"CONNECT", b"get",
           b"X-Y!"]
TARGETS = [b"/", b"/x?y=z", b"//b.test/x", b"*", b"a.test:443",
           b"http://b.test:81/x?y", b"/%00%2f", b"/x#y", b"/a b", b"[::1]:1",
           b"https://[::1]/", b"/\"<>{}|^`", b"/\\x", b""]
VERSIONS = [b"HTTP/1.1"] * 8 + [b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0",
                                b"http/1.1", b"HTTP/1.1 ", b""]
HOSTS = [b"Host: a.test"] * 12 + [b"host:a.test:80", b"Host: [::1]:1",
                                  b"Host: a,b", b"Host:", b"Host : a"]
FIELDS = [b"X: y", b"X:y", b"X: \ty z\t ", b"X:", b"X: a, b", b"X: \xff\x80",
          b"Accept: */*", b"Connection: close", b"Connection: keep-alive",
          b"Connection: X, TE", b"Expect: 100-continue", b"TE: trailers",
          b"Upgrade: x", b"Cookie: a=b; c=\"d\"", b"A!#$%&'*+-.^_`|~9: 1",
          b"Authorization: Basic eDp5", b"Trailer: X"]
ODD = [b"X : y", b" X: y", b"X", b": y", b"X: a\r b", b"X: a\x00b", b"X\t: y",
       b"Content-Length: 5", b"Content-Length: 05", b"Content-Length: +5",
       b"Content-Length: 5, 5", b"Transfer-Encoding: chunked",
       b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked, gzip",
       b"Transfer-Encoding: Chunked", b"Host: b.test", b"X: a\r\n b",
       b"Content-Length: 18446744073709551621"]
EXTENSIONS = [b""] * 6 + [b";a", b";a=b", b";a=\"b;c\\\"\"", b";", b" ;a",
                          b" ", b";a=\"b"]
TRAILERS = [b"X-Sum: 7", b"X-Sum: a b", b"Host: b.test", b"Content-Length: 5",
            b"Authorization: x", b"Transfer-Encoding: chunked", b"X : y"]
STATUS = [b"200 OK"] * 6 + [b"404 Not Found", b"204 No Content", b"304 x",
                            b"100 Continue", b"101 x", b"103 ", b"500",
                            b"200 \xff", b"99 x", b"600 x", b"2000 x"]
SPOIL = [b"\r", b"\n", b"\r\n", b"\x00", b" ", b"\t", b":", b",", b"0", b"f",
         b"\x80", b"\x0b", b";", b"chunked", b"5", b"\r\n\r\n", b"-", b"+"]


def chunks(rng):
    out = b""
    for _ in range(rng.randrange(4)):
        data = rng.choice([b"hello", b"\r\n", b"x", b"0\r\n\r\n", b"y" * 17])
        size = rng.choice([b"%x", b"%x", b"%X", b"0%x"]) % len(data)
        out += size + rng.choice(EXTENSIONS) + b"\r\n" + data + b"\r\n"
    out += b"0" + rng.choice(EXTENSIONS) + b"\r\n"
    for _ in range(rng.choice([0, 0, 0, 1, 2])):
        out += rng.choice(TRAILERS) + b"\r\n"
    return out + b"\r\n"


def message(rng, kind):
    if kind == REQUEST:
        method = rng.choice(METHODS)
        target = {b"CONNECT": b"a.test:443"}.get(method)
        if target is None or rng.random() < 0.1:
            target = rng.choice(TARGETS if rng.random() < 0.4 else
                                TARGETS[:3])
        lines = [method + b" " + target + b" " + rng.choice(VERSIONS),
                 rng.choice(HOSTS)]
    else:
        lines = [rng.choice([b"HTTP/1.1"] * 5 + [b"HTTP/1.0"]) + b" " +
                 rng.choice(STATUS)]
    for _ in range(rng.randrange(5)):
        lines.append(rng.choice(FIELDS))
    if rng.random() < 0.15:
        lines.append(rng.choice(ODD))
    body = b""
    form = rng.randrange(4)
    if form == 1:
        body = rng.choice([b"", b"hello", b"GET / HTTP/1.1\r\n\r\n"])
        lines.append(b"Content-Length: %d" % len(body))
    elif form == 2:
        body = chunks(rng)
        lines.append(b"Transfer-Encoding: chunked")
    elif form == 3 and kind == RESPONSE:
        body = b"until the end"
    rng.shuffle(tail := lines[1:])
    return b"\r\n".join(lines[:1] + tail) + b"\r\n\r\n" + body


def spoil(rng, data):
    data = bytearray(data)
    for _ in range(rng.choice([0, 0, 0, 1, 1, 2, 3])):
        at = rng.randrange(len(data) + 1)
        what = rng.randrange(4)
        if what == 0:
            data[at:at] = rng.choice(SPOIL)
        elif what == 1:
            data[at:at + 1] = rng.choice(SPOIL)
        elif what == 2:
            del data[at:at + rng.randrange(1, 4)]
        elif at < len(data):
            data[at] = rng.randrange(256)
    return bytes(data)


def seeds(kind):
    """The fuzzers' corpora, without their first byte."""
    name = ("http1_request", "http1_response")[kind]
    folders = (os.path.join(TOP, "tests/fuzz/corpus", name),
               os.path.join(TOP, "build/fuzz/corpus", name))
    for path in sorted(p for f in folders for p in glob.glob(f + "/*")):
        with open(path, "rb") as f:
            yield f.read()[1:]


def inputs(rng, kind, count):
    stored = list(seeds(kind))
    for i in range(count):
        if i < len(stored):
            data = stored[i]
        else:
            data = b"".join(message(rng, kind)
                            for _ in range(rng.choice([1, 1, 1, 2, 3])))
            data = spoil(rng, data)
        method = b"" if kind == REQUEST else rng.choice(
            [b"GET", b"GET", b"GET", b"HEAD", b"CONNECT"])
        yield Record(kind, method, data)


# --- the tests ---------------------------------------------------------------

def compare(kind, seed, count):
    """Returns what is wrong, and a line about what was compared."""
    records = list(inputs(random.Random(seed), kind, count))
    wrong, messages, accepted = [], 0, 0
    for record, (found, why) in zip(records, ours(records)):
        accepted += bool(found)
        for m in found:
            messages += 1
            text = differs(record, m)
            if text is not None:
                wrong.append(f"{record} at {m.start} ({why}): {text}")
    if accepted < ACCEPTED_MIN * count:
        wrong.append(f"only {accepted} of {count} inputs were accepted")
    return wrong, f"{messages} messages of {count} inputs"


def requests(args):
    return compare(REQUEST, args.seed, args.count)


def responses(args):
    return compare(RESPONSE, args.seed, args.count)


def control(_):
    """A reading that is wrong in one respect is seen as different."""
    record = Record(REQUEST, b"", b"POST /x HTTP/1.1\r\nHost: a.test\r\n"
                    b"Transfer-Encoding: chunked\r\n\r\n"
                    b"2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\nGET /")
    (found, why), = ours([record])
    wrong = [] if len(found) == 1 and why == "more" else [f"{found} {why}"]
    good = found[0]
    if differs(record, good) is not None:
        wrong.append(f"the control itself: {differs(record, good)}")
    changes = {"minor": 0, "first": b"GET", "second": b"/y",
               "fields": good.fields[:1], "payload": b"h", "trailers": [],
               "end": good.end - 1}
    for name, value in changes.items():
        if differs(record, good._replace(**{name: value})) is None:
            wrong.append(f"a wrong {name} is not seen")
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost\r\n\r\n"):
        if differs(Record(REQUEST, b"", data), good) is None:
            wrong.append(f"a refusal is not seen: {data}")
    return wrong, f"{len(changes) + 2} wrong readings"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=40000)
    args = parser.parse_args()
    tests = (control, requests, responses)
    bad = 0
    print(f"1..{len(tests)}")
    for i, test in enumerate(tests, 1):
        wrong, line = test(args)
        bad += bool(wrong)
        for text in wrong[:10]:
            print("#", text)
        print(f"{'not ok' if wrong else 'ok'} {i} - http1_peer "
              f"{test.__name__}: {line}, {len(wrong)} differences",
              flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
