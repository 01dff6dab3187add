#!/usr/bin/env python3
"""What a hostile agent comes to: it speaks the protocol by hand, asks for too
much, for what is others', and says what makes no sense."""

import json
import os
import sys

from daemon import Daemon
from flow import check, equal, holds, main, test, wait_until

# A sanitizer keeps what was freed.
LARGER = 3 if "address" in os.environ.get("WARDER_BUILD", "") else 1

SPEAKER = """
import json, os, socket, sys
s = socket.socket(fileno=3)
f = s.makefile("rb")
start = json.loads(f.readline())
if start["method"] != "run.start":
    sys.exit(0)
given = start["params"]
number = 0

def send(**message):
    s.sendall(json.dumps(dict(message, jsonrpc="2.0")).encode() + b"\\n")

def ask(method, **params):
    global number
    number += 1
    send(id=number, method=method, params=params)
    while True:
        m = json.loads(f.readline())
        if m.get("id") == number and "method" not in m:
            return m

def code(method, **params):
    return ask(method, **params).get("error", {}).get("code", 0)

def end(result):
    send(id=start["id"], result=result)
    sys.exit(0)

"""


def rss_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        for line in f:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0


def run(d, name, script, value=None):
    """Of a script's one run: the answer of wait."""
    d.agent(name, SPEAKER + script)
    return d.api("POST", "/runs/wait", {"assistant_id": name, "input": value})


@test(modes=("root",))
def what_is_refused_is_refused_by_name(w):
    script = """
many = {"id": "0" * 32, "value": 1, "task": {"id": "t", "name": "t"}}
put = {"op": "put", "namespace": ["a"], "key": "k", "value": {}}
got = {
    "interrupts": code("interrupt", interrupts=[many] * 257),
    "nameless": code("interrupt", interrupts=[{"id": "x"}]),
    "ops": code("store.batch", ops=[put] * 101),
    "op": code("store.batch", ops=[{"op": "drop"}]),
    "dot": code("store.batch", ops=[dict(put, namespace=["a.b"])]),
    "key": code("store.batch", ops=[dict(put, key="k" * 513)]),
    "labels": code("store.batch", ops=[dict(put, namespace=["a"] * 65)]),
    "long": code("store.batch", ops=[dict(put, namespace=["a" * 1025])]),
    "long key": code("journal.put", key="k" * 513, value=1),
    "person": code("checkpoint.put", values={}, source="update"),
    "no id": code("checkpoint.put", values={}, checkpoint_id="../x"),
    "list": code("checkpoint.put", values=[]),
    "text": code("checkpoint.put", values={}, tasks="x"),
    "join": code("run.join", run_id=given["input"]["run"]),
    "join own": code("run.join", run_id=given["run_id"]),
    "join none": code("run.join", run_id="x"),
    "spawn": code("run.spawn", assistant_id="nobody"),
    "method": code("run.rm"),
    "limit": code("checkpoint.list", limit=1001),
    "exec": code("exec", command=["true"]),
}
fine = {
    "interrupts": code("checkpoint.put", values={}, tasks=[
        "abc", 5, None, {"id": 1, "interrupts": [1]}, {"id": "x"},
        {"id": "y", "interrupts": "z"}], next=["a", 1]),
    "other": ask("checkpoint.get", checkpoint_id=given["input"]["checkpoint"]),
    "key": code("journal.put", key="k" * 512, value=[1]),
    "store": code("store.batch", ops=[dict(put, key="k" * 512)] * 100),
    "ns": ask("store.batch", ops=[
        dict(put, namespace=["a%", "_'\\"\\\\;\\u2028"]),
        {"op": "search", "namespace_prefix": ["a_"]},
        {"op": "search", "namespace_prefix": ["a%"]}]),
}
end({"refused": got, "fine": fine})
"""
    with Daemon(w) as d:
        d.agent("asks", "import warder\n@warder.agent\ndef main(run):\n"
                "    run.node('n', lambda v: {'secret': 1})\nmain.serve()\n")
        thread = d.api("POST", "/threads", {})[1]["thread_id"]
        d.api("POST", f"/threads/{thread}/runs/wait",
              {"assistant_id": "asks", "input": {}})
        other = {"run": d.runs()[0]["run_id"], "checkpoint": d.api(
            "GET", f"/threads/{thread}/state")[1]["checkpoint"][
                "checkpoint_id"]}
        status, said = run(d, "odd", script, other)
        equal(status, 200, str(said))
        check("refused" in said, str(said))
        let = [name for name, code in said["refused"].items() if code >= 0]
        equal(let, [], str(said["refused"]))
        equal(said["refused"]["method"], -32601)
        equal(said["refused"]["exec"], -32602)
        fine = said["fine"]
        equal((fine["interrupts"], fine["key"], fine["store"]), (0, 0, 0))
        equal(fine["other"]["result"], {}, "another thread's checkpoint")
        _, none, one = fine["ns"]["result"]["results"]
        equal((none["items"], len(one["items"])), ([], 1))


@test(modes=("root",))
def a_state_grows_only_so_far(w):
    """Each message is small; what they come to is bounded, and is read again."""
    script = """
codes = [code("checkpoint.put", changed={f"k{i}": "x" * 1000000})
         for i in range(8)]
ask("checkpoint.put", values={})
many = [code("checkpoint.put", changed={f"k{i}": [0] * 60000})
        for i in range(5)]
codes2 = code("checkpoint.put", changed={"last": 1})
kept = ask("checkpoint.get")["result"]["values"]
end({"bytes": codes, "values": many, "after": codes2, "kept": sorted(kept)})
"""
    with Daemon(w) as d:
        before = rss_kib(d.control())
        status, said = run(d, "grows", script)
        equal(status, 200, str(said))
        equal([c == 0 for c in said["bytes"]], [True] * 4 + [False] * 4)
        equal([c == 0 for c in said["values"]], [True] * 2 + [False] * 3)
        equal(said["after"], 0, "what fits is stored again")
        equal(said["kept"], ["k0", "k1", "last"])
        grown = rss_kib(d.control()) - before
        check(grown < 160 * LARGER * 1024, f"{grown} KiB more of memory")


@test(modes=("root",))
def a_log_is_kept_only_so_far(w):
    script = """
for i in range(40):
    send(method="log", params={"message": "x" * 1000000})
for i in range(30000):
    os.write(2, b"\\xff\\x00 line\\n" * 4)
end({})
"""
    with Daemon(w) as d:
        before = rss_kib(d.control())
        status, said = run(d, "talks", script)
        equal(status, 200, str(said))
        grown = rss_kib(d.control()) - before
        check(grown < 100 * LARGER * 1024, f"{grown} KiB more of memory")
        size = sum(os.path.getsize(os.path.join(folder, name))
                   for folder, _, names in os.walk(d.state)
                   for name in names if name.startswith("warder.db"))
        check(size < 24 << 20, f"{size} bytes of database")
        said = d.verb("logs", d.runs()[0]["run_id"]).expect(0).text
        holds(said[-200:], "the log is full")


@test(modes=("root",))
def floods_stop_whoever_makes_them(w):
    """Requests whose answers are not read, events, questions: all at once."""
    script = """
import threading
def drop():
    while s.recv(65536):
        pass
if given["input"] == "deaf":
    while True:
        send(id=1, method="checkpoint.get", params={})
threading.Thread(target=drop, daemon=True).start()
put = {"op": "put", "namespace": ["a"], "key": "k", "value": {"v": "x" * 9000}}
for i in range(60):
    send(id=i, method="store.batch", params={"ops": [put] * 10})
    send(method="event", params={"ns": [], "mode": "custom",
                                 "data": "x" * 300000})
    send(id=i, method="run.join", params={"run_id": given["run_id"]})
    send(id=i, method="journal.put", params={"key": f"k{i}", "value":
                                             "x" * 300000})
end({"survived": True})
"""
    with Daemon(w) as d:
        before = rss_kib(d.control())
        status, said = run(d, "floods", script, "events")
        equal((status, said), (200, {"survived": True}))
        grown = rss_kib(d.control()) - before
        check(grown < 200 * LARGER * 1024, f"{grown} KiB more of memory")
        status, said = d.api("POST", "/runs/wait", {
            "assistant_id": "floods", "input": "deaf"})
        equal(said["__error__"]["error"], "ProtocolError")
        # and others are served
        equal(d.deploy("hello")["name"], "hello")
        equal(d.run("hello", {"name": "Ann"}), {"greeting": "Hello, Ann!"})


@test(modes=("root",))
def what_makes_no_sense_ends_the_attempt(w):
    cases = (
        ("deep", "s.sendall(b'{\"a\":' * 70 + b'1' + b'}' * 70 + b'\\n')"),
        ("wide", "s.sendall(json.dumps([0] * 70000).encode() + b'\\n')"),
        ("bytes", "s.sendall(b'{\"method\": \"log\\xff\"}\\n')"),
        ("twice", "s.sendall(b'{\"id\": 1, \"id\": 2}\\n')"),
        ("ident", "send(id=[1], method='log')"),
        ("answers", "send(id=7, result={})"),
        ("both", "send(id=start['id'], result={}, error={})"),
        ("endless", "s.sendall(b'x' * 1100000)"),
    )
    with Daemon(w) as d:
        for name, script in cases:
            status, said = run(d, name, script + "\nimport time\n"
                               "time.sleep(30)\n")
            equal((status, said["__error__"]["error"]),
                  (200, "ProtocolError"), name)
        wait_until(lambda: d.control() is not None, 5, "control")


@test(modes=("root",))
def a_client_s_states_grow_only_so_far(w):
    with Daemon(w) as d:
        d.deploy("hello")
        thread = d.api("POST", "/threads", {})[1]["thread_id"]
        d.api("POST", f"/threads/{thread}/runs/wait",
              {"assistant_id": "hello", "input": {}})
        for i, answer in enumerate((200, 200, 422, 422)):
            status, said = d.api_file(f"/threads/{thread}/state", w.file(
                "state.json", json.dumps({"values": {f"k{i}": [0] * 60000}})))
            equal(status, answer, str(said)[:300])
        kept = d.api("GET", f"/threads/{thread}/state")[1]["values"]
        equal(sorted(kept), ["greeting", "k0", "k1"])


def nested(depth, value=None):
    for _ in range(depth):
        value = {"a": value}
    return value


@test(modes=("root",))
def a_client_that_sends_odd_things_is_refused_or_served(w):
    """Each is refused, or is a run that ends; control stays what it was."""
    refused = (
        {"stream_mode": 5}, {"stream_mode": {"a": 1}}, {"stream_mode": [1]},
        {"command": []}, {"command": "x"}, {"config": []}, {"metadata": "x"},
        {"interrupt_before": {"a": 1}}, {"interrupt_after": [None]},
        {"checkpoint": "x"}, {"checkpoint_id": 5}, {"after_seconds": -1},
        {"after_seconds": 1e300}, {"multitask_strategy": "never"},
        {"durability": "soon"}, {"input": nested(70)},
        {"command": {"resume": 1}}, {"webhook": "http://127.0.0.1/"},
    )
    served = (
        {"config": {"configurable": 5, "tags": {}, "recursion_limit": "x"}},
        {"context": [1]}, {"context": "x"}, {"config": nested(50)},
        {"command": {"update": "x"}}, {"command": {"update": [["a", 1]]}},
        {"command": {"goto": [5, None]}}, {"command": {"goto": nested(40)}},
        {"checkpoint": {"checkpoint_id": 5}},
        {"checkpoint": {"checkpoint_ns": {}}}, {"checkpoint_id": "nowhere"},
        {"metadata": {"warder": {"runs": [1, None], "execution": []}}},
        {"interrupt_before": ["*"] * 200}, {"stream_mode": []},
        {"input": "x" * 3000000}, {"input": [0] * 200000},
    )
    with Daemon(w) as d:
        d.agent("any", "import warder\n@warder.agent\ndef main(run):\n"
                "    run.node('n', lambda v: {'n': 1})\nmain.serve()\n")
        pid = d.control()
        thread = d.api("POST", "/threads", {})[1]["thread_id"]
        for at, body in enumerate(refused + served):
            body = dict({"assistant_id": "any", "input": {}}, **body)
            big = w.file("body.json", json.dumps(body))
            status, said = d.api_file(f"/threads/{thread}/runs/wait", big)
            shown = f"{str(body)[:200]}: {status} {str(said)[:300]}"
            if at < len(refused):
                check(status in (400, 413, 422, 501), shown)
            else:
                check(status == 200, shown)
            # what it left does not harm the next
            status, said = d.api("POST", f"/threads/{thread}/runs/wait", {
                "assistant_id": "any", "input": {}})
            equal((status, said.get("n")), (200, 1), shown)
        # metadata that says whose execution it is not
        status, _ = d.api("PATCH", f"/threads/{thread}/state", {"metadata": {
            "warder": {"runs": [5, {}, "x", None], "execution": 7, "key": [],
                       "answered": "x", "journaled": "many"}}})
        equal(status, 200)
        for value in (None, {}):
            status, said = d.api("POST", f"/threads/{thread}/runs/wait", {
                "assistant_id": "any", "input": value})
            equal((status, said.get("n")), (200, 1), str(said))
        equal(d.control(), pid, "it was never started again")


if __name__ == "__main__":
    sys.exit(main())
