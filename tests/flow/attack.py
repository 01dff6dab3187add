"""An attacker in a jail, moved from outside one step at a time.

The test says what is to be sent, byte by byte, over which way; the attacker
says what came back; the witnesses of upstream.py say what went through.
"""

import base64
import contextlib
import json
import os
import socket
import struct
import subprocess
import time

from flow import Failed
from upstream import Reader, Request, Web

SECONDS = 8  # a step of the attacker, unless it says otherwise

# What does not depend on who starts the jail is tried as one user only.
ONCE = ("root",) if os.geteuid() == 0 else ("rootless",)

# Runs in the jail: a line of JSON in, a line of JSON out, for each play.
AGENT = r"""
import base64, json, os, socket, ssl, sys, time
b64 = lambda b: base64.b64encode(b).decode()
class Play:
    def __init__(self, seconds):
        self.seconds, self.s, self.held = seconds, None, b""
        self.said, self.end, self.note = [], None, ""
    def more(self):
        try:
            data = self.s.recv(65536)
        except socket.timeout:
            self.end = "open"
            return False
        except ConnectionResetError:
            self.end = "reset"
            return False
        except ssl.SSLError as e:
            self.end, self.note = "tls", str(e)
            return False
        except OSError as e:
            self.end, self.note = "error", str(e)
            return False
        if not data:
            self.end = "eof"
        self.held += data
        return bool(data)
    def connect(self, host, port, source=None):
        self.s = socket.create_connection((host, port), self.seconds, source)
    def send(self, data, size=None, pause=0):
        data = base64.b64decode(data)
        try:
            for at in range(0, len(data), size or len(data) or 1):
                self.s.sendall(data[at:at + (size or len(data))])
                if pause:
                    time.sleep(pause)
        except (ConnectionError, ssl.SSLError, socket.timeout) as e:
            self.note = "send: " + str(e)
    def tls(self, name, ca=None, most=None):
        c = ssl.create_default_context()
        if ca is not None:
            c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            if ca:
                c.load_verify_locations(ca)
        if ca == "":
            c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
        if name is None:
            c.check_hostname = False
        if most:
            c.maximum_version = getattr(ssl.TLSVersion, most)
        self.s = c.wrap_socket(self.s, server_hostname=name)
        self.said.append(self.s.getpeercert(True) or b"")
    def upto(self, end):
        while end not in self.held and self.more():
            pass
        at = self.held.find(end)
        at = len(self.held) if at < 0 else at + len(end)
        part, self.held = self.held[:at], self.held[at:]
        return part
    def head(self):
        self.said.append(self.upto(b"\r\n\r\n"))
    def response(self):
        head = self.upto(b"\r\n\r\n")
        low = head.lower()
        body = b""
        if b"\r\ntransfer-encoding: chunked" in low:
            while True:
                line = self.upto(b"\r\n")
                if not line.endswith(b"\r\n"):
                    break
                n = int(line.split(b";")[0], 16)
                if n == 0:
                    while len(line := self.upto(b"\r\n")) > 2:
                        body += b"\r\n" + line  # a trailer
                    break
                while len(self.held) < n + 2 and self.more():
                    pass
                body, self.held = body + self.held[:n], self.held[n + 2:]
        elif b"\r\ncontent-length: " in low:
            n = int(low.split(b"\r\ncontent-length: ")[1].split(b"\r\n")[0])
            while len(self.held) < n and self.more():
                pass
            body, self.held = self.held[:n], self.held[n:]
        self.said.append(head + body)
    def all(self, limit=1 << 26):
        while len(self.held) < limit and self.more():
            pass
        self.said.append(self.held)
        self.held = b""
    def shut(self):
        try:
            self.s.shutdown(socket.SHUT_WR)
        except OSError as e:
            self.note = "shut: " + str(e)
    def sleep(self, seconds):
        time.sleep(seconds)
    def env(self, name):
        self.said.append(os.environ.get(name, "").encode())
    def udp(self, host, port, data, wait=None):
        f = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.s = socket.socket(f, socket.SOCK_DGRAM)
        self.s.settimeout(wait or self.seconds)
        self.s.connect((host, port))
        self.s.send(base64.b64decode(data))
        self.said.append(self.s.recv(65536))
    def run(self, steps):
        try:
            for name, *rest in steps:
                getattr(self, name)(*rest)
        except Exception as e:
            self.end, self.note = "error", type(e).__name__ + ": " + str(e)
        if self.s is not None:
            self.s.close()
        return {"said": [b64(x) for x in self.said], "end": self.end,
                "note": self.note}
print("ready", flush=True)
for line in sys.stdin:
    plays = json.loads(line)
    print(json.dumps([Play(p["seconds"]).run(p["steps"]) for p in plays]),
          flush=True)
"""


class Outcome:
    """What a play came to: the answers, and how the connection ended."""

    def __init__(self, told):
        self.said = [base64.b64decode(x) for x in told["said"]]
        self.end = told["end"]
        self.note = told["note"]

    @property
    def last(self):
        return self.said[-1] if self.said else b""

    @property
    def status(self):
        """Of the last answer: a number, or how it ended without one."""
        if self.end in ("error", "tls"):
            return self.end
        return status_of(self.last) or self.end

    @property
    def record(self):
        """The refusal record in the last answer."""
        with contextlib.suppress(ValueError, IndexError):
            return json.loads(self.last.split(b"\r\n\r\n", 1)[1])
        return {}

    @property
    def code(self):
        return self.record.get("code")

    def __repr__(self):
        return f"{self.status} {self.last!r:.300} {self.end} {self.note}"


def status_of(answer):
    words = answer.split(b"\r\n", 1)[0].split(b" ")
    if len(words) > 1 and words[0].startswith(b"HTTP/"):
        return int(words[1])
    return None


def plain(step):
    return [base64.b64encode(x).decode() if isinstance(x, bytes) else x
            for x in step]


class Attacker:
    """A jail with the agent in it; leave it by "with"."""

    def __init__(self, w, policy, *flags, **more):
        self.process = w.start(["python3", "-c", AGENT], "-i", "--policy",
                               policy, *flags, stdin=subprocess.PIPE,
                               **more)
        self.result = None

    def __enter__(self):
        line = self.process.line()
        if line != "ready\n":
            raise Failed(f"no attacker: {line!r} "
                         f"{self.process.finish().said[:500]!r}")
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.finish()

    def finish(self):
        """End it; what it and the launcher said, once."""
        if self.result is None:
            self.process.popen.stdin.close()
            self.process.popen.stdin = None
            self.result = self.process.finish(20)
        return self.result

    def plays(self, several, seconds=SECONDS):
        """Connections one after the other; an Outcome of each."""
        orders = [{"seconds": seconds, "steps": [plain(s) for s in steps]}
                  for steps in several]
        pipe = self.process.popen.stdin
        pipe.write(json.dumps(orders).encode() + b"\n")
        pipe.flush()
        line = self.process.line()
        if not line:
            raise Failed(f"the attacker has ended: {self.finish().said!r}")
        return [Outcome(x) for x in json.loads(line)]

    def play(self, *steps, seconds=SECONDS):
        return self.plays([steps], seconds)[0]


# ---- ways out -------------------------------------------------------------

EXPLICIT = ("connect", "127.0.0.1", 3128)


class Way:
    """How bytes of a request get to the proxy, and how they name a host."""

    def __init__(self, name, host, *before, absolute=False, capture=False):
        self.name = name
        self.host = host  # as in Host
        self.before = before
        self.absolute = absolute
        self.capture = capture

    def target(self, path):
        return f"http://{self.host}{path}" if self.absolute else path

    def bytes(self, text, path="/"):
        """{T} is the target, {H} the host; text is str or bytes."""
        if isinstance(text, str):
            text = text.encode("latin-1")
        return text.replace(b"{T}", self.target(path).encode("latin-1")) \
                   .replace(b"{H}", self.host.encode())

    def steps(self, text, path="/", *after):
        return [*self.before, ("send", self.bytes(text, path)),
                *(after or (("response",),))]


def connect(host, port):
    """A tunnel of the explicit proxy, ready for its first byte."""
    place = f"{host}:{port}"
    return (EXPLICIT, ("send", f"CONNECT {place} HTTP/1.1\r\n"
                       f"Host: {place}\r\n\r\n".encode()), ("head",))


def get(path="/ok/control", host="{H}", *fields):
    """A whole request for Way.bytes()."""
    return request("GET", b"", *fields, host=host).replace("{P}", path)


def request(method, body, *fields, host="{H}"):
    """With a length where there is a body."""
    lines = [f"{method} {{T}} HTTP/1.1", f"Host: {host}", *fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines) + "\r\n\r\n" + body.decode("latin-1")


def head(*fields):
    """A GET with these fields, for Way.bytes()."""
    return "\r\n".join(["GET {T} HTTP/1.1", "Host: {H}", *fields]) + \
        "\r\n\r\n"


# ---- policies -------------------------------------------------------------

def write_policy(w, services, credentials=(), more=""):
    """Services and credentials as lists of lines by their names."""
    text = "policy: 1\nname: rows\nnetwork:\n  services:\n"
    for name, lines in services.items():
        text += f"    {name}:\n" + "".join(f"      {x}\n" for x in lines)
    if credentials:
        text += "credentials:\n"
        for name, lines in credentials.items():
            text += f"  {name}:\n" + "".join(f"    {x}\n" for x in lines)
    return w.file("rows.yaml", text + more)


RULES = ("{methods: read, path: /ok/**}", "{methods: [POST], path: /post}")


def service(to, port, *rules, tls="none", more=()):
    """HTTP to a witness on this port."""
    to = to if isinstance(to, str) else "[" + ", ".join(
        f'"{x}"' for x in to) + "]"
    return [f"to: {to}", f"tls: {tls}", f"dial: 127.0.0.1:{port}",
            "allow: [" + ", ".join(rules or RULES) + "]", *more]


# ---- witnesses ------------------------------------------------------------

def settled(server, seconds=0.15):
    """What has arrived, once nothing more does for a moment."""
    end = time.monotonic() + 2
    seen = (server.connections, len(server.received))
    while time.monotonic() < end:
        time.sleep(seconds)
        now = (server.connections, len(server.received))
        if now == seen:
            break
        seen = now
    return server.received


class Witness(Web):
    """A Web that keeps every head, whole body or not, and can misbehave.

    answer(request) may also give a list: bytes, numbers (seconds of
    silence), "reset" (a TCP reset), "close".
    """

    def __init__(self, answer=None, **more):
        self.heads = []
        super().__init__(answer, **more)

    def body(self, reader, request):
        with contextlib.suppress(TypeError, ValueError):
            return super().body(reader, request)
        return None  # cut off

    def say(self, connection, answer):
        """Whether the connection goes on."""
        if isinstance(answer, bytes):
            answer = [answer]
        for piece in answer or ["close"]:
            if piece == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                      struct.pack("ii", 1, 0))
            if isinstance(piece, str):
                return False
            if isinstance(piece, bytes):
                connection.sendall(piece)
            else:
                time.sleep(piece)
        return True

    def serve(self, connection):
        reader = Reader(connection, self.bytes)
        while (head := reader.until(b"\r\n\r\n")) is not None:
            request = Request(head, b"")
            self.heads.append(request)
            request.body = self.body(reader, request)
            if request.body is None:
                return
            self.requests.append(request)
            if not self.say(connection, self.answer(request)):
                return

    def saw(self, mark):
        return mark.encode() in self.received


def memory_of(pid):
    """Bytes that a process has in memory."""
    with open(f"/proc/{pid}/status", encoding="ascii",
              errors="replace") as f:
        for line in f:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise Failed(f"process {pid} has no memory")
