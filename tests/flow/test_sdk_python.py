#!/usr/bin/env python3
"""The Python SDK against a host that keeps what Warder keeps.

The host here is a few lines: a journal, checkpoints, interrupts, and a moment
at which it hangs up, as a killed jail would see it.  What is asserted is what
the author of an agent relies on: a step is done once whatever the number of
attempts, answers come back, state joins by its reducers exactly once.
"""
import copy
import json
import os
import socket
import sys
import threading
import traceback

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(TOP, "sdk", "python"))

import warder  # noqa: E402
from warder.rpc import Connection  # noqa: E402


class Host:
    """One execution: attempts, and what lasts between them."""

    def __init__(self, agent, **start):
        self.agent = agent
        self.start = start
        self.execution = start.get("execution") or "run-1"
        self.journal, self.checkpoints, self.events = {}, [], []
        self.store = {}
        self.asked = None
        self.attempt = 0
        self.runs = []  # of the execution

    def begin(self, extra):
        self.attempt += 1
        newest = self.checkpoints[-1] if self.checkpoints else None
        if extra.get("run_id", "run-1") not in self.runs:
            self.runs.append(extra.get("run_id", "run-1"))
        return dict({
            "run_id": "run-1", "attempt": self.attempt, "thread_id": "t",
            "execution": self.execution, "durability": "sync",
            "journal": [{"key": k, "value": v}
                        for k, v in self.journal.items()],
            "checkpoint": copy.deepcopy(newest)}, **self.start, **extra)

    def run(self, dies_at=None, before=True, **extra):
        """One attempt: the answer to run.start, or None if it was killed.

        dies_at: hang up instead of answering this many-th request, before or
        after it was carried out.
        """
        ours, theirs = socket.socketpair()
        worker = threading.Thread(target=self.serve, args=(theirs,),
                                  daemon=True)
        worker.start()
        self.asked = None
        say(ours, {"id": 1, "method": "run.start",
                   "params": self.begin(extra)})
        answer, requests = None, 0
        with ours.makefile("rb") as lines:
            for line in lines:
                message = json.loads(line)
                if "method" not in message:
                    answer = message
                    break
                if "id" not in message:
                    self.events.append(message["params"])
                    continue
                requests += 1
                if requests == dies_at and before:
                    break
                result = getattr(self, message["method"].replace(".", "_"))(
                    message["params"])
                if requests == dies_at:
                    break
                say(ours, {"id": message["id"], "result": result})
        ours.shutdown(socket.SHUT_RDWR)
        ours.close()
        worker.join(5)
        assert not worker.is_alive(), "the agent went on"
        self.requests = requests
        return answer

    def serve(self, sock):
        try:
            self.agent.serve(Connection(sock))
        except (warder.ProtocolError, SystemExit):
            pass
        finally:
            sock.close()

    # what the agent may ask

    def journal_put(self, p):
        if p["key"] in self.journal:
            return {"found": True, "value": self.journal[p["key"]]}
        self.journal[p["key"]] = p["value"]
        return {"found": False}

    def journal_get(self, p):
        return {"found": p["key"] in self.journal,
                "value": self.journal.get(p["key"])}

    def keep(self, p, interrupts):
        self.checkpoints.append({
            "checkpoint_id": f"c{len(self.checkpoints)}",
            "values": p.get("values"), "next": p.get("next"),
            "interrupts": interrupts, "metadata": {"warder": {
                "execution": self.execution, "key": p.get("key"),
                "runs": list(self.runs)}}})
        return {"checkpoint_id": self.checkpoints[-1]["checkpoint_id"]}

    def checkpoint_put(self, p):
        return self.keep(p, [])

    def checkpoint_get(self, p):
        return next(c for c in self.checkpoints
                    if c["checkpoint_id"] == p["checkpoint_id"])

    def interrupt(self, p):
        self.asked = p["interrupts"]
        return self.keep(p, p["interrupts"])

    def store_batch(self, p):
        results = []
        for op in p["ops"]:
            where = (tuple(op["namespace"]), op["key"])
            if op["op"] == "put":
                self.store[where] = op["value"]
                results.append(None)
            else:
                found = self.store.get(where)
                results.append(found and {
                    "namespace": op["namespace"], "key": op["key"],
                    "value": found})
        return {"results": results}


def say(sock, message):
    sock.sendall(json.dumps(message).encode() + b"\n")


def killed_everywhere(agent, done, check, **start):
    """Kill the first attempt at each of its requests; then let it finish."""
    for before in (True, False):
        at, first = 0, None
        while first is None:
            at += 1
            host = Host(agent, **start)
            done.clear()
            first = host.run(dies_at=at, before=before)
            check(host, first if first is not None else host.run(), before)
        assert at > 2, "the sweep killed nothing"


# --- tests -------------------------------------------------------------------

TESTS = []


def test(function):
    TESTS.append(function)
    return function


@test
def a_plain_function_gives_its_values():
    @warder.agent
    def main(run):
        return {"sum": run.input["a"] + run.input["b"]}

    host = Host(main, input={"a": 1, "b": 2})
    assert host.run()["result"] == {"a": 1, "b": 2, "sum": 3}
    assert host.checkpoints[0]["values"] == {"a": 1, "b": 2}


@test
def what_is_no_object_is_the_output():
    @warder.agent
    def main(run):
        return [run.input]

    assert Host(main, input=7).run()["result"] == {
        "input": 7, "output": [7]}


@test
def an_exception_is_told_by_its_class():
    @warder.agent
    def main(run):
        raise KeyError("no such thing")

    answer = Host(main, input={}).run()
    assert answer["error"]["data"]["error"] == "KeyError", answer
    assert "no such thing" in answer["error"]["message"]


@test
def a_step_is_done_once_wherever_an_attempt_is_killed():
    done = []

    @warder.agent
    def main(run):
        a = run.step("a", lambda: done.append("a") or 1)
        b = run.step("b", lambda: done.append("b") or a + 1)
        return {"b": b}

    def check(host, answer, before):
        assert answer["result"] == {"b": 2}, answer
        # killed before it was journalled a step is done again, not after
        assert len(done) <= (3 if before else 2), done
        assert host.journal["step/b#1"] == 2

    killed_everywhere(main, done, check, input=None)


@test
def a_node_joins_the_state_once_wherever_an_attempt_is_killed():
    done = []

    @warder.agent(reducers={"log": warder.append})
    def main(run):
        for name in ("plan", "act", "act"):
            run.node(name, lambda v, n=name: done.append(n) or {
                "log": f"{n}{len(v['log'])}"})
        return {}

    def check(host, answer, before):
        want = ["start", "plan1", "act2", "act3"]
        assert answer["result"] == {"log": want}, answer
        states = [c["values"]["log"] for c in host.checkpoints]
        for one, two in zip(states, states[1:]):
            assert two[:len(one)] == one and len(two) <= len(one) + 1, states
        assert len(states) == 5 - 1, states
        assert len(done) <= (4 if before else 3), done

    killed_everywhere(main, done, check, input={"log": ["start"]})


@test
def an_interrupt_ends_the_attempt_and_its_answer_comes_back():
    done = []

    @warder.agent(reducers={"log": warder.append})
    def main(run):
        run.step("before", lambda: done.append("before"))
        first = run.interrupt({"question": 1})
        second = run.interrupt({"question": 2})
        return {"log": [first, second]}

    host = Host(main, input={"log": []})
    assert host.run()["result"] == {"log": []}
    assert [a["value"] for a in host.asked] == [{"question": 1}]
    one = host.asked[0]["id"]
    assert len(one) == 32 and int(one, 16)
    host.run(resumes={one: "yes"})
    assert [a["value"] for a in host.asked] == [{"question": 2}]
    two = host.asked[0]["id"]
    assert two != one
    answer = host.run(resumes={two: "no"})
    assert host.asked is None
    assert answer["result"] == {"log": ["yes", "no"]}, answer
    assert done == ["before"]


@test
def an_interrupt_without_its_answer_asks_the_same_again():
    @warder.agent
    def main(run):
        return {"answer": run.interrupt("?")}

    host = Host(main, input={})
    host.run()
    first = host.asked
    host.run()
    assert host.asked[0]["id"] == first[0]["id"]


@test
def parallel_branches_ask_together():
    done = []

    @warder.agent
    def main(run):
        got = run.parallel(
            a=lambda: run.interrupt("a?"),
            b=lambda: run.interrupt("b?"),
            c=lambda: run.step("c", lambda: done.append("c") or 3))
        return {"got": got}

    host = Host(main, input={})
    host.run()
    asked = {a["value"]: a["id"] for a in host.asked}
    assert set(asked) == {"a?", "b?"}, asked
    host.run(resumes={asked["a?"]: 1})
    assert [a["id"] for a in host.asked] == [asked["b?"]]
    answer = host.run(resumes={asked["b?"]: 2})
    assert answer["result"] == {"got": {"a": 1, "b": 2, "c": 3}}, answer
    assert done == ["c"]


@test
def a_node_stops_before_and_after_itself_once():
    done = []

    @warder.agent
    def main(run):
        run.node("one", lambda v: done.append(1) or {"n": 1})
        run.node("two", lambda v: done.append(2) or {"n": v["n"] + 1})

    host = Host(main, input={}, interrupt_before=["two"],
                interrupt_after=["two"])
    host.run()
    assert done == [1] and host.asked == []
    host.run()
    assert done == [1, 2] and host.asked == []
    answer = host.run()
    assert host.asked is None and done == [1, 2]
    assert answer["result"] == {"n": 2}, answer


@test
def what_a_person_changed_meanwhile_is_the_state():
    @warder.agent
    def main(run):
        run.node("one", lambda v: {"n": 1})
        run.interrupt("?")
        run.node("two", lambda v: {"n": v["n"] + 1})

    host = Host(main, input={})
    host.run()
    edited = copy.deepcopy(host.checkpoints[-1])
    edited["values"]["n"] = 10
    host.checkpoints.append(edited)
    answer = host.run(resumes={host.asked[0]["id"]: True},
                      command={"update": {"extra": 1}}, run_id="run-2")
    assert answer["result"] == {"n": 11, "extra": 1}, answer


@test
def what_a_person_adds_is_added_once_wherever_an_attempt_is_killed():
    @warder.agent(reducers={"log": warder.append})
    def main(run):
        run.node("one", lambda v: {"log": "one"})
        run.interrupt("?")
        run.node("two", lambda v: {"log": "two"})
        run.node("three", lambda v: {"log": "three"})

    killed = 0
    for at in range(1, 20):
        for before in (True, False):
            host = Host(main, input={})
            host.run()
            resumed = {"resumes": {host.asked[0]["id"]: True},
                       "command": {"update": {"log": "more"}},
                       "run_id": "run-2"}
            answer = host.run(dies_at=at, before=before, **resumed)
            if answer is None:
                killed += 1
                answer = host.run(**resumed)
            assert answer["result"] == {
                "log": ["one", "more", "two", "three"]}, (at, before, answer)
    assert killed >= 8, killed


@test
def a_cancelled_run_ends_at_the_next_place():
    @warder.agent
    def main(run):
        run.cancel("interrupt")
        run.step("never", lambda: 1 / 0)

    assert "result" in Host(main, input={}).run()


@test
def an_agent_cannot_swallow_an_interrupt_by_accident():
    @warder.agent
    def main(run):
        try:
            run.interrupt("?")
        except Exception:  # pylint: disable=broad-except
            return {"swallowed": True}

    host = Host(main, input={})
    assert host.run()["result"] == {}
    assert host.asked


@test
def events_and_the_store_reach_the_host():
    @warder.agent
    def main(run):
        run.emit({"n": 1})
        run.store.put(("a", "b"), "k", {"v": 1})
        found = run.store.get(("a", "b"), "k")
        return {"found": found.value,
                "none": run.store.get(("a",), "k") is None}

    host = Host(main, input=None)
    assert host.run()["result"] == {"found": {"v": 1}, "none": True}
    assert {"ns": [], "mode": "custom", "data": {"n": 1}} in host.events


@test
def a_message_above_the_bound_is_an_error_of_the_agent():
    @warder.agent
    def main(run):
        try:
            run.step("large", lambda: "x" * (1024 * 1024))
        except warder.Error as e:
            return {"code": e.code}

    assert Host(main, input=None).run()["result"] == {"code": -32029}


@test
def what_the_others_ask_is_answered():
    @warder.agent(reducers={"log": warder.append}, nodes=["one", "two"])
    def main(run):
        return {}

    described = main.describe()
    assert [n["id"] for n in described["nodes"]] == [
        "__start__", "one", "two", "__end__"]
    assert main.update({"state": {"log": [1]}, "values": {"log": 2}}) == {
        "values": {"log": [1, 2]}}


def main_():
    failed = 0
    print(f"1..{len(TESTS)}")
    for number, test in enumerate(TESTS, 1):
        try:
            test()
            print(f"ok {number} - {test.__name__}")
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print(f"not ok {number} - {test.__name__}")
            traceback.print_exc(file=sys.stdout)
        sys.stdout.flush()
    return failed > 0


if __name__ == "__main__":
    sys.exit(main_())
