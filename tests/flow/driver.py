"""Many conversations out of one jail: raw bytes in, what came back out.

A conversation is a dictionary: "way" (explicit, connect, capture), "host" and
"port", "tls" (with its "sni"), "send", a list of byte strings with pauses
between them, and "half": say afterwards that nothing more comes.  run() gives a list of answers, each with "raw" (all bytes until
the end or a silence) and "end" (eof, reset, silence, refused, tls: …).
"""

import base64
import json

from flow import Failed

# Runs in the jail, on its Python; reads the conversations from stdin.
SCRIPT = r'''
import base64, json, socket, ssl, sys, time

def get(x):
    return base64.b64decode(x)

def open_way(c):
    if c["way"] == "capture":
        return socket.create_connection((c["host"], c["port"]), 10)
    s = socket.create_connection(("127.0.0.1", 3128), 10)
    if c["way"] == "connect":
        to = f"{c['host']}:{c['port']}"
        s.sendall(f"CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            d = s.recv(1)
            if not d:
                raise EOFError(head.decode("latin-1"))
            head += d
        if b" 200 " not in head:
            s.settimeout(2)
            while True:
                d = s.recv(65536)
                if not d:
                    break
                head += d
            raise EOFError(head.decode("latin-1"))
    return s

def secure(s, c):
    x = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    x.check_hostname = False
    x.verify_mode = ssl.CERT_NONE
    x.set_alpn_protocols(c.get("alpn") or ["http/1.1"])
    return x.wrap_socket(s, server_hostname=c["sni"])

def talk(c):
    out = b""
    try:
        s = open_way(c)
        s.settimeout(c.get("seconds", 3))
        if c.get("tls"):
            s = secure(s, c)
        for piece in c["send"]:
            s.sendall(get(piece))
            if len(c["send"]) > 1:
                time.sleep(c.get("pause", 0.05))
        if c.get("half"):
            s.shutdown(socket.SHUT_WR)
        while True:
            d = s.recv(65536)
            if not d:
                return out, "eof"
            out += d
    except ssl.SSLError as e:
        return out, "tls: " + str(e)
    except socket.timeout:
        return out, "silence"
    except EOFError as e:
        return e.args[0].encode("latin-1"), "tunnel"
    except ConnectionRefusedError:
        return out, "refused"
    except socket.gaierror:
        return out, "no name"
    except OSError as e:
        return out, "reset" if e.errno in (104, 32, 107) else str(e)

answers = []
for c in json.load(sys.stdin):
    raw, end = talk(c)
    answers.append({"raw": base64.b64encode(raw).decode(), "end": end})
print(json.dumps(answers))
'''


class Answer:
    def __init__(self, raw, end):
        self.raw = raw
        self.end = end
        head = raw.split(b"\r\n", 1)[0].split(b" ")
        self.status = int(head[1]) if len(head) > 1 and head[1].isdigit() \
            and head[0].startswith(b"HTTP/") else None

    def statuses(self):
        """Of all responses in it, in their order."""
        return [int(x[:3]) for x in self.raw.split(b"HTTP/1.1 ")[1:]]

    def __repr__(self):
        return f"<{self.end} {self.raw[:400]!r}>"


def request(target, host, method="GET", fields=(), body=b"", version="1.1"):
    lines = [f"{method} {target} HTTP/{version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    lines += [f"{k}: {v}" for k, v in fields]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def case(send, way="explicit", host=None, port=None, tls=False, sni=None,
         **more):
    pieces = send if isinstance(send, list) else [send]
    more.setdefault("half", not tls)
    return dict(way=way, host=host, port=port, tls=tls, sni=sni,
                send=[base64.b64encode(p).decode() for p in pieces], **more)


def run(w, policy, cases, *flags, seconds=60):
    """The answers, and the result of the whole run."""
    r = w.exec(["python3", "-c", SCRIPT], "-i", "--policy", policy, *flags,
               data=json.dumps(cases).encode(), seconds=seconds)
    if r.status != 0:
        raise Failed(f"exit status {r.status}: {r.said[-2000:]}")
    return [Answer(base64.b64decode(a["raw"]), a["end"])
            for a in json.loads(r.text)], r


# ---- policies of tests -----------------------------------------------------

def policy(w, services, more=""):
    text = "policy: 1\nname: out\nnetwork:\n  services:\n"
    for name, lines in services.items():
        text += f"    {name}:\n"
        text += "".join(f"      {line}\n" for line in lines)
    return w.file("out.yaml", text + more)


def web(port, *rules, to="web.internal:80"):
    rules = rules or ("{methods: read, path: /ok/**}",
                      "{methods: [POST], path: /post}")
    return [f"to: {to}", "tls: none", f"dial: 127.0.0.1:{port}",
            "allow: [" + ", ".join(rules) + "]"]


def tcp(port, to="echo.internal:7000"):
    return [f"to: {to}", "protocol: tcp", "allow: any",
            f"dial: 127.0.0.1:{port}"]
