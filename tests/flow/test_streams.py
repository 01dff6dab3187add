#!/usr/bin/env python3
"""Many streams at once: silent ones, one event to all, readers that stall.

	test_streams.py [--all] [NAME...]

300 streams; with --all 5,000.  Half of them come over TCP, half by the Unix
socket.  The attempts are scripts that control_stub plays; it waits for files,
so that nothing here depends on time.
"""
import contextlib
import os
import resource
import select
import socket
import sys
import time

import service
from service import AGENT, Failed, check, equal, test, wait_until

MANY = 300
if "--all" in sys.argv:
    sys.argv.remove("--all")
    MANY = 5000
CAP = MANY + 100
WRITE_MS = 2000
PATIENCE = 240  # seconds, on a machine that has others to serve
EVENTS = 5
STALLED = 20
FLOOD, FLOOD_BYTES = 128, 16 * 1024
# A sanitizer keeps what was freed.
SANITIZED = "address" in os.environ.get("WARDER_BUILD", "")


class Reader:
    """A stream, read without waiting: its events as (id, name)."""

    def __init__(self, s, key, path, last="-1", unix=False):
        self.sock = socket.socket(
            socket.AF_UNIX if unix else socket.AF_INET)
        # without a timeout: a Unix socket refuses whoever does not wait
        self.sock.connect(os.path.join(s.folder, "api.sock") if unix
                          else ("127.0.0.1", s.port))
        self.sock.settimeout(PATIENCE)
        self.sock.sendall((
            f"GET {path} HTTP/1.0\r\nX-API-Key: {key}\r\n"
            f"Last-Event-ID: {last}\r\n\r\n").encode())
        self.data = b""
        self.head = None
        self.events = []
        self.over = False

    def read_head(self):
        while b"\r\n\r\n" not in self.data:
            got = self.sock.recv(65536)
            if not got:
                raise Failed(f"no head but {self.data!r}")
            self.data += got
        self.head, self.data = self.data.split(b"\r\n\r\n", 1)
        return self.head

    def take(self):
        """What is there; the end, orderly or not, is over."""
        try:
            got = self.sock.recv(1 << 20, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except ConnectionResetError:
            got = b""
        self.over |= not got
        self.data += got
        *frames, self.data = self.data.split(b"\n\n")
        for frame in frames:
            fields = dict(line.split(b": ", 1) for line in frame.split(b"\n"))
            if b"event" in fields:  # no heartbeat
                ident = fields.get(b"id")
                self.events.append((None if ident is None else int(ident),
                                    fields[b"event"].decode()))

    def ids(self):
        return [i for i, _ in self.events if i is not None]

    def close(self):
        self.sock.close()


def read_until(readers, condition):
    """Read whatever comes until it is true of each of them."""
    poll = select.epoll()
    waiting = {}
    for r in readers:
        if not condition(r):
            poll.register(r.sock, select.EPOLLIN)
            waiting[r.sock.fileno()] = r
    end = time.monotonic() + PATIENCE
    while waiting:
        if time.monotonic() > end:
            some = next(iter(waiting.values()))
            raise Failed(f"{len(waiting)} of {len(readers)} are behind: "
                         f"{some.events[-3:]}, {some.data[-100:]!r}")
        for fd, _ in poll.poll(1):
            r = waiting[fd]
            r.take()
            if condition(r):
                poll.unregister(fd)
                del waiting[fd]
            elif r.over:
                raise Failed(f"it ended: {r.events[-3:]}, {r.data[-100:]!r}")
    poll.close()


def touch(path):
    with open(path, "w", encoding="utf-8"):
        pass


def gate(s, name):
    path = os.path.join(s.folder, name)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    return path


@contextlib.contextmanager
def opened(s, n, path, **kw):
    readers = []
    try:
        for i in range(n):
            readers.append(Reader(s, s.user.key, path,
                                  unix=kw.get("unix", i % 2 == 1)))
        for r in readers:
            check(b" 200 " in r.read_head(), r.head)
        yield readers
    finally:
        for r in readers:
            r.close()
        # the service sees it when it looks
        wait_until(lambda: open_streams(s) == 0, PATIENCE, "all gone")


def open_streams(s):
    for line in s.user.get("/metrics").expect(200).body.decode().splitlines():
        if line.startswith("warder_api_streams_open "):
            return int(line.split()[1])
    raise Failed("/metrics does not say how many streams are open")


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def private_kb(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return sum(int(line.split()[1]) for line in f
                   if line.startswith("Private_Dirty"))


def started(s, *steps):
    thread = s.user.thread()
    run = s.user.run(thread, list(steps))
    return thread, run, f"/threads/{thread}/runs/{run}/stream"


# ---- silence, and one event to all --------------------------------------------

@test
def streams__an_event_to_all__each_has_it_once_in_order(s):
    first, second = gate(s, "first"), gate(s, "second")
    emits = [{"emit": ["custom", {"n": n}]} for n in range(EVENTS)]
    _, _, path = started(s, {"until": first}, *emits, {"until": second},
                         {"result": {"done": 1}})
    idle = private_kb(s.process.pid)
    with opened(s, MANY, path) as readers:
        read_until(readers, lambda r: r.events == [(0, "metadata")])
        def each():
            return (private_kb(s.process.pid) - idle) / MANY
        # of few it is mostly what the first of them all costs; what a crowd
        # needed for its requests is given back
        if MANY >= 5000:
            wait_until(lambda: each() <= 4, PATIENCE, "4 KiB each")
        print(f"# {each():.2f} KiB of private memory each")
        # nothing happens: heartbeats, and no processor time but for them
        spent, _ = cpu_ticks(s.process.pid), time.sleep(2)
        spent = cpu_ticks(s.process.pid) - spent
        print(f"# {spent} ticks of a processor in two idle seconds")
        check(spent <= 20, f"{spent} ticks while nothing happens")
        touch(first)
        read_until(readers, lambda r: len(r.events) == 1 + EVENTS)
        touch(second)
        read_until(readers, lambda r: r.over)
        expected = [(0, "metadata")] + [(1 + n, "custom")
                                        for n in range(EVENTS)]
        for r in readers:
            equal(r.events[:1 + EVENTS], expected)
            names = [name for _, name in r.events[1 + EVENTS:]]
            equal(names, ["values", "end"])
            equal(r.ids(), sorted(set(r.ids())))


@test
def streams__above_the_cap__refused_with_why_and_when(s):
    go = gate(s, "cap")
    _, _, path = started(s, {"until": go})
    with opened(s, CAP, path) as readers:
        equal(open_streams(s), CAP)
        answer = s.user.get(path).expect(429, "streams are open already")
        check(int(answer.headers["retry-after"]) > 0, answer.headers)
        # what is no stream is answered
        s.user.get("/ok").expect(200)
        readers.pop().close()
        wait_until(lambda: open_streams(s) < CAP, PATIENCE, "one less")
        readers.append(Reader(s, s.user.key, path))
        check(b" 200 " in readers[-1].read_head(), readers[-1].head)
    touch(go)


# ---- readers that stall ----------------------------------------------------------

def hung_up(r):
    poll = select.poll()
    poll.register(r.sock, select.POLLRDHUP)
    return bool(poll.poll(0))


@test
def streams__stalled_readers__cost_nothing_and_go_on_later(s):
    go = gate(s, "flood")
    _, _, path = started(s, {"until": go}, {"flood": [FLOOD, FLOOD_BYTES]})
    total = FLOOD + 2  # metadata, values
    with opened(s, STALLED, path, unix=True) as stalled, \
            opened_inside(s, STALLED, path) as others:
        before = most = private_kb(s.process.pid)
        touch(go)

        def whole(r):
            nonlocal most
            most = max(most, private_kb(s.process.pid))
            return r.over
        read_until(others, whole)
        for r in others:
            equal(r.ids(), list(range(total)))
        # nobody has read of these: they are cut off, and not waited for
        for r in stalled:
            wait_until(lambda r=r: hung_up(r), PATIENCE, "the end of a stream")
            most = max(most, private_kb(s.process.pid))
        owed = STALLED * FLOOD * FLOOD_BYTES // 1024
        print(f"# {most - before} KiB more for {owed} KiB that were owed")
        check(most - before < owed * 2 // 3 or SANITIZED,
              f"{most - before} KiB more")
        for r in stalled:
            while not r.over:
                r.take()
            check(0 < len(r.ids()) < total, f"{len(r.ids())} events")
            equal(r.ids(), list(range(len(r.ids()))))
    # each goes on where it was left
    for r in stalled[:3]:
        rest = Reader(s, s.user.key, path, last=str(r.ids()[-1]))
        rest.read_head()
        read_until([rest], lambda r: r.over)
        equal(r.ids() + rest.ids(), list(range(total)))
        rest.close()


@contextlib.contextmanager
def opened_inside(s, n, path):
    """As opened(), beside others that stay."""
    readers = [Reader(s, s.user.key, path, unix=i % 2 == 1) for i in range(n)]
    try:
        for r in readers:
            check(b" 200 " in r.read_head(), r.head)
        yield readers
    finally:
        for r in readers:
            r.close()


# ---- the process dies ---------------------------------------------------------------

@test
def streams__the_process_is_killed__resumed_behind_the_last_event(s):
    go = gate(s, "again")
    thread, run, path = started(s, {"emit": ["custom", {"n": 1}]},
                                {"until": go}, {"result": {"n": 2}})
    readers = [Reader(s, s.user.key, path) for _ in range(10)]
    for r in readers:
        check(b" 200 " in r.read_head(), r.head)
    read_until(readers, lambda r: len(r.events) == 2)
    s.process.kill()
    s.process.wait()
    read_until(readers, lambda r: r.over)
    s.start()
    again = [Reader(s, s.user.key, path, last=str(r.ids()[-1]))
             for r in readers]
    for r in again:
        check(b" 200 " in r.read_head(), r.head)
    touch(go)
    read_until(again, lambda r: r.over)
    s.user.wait_for(thread, run, "success")
    for old, r in zip(readers, again):
        ids = old.ids() + r.ids()
        equal(ids[0], 0)
        equal(ids, sorted(set(ids)))
        equal([name for _, name in r.events][-2:], ["values", "end"])
        # the attempt that died and the next
        names = [name for _, name in old.events + r.events]
        equal(names.count("metadata"), 2)
        r.close()
        old.close()


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if most < 2 * CAP + 200:
        print(f"1..0 # SKIP {most} open files are too few")
        sys.exit(0)
    sys.exit(service.main({"STUB_STREAMS": str(CAP),
                           "STUB_WRITE_MS": str(WRITE_MS),
                           "STUB_HEARTBEAT_MS": "5000"}))
