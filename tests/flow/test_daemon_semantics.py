#!/usr/bin/env python3
"""What runs mean, by agents in jails behind the API: answers that count once,
state that people change, retries, time limits, rollback, forks, children."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from daemon import Daemon, free_port
from flow import check, equal, holds, main, test, wait_until

ASKS = """
import time, warder

def note(run, what):
    n = run.store.get(("counts",), what)
    run.store.put(("counts",), what, {"n": (n.value["n"] if n else 0) + 1})

@warder.agent(reducers={"log": warder.append})
def main(run):
    run.step("one", note, run, "one")
    run.node("draft", lambda v: {"text": "old", "log": "drafted"})
    first = run.interrupt("first?")
    if first == "boom":
        raise ValueError("boom")
    run.node("use", lambda v: {"sent": v["text"], "log": f"first {first}"})
    if run.values.get("two"):
        try:
            second = run.interrupt("second?")
        except warder.Interrupted:
            if run.attempt == 1:
                time.sleep(run.values["two"])
            raise
        run.node("end", lambda v: {"log": f"second {second}"})

main.serve()
"""


def thread_of(d):
    return d.api("POST", "/threads", {})[1]["thread_id"]


def wait(d, thread, agent, **body):
    status, said = d.api("POST", f"/threads/{thread}/runs/wait",
                         dict(body, assistant_id=agent))
    return said if status == 200 else (status, said)


def begin(d, thread, agent, **body):
    status, run = d.api("POST", f"/threads/{thread}/runs",
                        dict(body, assistant_id=agent))
    equal(status, 200, str(run))
    return run["run_id"]


def asked(d, thread):
    found = d.api("GET", f"/threads/{thread}")[1]["interrupts"]
    return [i for of_task in found.values() for i in of_task]


def state(d, thread):
    return d.api("GET", f"/threads/{thread}/state")[1]


def history(d, thread):
    return d.api("GET", f"/threads/{thread}/history?limit=100")[1]


@test(modes=("root",))
def a_question_stays_until_it_is_answered(w):
    with Daemon(w) as d:
        d.agent("asks", ASKS)
        thread = thread_of(d)
        wait(d, thread, "asks", input={})
        (question,) = asked(d, thread)
        # the run that answers fails: somebody may answer again
        said = wait(d, thread, "asks", command={"resume": "boom"})
        equal(said["__error__"]["error"], "ValueError")
        equal(asked(d, thread), [question], "after a failure")
        # a run that never began changes nothing
        later = begin(d, thread, "asks", input={}, after_seconds=600)
        d.api("POST", f"/threads/{thread}/runs/{later}/cancel")
        d.wait_status(later, "interrupted")
        equal(asked(d, thread), [question], "after a cancel")
        done = wait(d, thread, "asks",
                    command={"resume": {question["id"]: "yes"}})
        equal(done["log"], ["drafted", "first yes"])
        equal(asked(d, thread), [], "answered")
        equal(d.api("GET", f"/threads/{thread}")[1]["status"], "idle")


@test(modes=("root",))
def what_people_change_is_gone_on_with(w):
    with Daemon(w) as d:
        d.agent("asks", ASKS)
        thread = thread_of(d)
        wait(d, thread, "asks", input={})
        (question,) = asked(d, thread)
        status, _ = d.api("POST", f"/threads/{thread}/state",
                          {"values": {"text": "new"}})
        equal(status, 200)
        # the command's own update joins it, by the agent's reducers
        equal(asked(d, thread), [question], "it still waits")
        done = wait(d, thread, "asks", command={
            "resume": {question["id"]: "yes"}, "update": {"log": "changed"}})
        check(isinstance(done, dict), str(done))
        equal(done["sent"], "new")
        equal(done["log"], ["drafted", "changed", "first yes"])
        _, item = d.api("GET", "/store/items?namespace=counts&key=one")
        equal(item["value"]["n"], 1, "how often the step was done")
        # from the question as it was first, another way
        first = [s for s in history(d, thread)
                 if s["tasks"] and s["metadata"]["source"] == "loop"][-1]
        forked = wait(d, thread, "asks", command={"resume": "no"},
                      strict_resume=False,
                      checkpoint=first["checkpoint"])
        equal(forked["sent"], "old")
        equal(forked["log"], ["drafted", "first no"])


@test(modes=("root",))
def an_answer_counts_once_whatever_is_killed(w):
    with Daemon(w) as d:
        d.agent("asks", ASKS)
        thread = thread_of(d)
        wait(d, thread, "asks", input={"two": 8})
        run = begin(d, thread, "asks",
                    command={"resume": "yes", "update": {"log": "changed"}})
        # the second question is stored, its attempt is not over
        wait_until(lambda: [i for t in state(d, thread)["tasks"]
                            for i in t["interrupts"]
                            if i["value"] == "second?"], 20, "the second")
        os.kill(d.control(), signal.SIGKILL)
        d.wait_ready()
        equal(d.wait_status(run, "interrupted", "error", "success"),
              "interrupted")
        (question,) = asked(d, thread)
        equal(question["value"], "second?", "it was not answered")
        equal(state(d, thread)["values"]["log"],
              ["drafted", "changed", "first yes"])
        done = wait(d, thread, "asks", command={"resume": "at last"})
        equal(done["log"][-1], "second at last")


RETRIES = """
import warder

@warder.agent
def main(run):
    found = run.store.get(("tries",), run.id)
    n = (found.value["n"] if found else 0) + 1
    run.store.put(("tries",), run.id, {"n": n})
    if n < 3:
        raise OSError(f"try {n}")
    return {"n": n, "attempt": run.attempt}

main.serve()
"""

LONG = """
import time, warder

@warder.agent
def main(run):
    if run.input.get("deaf"):
        time.sleep(60)
    while run.cancelled is None:
        time.sleep(0.05)
    run.store.put(("end",), "reason", {"reason": run.cancelled})

main.serve()
"""


@test(modes=("root",))
def an_agent_is_tried_and_timed_as_it_says(w):
    with Daemon(w) as d:
        d.agent("tries", RETRIES, "retry: {attempts: 3, backoff: 50ms}\n")
        d.agent("tries-less", RETRIES, "retry: {attempts: 2, backoff: 50ms}\n")
        d.agent("once", RETRIES)
        equal(wait(d, thread_of(d), "tries", input={}),
              {"n": 3, "attempt": 3})
        for name, last in (("tries-less", "try 2"), ("once", "try 1")):
            said = wait(d, thread_of(d), name, input={})
            equal(said["__error__"]["message"], last, name)
        # retries are slow where they are said to be
        d.agent("patient", RETRIES, "retry: {attempts: 3, backoff: 2s}\n")
        begun = time.monotonic()
        wait(d, thread_of(d), "patient", input={})
        took = time.monotonic() - begun
        check(took >= 6, f"2 s and 4 s between its attempts: {took}")

        d.agent("long", LONG, "timeout: 2s\nretry: {attempts: 3}\n")
        thread = thread_of(d)
        begun = time.monotonic()
        run = begin(d, thread, "long", input={})
        equal(d.wait_status(run, "timeout", "error"), "timeout")
        check(time.monotonic() - begun < 15, "its own timeout")
        _, item = d.api("GET", "/store/items?namespace=end&key=reason")
        equal(item["value"]["reason"], "timeout", "it was told, and had time")


ROLLS = """
import time, warder

@warder.agent(reducers={"log": warder.append})
def main(run):
    name = run.input["name"]
    run.step("once", lambda: None)
    run.node("begin", lambda v: {"log": f"begin {name}"})
    time.sleep(run.input.get("seconds", 0))
    run.node("end", lambda v: {"log": f"end {name}"})

main.serve()
"""


def second_runs(d, thread, agent, strategy):
    """A run whose first node is stored, and one that comes while it runs."""
    equal(wait(d, thread, agent, input={"name": "a"})["log"],
          ["begin a", "end a"])
    second = begin(d, thread, agent, input={"name": "b", "seconds": 30})
    wait_until(lambda: "begin b" in state(d, thread)["values"]["log"], 20,
               "a checkpoint of the second")
    return second, wait(d, thread, agent, input={"name": "c", "seconds": 0},
                        multitask_strategy=strategy)


@test(modes=("root",))
def a_later_run_meets_one_that_runs(w):
    with Daemon(w) as d:
        d.agent("rolls", ROLLS)
        thread = thread_of(d)
        second, done = second_runs(d, thread, "rolls", "rollback")
        equal(done["log"], ["begin a", "end a", "begin c", "end c"])
        equal(d.api("GET", f"/threads/{thread}/runs/{second}")[0], 404)
        check(not [s for s in history(d, thread)
                   if s["metadata"]["run_id"] == second],
              "no checkpoint of it is left")

        thread = thread_of(d)
        second, done = second_runs(d, thread, "rolls", "interrupt")
        equal(done["log"], ["begin a", "end a", "begin b", "begin c",
                            "end c"])
        run = d.api("GET", f"/threads/{thread}/runs/{second}")[1]
        equal(run["status"], "interrupted")

        thread = thread_of(d)
        first = begin(d, thread, "rolls", input={"name": "a", "seconds": 2})
        status, said = wait(d, thread, "rolls", input={"name": "b"},
                            multitask_strategy="reject")
        equal(status, 409, str(said))
        done = wait(d, thread, "rolls", input={"name": "c"})
        equal(done["log"], ["begin a", "end a", "begin c", "end c"])
        equal(d.api("GET", f"/threads/{thread}/runs/{first}")[1]["status"],
              "success")


NODES = """
import warder

@warder.agent(reducers={"log": warder.append})
def main(run):
    for name in ("two", "twofold", "three"):
        run.node(name, lambda v, n=name: {"log": n})

main.serve()
"""


@test(modes=("root",))
def runs_stop_before_and_after_their_nodes(w):
    with Daemon(w) as d:
        d.agent("nodes", NODES)
        cases = (
            ({"interrupt_before": "twofold"}, [["two"]]),
            ({"interrupt_after": ["two"]}, [["two"]]),
            ({"interrupt_before": "*"},
             [None, ["two"], ["two", "twofold"]]),
            ({"interrupt_after": "*"},
             [["two"], ["two", "twofold"], ["two", "twofold", "three"]]),
        )
        for how, stops in cases:
            thread = thread_of(d)
            for i, log in enumerate(stops):
                wait(d, thread, "nodes", input={} if i == 0 else None, **how)
                equal(state(d, thread)["values"].get("log"), log, str(how))
                equal(d.api("GET", f"/threads/{thread}")[1]["status"],
                      "interrupted", str(how))
            equal(wait(d, thread, "nodes", input=None)["log"],
                  ["two", "twofold", "three"], str(how))


PARALLEL = """
import warder

@warder.agent
def main(run):
    got = run.parallel(a=lambda: run.interrupt("a?"),
                       b=lambda: run.interrupt("b?"),
                       c=lambda: "none")
    return {"got": got}

main.serve()
"""


@test(modes=("root",))
def several_questions_are_answered_one_by_one(w):
    with Daemon(w) as d:
        d.agent("parallel", PARALLEL)
        thread = thread_of(d)
        wait(d, thread, "parallel", input={})
        ids = {i["value"]: i["id"] for i in asked(d, thread)}
        equal(sorted(ids), ["a?", "b?"])
        # which of them is meant?
        status, _ = wait(d, thread, "parallel", command={"resume": "yes"})
        equal(status, 422)
        wait(d, thread, "parallel", command={"resume": {ids["b?"]: "B"}})
        equal([i["id"] for i in asked(d, thread)], [ids["a?"]],
              "the other waits")
        # the same one a second time is nobody's answer
        status, _ = wait(d, thread, "parallel",
                         command={"resume": {ids["b?"]: "again"}})
        equal(status, 422)
        done = wait(d, thread, "parallel", command={"resume": "A"})
        equal(done["got"], {"a": "A", "b": "B", "c": "none"})


@test(modes=("root",))
def an_answer_to_an_earlier_state_is_judged_by_that_one(w):
    with Daemon(w) as d:
        d.agent("asks", ASKS)
        thread = thread_of(d)
        wait(d, thread, "asks", input={"two": 0.01})
        (first,) = asked(d, thread)
        earlier = state(d, thread)["checkpoint"]
        wait(d, thread, "asks", command={"resume": "yes"})
        (second,) = asked(d, thread)
        check(first["id"] != second["id"], "the second is the first")
        runs = len(d.api("GET", f"/threads/{thread}/runs")[1])
        # without the checkpoint the first is no more
        status, _ = wait(d, thread, "asks",
                         command={"resume": {first["id"]: "no"}})
        equal(status, 422, "what does not wait")
        equal(len(d.api("GET", f"/threads/{thread}/runs")[1]), runs)
        # with it, the second is not yet
        said = wait(d, thread, "asks", checkpoint=earlier,
                    command={"resume": {second["id"]: "no"}})
        check("__error__" in said, f"an answer to what is asked later: {said}")
        log = state(d, thread)["values"]["log"]
        check("first no" not in log, log)
        forked = wait(d, thread, "asks", checkpoint=earlier,
                      command={"resume": {first["id"]: "no"}})
        equal(forked["log"], ["drafted", "first no"])
        # by its id alone, and a thread that asks nothing any more
        (second,) = asked(d, thread)
        done = wait(d, thread, "asks",
                    command={"resume": {second["id"]: "so"}})
        equal(done["log"], ["drafted", "first no", "second so"])
        equal(asked(d, thread), [])
        status, _ = wait(d, thread, "asks", command={"resume": "late"})
        equal(status, 422, "nothing waits")
        forked = wait(d, thread, "asks", command={"resume": "once more"},
                      checkpoint_id=earlier["checkpoint_id"])
        equal(forked["log"], ["drafted", "first once more"])


@test(modes=("root",))
def of_two_answers_at_once_one_is_taken(w):
    with Daemon(w) as d:
        d.agent("asks", ASKS)
        for way in ("bare", "by its id"):
            thread = thread_of(d)
            wait(d, thread, "asks", input={})
            (question,) = asked(d, thread)
            with ThreadPoolExecutor(8) as pool:
                got = list(pool.map(lambda n: d.api(
                    "POST", f"/threads/{thread}/runs",
                    {"assistant_id": "asks", "command": {
                        "resume": f"{n}" if way == "bare" or n % 2 else
                        {question["id"]: f"{n}"}}}), range(8)))
            taken = [(n, run["run_id"]) for n, (status, run) in enumerate(got)
                     if status == 200]
            equal(len(taken), 1, f"{way}: {got}")
            # late: it is being answered, or nothing is asked any more
            check({s for s, _ in got} <= {200, 409, 422}, f"{way}: {got}")
            (number, run), = taken
            equal(d.wait_status(run, "success", "error"), "success", way)
            equal(state(d, thread)["values"]["log"],
                  ["drafted", f"first {number}"], way)
            equal(len(d.api("GET", f"/threads/{thread}/runs")[1]), 2, way)


@test(modes=("root",))
def states_are_stored_as_often_as_is_asked(w):
    with Daemon(w) as d:
        d.agent("nodes", NODES)
        kept = {}
        for body in ({"durability": "sync"}, {"durability": "async"},
                     {"durability": "exit"}, {"checkpoint_during": False}):
            thread = thread_of(d)
            equal(wait(d, thread, "nodes", input={}, **body)["log"],
                  ["two", "twofold", "three"])
            kept[str(body)] = len(history(d, thread))
            equal(state(d, thread)["values"]["log"],
                  ["two", "twofold", "three"])
        equal(list(kept.values()), [4, 4, 1, 1], str(kept))


CHILDREN = """
import time, warder

@warder.agent
def main(run):
    depth = run.input["depth"]
    if depth == 0:
        time.sleep(run.input.get("seconds", 0))
        if run.input.get("fail"):
            raise ValueError("child")
        return {"sum": 1}
    child = run.spawn("children", dict(run.input, depth=depth - 1))
    return {"sum": 1 + run.join(child)["sum"]}

main.serve()
"""


@test(modes=("root",))
def runs_start_and_await_their_own(w):
    with Daemon(w) as d:
        d.agent("children", CHILDREN)
        equal(wait(d, thread_of(d), "children",
                   input={"depth": 3})["sum"], 4)
        said = wait(d, thread_of(d), "children",
                    input={"depth": 1, "fail": True})
        holds(json.dumps(said), "the run ended as error")
        # more than are allowed inside one another
        said = wait(d, thread_of(d), "children", input={"depth": 9})
        holds(json.dumps(said), "ended as error")
        # whoever waits is cancelled, and its child with it
        thread = thread_of(d)
        run = begin(d, thread, "children", input={"depth": 1, "seconds": 300})
        wait_until(lambda: len([r for r in d.runs()
                                if r["status"] == "running"]) == 2, 20,
                   "a running child")
        child = [r["run_id"] for r in d.runs() if r["status"] == "running" and
                 r["run_id"] != run][0]
        d.verb("runs", "cancel", run).expect(0)
        equal(d.wait_status(run, "interrupted", "error"), "interrupted")
        equal(d.wait_status(child, "interrupted", "error", "success"),
              "interrupted")
        # nothing was left behind by the one that waited
        equal(wait(d, thread_of(d), "children",
                   input={"depth": 1})["sum"], 2)


@test(modes=("root",))
def a_tenant_has_its_share_of_places_and_a_bounded_queue(w):
    with Daemon(w, settings="tenants: [default, other]\nworkers: 2\n"
                            "limits: {queue: 2}\n") as d:
        d.agent("children", CHILDREN)
        slow = {"depth": 0, "seconds": 300}
        runs = [begin(d, thread_of(d), "children", input=slow)]
        d.wait_status(runs[0], "running")
        runs += [begin(d, thread_of(d), "children", input=slow)
                 for _ in range(2)]
        said = d.curl("POST", f"/threads/{thread_of(d)}/runs",
                      {"assistant_id": "children", "input": slow})
        holds(said, " 429 ", "Retry-After: ", "2 runs of this tenant wait")
        # the other place is another tenant's
        equal([d.api("GET", f"/v1/runs/{r}")[1]["status"] for r in runs],
              ["running", "pending", "pending"])
        d.verb("runs", "cancel", runs[0]).expect(0)
        d.wait_status(runs[1], "running")
        runs.append(begin(d, thread_of(d), "children", input=slow))
        equal([d.api("GET", f"/v1/runs/{r}")[1]["status"] for r in runs],
              ["interrupted", "running", "pending", "pending"])


# Two channels: "log" grows, "big" is larger than a message and put once.
KEEPS = """
import base64, hashlib, json, time, uuid
from warder.agent import Agent

WRONG = {
    "no versions": {"versions": {}},
    "an id of its parent": {"checkpoint_id": None},
    "no id": {"checkpoint_id": "here"},
    "no blob": {"channels": [{"name": "log", "version": "9", "type": "json",
                              "blob": "0" * 64}]},
    "no base64": {"data": "%%%"},
    "too many values": {"values": None, "values_blob": "many"},
}

class Keeps(Agent):
    keeps_state = True

    def __init__(self):
        super().__init__(lambda run: None)

    @staticmethod
    def load(said, request, name):
        for c in said.get("channels") or ():
            if c["name"] != name:
                continue
            data = base64.b64decode(c.get("data") or "")
            while "blob" in c and len(data) < c["size"]:
                data += base64.b64decode(request("blob.get", {
                    "digest": c["blob"], "offset": len(data)})["data"])
            return json.loads(data)
        return None

    @staticmethod
    def blob(data, request):
        digest = hashlib.sha256(data).hexdigest()
        request("blob.put", {"digest": digest, "size": len(data),
                "offset": 0, "data": base64.b64encode(data).decode()})
        return digest

    def put(self, base, log, request, source):
        versions = dict(base.get("versions") or {})
        channels = []
        if "big" not in versions:
            data = json.dumps("x" * 200000).encode()
            channels.append({"name": "big", "version": "1", "type": "json",
                             "blob": self.blob(data, request)})
            versions["big"] = "1"
        versions["log"] = str(int(versions.get("log", "0")) + 1)
        channels.append({"name": "log", "version": versions["log"],
                         "type": "json", "data": base64.b64encode(
                             json.dumps(log).encode()).decode()})
        step = (base.get("metadata") or {}).get("step", -2) + 1
        kept = self.load(base, request, "big") or "x" * 200000
        return {"checkpoint_id": str(uuid.uuid4()), "ns": "", "type": "json",
                "parent_id": base.get("checkpoint_id"), "data": "e30=",
                "versions": versions, "channels": channels,
                "metadata": {"source": source, "step": step, "parents": {},
                             "warder": "forged", "run_id": "forged"},
                "values": {"log": log, "big": len(kept)},
                "next": [], "tasks": [], "interrupts": []}

    def start(self, run):
        base = run.request("checkpoint.get", {"channels": True})
        log = self.load(base, run.request, "log") or []
        while run.input.get("waits") and not run.cancelled:
            time.sleep(0.05)
        run.request("checkpoint.put", self.put(
            base, log + [run.input.get("log")], run.request, "loop"))

    def update_own(self, params, request):
        base = params.get("checkpoint") or {}
        log = self.load(base, request, "log") or []
        wrong = {}
        for u in params["updates"]:
            values = u["values"] or {}
            for v in values if isinstance(values, list) else [values]:
                time.sleep(v.get("sleep", 0))
                wrong = WRONG.get(v.get("wrong"), wrong)
                if v.get("asks"):
                    request("store.batch", {"ops": []})
                if "log" in v:
                    log = log + [[u.get("as_node"), v["log"]]]
        made = dict(self.put(base, log, request, "update"), **wrong)
        made["checkpoint_id"] = made["checkpoint_id"] or base["checkpoint_id"]
        if "values_blob" in wrong:
            many = json.dumps({"log": [0] * 140000}).encode()
            made["values_blob"] = self.blob(many, request)
        return made

Keeps().serve()
"""


def change(d, thread, values, **more):
    return d.api("POST", f"/threads/{thread}/state",
                 dict(more, values=values))


@test(modes=("root",))
def what_an_agent_keeps_by_itself_is_changed_by_it(w):
    with Daemon(w) as d:
        d.agent("keeps", KEEPS)
        thread = thread_of(d)
        wait(d, thread, "keeps", input={"log": "ran"})
        before = state(d, thread)
        equal(before["values"], {"log": ["ran"], "big": 200000})
        status, made = change(d, thread, {"log": "edited"}, as_node="me")
        equal(status, 200, made)
        now = state(d, thread)
        # the channel that was not put again is still there
        equal(now["values"],
              {"log": ["ran", ["me", "edited"]], "big": 200000})
        equal(now["checkpoint"]["checkpoint_id"],
              made["checkpoint"]["checkpoint_id"])
        equal(now["parent_checkpoint"]["checkpoint_id"],
              before["checkpoint"]["checkpoint_id"])
        meta = now["metadata"]
        equal((meta["source"], meta["step"], meta["as_node"]),
              ("update", before["metadata"]["step"] + 1, "me"))
        # whose it is, the agent does not say
        equal(meta["warder"], before["metadata"]["warder"])
        check("forged" not in json.dumps(meta), meta)
        # a run goes on from there, and so does a fork of what was before
        wait(d, thread, "keeps", input={"log": "again"})
        equal(state(d, thread)["values"]["log"],
              ["ran", ["me", "edited"], "again"])
        status, made = change(d, thread, [{"log": 1}, {"log": 2}],
                              checkpoint=before["checkpoint"])
        equal(status, 200, made)
        equal(state(d, thread)["values"]["log"],
              ["ran", [None, 1], [None, 2]])
        # nothing is changed: the agent's own copy
        equal(change(d, thread, None)[0], 200)
        equal(state(d, thread)["values"]["log"],
              ["ran", [None, 1], [None, 2]])
        equal(len(history(d, thread)), 5)


@test(modes=("root",))
def what_an_agent_says_wrong_of_its_state_changes_nothing(w):
    with Daemon(w) as d:
        d.agent("keeps", KEEPS)
        thread = thread_of(d)
        wait(d, thread, "keeps", input={"log": "ran"})
        before = history(d, thread)
        for wrong, said in (("no versions", "no channels"),
                            ("an id of its parent", "the one before"),
                            ("no id", "UUID"), ("no blob", "no blob 000"),
                            ("no base64", "base64"),
                            ("too many values", "the values")):
            status, answer = change(d, thread, {"log": "x", "wrong": wrong})
            equal(status, 422, f"{wrong}: {answer}")
            holds(json.dumps(answer), said)
        status, answer = change(d, thread, {"log": "x", "asks": True})
        equal(status, 422, answer)
        holds(answer["detail"], "no run")
        equal(history(d, thread), before)
        equal(change(d, thread, {"log": "x"})[0], 200)


@test(modes=("root",))
def a_run_and_a_change_of_its_state_do_not_undo_each_other(w):
    with Daemon(w) as d:
        d.agent("keeps", KEEPS)
        thread = thread_of(d)
        wait(d, thread, "keeps", input={"log": "ran"})
        run = begin(d, thread, "keeps", input={"waits": True})
        d.wait_status(run, "running")
        status, said = change(d, thread, {"log": "busy"})
        equal((status, said["detail"]), (409, "Thread is busy"))
        d.verb("runs", "cancel", run).expect(0)
        d.wait_status(run, "interrupted")
        wait(d, thread, "keeps", input={"log": "idle"})
        # one that comes while the agent thinks: before, behind, or not at all
        log = state(d, thread)["values"]["log"]
        slow = subprocess.Popen(
            ["curl", "-s", "-H", "x-api-key: " + d.key, "-H",
             "content-type: application/json", "-d", json.dumps(
                 {"values": {"log": "slow", "sleep": 1}}),
             f"http://127.0.0.1:{d.port}/threads/{thread}/state"],
            stdout=subprocess.PIPE)
        wait(d, thread, "keeps", input={"log": "meanwhile"})
        said = json.loads(slow.communicate(timeout=60)[0])
        slow = [[None, "slow"]] if "checkpoint" in said else []
        if not slow:
            equal(said["detail"], "Thread is busy")
        found = state(d, thread)["values"]["log"]
        check(found in (log + ["meanwhile"] + slow,
                        log + slow + ["meanwhile"]), (said, found))


@test(modes=("root",))
def the_first_state_is_the_agents_own_as_well(w):
    with Daemon(w) as d:
        d.agent("keeps", KEEPS)
        status, made = d.api("POST", "/threads", {
            "metadata": {"graph_id": "keeps"}, "supersteps": [
                {"updates": [{"values": {"log": 1}, "as_node": "a"},
                             {"values": {"log": 2}, "as_node": "b"}]},
                {"updates": [{"values": {"log": 3}}]}]})
        equal(status, 200, made)
        thread = made["thread_id"]
        equal([h["values"]["log"] for h in history(d, thread)],
              [[["a", 1], ["b", 2], [None, 3]], [["a", 1], ["b", 2]]])
        wait(d, thread, "keeps", input={"log": "ran"})
        equal(state(d, thread)["values"]["log"][-2:], [[None, 3], "ran"])


@test(modes=("root",))
def what_cannot_be_said_is_not_left_out(w):
    with Daemon(w) as d:
        d.agent("asks", ASKS)
        thread = thread_of(d)
        wait(d, thread, "asks", input={})
        begun = len(d.runs())
        for options, said in (
                (["--resume", b"\xff"], "UTF-8"),
                (["--resume", "yes", "--update", b"\xff"], "UTF-8"),
                (["--update", "{}"], "--resume")):
            done = d.verb("run", "asks", "--thread", thread, *options)
            done.expect(125)
            holds(done.said, said)
        equal(len(d.runs()), begun, "nothing was started")
        # the reason of an end that nobody asked for
        os.kill(d.control(), signal.SIGSYS)
        wait_until(lambda: "control.end" in d.said(), 10, "its end")
        holds(d.said(), "a system call that its filter has not")
        d.wait_ready()
        equal(wait(d, thread, "asks", command={"resume": "yes"})["log"],
              ["drafted", "first yes"])


@test(modes=("root",))
def it_is_served_by_tls_as_well(w):
    folder = w.scratch("tls")
    cert, key = (os.path.join(folder, n) for n in ("cert.pem", "key.pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-keyout", key, "-out", cert, "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, capture_output=True)
    port = free_port()
    listen = f", {{address: \"127.0.0.1:{port}\", tls: true}}"
    with Daemon(w, f"tls: {{cert: {cert}, key: {key}}}\n",
                listen=listen) as d:
        d.deploy("hello")
        said = subprocess.run(
            ["curl", "-s", "--cacert", cert, "-H", "x-api-key: " + d.key,
             "-H", "content-type: application/json", "-d", json.dumps(
                 {"assistant_id": "hello", "input": {"name": "TLS"}}),
             f"https://127.0.0.1:{port}/runs/wait"],
            capture_output=True, check=True, timeout=60).stdout
        equal(json.loads(said), {"greeting": "Hello, TLS!"})


if __name__ == "__main__":
    sys.exit(main())
