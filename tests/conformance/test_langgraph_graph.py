#!/usr/bin/env python3
"""An unmodified LangGraph graph in a jail, against LangGraph itself.

The package is the real one, pinned with all that it needs
(langgraph/graph/requirements.txt), installed once into the build directory
and deployed with the agent as its "site"; where there is no registry the
tests are skipped, with the reason.  reference.py runs the same graph with
LangGraph's own checkpointer: what it streams, and the states it leaves, are
what the API must show.
"""
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "flow"))

from daemon import Daemon  # noqa: E402
from flow import (TOP, Failed, Skip, check, equal, holds,  # noqa: E402
                  main, patience, test, wait_until)

FILES = os.path.join(HERE, "langgraph", "graph")
PLACE = os.path.join(TOP, os.environ.get("WARDER_BUILD", "build"),
                     "conformance", "langgraph", "graph")
PYTHON = "/usr/bin/python3"


def site():
    """The folder with langgraph and what it needs, for the jail's Python."""
    version = subprocess.run(
        [PYTHON, "-c", "import sys; print(sys.version_info[:2])"],
        capture_output=True, text=True, check=False).stdout.strip()
    if version != str(sys.version_info[:2]):
        raise Skip(f"{PYTHON} is {version or 'not there'}, pip is for "
                   f"{sys.version_info[:2]}")
    wanted = os.path.join(FILES, "requirements.txt")
    with open(wanted, "rb") as f:
        mark = hashlib.sha256(f.read()).hexdigest()
    folder = os.path.join(PLACE, mark[:16])
    if os.path.exists(os.path.join(folder, "done")):
        return os.path.join(folder, "site")
    shutil.rmtree(PLACE, ignore_errors=True)
    os.makedirs(folder)
    for argv in ([sys.executable, "-m", "pip", "install", "--quiet",
                  "--no-deps", "--disable-pip-version-check", "--target",
                  "site", "-r", wanted],
                 # what it is deployed with is what it runs with
                 ["find", "site", "-name", "*.so", "-exec", "strip", "-g",
                  "{}", "+"],
                 [PYTHON, "-m", "compileall", "-q", "-j", "2", "site"]):
        got = subprocess.run(argv, cwd=folder, timeout=400, check=False,
                             capture_output=True, text=True)
        if got.returncode != 0 and "pip" in argv:
            lines = (got.stderr or got.stdout).strip().splitlines()
            raise Skip(f"pip: {lines[-1] if lines else '?'}")
    with open(os.path.join(folder, "done"), "w", encoding="ascii"):
        pass
    return os.path.join(folder, "site")


def reference(calls):
    """What LangGraph itself says to these calls."""
    got = subprocess.run(
        [PYTHON, os.path.join(FILES, "reference.py")], cwd=FILES,
        input=json.dumps(calls), capture_output=True, text=True, check=False,
        timeout=patience(60), env=dict(
            os.environ, PYTHONPATH=site() + ":" +
            os.path.join(TOP, "sdk", "python"), PYTHONWARNINGS="ignore",
            PYTHONDONTWRITEBYTECODE="1"))
    check(got.returncode == 0, got.stderr[-2000:])
    return json.loads(got.stdout)


def bare(value):
    """Without what is another one in each run: ids and times."""
    text = json.dumps(value, sort_keys=True)
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", text)
    text = re.sub(r"\b[0-9a-f]{32}\b", "HEX", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[0-9:.]+(Z|\+00:00)", "TIME", text)
    return json.loads(text)


class Graph:
    """The deployed graph, asked through the API."""

    def __init__(self, d):
        self.d = d
        folder = d.w.scratch("graph")
        shutil.copytree(FILES, folder, dirs_exist_ok=True)
        shutil.copytree(site(), os.path.join(folder, "site"))
        d.verb("agents", "deploy", folder, seconds=patience(60)).expect(0)
        self.threads = {}

    def thread(self, name):
        if name not in self.threads:
            self.threads[name] = self.d.api("POST", "/threads",
                                            {})[1]["thread_id"]
        return self.threads[name]

    def body(self, call):
        said = {k: v for k, v in call.items() if k in ("input", "command")}
        return dict(said, assistant_id="graph", stream_mode=call["modes"],
                    stream_subgraphs=True, **call.get("options", {}))

    def stream(self, call):
        """[[labels of the namespace, mode, data]...]"""
        out = subprocess.run(
            ["curl", "-sN", "--max-time", str(patience(60)), "-H", "x-api-key: " +
             self.d.key, "-H", "content-type: application/json", "-d",
             json.dumps(self.body(call)),
             f"http://127.0.0.1:{self.d.port}/threads/"
             f"{self.thread(call['thread'])}/runs/stream"],
            capture_output=True, check=True, text=True).stdout
        events = []
        for block in out.split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines()
                          if ": " in line and not line.startswith(":"))
            if "event" in fields:
                mode, *ns = fields["event"].split("|")
                events.append([ns, mode, json.loads(fields["data"])])
        return events

    def state(self, name):
        return self.d.api("GET", f"/threads/{self.thread(name)}/state")[1]

    def history(self, name):
        return [[s["values"], s["next"], s["metadata"]["source"],
                 s["metadata"]["step"],
                 [[t["name"], [i["value"] for i in t["interrupts"]]]
                  for t in s["tasks"]]]
                for s in self.d.api("GET", "/threads/" + self.thread(name) +
                                    "/history?limit=100")[1]]

    def update(self, call):
        """None, or why it was refused."""
        body = {"values": call["update"]}
        if "as_node" in call:
            body["as_node"] = call["as_node"]
        path = f"/threads/{self.thread(call['thread'])}"
        states = self.d.api("GET", path + "/history?limit=100")[1]
        if call["before"] > 0:
            body["checkpoint"] = states[call["before"]]["checkpoint"]
        status, said = self.d.api("POST", path + "/state", body)
        if status == 422:
            return said["detail"]
        equal(status, 200, f"{call}: {said}")
        newest = self.state(call["thread"])["checkpoint"]
        equal(said["checkpoint"]["checkpoint_id"], newest["checkpoint_id"])
        return None

    def wait(self, name, **body):
        return self.d.api("POST", f"/threads/{self.thread(name)}/runs/wait",
                          dict(body, assistant_id="graph"))[1]


SCENARIOS = []
ONLY = os.environ.get("SCENARIO", "")


def scenario(f):
    SCENARIOS.append(f)
    return f


def same(g, calls):
    """Each call streams, and leaves, what LangGraph's does."""
    for call, wanted in zip(calls, reference(calls)):
        events = []
        if "update" in call:
            refused = g.update(call)
            equal(refused is None, wanted["refused"] is None,
                  f"{call}: {refused}, {wanted['refused']}")
            holds(refused or "", (wanted["refused"] or "")[:80])
        else:
            events = g.stream(call)
        check(not [e for e in events if e[1] == "error"], events)
        shown = [e for e in events if e[1] not in ("metadata", "end")]
        for got, one in zip(shown, wanted["events"]):
            equal(bare(got), bare(one), f"{call}")
        equal(len(shown), len(wanted["events"]), f"{call}: {shown}")
        equal(bare(g.state(call["thread"])["values"]), bare(wanted["values"]))
        equal(g.state(call["thread"])["next"], wanted["next"])
        # a command's writes are LangGraph's also in the state before it
        if "goto" not in call.get("command", {}):
            equal(bare(g.history(call["thread"])), bare(wanted["history"]))


MODES = ["values", "updates", "custom"]


@scenario
def a_question_and_its_answer(d, g):
    same(g, [
        {"thread": "a", "input": {"way": "ask", "log": ["in"]},
         "modes": MODES},
        {"thread": "a", "command": {"resume": "yes"}, "modes": MODES},
        # the thread goes on with another input
        {"thread": "a", "input": {"way": "store", "log": ["again"]},
         "modes": MODES},
    ])


@scenario
def every_other_mode(d, g):
    same(g, [{"thread": mode, "input": {"way": "ask", "log": []},
              "modes": [mode]} for mode in ("tasks", "checkpoints")])
    calls = [{"thread": "m", "input": {"way": "chat"},
              "modes": ["messages"]}]
    (wanted,) = reference(calls)
    tokens = [e[2][0]["content"] for e in wanted["events"]]
    check(len(tokens) > 2, tokens)
    got = g.stream(dict(calls[0], thread="t", modes=["messages-tuple"]))
    equal([e[2][0]["content"] for e in got if e[1] == "messages"],
          tokens)
    equal({e[2][1]["langgraph_node"] for e in got if e[1] == "messages"},
          {"chat"})
    whole = [e[2][0]["content"] for e in g.stream(calls[0])
             if e[1] in ("messages/partial", "messages/complete")]
    # each has all that came so far
    for before, after in zip(whole, whole[1:]):
        check(after.startswith(before), whole)
    equal(whole[-1], "Hello there friend")


@scenario
def graphs_inside_the_graph(d, g):
    same(g, [
        {"thread": "i", "input": {"way": "inner", "log": []},
         "modes": ["updates"]},
        {"thread": "i", "command": {"resume": "deep"},
         "modes": ["updates"]},
    ])
    g.wait("j", input={"way": "inner", "log": []})
    state = d.api("GET", f"/threads/{g.thread('j')}/state"
                  "?subgraphs=true")[1]
    (task,) = state["tasks"]
    equal(task["state"]["next"], ["inner_ask"])
    equal(task["state"]["values"]["log"], ["inner one"])


@scenario
def questions_at_once_are_answered_by_id(d, g):
    said = g.wait("f", input={"way": "fan", "log": []})
    asked = {i["value"]["n"]: i["id"] for i in said["__interrupt__"]}
    equal(sorted(asked), [1, 2])
    said = g.wait("f", command={"resume": {asked[2]: "two"}})
    equal([i["value"]["n"] for i in said["__interrupt__"]], [1])
    # one that is not asked is refused, and nothing is answered
    said = g.wait("f", command={"resume": {asked[2]: "x"}})
    check("log" not in said and asked[2] in json.dumps(said), said)
    said = g.wait("f", command={"resume": {asked[1]: "one"}})
    equal(said["log"], ["fan", "worker 1: one", "worker 2: two", "last"])


@scenario
def stops_and_commands(d, g):
    same(g, [
        {"thread": "s", "input": {"way": "store", "log": ["stop"]},
         "modes": ["values"], "options": {"interrupt_before":
                                          ["remember"]}},
        {"thread": "s", "input": None, "modes": ["values"]},
        {"thread": "s2", "input": {"way": "store", "log": ["s2"]},
         "modes": ["updates"], "options": {"interrupt_after": "*"}},
        {"thread": "s3", "input": {"way": "store", "log": ["s3"]},
         "modes": ["updates"]},
        {"thread": "s3", "modes": ["updates"], "command": {
            "goto": "skipped", "update": {"log": ["changed"]}}},
    ])


@scenario
def more_than_a_message_holds(d, g):
    """3 MB in a channel: as large when the next node reads it."""
    said = g.wait("b", input={"way": "big", "log": []})
    check("count" in said, said)
    equal((said["count"], said["big"]), (3000000, ""))
    at = [s for s in d.api("GET", f"/threads/{g.thread('b')}/history")[1]
          if s["next"] == ["measure"]]
    equal(len(at[0]["values"]["big"]), 3000000)
    # a fork reads it from where it lies
    said = g.wait("b", input=None, checkpoint=at[0]["checkpoint"])
    equal(said["count"], 3000000)


@scenario
def killed_and_gone_on(d, g):
    """The node that was done is not done again, the one that hung is."""
    run = d.api("POST", f"/threads/{g.thread('k')}/runs", {
        "assistant_id": "graph", "input": {"way": "slow", "log": ["k"]}})
    run = run[1]["run_id"]
    wait_until(lambda: (d.api("GET", "/store/items?namespace=tries&key=k")
                        [1] or {}).get("value"), patience(60), "the first try")
    os.kill(d.control(), signal.SIGKILL)
    d.wait_ready(30)
    d.wait_status(run, "success", seconds=patience(60))
    equal(g.state("k")["values"]["log"], ["k", "line", "slow 2"])
    equal([h[3] for h in g.history("k")], [2, 1, 0, -1])


@scenario
def forked_from_a_checkpoint(d, g):
    g.wait("x", input={"way": "ask", "log": []})
    g.wait("x", command={"resume": "no"})
    equal(g.state("x")["values"]["log"], ["line", "ask no", "after",
                                          "last"])
    before = [s for s in d.api("GET", f"/threads/{g.thread('x')}/history"
                               "?limit=50")[1] if s["next"] == ["line"]]
    said = g.wait("x", input=None, checkpoint=before[-1]["checkpoint"])
    check("__interrupt__" in said, str(said))
    said = g.wait("x", command={"resume": "yes"})
    equal(said.get("log"), ["line", "ask yes", "after", "last"],
          str(said))


def change(thread, update, before=0, **more):
    return dict(more, thread=thread, update=update, before=before)


@scenario
def changed_by_people(d, g):
    """Reducers, as_node, forks, what is refused: as update_state does it."""
    same(g, [
        {"thread": "u", "input": {"way": "ask", "log": ["u"]},
         "modes": ["updates"]},
        # the question is still asked, of a state that has changed
        change("u", {"log": ["edited"], "count": 7}),
        change("u", {"log": ["as ask"]}, as_node="ask"),
        change("u", {"log": ["nobody"]}, as_node="nobody"),
        change("u", {"nonsense": 1}, as_node="after"),
        {"thread": "u", "input": None, "modes": ["updates"]},
        # a state before, and a way that was not gone
        change("u", {"way": "store"}, before=1),
        change("u", {"way": "store", "log": ["fork"]}, as_node="__start__",
               before=2),
        {"thread": "u", "input": None, "modes": ["updates"]},
        # nothing but the tasks goes
        change("u", None, as_node="__end__"),
        change("u", None),
        # several tasks at once come of it
        {"thread": "v", "input": {"way": "ask", "log": []},
         "modes": ["updates"]},
        change("v", {"log": ["sent"]}, as_node="fan"),
    ])


@scenario
def a_large_state_is_changed(d, g):
    g.wait("lb", input={"way": "big", "log": []}, interrupt_before=["measure"])
    equal(g.update(change("lb", {"log": ["small"]}, as_node="big")), None)
    at = g.state("lb")
    equal((len(at["values"]["big"]), at["values"]["log"], at["next"]),
          (3000000, ["small"], ["measure"]))
    equal(g.update(change("lb", {"big": "x" * 100000}, as_node="big")), None)
    equal(g.wait("lb", input=None)["count"], 100000)


@scenario
def supersteps_and_inner_states(d, g):
    status, made = d.api("POST", "/threads", {
        "metadata": {"graph_id": "graph"}, "supersteps": [
            {"updates": [{"values": {"way": "ask", "log": ["one"]},
                          "as_node": "__start__"}]},
            {"updates": [{"values": {"log": ["two"]}, "as_node": "line"}]}]})
    equal(status, 200, made)
    g.threads["w"] = made["thread_id"]
    equal([h[:4] for h in g.history("w")][0],
          [{"way": "ask", "log": ["one", "two"], "messages": []}, ["ask"],
           "update", 1])
    said = g.wait("w", input=None)
    check("__interrupt__" in said, said)
    equal(g.wait("w", command={"resume": "yes"})["log"],
          ["one", "two", "ask yes", "after", "last"])
    # of a graph inside the graph
    g.wait("n", input={"way": "inner", "log": []})
    path = f"/threads/{g.thread('n')}/state"
    (task,) = d.api("GET", path + "?subgraphs=true")[1]["tasks"]
    status, said = d.api("POST", path, {
        "values": {"log": ["inner edited"]},
        "checkpoint": task["state"]["checkpoint"]})
    equal(status, 200, said)
    (task,) = d.api("GET", path + "?subgraphs=true")[1]["tasks"]
    equal(task["state"]["values"]["log"], ["inner one", "inner edited"])


@scenario
def what_it_is(d, g):
    status, drawn = d.api("GET", "/assistants/graph/graph")
    equal(status, 200)
    nodes = {n["id"] for n in drawn["nodes"]}
    check({"__start__", "line", "ask", "inner", "__end__"} <= nodes,
          nodes)
    check({"source": "line", "target": "ask"} in
          [{k: e[k] for k in ("source", "target")}
           for e in drawn["edges"]], drawn["edges"])
    check([e for e in drawn["edges"] if e.get("conditional")],
          "no conditional edge")


@test(modes=("root",))
def the_same_as_langgraph_itself(w):
    """One daemon and one deployment for all: the site is large."""
    site()
    failed = []
    with Daemon(w) as d:
        g = Graph(d)
        for f in SCENARIOS:
            if ONLY and f.__name__.split("_")[0] not in ONLY.split(","):
                continue
            try:
                f(d, g)
                print(f"# ok {f.__name__}", flush=True)
            except (Failed, KeyError, ValueError) as e:
                print(f"# not ok {f.__name__}: {e}", flush=True)
                failed.append(f.__name__)
        check(not failed, f"{', '.join(failed)}")


if __name__ == "__main__":
    sys.exit(main())
