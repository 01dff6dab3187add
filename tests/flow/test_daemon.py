#!/usr/bin/env python3
"""Agents in jails behind the API, as their users see them: deployed, run,
interrupted, resumed, killed at any moment and carried on."""

import json
import os
import signal
import subprocess
import sys
import time

from daemon import Daemon
from flow import check, equal, holds, main, test, wait_until

COUNTED = """
import os, time, warder

def note(run, what):
    # outside the journal: how often it really happened
    n = run.store.get(("counts",), what)
    run.store.put(("counts",), what, {"n": (n.value["n"] if n else 0) + 1})

@warder.agent(reducers={"log": warder.append})
def main(run):
    run.step("one", note, run, "one")
    run.node("two", lambda v: {"log": "two"})
    for i in range(int(run.input.get("pauses", 0))):
        run.emit({"pause": i})
        time.sleep(0.1)
    run.step("three", note, run, "three")
    run.node("four", lambda v: {"log": "four"})
    return {"done": True}

main.serve()
"""


@test
def an_agent_from_its_directory_to_its_result(w):
    with Daemon(w) as d:
        made = d.deploy("hello")
        equal((made["name"], made["version"]), ("hello", 1))
        equal(d.deploy("hello")["version"], 1, "the same bytes")
        equal(d.run("hello", {"name": "Ann"}), {"greeting": "Hello, Ann!"})
        run = d.runs()[0]
        equal(run["status"], "success")
        equal(d.verb("logs", run["run_id"]).expect(0).text.split("\n")[0],
              "thinking")
        # and what does not exist is said
        holds(d.verb("run", "hullo", "{}").expect(125).said, "hullo")


@test
def an_archive_that_comes_faster_than_its_key_is_found(w):
    """More than is read ahead is there before the sender is known."""
    with Daemon(w) as d:
        folder = w.scratch("agent")
        w.file("agent.yaml", "name: large\nprotocol: plain\ncommand: [cat]\n",
               folder=folder)
        with open(os.path.join(folder, "large"), "wb") as f:
            f.write(os.urandom(4 << 20))
        equal(d.json("agents", "deploy", folder)["version"], 1)
        equal(d.run("large", {"a": 1}), {"a": 1})


@test
def somebody_is_asked_and_answers(w):
    with Daemon(w) as d:
        d.deploy("approve")
        asked = d.run("approve", {"to": "Ann"}, expect=3)
        holds(asked.said, "Dear Ann", "--thread")
        thread = d.json("threads", "list", "interrupted")[0]["thread_id"]
        state = d.json("threads", "state", thread)
        equal(state["values"]["log"], ["drafted"])
        (one,) = state["tasks"][0]["interrupts"]
        # an answer to something that nobody asked changes nothing
        bogus = json.dumps({"0" * 32: "approve"})
        done = d.verb("run", "approve", "--thread", thread, "--resume", bogus)
        check(done.status not in (0, 3), f"a bogus answer: {done.status}")
        equal(d.json("threads", "state", thread)["values"]["log"],
              ["drafted"])
        answer = json.dumps({one["id"]: {"type": "edit", "text": "Hi"}})
        done = d.verb("run", "approve", "--thread", thread, "--resume",
                      answer).expect(0)
        values = json.loads(done.text)
        equal(values["sent"], "Hi")
        equal(values["log"], ["drafted", "sent"])
        equal(d.json("threads", "get", thread)["status"], "idle")


@test
def what_a_person_changes_is_joined_as_the_agent_does_it(w):
    with Daemon(w) as d:
        d.deploy("approve")
        d.run("approve", {"to": "Ann"}, expect=3)
        thread = d.json("threads", "list", "interrupted")[0]["thread_id"]
        status, made = d.api("POST", f"/threads/{thread}/state",
                             {"values": {"log": "edited", "note": 1}})
        equal(status, 200, made)
        values = d.json("threads", "state", thread)["values"]
        # "log" has a reducer in the agent, "note" has none
        equal((values["log"], values["note"]), (["drafted", "edited"], 1))
        done = d.verb("run", "approve", "--thread", thread, "--resume",
                      '{"type": "approve"}').expect(0)
        values = json.loads(done.text)
        equal(values["log"], ["drafted", "edited", "sent"])
        equal(values["note"], 1)


@test
def a_killed_control_loses_nothing_and_repeats_nothing(w):
    with Daemon(w) as d:
        d.agent("counted", COUNTED)
        client = d.begin("run", "counted", '{"pauses": 25}')
        wait_until(lambda: d.runs() and d.runs()[0]["status"] == "running",
                   10, "a running run")
        time.sleep(0.7)
        os.kill(d.control(), signal.SIGKILL)
        done = client.finish(60).expect(0)
        values = json.loads(done.text)
        equal(values["log"], ["two", "four"])
        run = d.runs()[0]
        equal(run["status"], "success")
        for what in ("one", "three"):
            _, item = d.api("GET", f"/store/items?namespace=counts&key={what}")
            equal(item["value"]["n"], 1, f"how often {what} was done")


@test
def a_killed_warderd_is_carried_on_by_the_next(w):
    d = Daemon(w)
    d.agent("counted", COUNTED)
    client = d.begin("run", "--detach", "counted", '{"pauses": 25}')
    wait_until(lambda: d.runs() and d.runs()[0]["status"] == "running", 10,
               "a running run")
    time.sleep(0.7)
    d.kill()
    with Daemon(w, folder=d.folder) as again:
        again.key = d.key
        values = json.loads(client.finish(60).expect(0).text)
        equal(values["log"], ["two", "four"])
        _, item = again.api("GET", "/store/items?namespace=counts&key=one")
        equal(item["value"]["n"], 1, "how often it was done")


@test
def sigterm_hands_the_work_to_the_next(w):
    d = Daemon(w)
    d.agent("counted", COUNTED)
    client = d.begin("run", "--detach", "counted", '{"pauses": 40}')
    wait_until(lambda: d.runs() and d.runs()[0]["status"] == "running", 10,
               "a running run")
    d.stop()
    with Daemon(w, folder=d.folder) as again:
        again.key = d.key
        values = json.loads(client.finish(60).expect(0).text)
        equal(values["log"], ["two", "four"])


@test
def what_an_agent_does_wrong_is_said(w):
    cases = (
        ("raises", "import warder\n@warder.agent\ndef main(run):\n"
         "    raise KeyError('here')\nmain.serve()\n", "", "KeyError"),
        ("leaves", "import sys\nsys.exit(7)\n", "", "status 7"),
        ("babbles", "import os\nos.write(3, b'x' * 2000000)\n", "",
         "ProtocolError"),
        ("grows", "import warder\n@warder.agent\ndef main(run):\n"
         "    return {'n': len('x' * 800000000)}\nmain.serve()\n",
         "policy: {policy: 1, limits: {memory: 256MiB}}\n", "memory"),
        ("shouts", "import sys\nwhile True: print('x' * 4000)\n",
         "policy: {policy: 1, limits: {output: 1MiB}}\n", "OutputLimit"),
        ("waits", "import time\ntime.sleep(60)\n",
         "policy: {policy: 1, limits: {wall: 2s}}\n", "timeout"),
    )
    with Daemon(w) as d:
        for name, script, more, said in cases:
            if name == "grows" and not w.root:
                continue  # rootless memory is the watchdog's: see status
            d.agent(name, script, more)
            done = d.verb("run", name, "{}", seconds=40)
            run = d.runs()[0]
            check(done.status != 0, f"{name}: status {done.status}")
            holds(done.said + json.dumps(run), said)
            check(run["status"] in ("error", "timeout"), f"{name}: {run}")


@test
def nothing_is_reachable_without_a_key(w):
    with Daemon(w) as d:
        equal(d.api("GET", "/ok", key=False)[0], 200)
        equal(d.api("GET", "/info", key=False)[0], 200)
        for path in ("/threads/x", "/v1/agents", "/v1/runs", "/metrics",
                     "/docs", "/nowhere"):
            equal(d.api("GET", path, key=False)[0], 401, path)
        d.key = "wdr_" + "0" * 40
        equal(d.api("GET", "/v1/agents")[0], 401)


@test
def a_cancelled_run_ends_and_leaves_no_jail(w):
    with Daemon(w) as d:
        d.agent("counted", COUNTED)
        d.verb("run", "--background", "counted", '{"pauses": 300}').expect(0)
        run = d.runs()[0]["run_id"]
        d.wait_status(run, "running")
        time.sleep(0.5)
        d.verb("runs", "cancel", run).expect(0)
        equal(d.wait_status(run, "interrupted", "error"), "interrupted")
        wait_until(lambda: not subprocess.run(
            ["pgrep", "-P", str(d.pid), "-x", "warder-init"],
            capture_output=True, check=False).stdout, 10, "no jail")


@test(modes=("root",))
def what_the_operator_limits_is_refused_beyond(w):
    with Daemon(w, "limits: {streams: 1, body: 2KiB, archive: 24KiB}\n") as d:
        d.agent("counted", COUNTED)
        follower = d.begin("run", "counted", '{"pauses": 30}')
        wait_until(lambda: d.runs() and d.runs()[0]["status"] == "running",
                   10, "a running run")
        run = d.runs()[0]["run_id"]
        status, said = d.api("GET", f"/runs/{run}/join")
        equal(status, 429, said)
        follower.finish(40).expect(0)
        status, said = d.api("POST", "/runs/wait", {
            "assistant_id": "counted", "input": {"x": "y" * 3000}})
        equal(status, 413, said)
        folder = w.scratch("large")
        w.file("agent.yaml", "name: large\ncommand: [sh]\n", folder=folder)
        w.file("data", os.urandom(40000), folder=folder)
        holds(d.verb("agents", "deploy", folder).expect(125).said, "long")


def ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@test
def an_idle_service_asks_nothing_of_the_processor(w):
    with Daemon(w) as d:
        d.deploy("hello")
        d.run("hello", {"name": "Ann"})
        time.sleep(0.5)
        pids = (d.pid, d.control())
        before = [ticks(p) for p in pids]
        time.sleep(3)
        used = [ticks(p) - b for p, b in zip(pids, before)]
        check(sum(used) <= 6, f"hundredths of a second in three: {used}")


if __name__ == "__main__":
    sys.exit(main())
