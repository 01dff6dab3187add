"""Servers that write down every byte they get: the witnesses of the proxy.

What a test says about "nothing was sent" is read from here, never from what
the client was told.
"""

import contextlib
import os
import socket
import ssl
import subprocess
import threading

SECONDS = 20  # for which a connection may be silent


class Request:
    def __init__(self, raw, body):
        self.raw = raw
        self.body = body
        self.trailers = []
        lines = raw.decode("latin-1").split("\r\n")
        self.method, self.target, self.version = lines[0].split(" ", 2)
        self.fields = [tuple(x.split(":", 1)) for x in lines[1:] if x]
        self.fields = [(k.lower(), v.strip()) for k, v in self.fields]

    def get(self, name):
        found = [v for k, v in self.fields if k == name]
        return found[0] if len(found) == 1 else found or None


class Reader:
    """Bytes of a connection, all of which are written down."""

    def __init__(self, connection, log):
        self.connection = connection
        self.log = log
        self.held = b""

    def more(self):
        data = self.connection.recv(65536)
        self.log.append(data)
        self.held += data
        return bool(data)

    def until(self, end):
        while end not in self.held:
            if not self.more():
                raise EOFError
        at = self.held.index(end) + len(end)
        part, self.held = self.held[:at], self.held[at:]
        return part

    def exactly(self, n):
        while len(self.held) < n:
            if not self.more():
                raise EOFError
        part, self.held = self.held[:n], self.held[n:]
        return part


class Server:
    """Accepts on a port of 127.0.0.1; serve() has a thread a connection."""

    def __init__(self, context=None, host="127.0.0.1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.create_server((host, 0), family=family,
                                           backlog=128)
        self.port = self.socket.getsockname()[1]
        self.context = context
        self.connections = 0  # accepted
        self.bytes = []  # received, in the order of reads
        self.failures = []  # of the TLS handshake
        self.open = []
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    @property
    def received(self):
        return b"".join(self.bytes)

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                self.connections += 1
                self.open.append(connection)
                threading.Thread(target=self.run, args=(connection,),
                                 daemon=True).start()

    def run(self, connection):
        connection.settimeout(SECONDS)
        try:
            if self.context is not None:
                connection = self.context.wrap_socket(connection,
                                                      server_side=True)
        except (OSError, ssl.SSLError) as e:
            self.failures.append(str(e))
            return
        with contextlib.suppress(OSError, EOFError):
            self.serve(connection)
        with contextlib.suppress(OSError):
            connection.close()

    def serve(self, connection):
        raise NotImplementedError

    def close(self):
        # a thread that still accepts would take what the next server, whose
        # descriptor has the same number, is meant to witness
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(5)
        self.socket.close()
        for connection in self.open:
            with contextlib.suppress(OSError):
                connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Echo(Server):
    """Sends back what comes, in capitals, until its end; then "end"."""

    def serve(self, connection):
        while True:
            data = connection.recv(65536)
            self.bytes.append(data)
            if not data:
                break
            connection.sendall(data.upper())
        connection.sendall(b"end")


class Web(Server):
    """HTTP/1.1; answer(request) gives raw bytes, or None: nothing, close."""

    def __init__(self, answer=None, **more):
        self.requests = []
        self.answer = answer or self.plain
        super().__init__(**more)

    @staticmethod
    def plain(request):
        body = f"{request.method} {request.target} {len(request.body)}\n"
        return response(b"" if request.method == "HEAD" else body.encode(),
                        length=len(body))

    def body(self, reader, request):
        if request.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(reader.until(b"\r\n"), 16):
                body += reader.exactly(size)
                reader.exactly(2)
            while (line := reader.until(b"\r\n")) != b"\r\n":
                request.trailers.append(line[:-2].decode("latin-1"))
            return body
        return reader.exactly(int(request.get("content-length") or 0))

    def serve(self, connection):
        reader = Reader(connection, self.bytes)
        while True:
            head = reader.until(b"\r\n\r\n")
            request = Request(head, b"")
            request.body = self.body(reader, request)
            self.requests.append(request)
            answer = self.answer(request)
            if answer is None:
                return
            connection.sendall(answer)

    def targets(self):
        return [f"{r.method} {r.target}" for r in self.requests]


class Raw(Server):
    """Reads one head and sends these pieces, whatever was asked."""

    def __init__(self, *pieces, **more):
        self.pieces = pieces
        super().__init__(**more)

    def serve(self, connection):
        reader = Reader(connection, self.bytes)
        reader.until(b"\r\n\r\n")
        for piece in self.pieces:
            connection.sendall(piece)


def response(body, status="200 OK", length=None, **fields):
    head = [f"HTTP/1.1 {status}",
            f"Content-Length: {len(body) if length is None else length}"]
    head += [f"{k.replace('_', '-')}: {v}" for k, v in fields.items()]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


class Authority:
    """A certificate authority of a test's own, made by openssl(1)."""

    def __init__(self, folder):
        self.folder = folder
        self.pem = os.path.join(folder, "ca.pem")
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                     "-subj", "/CN=a test's authority", "-keyout", "ca.key",
                     "-out", "ca.pem")
        os.chmod(self.pem, 0o644)

    def openssl(self, *argv):
        subprocess.run(["openssl", *argv], cwd=self.folder, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def context(self, *names, signed=True, days=1, more=(), minimum=None):
        """A server's, with a certificate for these names (or IP:…)."""
        stem = f"leaf-{len(os.listdir(self.folder))}"
        names = [n if ":" in n else "DNS:" + n for n in names]
        path = os.path.join(self.folder, stem)
        with open(path + ".ext", "w", encoding="ascii") as f:
            f.write("".join(f"{x}\n" for x in more))
            if names:
                f.write("subjectAltName=" + ",".join(names) + "\n")
        self.openssl("req", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:P-256", "-nodes", "-subj",
                     "/CN=leaf", "-keyout", stem + ".key", "-out",
                     stem + ".csr")
        sign = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"] \
            if signed else ["-signkey", stem + ".key"]
        self.openssl("x509", "-req", "-in", stem + ".csr", *sign, "-days",
                     str(days), "-extfile", stem + ".ext", "-out",
                     stem + ".pem")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if minimum is not None:
            context.minimum_version = context.maximum_version = minimum
        context.load_cert_chain(path + ".pem", path + ".key")
        return context
