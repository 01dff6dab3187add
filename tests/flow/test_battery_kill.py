#!/usr/bin/env python3
"""CC-02, CC-06, CC-07 and CC-08 of the battery: the service's processes are
killed in pairs in the middle of requests, a request is repeated across their
deaths under one idempotency key, the next one has other clocks, or finds runs
that live.  Every request that was answered has one durable outcome.
"""

import http.client
import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import time
import uuid

from daemon import Daemon
from flow import check, children, equal, main, name_of, test, wait_until
from service import Client

DONE_S = 60  # from the last death to the end of the run

COUNTED = """
import time, warder

def note(run, what):
    n = run.store.get(("counts", run.thread_id), what)
    run.store.put(("counts", run.thread_id), what,
                  {"n": (n.value["n"] if n else 0) + 1})

@warder.agent(reducers={"log": warder.append})
def main(run):
    run.step("one", note, run, "one")
    run.node("two", lambda v: {"log": "two"})
    for i in range(15):
        run.emit({"pause": i})
        time.sleep(0.1)
    run.step("three", note, run, "three")
    run.node("four", lambda v: {"log": "four"})
    return {"done": True}

main.serve()
"""


def inits(d):
    """The jails' launchers, and the first processes inside."""
    found = []
    todo = children(d.pid)
    while todo:
        pid = todo.pop()
        try:
            if name_of(pid) != "warder-control":
                found.append(pid)
                todo += children(pid)
        except OSError:
            pass
    return found


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def kill_control(d):
    pid = d.control()
    if pid is not None:
        kill(pid)


def kill_warderd(d):
    kill(d.pid)


def kill_jail(d):
    for pid in inits(d)[:1]:
        kill(pid)


KILLS = {"control": kill_control, "warderd": kill_warderd, "jail": kill_jail}


def send(d, method, path, body, key=None, seconds=60):
    """Until it is answered by something else than a failure of the service;
    a warderd that is dead is started again."""
    end = time.monotonic() + seconds
    while True:
        user = Client(d, d.key, {"idempotency-key": key} if key else None)
        try:
            got = user.ask(method, path, body)
            if got.status < 500:
                return got
            check(got.json["detail"] and got.json["code"], got.body)
        except (OSError, http.client.HTTPException):
            pass
        check(time.monotonic() < end, f"{method} {path}: no answer; log "
              f"{d.said()[-1500:]}")
        if d.process.popen.poll() is not None:
            d.process.popen.wait(10)
            d.start()
        time.sleep(0.05)


def ended(d, run):
    end = time.monotonic() + DONE_S
    while True:
        now = send(d, "GET", f"/v1/runs/{run}", None).json
        if now["status"] not in ("pending", "running"):
            return now
        check(time.monotonic() < end, f"the run hangs: {now}; log "
              f"{d.said()[-1500:]}")
        time.sleep(0.1)


def judge(d, thread, run, what):
    now = ended(d, run)
    equal(now["status"], "success", f"{what}: {now}")
    values = send(d, "GET", f"/threads/{thread}/state", None).json["values"]
    equal(values["log"], ["two", "four"], f"{what}: state")
    runs = send(d, "GET", f"/threads/{thread}/runs", None).json
    equal([r["run_id"] for r in runs], [run], f"{what}: runs")


def noted(d, thread, what):
    item = send(d, "GET", f"/store/items?namespace=counts.{thread}&key={what}",
                None).json
    return item["value"]["n"] if item else 0


def running(d, run):
    wait_until(lambda: Client(d, d.key).get(f"/v1/runs/{run}"
                                            ).json["status"] == "running" and
               inits(d), 20, "a run that runs in a jail")


@test(modes=("root",))
def cc_02_killed_in_all_pairs_in_the_middle(w):
    with Daemon(w) as d:
        d.agent("counted", COUNTED)
        for first, second in itertools.permutations(KILLS, 2):
            what = f"{first} and {second}"
            thread, key = str(uuid.uuid4()), str(uuid.uuid4())
            body = {"assistant_id": "counted", "input": {},
                    "if_not_exists": "create"}
            run = send(d, "POST", f"/threads/{thread}/runs", body, key
                       ).expect(200).json["run_id"]
            running(d, run)
            # "one" is in the journal, and what comes behind it is stored
            wait_until(lambda: (Client(d, d.key).get(
                f"/threads/{thread}/state").json["values"] or {}
                ).get("log") == ["two"], 20, "the node behind a step")
            began = time.monotonic()
            KILLS[first](d)
            # and again the moment after, with what has come by then
            time.sleep(0.15)
            KILLS[second](d)
            judge(d, thread, run, what)
            equal(noted(d, thread, "one"), 1, f"{what}: how often it was done")
            check(noted(d, thread, "three") >= 1, f"{what}: never done")
            took = time.monotonic() - began
            again = send(d, "POST", f"/threads/{thread}/runs", body, key)
            equal(again.expect(200).json["run_id"], run, f"{what}: its key")
            print(f"# {what}: {took:.1f} s to the end", flush=True)
        wait_until(lambda: not inits(d), 15, "no jail is left")


@test(modes=("root",))
def cc_02_who_waits_is_told(w):
    """A client in the middle of an answer: it ends, and the run goes on."""
    with Daemon(w) as d:
        d.agent("counted", COUNTED)
        for who in ("control", "warderd"):
            thread = Client(d, d.key).thread()
            stream = Client(d, d.key).stream(
                "POST", f"/threads/{thread}/runs/stream",
                {"assistant_id": "counted", "input": {},
                 "stream_mode": ["custom"], "stream_resumable": True,
                 "on_disconnect": "continue"})
            equal(stream.status, 200)
            run = stream.headers["content-location"].rsplit("/", 1)[1]
            last = None
            for event in stream:
                last = event.id or last
                if event.name == "custom":
                    break
            began = time.monotonic()
            KILLS[who](d)
            try:
                for _ in stream:
                    pass
            except (OSError, http.client.HTTPException):
                pass
            check(time.monotonic() - began < 5, f"{who}: a stream that hangs")
            stream.close()
            judge(d, thread, run, who)
            # and what was missed is there, from where it was left
            rest = Client(d, d.key).stream(
                "GET", f"/threads/{thread}/runs/{run}/stream",
                headers={"last-event-id": last})
            missed = [int(e.id) for e in rest if e.id]
            check(missed and missed[0] > int(last), f"{who}: {missed}")
            equal(missed, sorted(set(missed)), f"{who}: events")
            rest.close()


@test(modes=("root",))
def cc_06_one_key_one_run_across_deaths(w):
    with Daemon(w) as d:
        d.agent("counted", COUNTED)
        paths = ("/threads/{t}/runs", "/runs")
        for path, death in itertools.product(paths, (None, *KILLS)):
            if death == "jail":
                continue
            what = f"{path} {death}"
            thread, key = str(uuid.uuid4()), str(uuid.uuid4())
            path = path.format(t=thread)
            body = {"assistant_id": "counted", "input": {"n": 1},
                    "after_seconds": 3600}
            if path != "/runs":
                body["if_not_exists"] = "create"
            first = send(d, "POST", path, body, key).expect(200).json
            if death:
                KILLS[death](d)
            for _ in range(3):
                again = send(d, "POST", path, body, key)
                equal(again.expect(200).json["run_id"], first["run_id"], what)
            other = dict(body, input={"n": 2})
            send(d, "POST", path, other, key).expect(409)
            # another order of members is another body, or the same; not a run
            turned = dict(reversed(list(body.items())))
            got = send(d, "POST", path, turned, key)
            check(got.status == 409 or
                  got.json["run_id"] == first["run_id"], f"{what}: {got.body}")
            # control: without the key it is another run
            free = send(d, "POST", path, body).expect(200).json["run_id"]
            check(free != first["run_id"], f"{what}: without a key")


@test(modes=("root",))
def cc_06_one_key_of_many_at_once(w):
    """Twenty clients with one key, and control dies among them."""
    with Daemon(w) as d:
        d.agent("counted", COUNTED)
        thread = Client(d, d.key).thread()
        key = str(uuid.uuid4())
        body = ('{"assistant_id":"counted","input":{},'
                '"after_seconds":3600}')
        argv = ["curl", "-s", "-m", "20", "-H", "x-api-key: " + d.key, "-H",
                "content-type: application/json", "-H",
                "idempotency-key: " + key, "-d", body,
                f"http://127.0.0.1:{d.port}/threads/{thread}/runs"]
        for death in (None, kill_control):
            asking = [subprocess.Popen(argv, stdout=subprocess.DEVNULL)
                      for _ in range(20)]
            if death:
                time.sleep(0.03)
                death(d)
            for process in asking:
                process.wait(30)
            got = send(d, "POST", f"/threads/{thread}/runs", body.encode(),
                       key).expect(200).json["run_id"]
            runs = send(d, "GET", f"/threads/{thread}/runs", None).json
            equal([r["run_id"] for r in runs], [got], "runs of one key")


# ---- CC-07 -----------------------------------------------------------------

HELD = COUNTED.replace("""    for i in range(15):
        run.emit({"pause": i})
        time.sleep(0.1)
""", """    while run.store.get(("go",), run.thread_id) is None:
        time.sleep(0.05)
""")
YEARS_MS = 10 * 365 * 86400 * 1000


def started(pid):
    """When, in ticks; None of one that is gone or dead."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii",
                  errors="replace") as f:
            fields = f.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


class Clocked(Daemon):
    """Its monotonic clocks are some seconds behind, by a time namespace."""

    behind = 0

    def start(self):
        with open(self.log, "ab") as log:
            self.process = self.w.popen(
                ["unshare", "--time", "--monotonic", str(-self.behind),
                 "--boottime", str(-self.behind),
                 os.path.join(os.path.dirname(self.w.program), "..", "sbin",
                              "warderd"), "--config", self.file, "--state",
                 self.state], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=log)
        self.pid = self.process.pid
        self.wait_ready(30)
        if self.key is None:
            self.key = self.verb("keys", "create").expect(0).text.strip()

    def database(self):
        for folder, _, files in os.walk(self.state):
            if "warder.db" in files:
                return os.path.join(folder, "warder.db")
        raise OSError("no database")

    def move_leases(self, ms):
        """As a wall clock that was set meanwhile makes them: how many."""
        path = self.database()
        owner = os.stat(path)
        db = sqlite3.connect(path)
        with db:
            n = db.execute("UPDATE lease SET until_at = until_at + ?",
                           (ms,)).rowcount
        db.close()
        for name in (path, path + "-wal", path + "-shm"):
            if os.path.exists(name):
                os.chown(name, owner.st_uid, owner.st_gid)
        return n


def go(d, thread):
    send(d, "PUT", "/store/items", {"namespace": ["go"], "key": thread,
                                    "value": {}}).expect(204)


def held(d, thread):
    """Its step is in the journal, and it waits for its "go"."""
    wait_until(lambda: (send(d, "GET", f"/threads/{thread}/state", None)
                        .json["values"] or {}).get("log") == ["two"], 60,
               "the node behind a step")


def cut(d):
    """Both at once: control has no time to give its leases back."""
    control = d.control()
    os.kill(control, signal.SIGSTOP)
    d.kill()
    kill(control)
    wait_until(lambda: started(control) is None, 30, "control's end")


def is_behind(d):
    """By how much the clock of warder-control is."""
    with open(f"/proc/{d.control()}/timens_offsets", encoding="ascii") as f:
        return -int(f.read().split()[1])


@test(modes=("root",))
def cc_07_clocks_that_begin_anew(w):
    """As after a boot and back, with leases that end in years and ones that
    ended years ago: each run goes on at once, and only once."""
    with Clocked(w) as d:
        d.agent("held", HELD)
        most = int(time.monotonic()) - 5
        for behind, moved in ((most, YEARS_MS), (0, YEARS_MS),
                              (most // 2, -YEARS_MS), (0, -YEARS_MS)):
            what = f"{d.behind} to {behind} s, leases moved by {moved} ms"
            equal(is_behind(d), d.behind, what)
            thread, later = str(uuid.uuid4()), str(uuid.uuid4())
            body = {"assistant_id": "held", "input": {},
                    "if_not_exists": "create"}
            run = send(d, "POST", f"/threads/{thread}/runs", body
                       ).expect(200).json["run_id"]
            waits = send(d, "POST", f"/threads/{later}/runs",
                         dict(body, after_seconds=2)
                         ).expect(200).json["run_id"]
            go(d, later)
            held(d, thread)
            cut(d)
            check(d.move_leases(moved) >= 1, f"{what}: no lease")
            d.behind = behind
            d.start()
            equal(is_behind(d), behind, what)
            go(d, thread)
            for each in ((thread, run), (later, waits)):
                judge(d, *each, what)
                equal(noted(d, each[0], "one"), 1, f"{what}: how often")
        wait_until(lambda: not inits(d), 15, "no jail is left")


# ---- CC-08 -----------------------------------------------------------------

@test(modes=("root",))
def cc_08_runs_that_live_end_with_warderd_and_go_on(w):
    """Nothing of a jail outlives it; what was live is tried again, once."""
    with Daemon(w) as d:
        d.agent("held", HELD)
        threads = [str(uuid.uuid4()) for _ in range(3)]
        runs = [send(d, "POST", f"/threads/{t}/runs", {
            "assistant_id": "held", "input": {},
            "if_not_exists": "create"}).expect(200).json["run_id"]
                for t in threads]
        for t in threads:
            held(d, t)
        live = {pid: at for pid in inits(d) if (at := started(pid))}
        check(len(live) >= 3, f"live: {live}")
        kill_warderd(d)
        d.process.popen.wait(10)
        wait_until(lambda: all(started(pid) != at
                               for pid, at in live.items()), 15,
                   "no process of a jail")
        d.start()
        for t, run in zip(threads, runs):
            go(d, t)
            judge(d, t, run, "a run that was live")
            equal(noted(d, t, "one"), 1, "how often it was done")
        wait_until(lambda: not inits(d), 15, "no jail is left")


if __name__ == "__main__":
    sys.exit(main())
