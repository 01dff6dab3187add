"""A name server of a test's own, which answers from a table and counts."""

import contextlib
import os
import socket
import struct
import threading

A, CNAME, AAAA = 1, 5, 28


class NameServer:
    """table: name -> list of (type, text), or a function of (name, type) that
    gives such a list, raw bytes (a message behind its id), None (no such
    name) or "silence"."""

    made = 0

    def __init__(self, table):
        self.table = table
        self.asked = []
        # one of its own: a socket in use is not gone when it is closed
        NameServer.made += 1
        self.address = (f"127.{os.getpid() % 200 + 20}."
                        f"{os.getpid() // 200 % 251}.{NameServer.made}")
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((self.address, 53))
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                query, peer = self.socket.recvfrom(4096)
                answer = self.answer(query)
                if answer is not None:
                    self.socket.sendto(answer, peer)

    def answer(self, query):
        name, at = [], 12
        while query[at]:
            name.append(query[at + 1:at + 1 + query[at]].decode("latin-1"))
            at += 1 + query[at]
        kind = struct.unpack("!H", query[at + 1:at + 3])[0]
        question = query[12:at + 5]
        name = ".".join(name).lower()
        self.asked.append((name, kind))
        rows = self.table
        rows = rows(name, kind) if callable(rows) else rows.get(name)
        if isinstance(rows, bytes):
            return query[:2] + rows
        if rows is None:
            code, rows = 3, []
        elif rows == "silence":
            return None
        else:
            code, rows = 0, [r for r in rows if r[0] in (kind, CNAME)]
        head = query[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(rows),
                                       0, 0)
        return head + question + b"".join(self.record(*r) for r in rows)

    @staticmethod
    def record(kind, text, owner=b"\xc0\x0c"):
        if kind == CNAME:
            data = b"".join(bytes([len(x)]) + x.encode()
                            for x in text.split(".")) + b"\0"
        else:
            family = socket.AF_INET if kind == A else socket.AF_INET6
            data = socket.inet_pton(family, text)
        return owner + struct.pack("!HHIH", kind, 1, 0, len(data)) + data

    def under(self, w, command):
        """A command line whose system has this server in resolv.conf."""
        path = w.file("resolv.conf", f"nameserver {self.address}\n"
                      "search internal test\noptions timeout:1 attempts:1\n")
        return ["unshare", "-m", "sh", "-c",
                'mount --bind "$1" "$(realpath /etc/resolv.conf)" && shift '
                '&& exec "$@"', "sh", path, *command]

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
