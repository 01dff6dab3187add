#!/usr/bin/env python3
"""CC-02 and CC-06 of the battery: the service's processes are killed in pairs
in the middle of requests, and a request is repeated across their deaths under
one idempotency key.  Every request that was answered has one durable outcome.
"""

import http.client
import itertools
import os
import signal
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


if __name__ == "__main__":
    sys.exit(main())
