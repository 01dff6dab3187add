#!/usr/bin/env python3
"""Runs by the API: made, followed, waited for, answered, cancelled; and what
of it survives a client that goes away.

The attempts are scripts that control_stub plays.
"""
import json
import sys
import threading
import time

import service
from service import (AGENT, AGENT_ID, check, equal, new_id, test, wait_until)

NOTHING = "00000000-0000-4000-8000-0000000000ff"
ASK = "b9ecc8393c16e42622eed3fed9dce532"
ASK2 = "65944f366112bdd0ae77eec7934e4fb4"
LONG = [{"state": {"n": 1}}, {"sleep": 30000}]


def ask_for(*idents):
    return [{"state": {"n": 1}},
            {"ask": [{"id": i, "value": f"q{i[:2]}"} for i in idents]}]


def script(*steps):
    return {"assistant_id": AGENT, "input": {"script": list(steps)}}


# ---- made -----------------------------------------------------------------

@test
def run__in_the_background(s):
    thread = s.user.thread()
    made = s.user.post(f"/threads/{thread}/runs", {
        "assistant_id": AGENT, "input": {"x": 1}, "metadata": {"m": 1},
        "config": {"configurable": {"user_id": "123"}}}).expect(200)
    run = made.json
    equal(made.headers["content-location"],
          f"/threads/{thread}/runs/{run['run_id']}")
    equal((run["thread_id"], run["assistant_id"], run["status"]),
          (thread, AGENT_ID, "pending"))
    equal(run["multitask_strategy"], "enqueue")
    equal((run["kwargs"]["input"], run["kwargs"]["stream_mode"]),
          ({"x": 1}, ["values"]))
    equal(run["metadata"]["m"], 1)
    s.user.wait_for(thread, run["run_id"], "success")
    equal(s.user.get(f"/threads/{thread}/runs/{run['run_id']}/join"
                     ).expect(200).json, {"x": 1})
    state = s.user.get(f"/threads/{thread}").json
    equal((state["status"], state["values"]), ("idle", {"x": 1}))
    equal((state["metadata"]["graph_id"], state["metadata"]["assistant_id"]),
          (AGENT, AGENT_ID))
    listed = s.user.get(f"/threads/{thread}/runs?limit=5&select=run_id")
    equal(listed.expect(200).json, [{"run_id": run["run_id"]}])
    equal(s.user.get(f"/threads/{thread}/runs?status=error").json, [])
    s.user.ask("DELETE", f"/threads/{thread}/runs/{run['run_id']}"
               ).expect(204)
    s.user.get(f"/threads/{thread}/runs/{run['run_id']}").expect(404)


@test
def run__waited_for(s):
    thread = s.user.thread()
    got = s.user.post(f"/threads/{thread}/runs/wait", script(
        {"sleep": 1200}, {"result": {"done": True}})).expect(200)
    check(got.body.startswith(b"\n\n"), "no sign of life while it waits")
    equal(got.json, {"done": True})
    check(got.headers["location"].endswith("/join"), got.headers)


@test
def run__without_a_thread(s):
    got = s.user.post("/runs/wait", {"assistant_id": AGENT,
                                     "input": {"a": 1}}).expect(200)
    equal(got.json, {"a": 1})
    check(got.headers["content-location"].startswith("/runs/"), got.headers)
    kept = s.user.post("/runs", {"assistant_id": AGENT, "input": {},
                                 "on_completion": "keep"}).expect(200).json
    s.user.get(f"/runs/{kept['run_id']}/join").expect(200)
    s.user.get(f"/threads/{kept['thread_id']}").expect(200)
    equal(s.user.get(f"/threads/{kept['thread_id']}?include=ttl"
                     ).json["ttl"], None)
    # a temporary thread stays as long as its run can still be joined
    gone = s.user.post("/runs", {"assistant_id": AGENT, "input": {}}
                       ).expect(200).json
    s.user.get(f"/runs/{gone['run_id']}/join").expect(200)
    check(s.user.get(f"/threads/{gone['thread_id']}?include=ttl"
                     ).json["ttl"]["expires_at"], "it stays for ever")


@test
def run__failed(s):
    thread = s.user.thread()
    body = script({"state": {"n": 1}}, {"fail": ["CustomError", "Boo!"]})
    got = s.user.post(f"/threads/{thread}/runs/wait", body).expect(200)
    equal(got.json, {"__error__": {"error": "CustomError",
                                   "message": "Boo!"}})
    equal(s.user.get(f"/threads/{thread}").json["status"], "error")
    events = list(s.user.stream("POST", f"/threads/{thread}/runs/stream",
                                body))
    equal([e.name for e in events], ["metadata", "values", "error", "end"])
    equal(events[2].data, {"error": "CustomError", "message": "Boo!"})
    equal(events[3].data["status"], "error")


@test
def run__made_with_its_thread(s):
    thread = new_id()
    body = {"assistant_id": AGENT, "input": {}}
    s.user.post(f"/threads/{thread}/runs/wait", body).expect(404)
    s.user.post(f"/threads/{thread}/runs/wait",
                dict(body, if_not_exists="create")).expect(200)
    s.user.get(f"/threads/{thread}").expect(200)
    # never another's: the same name is another thread there
    mine = s.user.thread(metadata={"mark": 1})
    s.other.post(f"/threads/{mine}/runs/wait",
                 dict(body, if_not_exists="create")).expect(200)
    equal(s.user.get(f"/threads/{mine}/runs").expect(200).json, [])
    check("mark" not in s.other.get(f"/threads/{mine}").json["metadata"],
          "it is acme's thread")


@test
def run__later(s):
    thread = s.user.thread()
    run = s.user.run(thread, [], after_seconds=1)
    time.sleep(0.4)
    equal(s.user.status(thread, run), "pending")
    s.user.wait_for(thread, run, "success")


@test
def run__several_at_once(s):
    body = {"assistant_id": AGENT, "assistantId": AGENT, "input": {"n": 1}}
    runs = s.user.post("/runs/batch", [body] * 3).expect(200).json
    equal(len({r["run_id"] for r in runs}), 3)
    s.user.post("/runs/batch", [body, {"input": {}}]
                ).expect(422, "assistant_id")
    s.user.post("/runs/batch", {}).expect(422)


@test
def run__refused(s):
    thread = s.user.thread()
    path = f"/threads/{thread}/runs"
    good = {"assistant_id": AGENT, "input": {}}
    for change, what in (
            ({"assistant_id": None}, "assistant_id"),
            ({"assistant_id": 1}, "assistant_id"),
            ({"multitask_strategy": "perhaps"}, "multitask_strategy"),
            ({"if_not_exists": "x"}, "if_not_exists"),
            ({"on_disconnect": "x"}, "on_disconnect"),
            ({"durability": "x"}, "durability"),
            ({"on_completion": "x"}, "on_completion"),
            ({"after_seconds": -1}, "after_seconds"),
            ({"stream_mode": 1}, "stream_mode"),
            ({"stream_mode": [1]}, "stream_mode"),
            ({"interrupt_before": [1]}, "interrupt_before"),
            ({"config": []}, "config")):
        s.user.post(path, dict(good, **change)).expect(422, what)
    s.user.post(path, dict(good, webhook="https://h/x")).expect(501)
    s.user.post(path, dict(good, assistant_id="no-such")
                ).expect(404, "no-such")
    s.user.get(f"{path}/{NOTHING}").expect(404, f"Run {NOTHING} not found")
    s.user.get(f"{path}/{NOTHING}/join").expect(404)
    s.user.get(f"{path}/{NOTHING}/stream").expect(404)
    s.user.post(f"{path}/{NOTHING}/cancel").expect(404)
    # a run of one thread is not on another
    other = s.user.thread()
    run = s.user.run(thread, [])
    s.user.get(f"/threads/{other}/runs/{run}").expect(404)


@test
def run__once_for_each_key(s):
    thread = s.user.thread()
    path = f"/threads/{thread}/runs"
    body = {"assistant_id": AGENT, "input": {"n": 1}}
    key = {"idempotency-key": new_id()}
    first = s.user.post(path, body, headers=key).expect(200).json["run_id"]
    equal(s.user.post(path, body, headers=key).expect(200).json["run_id"],
          first)
    s.user.post(path, dict(body, input={"n": 2}), headers=key).expect(409)
    equal(len(s.user.get(path).json), 1)
    # a key is its tenant's own
    theirs = s.other.thread()
    run = s.other.post(f"/threads/{theirs}/runs", body, headers=key
                       ).expect(200).json["run_id"]
    check(run != first, "another tenant's run")


# ---- two at a time --------------------------------------------------------------

@test
def multitask__reject(s):
    thread = s.user.thread()
    first = s.user.run(thread, LONG)
    s.user.post(f"/threads/{thread}/runs", {
        "assistant_id": AGENT, "input": {}, "multitask_strategy": "reject"}
    ).expect(409, "already running")
    s.user.post(f"/threads/{thread}/state", {"values": {}}
                ).expect(409, "Thread is busy")
    s.user.post(f"/threads/{thread}/runs/{first}/cancel?wait=1").expect(204)


@test
def multitask__enqueue(s):
    thread = s.user.thread()
    first = s.user.run(thread, [{"sleep": 300}, {"result": {"a": 1}}])
    second = s.user.run(thread, [{"result": {"b": 2}}])
    equal(s.user.status(thread, second), "pending")
    equal(s.user.get(f"/threads/{thread}/runs/{second}/join").json, {"b": 2})
    equal(s.user.status(thread, first), "success")


@test
def multitask__interrupt(s):
    thread = s.user.thread()
    first = s.user.run(thread, LONG)
    s.user.wait_for(thread, first, "running")
    wait_until(lambda: s.user.get(f"/threads/{thread}/state").json["values"],
               what="a state")
    second = s.user.run(thread, [{"result": {"b": 2}}],
                        multitask_strategy="interrupt")
    s.user.wait_for(thread, second, "success")
    equal(s.user.status(thread, first), "interrupted")
    values = [c["values"] for c in
              s.user.get(f"/threads/{thread}/history").json]
    check({"n": 1} in values, values)


@test
def multitask__rollback_removes_what_it_stored(s):
    thread = s.user.thread()
    s.user.post(f"/threads/{thread}/state", {"values": {"before": 1}})
    first = s.user.run(thread, LONG)
    wait_until(lambda: s.user.get(f"/threads/{thread}/state"
                                  ).json["values"] == {"n": 1},
               what="a state")
    second = s.user.run(thread, [{"result": {"b": 2}}],
                        multitask_strategy="rollback")
    s.user.wait_for(thread, second, "success")
    s.user.get(f"/threads/{thread}/runs/{first}").expect(404)
    values = [c["values"] for c in
              s.user.get(f"/threads/{thread}/history").json]
    check({"n": 1} not in values, values)
    check({"before": 1} in values, values)


# ---- ended ------------------------------------------------------------------------

@test
def cancel__with_and_without_waiting(s):
    thread = s.user.thread()
    run = s.user.run(thread, LONG)
    s.user.wait_for(thread, run, "running")
    begin = time.monotonic()
    s.user.post(f"/threads/{thread}/runs/{run}/cancel?wait=0"
                "&action=interrupt").expect(202)
    check(time.monotonic() - begin < 2, "wait=0 has waited")
    s.user.wait_for(thread, run, "interrupted")
    run = s.user.run(thread, LONG)
    s.user.wait_for(thread, run, "running")
    s.user.post(f"/threads/{thread}/runs/{run}/cancel?wait=1"
                "&action=rollback").expect(204)
    s.user.get(f"/threads/{thread}/runs/{run}").expect(404)
    s.user.post(f"/threads/{thread}/runs/{run}/cancel?action=x").expect(422)
    s.user.post(f"/threads/{thread}/runs/{run}/cancel?wait=x").expect(422)


@test
def cancel__many(s):
    thread = s.user.thread()
    runs = [s.user.run(thread, LONG) for _ in range(3)]
    s.user.post("/runs/cancel?action=interrupt", {
        "thread_id": thread, "run_ids": runs[:2], "status": "all"}).expect(204)
    for run in runs[:2]:
        s.user.wait_for(thread, run, "interrupted")
    s.user.post("/runs/cancel", {"thread_id": thread, "status": "all"}
                ).expect(204)
    s.user.wait_for(thread, runs[2], "interrupted")
    s.user.post("/runs/cancel", {"run_ids": [NOTHING]}).expect(404)
    s.user.post("/runs/cancel", {}).expect(422)
    # another's are not there
    run = s.user.run(s.user.thread(), [])
    s.other.post("/runs/cancel", {"run_ids": [run]}).expect(404)


# ---- questions ---------------------------------------------------------------------------

@test
def interrupt__asked_and_answered(s):
    thread = s.user.thread()
    events = list(s.user.stream(
        "POST", f"/threads/{thread}/runs/stream",
        dict(script(*ask_for(ASK)), stream_mode=["values", "updates"])))
    asked = [{"id": ASK, "value": "qb9"}]
    equal([e.name for e in events],
          ["metadata", "values", "updates", "values", "end"])
    equal(events[2].data, {"__interrupt__": asked})
    equal(events[-1].data["status"], "interrupted")
    about = s.user.get(f"/threads/{thread}").json
    equal((about["status"], about["interrupts"]),
          ("interrupted", {"t1": asked}))
    state = s.user.get(f"/threads/{thread}/state").json
    equal((state["next"], state["interrupts"]), (["ask"], asked))
    equal(s.user.post("/threads/search", {
        "ids": [thread], "status": "interrupted",
        "select": ["interrupts"]}).json, [{"interrupts": {"t1": asked}}])
    got = s.user.post(f"/threads/{thread}/runs/wait", {
        "assistant_id": AGENT, "command": {"resume": {"type": "approve"}}})
    equal(got.expect(200).json, {"answer": {"type": "approve"}})
    equal(s.user.get(f"/threads/{thread}").json["interrupts"], {})


@test
def interrupt__waited_for(s):
    thread = s.user.thread()
    got = s.user.post(f"/threads/{thread}/runs/wait", script(*ask_for(ASK)))
    equal(got.expect(200).json["__interrupt__"],
          [{"id": ASK, "value": "qb9"}])


@test
def interrupt__answers_are_for_what_was_asked(s):
    thread = s.user.thread()
    path = f"/threads/{thread}/runs/wait"

    def resume(value, **more):
        return s.user.post(path, dict(more, assistant_id=AGENT,
                                      command={"resume": value}))

    resume("x").expect(422, "nothing on this thread")
    s.user.post(path, script(*ask_for(ASK, ASK2))).expect(200)
    # two wait: a bare answer could be for either
    resume("x").expect(422, "2 interrupts")
    resume({"0" * 32: "x"}).expect(422, "no interrupt 000")
    resume({ASK: "x", "0" * 32: "y"}).expect(422, "no interrupt 000")
    equal(s.user.get(f"/threads/{thread}").json["status"], "interrupted")
    resume({ASK: "x"}).expect(200)
    s.user.post("/runs/wait", {"assistant_id": AGENT,
                               "command": {"resume": 1}}).expect(422)


@test
def interrupt__an_answer_repeated_under_its_key_is_one(s):
    thread = s.user.thread()
    path = f"/threads/{thread}/runs"
    s.user.post(path + "/wait", script(*ask_for(ASK))).expect(200)
    body = {"assistant_id": AGENT, "command": {"resume": "yes"}}
    key = {"idempotency-key": new_id()}
    first = s.user.post(path, body, headers=key).expect(200).json["run_id"]
    s.user.wait_for(thread, first, "success")
    # nothing waits any more, and yet it is no other request
    equal(s.user.post(path, body, headers=key).expect(200).json["run_id"],
          first)
    s.user.post(path, dict(body, metadata={"x": 1}), headers=key).expect(409)
    s.user.post(path, body, headers={"idempotency-key": new_id()}
                ).expect(422, "nothing on this thread")
    equal(len(s.user.get(path).json), 2)


@test
def interrupt__has_one_answer_at_a_time(s):
    thread = s.user.thread()
    path = f"/threads/{thread}/runs"
    s.user.post(path + "/wait", script(*ask_for(ASK, ASK2))).expect(200)

    def answer(value, **more):
        body = {"assistant_id": AGENT, "command": {"resume": value}}
        body.update(more)
        return s.user.post(path, body)

    # it will be answered; another answers the other
    first = answer({ASK: "a"}, after_seconds=3600
                   ).expect(200).json["run_id"]
    answer({ASK: "b"}).expect(409, "answers this interrupt")
    answer({ASK: "b", ASK2: "c"}).expect(409, "answers this interrupt")
    second = answer({ASK2: "c"}, after_seconds=3600
                    ).expect(200).json["run_id"]
    answer({ASK2: "d"}).expect(409)
    # one that is taken back is none, and whoever says so replaces it
    s.user.post(f"{path}/{second}/cancel").expect(202)
    third = answer({ASK2: "d"}, after_seconds=3600
                   ).expect(200).json["run_id"]
    last = answer({ASK: "e", ASK2: "e"}, multitask_strategy="interrupt"
                  ).expect(200).json["run_id"]
    s.user.wait_for(thread, last, "success")
    for run in (first, third):
        equal(s.user.status(thread, run), "interrupted")


# ---- streams --------------------------------------------------------------------------------

@test
def stream__frames_and_fields(s):
    thread = s.user.thread()
    stream = s.user.stream("POST", f"/threads/{thread}/runs/stream", script(
        {"emit": ["values|child:1", {"x": [1, "a\nb"]}]},
        {"result": {"done": 1}}))
    equal(stream.status, 200)
    equal(stream.headers["content-type"], "text/event-stream")
    equal(stream.headers["cache-control"], "no-cache")
    equal(stream.headers["x-accel-buffering"], "no")
    run = stream.headers["content-location"].rsplit("/", 1)[1]
    equal(stream.headers["location"],
          f"/threads/{thread}/runs/{run}/stream")
    events = list(stream)
    equal(events[0], service.Event("metadata", {"run_id": run, "attempt": 1},
                                   events[0].id))
    equal(events[1].data, {"x": [1, "a\nb"]})
    ids = [int(e.id) for e in events[:-1]]
    equal(ids, sorted(set(ids)))
    equal(events[-1], service.Event(
        "end", {"run_id": run, "status": "success"}, None))


@test
def stream__stays_alive_in_silence(s):
    stream = s.user.stream("POST", "/runs/stream", script({"sleep": 1800}))
    list(stream)
    check(stream.beats >= 3, f"{stream.beats} heartbeats")


@test
def stream__left_and_resumed(s):
    thread = s.user.thread()
    steps = []
    for i in range(6):
        steps += [{"emit": ["values", {"i": i}]}, {"sleep": 60}]
    first = s.user.stream("POST", f"/threads/{thread}/runs/stream", dict(
        script(*steps), stream_resumable=True, on_disconnect="continue"))
    seen = [next(first) for _ in range(3)]
    first.close()
    again = s.user.stream("GET", first.headers["location"],
                          headers={"last-event-id": seen[-1].id})
    seen += list(again)
    equal([e.data["i"] for e in seen if e.name == "values" and "i" in e.data],
          list(range(6)))
    equal(seen[-1].name, "end")
    everything = list(s.user.stream("GET", first.headers["location"],
                                    headers={"last-event-id": "-1"}))
    equal([e.name for e in everything], [e.name for e in seen])
    late = list(s.user.stream("GET", first.headers["location"]))
    equal([e.name for e in late], ["end"])
    s.user.get(first.headers["location"],
               headers={"last-event-id": "x"}).expect(422, "Last-Event-ID")


@test
def stream__only_the_modes_that_were_asked_for(s):
    thread = s.user.thread()
    run = s.user.run(thread, [
        {"emit": ["updates", {}]}, {"emit": ["messages", []]},
        {"emit": ["messages/partial", []]}, {"emit": ["custom", 1]},
        {"result": {}}])
    s.user.wait_for(thread, run, "success")
    path = f"/threads/{thread}/runs/{run}/stream"
    for modes, names in (
            ("stream_mode=values", ["values"]),
            ("stream_mode=messages", ["messages/partial"]),
            ("stream_mode=messages-tuple", ["messages"]),
            ("stream_mode=custom&stream_mode=updates", ["updates", "custom"])):
        events = s.user.stream("GET", f"{path}?{modes}",
                               headers={"last-event-id": "-1"})
        equal([e.name for e in events][1:-1], names, modes)
    s.user.get(f"{path}?stream_mode=x").expect(422, "stream_mode")


def until(stream, name, more=lambda e: True):
    """Events up to the first of that name."""
    events = []
    for event in stream:
        events.append(event)
        if event.name == name and more(event):
            return events
    raise service.Failed(f"no {name} in {events}")


def is_done(event):
    return event.data.get("status") == "run_done"


@test
def thread_stream__its_runs_and_their_ends(s):
    thread = s.user.thread()
    path = f"/threads/{thread}/stream"
    begin = {"last-event-id": "-"}
    whole = s.user.stream("GET", path, headers=begin)
    lives = s.user.stream("GET", f"{path}?stream_mode=lifecycle",
                          headers=begin)
    runs = [s.user.run(thread, [{"emit": ["custom", i]}, {"result": {}}])
            for i in range(2)]
    for run in runs:
        events = until(whole, "metadata", is_done)
        equal([e.name for e in events],
              ["metadata", "custom", "values", "metadata"])
        equal(events[-1].data, {"status": "run_done", "run_id": run})
        events = until(lives, "metadata", is_done)
        equal([e.data["run_id"] for e in events], [run, run])
    # whoever comes now hears nothing of what is over, and all that follows
    late = s.user.stream("GET", path)
    late_lives = s.user.stream("GET", f"{path}?stream_mode=lifecycle")
    runs = [s.user.run(thread, [{"result": {}}]) for _ in range(3)]
    for run in runs:
        events = until(late, "metadata", is_done)
        equal([e.name for e in events], ["metadata", "values", "metadata"])
        equal(events[0].data["run_id"], run)
        equal([e.data["run_id"] for e in
               until(late_lives, "metadata", is_done)], [run, run])
    # and whoever has heard of an end hears of it once
    again = s.user.stream("GET", path,
                          headers={"last-event-id": events[-1].id})
    last = s.user.run(thread, [{"result": {}}])
    equal(next(again).data["run_id"], last)
    s.user.get(f"{path}?stream_mode=values").expect(422, "stream_mode")
    for stream in (whole, lives, late, late_lives, again):
        stream.close()


@test
def thread_stream__of_one_that_is_busy(s):
    thread = s.user.thread()
    first = s.user.run(thread, [{"sleep": 30000}])
    second = s.user.run(thread, [{"emit": ["custom", 2]}, {"result": {}}])
    s.user.wait_for(thread, first, "running")
    stream = s.user.stream("GET", f"/threads/{thread}/stream")
    s.user.post(f"/threads/{thread}/runs/{first}/cancel").expect(202)
    # what runs is gone on with, what waits comes behind it
    equal(until(stream, "metadata", is_done)[-1].data["run_id"], first)
    equal([e.name for e in until(stream, "metadata", lambda e: is_done(e) and
                                 e.data["run_id"] == second)],
          ["metadata", "custom", "values", "metadata"])
    stream.close()


@test
def thread_stream__states_that_clients_make(s):
    thread = s.user.thread()
    path = f"/threads/{thread}/stream?stream_mode=state_update"
    s.user.post(f"/threads/{thread}/state", {"values": {"n": 0}}).expect(200)
    begin = {"last-event-id": "-"}
    stream = s.user.stream("GET", path, headers=begin)
    both = s.user.stream("GET", path + "&stream_mode=lifecycle",
                         headers=begin)
    equal(next(stream).data["state"]["values"], {"n": 0})
    equal(next(both).data["state"]["values"], {"n": 0})
    s.user.wait_for(thread, s.user.run(thread, [{"result": {"n": 1}}]),
                    "success")
    until(both, "metadata", is_done)
    made = [s.user.post(f"/threads/{thread}/state", {"values": {"n": n}}
                        ).expect(200).json["checkpoint"] for n in (2, 3)]
    events = [next(stream), next(stream)]
    equal([e.name for e in events], ["state_update"] * 2)
    equal([e.data["state"]["values"]["n"] for e in events], [2, 3])
    equal([e.data["state"]["checkpoint"] for e in events], made)
    equal(events[0].data["thread_id"], thread)
    equal(next(both).data["state"]["values"], {"n": 2})
    stream.close()
    # behind the last one that was seen, or from the beginning
    stream = s.user.stream("GET", path,
                           headers={"last-event-id": events[0].id})
    equal(next(stream).data["state"]["values"], {"n": 3})
    stream.close()
    stream = s.user.stream("GET", path, headers={"last-event-id": "-"})
    equal([next(stream).data["state"]["values"]["n"] for _ in range(3)],
          [0, 2, 3])
    stream.close()
    both.close()
    stream = s.user.stream("GET", path)
    s.user.post(f"/threads/{thread}/state", {"values": {"n": 4}}).expect(200)
    equal(next(stream).data["state"]["values"], {"n": 4})
    stream.close()
    for bad in (":x", "a:b:c", ":1:" + "x" * 50, "x"):
        s.user.get(path, headers={"last-event-id": bad}
                   ).expect(422, "Last-Event-ID")


@test
def join__a_failed_run_gives_the_values_so_far(s):
    thread = s.user.thread()
    run = s.user.run(thread, [{"state": {"n": 1}}, {"fail": ["E", "boo"]}])
    equal(s.user.get(f"/threads/{thread}/runs/{run}/join").expect(200).json,
          {"n": 1})
    equal(s.user.post(f"/threads/{thread}/runs/wait",
                      script({"fail": ["E", "boo"]})).expect(200).json,
          {"__error__": {"error": "E", "message": "boo"}})


@test
def stream__large_events_to_a_slow_reader(s):
    big = "x" * 700_000
    stream = s.user.stream("POST", "/runs/stream", script(
        *[{"emit": ["custom", {"n": i, "big": big}]} for i in range(5)]))
    time.sleep(0.5)
    events = [e for e in stream if e.name == "custom"]
    equal([e.data["n"] for e in events], list(range(5)))
    check(all(len(e.data["big"]) == len(big) for e in events), "cut")


@test
def stream__its_client_goes_away(s):
    thread = s.user.thread()
    for how, status in (("cancel", "interrupted"), ("continue", "success")):
        for verb in ("stream", "wait"):
            stream = s.user.stream(
                "POST", f"/threads/{thread}/runs/{verb}",
                dict(script({"sleep": 1000}), on_disconnect=how))
            run = stream.headers["content-location"].rsplit("/", 1)[1]
            s.user.wait_for(thread, run, "running")
            stream.close()
            s.user.wait_for(thread, run, status)


@test
def join__cancels_when_it_is_told_to(s):
    thread = s.user.thread()
    for flag, status in ((0, "success"), (1, "interrupted")):
        for verb in ("stream", "join"):
            run = s.user.run(thread, [{"sleep": 800}])
            s.user.wait_for(thread, run, "running")
            stream = s.user.stream(
                "GET", f"/threads/{thread}/runs/{run}/{verb}"
                f"?cancel_on_disconnect={flag}")
            stream.close()
            s.user.wait_for(thread, run, status)


@test
def thread_stream__all_of_its_runs(s):
    thread = s.user.thread()
    first = s.user.run(thread, [{"result": {"n": 1}}])
    s.user.wait_for(thread, first, "success")
    stream = s.user.stream("GET", f"/threads/{thread}/stream",
                           headers={"last-event-id": "-"})
    seen = until(stream, "metadata", is_done)[:-1]
    equal(seen[1].data, {"n": 1})
    second = s.user.run(thread, [{"result": {"n": 2}}])
    seen += until(stream, "metadata", is_done)[:-1]
    equal(seen[2].data["run_id"], second)
    equal(seen[3].data, {"n": 2})
    stream.close()
    # where it was left it goes on
    s.user.wait_for(thread, second, "success")
    again = s.user.stream("GET", f"/threads/{thread}/stream",
                          headers={"last-event-id": seen[1].id})
    check(is_done(next(again)), "the first run's end, which was not named")
    equal([next(again) for _ in range(2)], seen[2:])
    again.close()
    # without an id it is what comes now
    now = s.user.stream("GET", f"/threads/{thread}/stream")
    third = s.user.run(thread, [{"result": {"n": 3}}])
    equal(next(now).data["run_id"], third)
    now.close()


@test
def streams__another_tenants_are_not_there(s):
    thread = s.user.thread()
    run = s.user.run(thread, LONG)
    for path in (f"/threads/{thread}/runs/{run}/stream", f"/runs/{run}/stream",
                 f"/threads/{thread}/stream", f"/runs/{run}/join",
                 f"/v1/runs/{run}/logs", f"/v1/runs/{run}"):
        s.other.get(path).expect(404)
    check(run.encode() not in s.other.get("/v1/runs?limit=1000").body,
          "it is listed")
    check(run.encode() in s.user.get("/v1/runs?limit=1000").body,
          "it is not listed")
    s.user.post(f"/threads/{thread}/runs/{run}/cancel?wait=1").expect(204)


@test
def streams__many_at_once(s):
    thread = s.user.thread()
    run = s.user.run(thread, [{"sleep": 1500}, {"emit": ["custom", {"n": 7}]}])
    streams = [s.user.stream("GET", f"/threads/{thread}/runs/{run}/stream",
                             headers={"last-event-id": "-1"})
               for _ in range(200)]
    got = []

    def read(stream):
        got.append([e.name for e in stream])

    threads = [threading.Thread(target=read, args=(x,)) for x in streams]
    for t in threads:
        t.start()
    for t in threads:
        t.join(timeout=30)
    equal(len(got), 200)
    equal({json.dumps(names) for names in got},
          {json.dumps(["metadata", "custom", "values", "end"])})


if __name__ == "__main__":
    sys.exit(service.main())
