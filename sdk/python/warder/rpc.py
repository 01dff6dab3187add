"""JSON-RPC 2.0, one object a line, over the socket that the jail was given."""

import itertools
import json
import os
import socket
import threading

LINE_MAX = 1024 * 1024
DEFAULT_FD = "3"


class Error(Exception):
    """Warder refused a request: code is JSON-RPC's, or of its error table."""

    def __init__(self, code, message, data=None):
        super().__init__(message)
        self.code = code
        self.data = data


class ProtocolError(Exception):
    """The host said what it never says, or went away."""


def dumps(value):
    return json.dumps(value, ensure_ascii=False, allow_nan=False,
                      separators=(",", ":")).encode()


class Call:
    """A request of ours that waits for its answer."""

    def __init__(self, on_done=None):
        self.done = threading.Event()
        self.result = None
        self.error = None
        self.on_done = on_done

    def finish(self, result=None, error=None):
        self.result, self.error = result, error
        self.done.set()
        if self.on_done is not None:
            self.on_done()

    def wait(self):
        self.done.wait()
        if self.error is not None:
            raise self.error
        return self.result


class Connection:
    """Messages both ways; any thread may send, one thread reads."""

    def __init__(self, sock):
        self.sock = sock
        self.ids = itertools.count(1)
        self.calls = {}
        self.lock = threading.Lock()
        self.closed = None

    @classmethod
    def inherited(cls):
        """The socket that WARDER_FD names; ProtocolError without it."""
        fd = os.environ.get("WARDER_FD")
        if fd is None:
            raise ProtocolError("WARDER_FD is not set: this is no jail of an "
                                "agent with \"protocol: native\"")
        return cls(socket.socket(fileno=int(fd)))

    def send(self, message):
        line = dumps(dict(message, jsonrpc="2.0")) + b"\n"
        if len(line) > LINE_MAX:
            raise Error(-32029, f"a message of {len(line)} bytes; "
                        f"{LINE_MAX} are the most")
        with self.lock:
            try:
                self.sock.sendall(line)
            except OSError as e:
                raise ProtocolError(f"the host is gone: {e}") from None

    def notify(self, method, params):
        self.send({"method": method, "params": params})

    def begin(self, method, params, on_done=None):
        """Ask, without waiting: the Call's wait() gives the answer.

        on_done() is called by the thread that reads, when it is there.
        """
        call = Call(on_done)
        with self.lock:
            if self.closed is not None:
                raise self.closed
            number = next(self.ids)
            self.calls[number] = call
        try:
            self.send({"id": number, "method": method, "params": params})
        except Error:
            self.calls.pop(number, None)
            raise
        return call

    def request(self, method, params):
        return self.begin(method, params).wait()

    def read(self, on_call):
        """Read until the host ends it; on_call(method, params, id)."""
        try:
            with self.sock.makefile("rb") as lines:
                for line in lines:
                    self.dispatch(json.loads(line), on_call)
            why = ProtocolError("the host has ended the conversation")
        except (OSError, ValueError) as e:
            why = ProtocolError(f"reading from the host: {e}")
        with self.lock:
            self.closed = why
            waiting, self.calls = list(self.calls.values()), {}
        for call in waiting:
            call.finish(error=why)

    def dispatch(self, message, on_call):
        if "method" in message:
            on_call(message["method"], message.get("params") or {},
                    message.get("id"))
            return
        with self.lock:
            call = self.calls.pop(message.get("id"), None)
        if call is None:
            return
        error = message.get("error")
        if error is None:
            call.finish(result=message.get("result"))
        else:
            call.finish(error=Error(error.get("code"), error.get("message"),
                                    error.get("data")))
