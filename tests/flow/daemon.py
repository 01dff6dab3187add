"""The whole service, started as one user starts it: warderd, warder-control,
agents in jails, and the command line that asks it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import urllib.parse

from flow import TOP, Failed, check, equal, patience, wait_until

AGENTS = os.path.join(TOP, "examples", "agents")
ANSWER_S = 300  # whoever has not answered then hangs


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Daemon:
    """warderd with its own directories, and a key for its API."""

    def __init__(self, w, settings="", folder=None, listen=""):
        self.w = w
        self.folder = folder or w.scratch("daemon")
        self.etc = os.path.join(self.folder, "etc")
        self.state = os.path.join(self.folder, "state")
        self.socket = os.path.join(self.folder, "api.sock")
        self.log = os.path.join(self.folder, "log")
        for path in (self.etc, self.state):
            if not os.path.isdir(path):
                w.make(path, 0o755)
        self.port = free_port()
        self.file = w.file("warder.yaml", "warder: 1\nlisten: [\""
                           f"127.0.0.1:{self.port}\", {self.socket}{listen}]\n" +
                           settings, folder=self.etc)
        self.key = None
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            os.chmod(self.log, 0o666)
            self.process = self.w.popen(
                [os.path.join(os.path.dirname(self.w.program), "..", "sbin",
                              "warderd"), "--config", self.file, "--state",
                 self.state], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=log)
        self.pid = self.process.pid
        self.wait_ready()
        if self.key is None:
            self.key = self.verb("keys", "create").expect(0).text.strip()

    def wait_ready(self, seconds=15):
        def ready():
            if self.process.popen.poll() is not None:
                raise Failed(f"warderd has ended; log {self.said()[-900:]}")
            done = subprocess.run(
                ["curl", "-s", f"http://127.0.0.1:{self.port}/ok"],
                capture_output=True, check=False)
            return b"true" in done.stdout
        wait_until(ready, seconds, f"an answer; log {self.said()[-900:]}")

    def said(self):
        if not os.path.exists(self.log):
            return ""
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    # -- asking --

    def environment(self):
        more = {"WARDER_URL": "unix:" + self.socket}
        if self.key is not None:
            more["WARDER_API_KEY"] = self.key
        return self.w.environment(**more)

    def verb(self, *argv, **more):
        return self.w.verb(*argv, env=self.environment(), **more)

    def begin(self, *argv):
        """A verb that is not waited for."""
        return self.w.popen([self.w.program, *argv], env=self.environment(),
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)

    def json(self, *argv, expect=0):
        return json.loads(self.verb(*argv, "--json").expect(expect).text)

    def deploy(self, name):
        """One of the examples, from a place that its user can reach."""
        folder = os.path.join(self.w.scratch("agent"), name)
        shutil.copytree(os.path.join(AGENTS, name), folder)
        return self.json("agents", "deploy", folder)

    def agent(self, name, script, more="", protocol="native"):
        """Deploy a Python program of a few lines."""
        folder = self.w.scratch("agent")
        self.w.file("agent.yaml", f"name: {name}\nprotocol: {protocol}\n"
                    f"command: [python3, agent.py]\n{more}", folder=folder)
        self.w.file("agent.py", script, folder=folder)
        return self.json("agents", "deploy", folder)

    def run(self, agent, value=None, *options, expect=0):
        """The final values of a run on a new thread."""
        done = self.verb("run", agent, json.dumps(value), *options)
        done.expect(expect)
        return json.loads(done.text) if expect == 0 else done

    def api(self, method, path, body=None, key=True):
        """Status and JSON of a request."""
        argv = ["curl", "-s", "-X", method, "-w", "\n%{http_code}",
                f"http://127.0.0.1:{self.port}" +
                urllib.parse.quote(path, safe="/?=&")]
        if key:
            argv += ["-H", "x-api-key: " + self.key]
        if body is not None:
            argv += ["-H", "content-type: application/json", "-d",
                     json.dumps(body)]
        out = subprocess.run(argv, capture_output=True, check=True,
                             timeout=patience(60)).stdout.decode()
        text, _, status = out.rpartition("\n")
        return int(status), json.loads(text) if text.strip() else None

    def curl(self, method, path, body):
        """The whole answer, with its head."""
        return subprocess.run(
            ["curl", "-s", "-i", "-X", method, "-H", "x-api-key: " + self.key,
             "-H", "content-type: application/json", "-d", json.dumps(body),
             f"http://127.0.0.1:{self.port}" + path], capture_output=True,
            check=True, timeout=ANSWER_S).stdout.decode()

    def api_file(self, path, file):
        """The same with a body too long for an argument."""
        out = subprocess.run(
            ["curl", "-s", "-w", "\n%{http_code}", "-H", "expect:", "-H",
             "x-api-key: " + self.key, "-H", "content-type: application/json",
             "--data-binary", "@" + file,
             f"http://127.0.0.1:{self.port}" + path],
            capture_output=True, check=True, timeout=ANSWER_S).stdout.decode()
        text, _, status = out.rpartition("\n")
        return int(status), json.loads(text) if text.strip() else None

    def runs(self):
        return self.json("runs")

    def control(self):
        """The pid of warder-control."""
        found = subprocess.run(
            ["pgrep", "-P", str(self.pid), "-x", "warder-control"],
            capture_output=True, check=False).stdout.split()
        return int(found[0]) if found else None

    def wait_status(self, run_id, *wanted, seconds=30):
        def look():
            status = self.api("GET", f"/v1/runs/{run_id}")[1]["status"]
            return status if status in wanted else None
        return wait_until(look, seconds, f"{wanted} of {run_id}")

    # -- the end --

    def kill(self):
        """kill -9, and nothing of it is left."""
        os.kill(self.pid, signal.SIGKILL)
        self.process.popen.wait(10)

    def stop(self):
        if self.process.popen.poll() is None:
            os.kill(self.pid, signal.SIGTERM)
        equal(self.process.popen.wait(30), 0,
              f"exit status; log {self.said()[-900:]}")

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.stop()
        elif self.process.popen.poll() is None:
            print("# " + self.said()[-2000:].replace("\n", "\n# "))
            self.kill()
        check(self.process.popen.poll() is not None, "warderd has ended")
