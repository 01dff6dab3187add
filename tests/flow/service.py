"""The API served by control_stub, and a client that hides nothing.

A test is a function with one argument, a Service that all tests of a program
share; names that tests make are their own.  TAP as everywhere.
"""

import collections
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import uuid

sys.dont_write_bytecode = True

from watcher import Watcher  # noqa: E402

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
STUB = os.path.join(TOP, os.environ.get("WARDER_BUILD", "build"),
                    "tests", "flow", "control_stub")
AGENT = "agent"
AGENT_ID = "fe096781-5601-53d2-b2f6-0d3403f7e9ca"

TESTS = []


class Failed(Exception):
    """What was seen in place of what was expected."""


def test(function):
    TESTS.append(function)
    return function


def check(condition, what):
    if not condition:
        raise Failed(what)


def equal(got, expected, what=""):
    if got != expected:
        raise Failed(f"{what + ': ' if what else ''}got {got!r}, "
                     f"expected {expected!r}")


def wait_until(condition, seconds=10, what="it"):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {seconds} s")
        time.sleep(0.01)


def new_id():
    return str(uuid.uuid4())


class Answer:
    def __init__(self, response, body):
        self.status = response.status
        self.headers = {k.lower(): v for k, v in response.getheaders()}
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    def expect(self, status, detail=None):
        """This status; a failure has the members of RFC 9457."""
        if self.status != status:
            raise Failed(f"status {self.status}, expected {status}: "
                         f"{self.body[:300]!r}")
        if status >= 400 and self.body:
            problem = self.json
            equal(problem["status"], status)
            check(problem["type"].startswith("urn:warder:error:"), problem)
            check(problem["title"] and problem["code"], problem)
            if detail is not None and detail not in problem["detail"]:
                raise Failed(f"{detail!r} is not in {problem['detail']!r}")
        return self


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.unix_path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.unix_path)


Event = collections.namedtuple("Event", "name data id")


class Stream:
    """Server-sent events, one at a time; comments are counted."""

    def __init__(self, connection, response):
        self.connection = connection
        self.response = response
        self.status = response.status
        self.headers = {k.lower(): v for k, v in response.getheaders()}
        self.beats = 0

    def __iter__(self):
        return self

    def __next__(self):
        name = data = ident = None
        while True:
            line = self.response.readline()
            if not line:
                raise StopIteration
            line = line.decode().rstrip("\n")
            if not line and name is not None:
                return Event(name, json.loads(data), ident)
            if line.startswith(":"):
                self.beats += 1
            elif line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                data = line[6:]
            elif line.startswith("id: "):
                ident = line[4:]

    def close(self):
        # an abrupt end, as of a client that has died
        with contextlib.suppress(OSError):
            self.connection.sock.shutdown(socket.SHUT_RDWR)
        self.response.close()
        self.connection.close()


class Client:
    """One key's view of the service."""

    def __init__(self, service, key, headers=None):
        self.service = service
        self.key = key
        self.headers = dict(headers or {})
        if key:
            self.headers["x-api-key"] = key

    def connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.service.port,
                                          timeout=30)

    def send(self, method, path, body=None, headers=None):
        connection = self.connection()
        fields = dict(self.headers, **(headers or {}))
        if body is not None:
            fields.setdefault("content-type", "application/json")
            if not isinstance(body, bytes):
                body = json.dumps(body).encode()
        connection.request(method, path, body, fields)
        return connection, connection.getresponse()

    def ask(self, method, path, body=None, headers=None):
        connection, response = self.send(method, path, body, headers)
        try:
            return Answer(response, response.read())
        finally:
            connection.close()

    def get(self, path, **kw):
        return self.ask("GET", path, **kw)

    def post(self, path, body=None, **kw):
        return self.ask("POST", path, body, **kw)

    def stream(self, method, path, body=None, headers=None):
        return Stream(*self.send(method, path, body, headers))

    # shorter words for what most tests need

    def thread(self, **body):
        return self.post("/threads", body).expect(200).json["thread_id"]

    def run(self, thread, script=None, **body):
        """A run in the background: its id."""
        if script is not None:
            body["input"] = {"script": script}
        body.setdefault("assistant_id", AGENT)
        return self.post(f"/threads/{thread}/runs",
                         body).expect(200).json["run_id"]

    def status(self, thread, run):
        return self.get(f"/threads/{thread}/runs/{run}").json["status"]

    def wait_for(self, thread, run, *statuses):
        return wait_until(
            lambda: (s := self.status(thread, run)) in statuses and s,
            what=f"a status of {statuses}")


class Service:
    def __init__(self, folder, environment=None):
        self.folder = folder
        self.environment = dict(os.environ, **(environment or {}))
        self.watcher = Watcher(folder)
        self.process = None
        self.port = None
        self.start()
        self.user = self.client("acme")
        self.other = self.client("other")
        self.reader = self.client("acme", "reader")
        self.anonymous = Client(self, None)

    def start(self):
        self.process = subprocess.Popen(
            [STUB, self.folder, AGENT, "second"], stdout=subprocess.PIPE,
            text=True, env=self.environment)
        self.watcher.add(self.process.pid)
        for line in self.process.stdout:
            if line.startswith("port "):
                self.port = int(line[5:])
            if line == "ready\n":
                return
        raise Failed("the service did not start")

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(timeout=30)

    def operate(self, method, path, body=None, headers=None):
        """As the operator: over the Unix socket, without a key."""
        connection = UnixConnection(os.path.join(self.folder, "api.sock"))
        fields = dict(headers or {})
        if body is not None:
            fields["content-type"] = "application/json"
        connection.request(method, path,
                           None if body is None else json.dumps(body), fields)
        response = connection.getresponse()
        answer = Answer(response, response.read())
        connection.close()
        return answer

    def client(self, tenant, role="user"):
        made = self.operate("POST", "/v1/keys", {
            "tenant": tenant, "name": "test", "role": role})
        return Client(self, made.expect(201).json["key"])


def run_one(function, service):
    try:
        function(service)
    except Failed as e:
        where = traceback.extract_tb(e.__traceback__)
        line = [f.lineno for f in where if f.name == function.__name__]
        sys.stdout.write(f"# line {line[-1] if line else '?'}: {e}\n")
        return "not ok"
    except Exception as e:  # a test that breaks is a test that fails
        where = traceback.extract_tb(e.__traceback__)
        line = [f.lineno for f in where if f.name == function.__name__]
        sys.stdout.write(f"# line {line[-1] if line else '?'}: "
                         f"{type(e).__name__}: {e}\n")
        return "not ok"
    return "ok"


def main(environment=None):
    """Run the tests; names on the command line choose some."""
    wanted = sys.argv[1:]
    number = failed = 0
    folder = tempfile.mkdtemp(prefix="warder-api-")
    service = Service(folder, environment)
    try:
        for function in TESTS:
            name = function.__name__
            if wanted and not any(w in name for w in wanted):
                continue
            number += 1
            if service.process.poll() is not None:
                print("Bail out! the service has died")
                return 1
            verdict = run_one(function, service)
            failed += verdict != "ok"
            print(f"{verdict} {number} - {name}", flush=True)
        number += 1
        verdict = "ok" if service.stop() == 0 else "not ok"
        failed += verdict != "ok"
        print(f"{verdict} {number} - the service ends well")
    finally:
        if service.process.poll() is None:
            service.process.kill()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"1..{number}")
    return 1 if failed else 0
