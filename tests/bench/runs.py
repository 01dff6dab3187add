"""Rows of the service: runs, streams, recovery, beside the reference server.

The reference server is @langchain/langgraph-api, in memory; peer/ pins it with
all that it brings.  It is installed once into the build directory; where there
is no registry its side is skipped, with the reason.
"""

import contextlib
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import time

from common import Failed, Skip, output, quantile
from storage import folder

HERE = os.path.dirname(os.path.abspath(__file__))
PEER = os.path.join(HERE, "peer")
CLIENTS = 16
STEPS, STEP_BYTES = 10, 100
STREAM_EVENTS = 3
WAIT_S = 60

PYTHON_NOOP = """import warder

@warder.agent
def main(run):
    return {"done": True}

main.serve()
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(condition, what, seconds=WAIT_S, pause=0.01):
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {seconds} s")
        time.sleep(pause)
    return value


def answers(port):
    """Whether /ok is answered."""
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        c.request("GET", "/ok")
        return b"true" in c.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        c.close()


def started(argv, log, port, **more):
    """The process, and the seconds until it answered."""
    begun = time.monotonic()
    p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log,
                         stderr=log, start_new_session=True, **more)

    def ready():
        if p.poll() is not None:
            log.seek(0)
            raise Failed(f"{argv[0]}: status {p.returncode}: "
                         f"{log.read()[-400:]!r}")
        return answers(port)
    try:
        wait_until(ready, argv[0], pause=0.002)
    except Failed:
        p.kill()
        p.wait()
        raise
    return p, time.monotonic() - begun


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            return [int(child) for child in f.read().split()]
    except OSError:  # it has gone
        return []


def descendants(pid):
    found = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def memory_kb(pid, what):
    """VmRSS of status, or Private_Dirty and the like of smaps_rollup."""
    name = "status" if what.startswith("Vm") else "smaps_rollup"
    with open(f"/proc/{pid}/{name}", encoding="ascii") as f:
        return int(re.search(rf"^{what}:\s+(\d+)", f.read(), re.M)[1])


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def written_bytes(pid):
    with open(f"/proc/{pid}/io", encoding="ascii") as f:
        return int(re.search(r"^write_bytes: (\d+)", f.read(), re.M)[1])


class Service:
    """warderd with directories of its own, on a disk."""

    def __init__(self, b, settings=""):
        self.b = b
        self.folder = folder()
        os.chmod(self.folder, 0o755)
        self.state = os.path.join(self.folder, "state")
        self.socket = os.path.join(self.folder, "api.sock")
        self.config = os.path.join(self.folder, "warder.yaml")
        os.mkdir(self.state, 0o755)
        self.port = free_port()
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(f"warder: 1\nlisten: [\"127.0.0.1:{self.port}\", "
                    f"{self.socket}]\n{settings}")
        self.log = open(os.path.join(self.folder, "log"), "a+b")
        self.start()
        self.key = ""
        self.key = self.verb("keys", "create", "bench").strip()

    def start(self):
        self.process, self.seconds = started(
            [os.path.join(self.b.build, "sbin/warderd"), "--config",
             self.config, "--state", self.state], self.log, self.port)

    def verb(self, *argv):
        return output(self.b.warder, *argv, env={
            **os.environ, "WARDER_URL": "unix:" + self.socket,
            "WARDER_API_KEY": self.key})

    def deploy(self, name, command, files):
        """An agent of these files {name: where}."""
        d = os.path.join(self.folder, "agent-" + name)
        os.mkdir(d)
        for file, source in files.items():
            shutil.copy(source, os.path.join(d, file))
        with open(os.path.join(d, "agent.yaml"), "w", encoding="utf-8") as f:
            f.write(f"name: {name}\nprotocol: native\n"
                    f"command: {json.dumps(command)}\n")
        self.verb("agents", "deploy", d)

    def deploy_noop(self, name, *argv):
        self.deploy(name, ["/agent/noop_agent", *map(str, argv)],
                    {"noop_agent": self.b.program("noop_agent")})

    def ask(self, method, path, body=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        c.request(method, path, None if body is None else json.dumps(body),
                  {"x-api-key": self.key, "content-type": "application/json"})
        answer = c.getresponse()
        text = answer.read()
        c.close()
        if answer.status >= 300:
            raise Failed(f"{method} {path}: {answer.status} {text[:300]!r}")
        return json.loads(text) if text.strip() else None

    def control(self):
        for pid in children(self.process.pid):
            if comm(pid) == "warder-control":
                return pid
        raise Failed("no warder-control")

    def kill(self):
        """kill -9 of everything."""
        everything = [self.process.pid, *descendants(self.process.pid)]
        for pid in everything:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


# ---- the reference server ----

def peer_installed(b):
    place = os.path.join(b.build, "bench/peer")
    mark, h = os.path.join(place, "installed"), hashlib.sha256()
    for name in ("package.json", "package-lock.json"):
        with open(os.path.join(PEER, name), "rb") as f:
            h.update(f.read())
    if os.path.exists(mark):
        with open(mark, encoding="ascii") as f:
            if f.read() == h.hexdigest():
                return place
    shutil.rmtree(place, ignore_errors=True)
    os.makedirs(place)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(os.path.join(PEER, name), place)
    try:
        # the versions of the lock; "ci" wants packages of other platforms
        # in it too, which not every registry has
        r = subprocess.run(["npm", "install", "--no-save", "--ignore-scripts",
                            "--no-audit", "--no-fund"], cwd=place, timeout=400, check=False,
                           capture_output=True, text=True)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise Skip(f"npm: {e}") from e
    if r.returncode != 0:
        raise Skip("npm: " + (r.stderr.strip().splitlines() or ["?"])[-1])
    with open(mark, "w", encoding="ascii") as f:
        f.write(h.hexdigest())
    return place


class Reference:
    def __init__(self, b):
        place = peer_installed(b)
        for name in ("server.mjs", "graph.mjs"):
            shutil.copy(os.path.join(PEER, name), place)
        self.folder, self.port, self.key = folder(), free_port(), "none"
        self.log = open(os.path.join(self.folder, "log"), "a+b")
        self.process, self.seconds = started(
            ["node", os.path.join(place, "server.mjs"), str(self.port),
             str(CLIENTS), self.folder], self.log, self.port,
            env={**os.environ, "LANGSMITH_TRACING": "false",
                 "NODE_ENV": "production"})

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def reference(b):
    """The server, or None and why there is none."""
    try:
        server, why = Reference(b), None
    except Skip as e:
        server, why = None, str(e)
    with server or contextlib.nullcontext():
        yield server, why


# ---- rows ----

def row_daemon_ready(b):
    """the service, ready"""
    rounds, ours, theirs, resident, why = 3 if b.quick else 9, [], [], [], ""
    for _ in range(rounds):
        with Service(b) as s:
            ours.append(s.seconds)
            resident.append(sum(memory_kb(p, "VmRSS") for p in
                                [s.process.pid, *descendants(s.process.pid)]))
        with reference(b) as (peer, why):
            if peer is not None:
                theirs.append(peer.seconds)
                peer_kb = memory_kb(peer.process.pid, "VmRSS")
    kb = statistics.median(resident)
    sides = {"warder": {"ready_ms": round(quantile(ours, .5) * 1e3, 1),
                        "p99_ms": round(quantile(ours, .99) * 1e3, 1),
                        "resident_kb": kb}}
    if not theirs:
        raise Skip(f"reference server: {why}; warder: {sides['warder']}")
    sides["reference"] = {"ready_ms": round(quantile(theirs, .5) * 1e3, 1),
                          "p99_ms": round(quantile(theirs, .99) * 1e3, 1),
                          "resident_kb": peer_kb}
    ratio = quantile(ours, .5) / quantile(theirs, .5)
    return {"sides": sides, "ratio": round(ratio, 3), "goal": 0.1,
            "others": {"resident MiB": {"ratio": round(kb / 1024, 1),
                                        "goal": 40, "at_most": True}},
            "verdict": "met" if ratio <= 0.1 and kb <= 40 * 1024
            else "missed",
            "commands": {"warder": "warderd --config --state",
                         "reference": "node peer/server.mjs"}}


def rate(b, server, seconds, path, body):
    text = output(b.program("client"), "rate", str(server.port), server.key,
                  str(CLIENTS), str(seconds), path, json.dumps(body))
    n, failures, p50, p99, per_s = text.split()
    if int(failures) > 0:
        raise Failed(f"{failures} of {n} runs failed")
    return {"per_s": float(per_s), "p50_ms": float(p50) / 1e3,
            "p99_ms": float(p99) / 1e3}


def rated(found):
    """The medians of rounds."""
    return {k: round(statistics.median(r[k] for r in found), 1)
            for k in found[0]}


def against(found, goal, why, commands):
    """Warder's native agent, as many times the reference's rate."""
    sides = {name: rated(rounds) for name, rounds in found.items() if rounds}
    if "reference" not in sides:
        raise Skip(f"reference server: {why}; " + ", ".join(
            f"{name} {side['per_s']}/s" for name, side in sides.items()))
    ratio = sides["warder"]["per_s"] / sides["reference"]["per_s"]
    return {"sides": sides, "ratio": round(ratio, 2), "goal": goal,
            "at_least": True, "verdict": "met" if ratio >= goal
            else "missed", "commands": commands}


def row_runs_wait(b):
    """runs/wait of a no-op agent, 16 clients"""
    seconds, rounds = (2, 2) if b.quick else (5, 5)
    found = {"warder": [], "python SDK": [], "reference": [], "jails": []}
    script = os.path.join(b.scratch, "noop.py")
    with open(script, "w", encoding="utf-8") as f:
        f.write(PYTHON_NOOP)
    with Service(b) as s, reference(b) as (peer, why):
        s.deploy_noop("noop", "noop")
        s.deploy("python", ["python3", "noop.py"], {"noop.py": script})
        for _ in range(rounds):
            for side, server, agent in (("warder", s, "noop"),
                                        ("python SDK", s, "python"),
                                        ("reference", peer, "noop")):
                if server is not None:
                    found[side].append(rate(
                        b, server, seconds, "/runs/wait",
                        {"assistant_id": agent, "input": {}}))
            jails = output(b.program("jails"), "rate", str(seconds))
            found["jails"].append({"per_s": int(jails.split()[0]) / seconds})
    r = against(found, 20, why, {
        "warder": "client rate … /runs/wait", "reference": "the same",
        "jails": "jails rate, one worker"})
    r["others"] = {"of the jail rate": {
        "ratio": round(r["sides"]["warder"]["per_s"] /
                       r["sides"]["jails"]["per_s"], 2), "goal": 1}}
    return r


def row_runs_steps(b):
    """10 checkpoints a run, 16 clients"""
    seconds, rounds = (2, 2) if b.quick else (5, 5)
    found = {"warder": [], "reference": []}
    with Service(b) as s, reference(b) as (peer, why):
        s.deploy_noop("steps", "checkpoints", STEPS, STEP_BYTES)
        for _ in range(rounds):
            for side, server in (("warder", s), ("reference", peer)):
                if server is not None:
                    found[side].append(rate(
                        b, server, seconds, "/threads/%/runs/wait",
                        {"assistant_id": "steps", "input": {},
                         "if_not_exists": "create"}))
    return against(found, 10, why, {
        "warder": "client rate … /threads/%/runs/wait",
        "reference": "the same"})


def row_runs_growth(b):
    """bytes written a run of 10 steps, late and early"""
    runs, part = (30, 10) if b.quick else (100, 20)
    with Service(b) as s:
        s.deploy_noop("steps", "checkpoints", STEPS, STEP_BYTES)
        thread = s.ask("POST", "/threads", {})["thread_id"]
        control, found = s.control(), []
        for _ in range(runs):
            before = written_bytes(control)
            s.ask("POST", f"/threads/{thread}/runs/wait",
                  {"assistant_id": "steps", "input": {}})
            found.append(written_bytes(control) - before)
        state = s.ask("GET", f"/threads/{thread}/state")
    kept = len(state["values"]["messages"])
    if kept != runs * STEPS:
        raise Failed(f"{kept} messages of {runs * STEPS}")
    early, late = (statistics.mean(f) for f in (found[:part], found[-part:]))
    ratio = late / early if early else 0
    return {"sides": {f"first {part} runs": {"written": f"{early:.0f} bytes"},
                      f"last {part} runs": {"written": f"{late:.0f} bytes"},
                      "the change": {"bytes": STEPS * (STEP_BYTES + 3)},
                      "the state": {"bytes": kept * (STEP_BYTES + 3)}},
            "ratio": round(ratio, 3), "goal": 2,
            "verdict": "met" if ratio <= 2 else "missed",
            "commands": {"warder": "runs/wait, write_bytes of warder-control"}}


def begun(s, agent):
    """A background run whose events can be followed: its stream's path."""
    thread = s.ask("POST", "/threads", {})["thread_id"]
    run = s.ask("POST", f"/threads/{thread}/runs", {
        "assistant_id": agent, "input": {}, "stream_mode": ["custom"],
        "stream_resumable": True})["run_id"]
    return thread, run, f"/threads/{thread}/runs/{run}/stream"


def row_streams(b):
    """idle streams, one event to all"""
    n = 500 if b.quick else 5000
    idle_s = 5
    with Service(b, "limits: {streams: 10000}\n") as s:
        # so long that all streams are there before
        s.deploy_noop("emit", "emit", 30000 if not b.quick else 12000,
                      STREAM_EVENTS)
        control = s.control()
        _, _, path = begun(s, "emit")
        time.sleep(1)
        before = memory_kb(control, "Private_Dirty")
        client = subprocess.Popen(
            [b.program("client"), "streams", str(s.port), s.key, str(n),
             str(STREAM_EVENTS), path], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        try:
            if client.stdout.readline() != "ready\n":
                raise Failed("streams: " + client.stderr.read())
            time.sleep(1)
            each = (memory_kb(control, "Private_Dirty") - before) / n
            spent, _ = cpu_s(control), time.sleep(idle_s)
            spent = (cpu_s(control) - spent) / idle_s * 100
            text, said = client.communicate(timeout=200)
        finally:
            client.kill()
            client.wait()
    if client.returncode != 0:
        raise Failed("streams: " + said)
    count, p50, p99, latest = map(int, text.split())
    if count != n * STREAM_EVENTS:
        raise Failed(f"{count} events of {n * STREAM_EVENTS}")
    met = each <= 4 and spent <= 1 and p99 <= 50000
    return {"sides": {f"{n} streams": {
        "kb_each": round(each, 2), "idle_cpu": f"{spent:.2f}%",
        "p50_ms": p50 / 1e3, "p99_ms": p99 / 1e3, "max_ms": latest / 1e3}},
        "ratio": round(p99 / 1e3, 1), "goal": 50,
        "others": {"KiB each": {"ratio": round(each, 2), "goal": 4,
                                "at_most": True},
                   "% of a processor, idle": {"ratio": round(spent, 2),
                                              "goal": 1, "at_most": True}},
        "verdict": "met" if met else "missed",
        "commands": {"client": "client streams …"}}


def flooded(s):
    """The private memory of control, as a flood goes by."""
    _, run, path = begun(s, "flood")
    client = subprocess.Popen(
        [s.b.program("client"), "stalled", str(s.port), s.key, path],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    seen, control = [], s.control()

    def over():
        seen.append(memory_kb(control, "Private_Dirty"))
        return s.ask("GET", f"/v1/runs/{run}")["status"] == "success"
    try:
        if client.stdout.readline() != "ready\n":
            raise Failed("stalled: " + client.stderr.read())
        wait_until(over, "the flood's end", 120, 0.05)
    finally:
        client.kill()
        client.wait()
    return seen


def row_stalled(b):
    """a stalled reader, second half of 16 MiB"""
    count = 1600 if b.quick else 16000
    with Service(b) as s:
        s.deploy_noop("flood", "flood", count, 1024)
        first = flooded(s)
        seen = flooded(s)
    half = len(seen) // 2
    if half == 0:
        raise Failed("the flood was too short")
    early, late = max(seen[:half]), max(seen[half:])
    return {"sides": {"the first flood": {"most_kb": max(first)},
                      "first half": {"most_kb": early},
                      "second half": {"most_kb": late}},
            "ratio": late - early, "goal": 512,
            "verdict": "met" if late - early <= 512 else "missed",
            "commands": {"client": "client stalled …"}}


class Stored:
    """The rows of runs, as another process reads them."""

    def __init__(self, state):
        for path, _, names in os.walk(state):
            for name in names:
                if name.endswith(".db"):
                    self.path = os.path.join(path, name)
                    return
        raise Failed("no database")

    def count(self, condition):
        db = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=10)
        try:
            return db.execute(
                f"SELECT count(*) FROM run WHERE {condition}").fetchone()[0]
        finally:
            db.close()


def row_service_recovery(b):
    """service killed, all runs claimed again"""
    n = 100 if b.quick else 1000
    with Service(b, f"workers: {n}\nlimits: {{jails: {n + 100}, "
                 f"jails_per_tenant: {n + 100}}}\n") as s:
        s.deploy_noop("sleep", "sleep", 600000)
        for _ in range(n):
            s.ask("POST", "/runs", {"assistant_id": "sleep", "input": {}})
        stored = Stored(s.state)
        wait_until(lambda: stored.count("status = 'running'") == n,
                   f"{n} running runs", 120, 0.2)
        # and each has its jail
        wait_until(lambda: sum(
            comm(p) == "noop_agent" for p in descendants(s.process.pid)) == n,
            f"{n} agents", 240, 1)
        s.kill()
        since = time.monotonic()
        s.start()
        wait_until(lambda: stored.count(
            "status = 'running' AND attempt = 2") == n, "all claimed again",
            60, 0.02)
        claimed = time.monotonic() - since
        s.kill()
    return {"sides": {f"{n} runs": {"ready_s": round(s.seconds, 2),
                                    "claimed_s": round(claimed, 2)}},
            "ratio": round(claimed, 2), "goal": 2,
            "verdict": "met" if claimed <= 2 else "missed",
            "commands": {"warder": "kill -9 of all; warderd"}}


def comm(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as f:
            return f.read().strip()
    except OSError:
        return ""


ROWS = (row_daemon_ready, row_runs_wait, row_runs_steps, row_runs_growth,
        row_streams, row_stalled, row_service_recovery)
