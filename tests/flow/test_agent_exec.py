#!/usr/bin/env python3
"""Commands that agents run in jails of their own: what they have, how their
output flows, what ends them."""

import sys

from daemon import Daemon
from flow import check, descendants, equal, holds, main, test, wait_until

HEAD = """
import json, os, socket, threading, time, warder

@warder.agent
def main(run):
    return go(run, run.input)
"""
TAIL = "\nmain.serve()\n"
MORE = ("policy: {policy: 1, limits: {memory: 256MiB, wall: 5m}, filesystem: "
        "{write: [{path: /workspace, size: 16MiB}]}}\n")


def deploy(d, name, go, more=MORE):
    d.agent(name, HEAD + go + TAIL, more)


WHAT = '''
def go(run, value):
    open("/workspace/mine", "w").write("agent")
    seen = []
    r = run.exec(["sh", "-c", "id -u; ls /workspace; ls /proc/self/fd; env | "
                  "grep -c WARDER_FD; echo to-err >&2; exit 3"],
                 on_output=lambda s, b: seen.append((s, b.decode())))
    code = run.exec(code="import sys, os\\nprint(sorted(os.listdir('.')), "
                    "os.environ['A'], sys.stdin.read())",
                    files={"data/x.csv": "1,2"}, env={"A": "b c"},
                    input="typed")
    pipe = run.exec("cat | tr a-z A-Z", input="piped")
    net = run.exec(["cat", "/proc/net/dev"])
    none = run.exec(["/no/such"])
    gone = run.exec(["nothing-like-it"], cwd="/tmp")
    return {"one": [r.end, r.exit_code, r.stdout, r.stderr, r.ok],
            "seen": sorted(s for s, _ in seen), "code": code.stdout,
            "code_err": code.stderr, "pipe": pipe.stdout, "ok": pipe.ok,
            "net": len(net.stdout.splitlines()), "none": none.end,
            "gone": gone.exit_code,
            "mine": sorted(os.listdir("/workspace"))}
'''


@test
def what_a_command_has_and_gives(w):
    with Daemon(w) as d:
        deploy(d, "what", WHAT)
        out = d.run("what", {})
        equal(out["one"], ["exited", 3, "1000\n0\n1\n2\n3\n0\n", "to-err\n",
                           False])
        equal(sorted(set(out["seen"])), ["stderr", "stdout"])
        equal(out["code"], "['data', 'main.py'] b c typed\n",
              out["code_err"])
        equal((out["pipe"], out["ok"]), ("PIPED", True))
        equal(out["net"], 3)
        equal((out["none"], out["gone"]), ("not_found", 127))
        equal(out["mine"], ["mine"])
        # each is a line of the run's log
        log = d.verb("logs", d.runs()[0]["run_id"]).expect(0).text
        equal(log.count("exec_id"), 6)


LIMITS = '''
def go(run, value):
    wall = run.exec(["sleep", "60"], timeout=0.3)
    flood = run.exec(["sh", "-c", "yes"], output_max=100000, keep=1000)
    eat = run.exec(code="x = bytearray(200 << 20); print(len(x))",
                   memory=64 << 20)
    kept = run.exec(["head", "-c", "5000", "/dev/zero"], keep=100)
    refused = []
    for more in ({"timeout": 0.0}, {"memory": 1}, {"command": []},
                 {"command": ["a" * 20000]}):
        try:
            run.commands.run(**dict({"command": ["true"]}, **more))
            refused.append(None)
        except warder.Error as e:
            refused.append(e.code)
    return {"wall": wall.end, "flood": [flood.end, len(flood.stdout_bytes),
                                        flood.truncated],
            "eat": [eat.ok, eat.stdout], "refused": refused,
            "kept": [len(kept.stdout_bytes), kept.truncated, kept.end]}
'''


@test(modes=("root",))
def limits_end_it_and_are_named(w):
    with Daemon(w) as d:
        deploy(d, "limits", LIMITS)
        out = d.run("limits", {})
        equal(out["wall"], "wall")
        equal(out["flood"], ["output", 1000, True])
        equal(out["eat"], [False, ""])
        equal(out["kept"], [100, True, "exited"])
        equal(out["refused"][0], None)  # a millisecond is the least
        check(all(isinstance(c, int) for c in out["refused"][1:]),
              out["refused"])


MANY = '''
def go(run, value):
    xs = [run.executing(["cat"], input="x") for _ in range(8)]
    over = None
    for x in xs:
        x.wait()
    slow = [run.executing(["sleep", "60"]) for _ in range(8)]
    try:
        run.executing(["true"]).wait()
    except warder.Error as e:
        over = str(e)
    for x in slow:
        x.kill()
    ends = [x.wait()["end"] for x in slow]
    return {"first": [x.result["end"] for x in xs], "over": over,
            "ends": ends}
'''


@test(modes=("root",))
def eight_at_once_and_no_more(w):
    with Daemon(w) as d:
        deploy(d, "many", MANY)
        out = d.run("many", {})
        equal(out["first"], ["exited"] * 8)
        holds(out["over"], "8 commands")
        equal(out["ends"], ["killed"] * 8)


FLOW = '''
def go(run, value):
    """Nobody reads: the command stands still after what was granted."""
    flood = run.executing(["sh", "-c", "i=0; while head -c 1000 /dev/zero; "
                           "do i=$((i+1)); echo $i >&2; done"])
    # another command's end shows that control still works
    before = run.exec(["echo", "alive"]).stdout
    # all that was granted comes, and no more
    while flood._pieces.qsize() < 2 or flood.came_bytes < 256 * 1024:
        time.sleep(0.01)
    run.exec(["sleep", "0.5"])
    still = flood.came_bytes == 256 * 1024
    got = 0
    for stream, data in flood:
        got += len(data)
        if got > 1 << 20:
            flood.kill()
            break
    report = flood.wait()
    return {"before": before, "still": still, "got": got,
            "end": report["end"]}
'''


@test(modes=("root",))
def output_flows_as_it_is_read(w):
    with Daemon(w) as d:
        deploy(d, "flow", FLOW)
        out = d.run("flow", {})
        equal(out["before"], "alive\n")
        check(out["still"], "it went on without being read")
        check(out["got"] > 1 << 20, out)
        equal(out["end"], "killed")


ENDS = '''
def go(run, value):
    xs = [run.executing(["sleep", "600"]) for _ in range(3)]
    run.emit({"started": 1})
    if value.get("leave"):
        return {"left": True}
    for x in xs:
        x.wait()
'''


@test(modes=("root",))
def with_the_run_they_end(w):
    """Whether it succeeds, is cancelled, or its control is killed."""
    with Daemon(w) as d:
        def sleepers():
            return sleepers_of(d)
        deploy(d, "ends", ENDS)
        equal(d.run("ends", {"leave": 1})["left"], True)
        wait_until(lambda: not sleepers(), 20, "no sleeper")
        thread = d.api("POST", "/threads", {})[1]["thread_id"]
        run = d.api("POST", f"/threads/{thread}/runs",
                    {"assistant_id": "ends", "input": {}})[1]["run_id"]
        wait_until(lambda: len(sleepers()) == 3, 20, "three sleepers")
        d.api("POST", f"/threads/{thread}/runs/{run}/cancel?wait=0")
        wait_until(lambda: not sleepers(), 20, "no sleeper")
        d.wait_status(run, "interrupted", "error")


def sleepers_of(d):
    found = []
    for pid in descendants(d.pid):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if f.read() == b"sleep\x00600\x00":
                    found.append(pid)
        except OSError:
            pass
    return found


ONCE = '''
def go(run, value):
    r = run.exec("echo $$; date +%s%N")
    run.interrupt("again?")
    return {"out": r.stdout, "end": r.end}
'''


@test(modes=("root",))
def a_command_is_done_once(w):
    """The run that goes on gets the result that the first one had."""
    with Daemon(w) as d:
        deploy(d, "once", ONCE)
        thread = d.api("POST", "/threads", {})[1]["thread_id"]
        at = f"/threads/{thread}/runs/wait"
        status, said = d.api("POST", at, {"assistant_id": "once",
                                          "input": {}})
        check("__interrupt__" in said, said)
        log = d.verb("logs", d.runs()[0]["run_id"]).text
        equal(log.count("exec_id"), 1, log)
        said = d.api("POST", at, {"assistant_id": "once",
                                  "command": {"resume": 1}})[1]
        equal(said["end"], "exited")
        (again,) = [r for r in d.runs() if r["status"] == "success"]
        equal(d.verb("logs", again["run_id"]).text.count("exec_id"), 0)


if __name__ == "__main__":
    sys.exit(main())
