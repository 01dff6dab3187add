#!/usr/bin/env python3
"""The service, killed at each of its numbered points (include/crash.h).

	tests/fault/test_service.py [--all]

Something is asked for again and again, while warder-control or warderd dies at
one point after the other, at its first, second, ... pass; what died is started
again, as it would be.  The client repeats a request that was not answered
under the same idempotency key.  What is asked for, in turn: a run with
journalled steps, nodes and checkpoints; a question and its answer; a run that
takes the place of one that is rolled back; a run that is cancelled; a state
that a client changes.  Whatever was killed when: each key has exactly one run,
it ends as it must, what was done to the state is there once, and nothing is
left of any jail.

Without --all a few points of each.  Needs build/crash: "make crash".
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "flow"))
sys.dont_write_bytecode = True

import flow  # noqa: E402
from daemon import Daemon  # noqa: E402
from flow import check, equal, test, wait_until  # noqa: E402

CRASH = os.path.join(TOP, "build", "crash")
SETTLE_S = 60  # until a run must have ended, whatever was killed
PASSES = {"warder-control": (1, 2, 3, 4, 5, 8), "warderd": (1, 2, 3, 5, 8, 13)}
# A /run of its own; whoever is named by the file takes it away.
PRIVATE = ("mount -t tmpfs none /run && mkdir -m 777 /run/warder-crash && "
           "chmod 777 /run/warder-crash && ")
ALL = "--all" in sys.argv
if ALL:
    sys.argv.remove("--all")
SLICE = 4  # points of each program, without --all

AGENT = """
import warder

@warder.agent(reducers={"log": warder.append})
def main(run):
    run.step("one", lambda: 1)
    run.node("two", lambda v: {"log": "two"})
    run.emit({"n": 1})
    run.node("three", lambda v: {"log": "three"})
    return {"done": True}

main.serve()
"""

ASKS = """
import warder

@warder.agent(reducers={"log": warder.append})
def main(run):
    run.step("one", lambda: 1)
    run.node("two", lambda v: {"log": "asked"})
    answer = run.interrupt({"sure": 1})
    run.node("three", lambda v: {"log": answer})
    return {"done": True}

main.serve()
"""

SLOW = """
import time, warder

@warder.agent(reducers={"log": warder.append})
def main(run):
    run.node("one", lambda v: {"log": run.input.get("name")})
    while run.input.get("slow") and run.cancelled is None:
        time.sleep(0.01)
    return {"done": True}

main.serve()
"""


def points(program):
    """How many the binary has: its section's size."""
    path = os.path.join(CRASH, "sbin" if program == "warderd" else
                        "libexec/warder", program)
    out = subprocess.run(["readelf", "-SW", path], capture_output=True,
                         check=True).stdout.decode()
    size = re.search(r"crash_points\s+PROGBITS\s+\w+\s+\w+\s+(\w+)", out)
    return int(size.group(1), 16) // 16


class Crashing(Daemon):
    """A daemon of the other build, in a /run of its own."""

    died = ours = 0  # warderd's deaths; kills of control by us

    def start(self):
        with open(self.log, "ab") as log:
            self.process = self.w.popen(
                ["unshare", "-m", "--propagation", "private", "sh", "-c",
                 PRIVATE + "exec \"$0\" \"$@\"",
                 os.path.join(CRASH, "sbin", "warderd"), "--config",
                 self.file, "--state", self.state, "--back-off", "50ms"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=log)
        self.pid = self.process.pid
        self.wait_ready(30)
        if self.key is None:
            self.key = self.verb("keys", "create").expect(0).text.strip()

    def arm(self, text):
        path = f"/proc/{self.pid}/root/run/warder-crash/point"
        with open(path + ".new", "w", encoding="ascii") as f:
            f.write(text)
        os.rename(path + ".new", path)

    def again(self):
        """After warderd has died: the next one, with nothing armed."""
        self.process.popen.wait(10)
        self.died += 1
        self.start()


def ask(d, method, path, body, key=None):
    """A request until it is answered, as a client with a key does it."""
    end = time.monotonic() + SETTLE_S
    while True:
        argv = ["curl", "-s", "-m", "20", "-X", method, "-w",
                "\n%{http_code}", f"http://127.0.0.1:{d.port}{path}", "-H",
                "x-api-key: " + d.key]
        if body is not None:
            argv += ["-H", "content-type: application/json", "-d",
                     json.dumps(body)]
        if key is not None:
            argv += ["-H", "idempotency-key: " + key]
        done = subprocess.run(argv, capture_output=True, check=False)
        text, _, status = done.stdout.decode().rpartition("\n")
        if done.returncode == 0 and status not in ("500", "503"):
            check(status in ("200", "204"), f"{method} {path}: {status} {text}")
            return json.loads(text or "null")
        check(time.monotonic() < end, f"{method} {path} is not answered: "
              f"{done.returncode} {text}; log {d.said()[-1500:]}")
        if d.process.popen.poll() is not None:
            d.again()
        time.sleep(0.05)


def deaths(d):
    """Of either, but for those that we are the cause of."""
    return d.said().count("ev=control.end") + d.died - d.ours


def begin(d, thread, agent, **body):
    """A run's id, of a request with a key of its own."""
    body.update(assistant_id=agent, if_not_exists="create",
                stream_resumable=True)
    return ask(d, "POST", f"/threads/{thread}/runs", body,
               str(uuid.uuid4()))["run_id"]


def await_run(d, run, expected, while_in=("pending", "running")):
    end = time.monotonic() + SETTLE_S
    while True:
        now = ask(d, "GET", f"/v1/runs/{run}", None)
        if now["status"] not in while_in:
            break
        check(time.monotonic() < end, f"the run hangs: {now}; "
              f"log {d.said()[-1500:]}")
        time.sleep(0.03)
    equal(now["status"], expected, f"{now}; log {d.said()[-1500:]}")


def runs_of(d, thread, *expected):
    """These and no others, the newest first."""
    equal([r["run_id"] for r in
           ask(d, "GET", f"/threads/{thread}/runs", None)],
          list(reversed(expected)), "runs of the thread")


def values_of(d, thread):
    return ask(d, "GET", f"/threads/{thread}/state", None)["values"]


def steps_and_nodes(d, thread):
    run = begin(d, thread, "crash", input={"log": []})
    await_run(d, run, "success")
    runs_of(d, thread, run)
    equal(values_of(d, thread), {"log": ["two", "three"], "done": True})


def question_and_answer(d, thread):
    first = begin(d, thread, "asks", input={"log": []})
    await_run(d, first, "interrupted")
    about = ask(d, "GET", f"/threads/{thread}", None)
    equal([[i["value"] for i in q] for q in about["interrupts"].values()],
          [[{"sure": 1}]], "what is asked")
    second = begin(d, thread, "asks", command={"resume": "yes"})
    await_run(d, second, "success")
    runs_of(d, thread, first, second)
    equal(values_of(d, thread), {"log": ["asked", "yes"], "done": True})
    equal(ask(d, "GET", f"/threads/{thread}", None)["interrupts"], {})


def rolled_back(d, thread):
    before = begin(d, thread, "slow", input={"log": [], "name": "a"})
    await_run(d, before, "success")
    gone = begin(d, thread, "slow", input={"name": "b", "slow": True})
    wait_until(lambda: values_of(d, thread).get("log") == ["a", "b"],
               SETTLE_S, "the node of the one that goes")
    after = begin(d, thread, "slow", input={"name": "c"},
                  multitask_strategy="rollback")
    await_run(d, after, "success")
    check(gone != after, "the same run")
    runs_of(d, thread, before, after)
    log = values_of(d, thread)["log"]
    equal(log, ["a", "c"], "what the rolled back run did")


def cancelled(d, thread):
    run = begin(d, thread, "slow", input={"log": [], "name": "a",
                                          "slow": True})
    await_run(d, run, "running", while_in=("pending",))
    ask(d, "POST", "/runs/cancel", {"thread_id": thread, "run_ids": [run]})
    await_run(d, run, "interrupted")
    runs_of(d, thread, run)
    check(values_of(d, thread).get("log") in (None, [], ["a"]), "twice")


def state_changed(d, thread):
    run = begin(d, thread, "slow", input={"log": [], "name": "a"})
    await_run(d, run, "success")
    made = ask(d, "POST", f"/threads/{thread}/state", {"values": {"n": 1}})
    state = ask(d, "GET", f"/threads/{thread}/state", None)
    equal((state["checkpoint"], state["values"]),
          (made["checkpoint"],
           {"log": ["a"], "name": "a", "done": True, "n": 1}))


ASKED = (steps_and_nodes, question_and_answer, rolled_back, cancelled,
         state_changed)
AGENTS = {"crash": AGENT, "asks": ASKS, "slow": SLOW}


def cases(program, i):
    """Passes, and what is asked for at each: all of it, or one in turn."""
    if ALL:
        return [(at, asked) for asked in ASKED for at in PASSES[program]]
    return [(at, ASKED[(2 * i + n) % len(ASKED)])
            for n, at in enumerate((1, 3))]


def sweep(w, program):
    fired = total = 0
    count = points(program)
    step = 1 if ALL else max(1, count // SLICE)
    d = Crashing(w)
    for name, agent in AGENTS.items():
        d.agent(name, agent)
    for i, number in enumerate(range(0, count, step)):
        for at, asked in cases(program, i):
            total += 1
            before = deaths(d)
            d.arm(f"{program} {number} {at}\n")
            # read at the start: begin anew, armed
            if program == "warderd":
                os.kill(d.pid, signal.SIGTERM)
                d.process.popen.wait(30)
                rearm(d, f"{program} {number} {at}\n")
            else:
                kill_control(d)
            asked(d, str(uuid.uuid4()))
            fired += deaths(d) > before
    if d.process.popen.poll() is None:
        d.stop()
    print(f"# {program}: {count} points; {fired} of {total} passes came")
    check(fired >= total // 8, f"only {fired} of {total} came")
    nothing_left(d)


def kill_control(d):
    """So that the next one reads what is armed."""
    os.kill(wait_until(d.control, 10, "warder-control"), signal.SIGKILL)
    d.ours += 1
    path = f"/proc/{d.pid}/root/run/warder-crash/point"
    wait_until(lambda: not os.path.exists(path), 10, "the next to be armed")


def rearm(d, text):
    """A warderd that finds its file at once."""
    with open(d.log, "ab") as log:
        d.process = d.w.popen(
            ["unshare", "-m", "--propagation", "private", "sh", "-c",
             PRIVATE + "printf '%s' \"$ARMED\" >/run/warder-crash/point && "
             "exec \"$0\" \"$@\"",
             os.path.join(CRASH, "sbin", "warderd"), "--config", d.file,
             "--state", d.state, "--back-off", "50ms"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=log,
            env=d.w.environment(ARMED=text))
    d.pid = d.process.pid
    try:
        d.wait_ready(30)
    except flow.Failed:
        check(d.process.popen.poll() is not None, d.said()[-1500:])
        d.again()


def nothing_left(d):
    left = subprocess.run(["pgrep", "-f", d.folder], capture_output=True,
                          check=False).stdout.split()
    equal(left, [], "processes")


def of_program(program):
    if not os.path.exists(os.path.join(CRASH, "sbin", "warderd")):
        raise flow.Skip("build/crash is not there: make crash")
    return program


# ---- warderd becomes another program ----

def sections(path):
    out = subprocess.run(["readelf", "-SW", path], capture_output=True,
                         check=True).stdout.decode()
    return {name: tuple(int(x, 16) for x in rest.split()) for name, rest in
            re.findall(r"\] (\S+)\s+\w+\s+(\w+ \w+ \w+)", out)}


def upgrade_points():
    """The numbers of those that only an upgrade passes: {number: place}."""
    path = os.path.join(CRASH, "sbin", "warderd")
    begin, _, size = sections(path)["crash_points"]
    strings, offset, _ = sections(path)[".rodata"]
    with open(path, "rb") as f:
        data = f.read()
    out = subprocess.run(["readelf", "-rW", path], capture_output=True,
                         check=True).stdout.decode()
    names = {int(at, 16): int(to, 16) for at, to in
             re.findall(r"^(\w+)\s+\w+\s+R_\w+_RELATIVE\s+(\w+)", out, re.M)}
    where = sections(path)["crash_points"]
    found = {}
    for number in range(size // 16):
        at = names[begin + 16 * number] - strings + offset
        file = data[at:data.index(b"\0", at)].decode()
        line = int.from_bytes(data[where[1] + 16 * number + 8:][:8], "little")
        with open(os.path.join(TOP, file), encoding="utf-8") as f:
            above = f.read().split("\n")[:line]
        name = [x for x in above if re.match(r"\w+\(", x)][-1].split("(")[0]
        if file.endswith("reexec.c") or name == "jailed_carry_one":
            found[number] = f"{name}:{line}"
    return found


def upgraded(d, number, successor):
    """A run while warderd becomes another; whether it died of it."""
    if number is not None and not successor:
        os.kill(d.pid, signal.SIGTERM)
        d.process.popen.wait(30)
        rearm(d, f"warderd {number} 1\n")
    thread = str(uuid.uuid4())
    run = begin(d, thread, "slow", input={"log": [], "name": "a",
                                          "slow": True})
    wait_until(lambda: values_of(d, thread).get("log") == ["a"], SETTLE_S,
               "its node")
    if number is not None and successor:
        d.arm(f"warderd {number} 1\n")
    done, died = d.said().count("ev=upgrade.done"), d.died
    os.kill(d.pid, signal.SIGUSR2)
    wait_until(lambda: d.process.popen.poll() is not None or
               d.said().count("ev=upgrade.done") > done, SETTLE_S,
               "the upgrade, or its end")
    if d.process.popen.poll() is not None:
        d.again()
    # it lives on, or is tried again: to be ended either way
    ask(d, "POST", "/runs/cancel", {"thread_id": thread, "run_ids": [run]})
    await_run(d, run, "interrupted")
    runs_of(d, thread, run)
    equal(values_of(d, thread).get("log"), ["a"], "what it did")
    return d.died > died


@test(modes=("root",))
def warderd_is_killed_while_it_becomes_another(w):
    of_program("warderd")
    d = Crashing(w)
    d.agent("slow", SLOW)
    check(not upgraded(d, None, False), "nothing was armed")
    died = {}
    places = sorted(upgrade_points().items())
    for number, place in places if ALL else places[-2:]:
        died[place] = [upgraded(d, number, who) for who in (False, True)]
    d.stop()
    print(f"# before, after the exec: {died}")
    check(all(map(any, died.values())), f"a point that nothing passes: {died}")
    nothing_left(d)


@test(modes=("root",))
def control_is_killed_at_each_point(w):
    sweep(w, of_program("warder-control"))


@test(modes=("root",))
def warderd_is_killed_at_each_point(w):
    sweep(w, of_program("warderd"))


if __name__ == "__main__":
    sys.exit(flow.main())
