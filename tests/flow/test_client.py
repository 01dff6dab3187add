#!/usr/bin/env python3
"""The command line against a running service: what is shown, and what a
mistake is answered with."""

import json
import os
import signal
import sys
import uuid

from daemon import Daemon
from flow import check, equal, holds, main, test, wait_until

LOGS = """
import sys, time, warder

@warder.agent
def main(run):
    for n in range(run.input["lines"]):
        print("line", n, file=sys.stderr, flush=True)
        run.step(str(n), lambda: time.sleep(0.1))

main.serve()
"""

ASKS = """
import warder

@warder.agent(reducers={"log": warder.append})
def main(run):
    return {"said": run.interrupt({"q": run.input["q"]}), "log": "x"}

main.serve()
"""

SHOUTS = r"""
import json
print(json.dumps({"shown": "\x1b[31m\u009b32m\u202e", "n": [1, {}], "e": []}))
"""


def refused(d, words, *argv, env=None):
    more = dict(d.environment(), **(env or {}))
    done = d.w.verb(*argv, env=more)
    done.expect(125)
    holds(done.said, *words)
    equal(done.text, "", "standard output")


@test
def a_mistake_is_named(w):
    with Daemon(w) as d:
        d.deploy("hello")
        nobody = str(uuid.uuid4())
        for words, argv in (
                (('no agent "nobody"', '"warder agents"'), ("run", "nobody")),
                (("which agent",), ("run",)),
                (("INPUT", "line 1"), ("run", "hello", '{"name":')),
                (("INPUT", "line 1"), ("run", "hello", ' ["x"')),
                (("--resume needs --thread",),
                 ("run", "hello", "--resume", "1")),
                ((f"no thread {nobody}",),
                 ("run", "hello", "--thread", nobody)),
                ((f"no thread {nobody}",),
                 ("run", "hello", "-b", "--thread", nobody)),
                (("pending, running",), ("runs", "list", "ended")),
                (("idle, busy",), ("threads", "list", "ended")),
                (("not a UUID",), ("runs", "get", "x")),
                ((f"Run {nobody} not found",), ("runs", "get", nobody)),
                (("which",), ("runs", "cancel")),
                (("did you mean cancel",), ("runs", "cancle")),
                ((f"Thread {nobody} not found",),
                 ("threads", "delete", nobody)),
                (('"warder runs" lists them',), ("logs",)),
                (("not found",), ("logs", "-f", nobody)),
                (("nope not found",), ("agents", "versions", "nope")),
                (("agent.yaml",), ("agents", "deploy", d.etc)),
                (("user or reader",), ("keys", "create", "me", "root"))):
            refused(d, words, *argv)
        # what was refused has left nothing
        equal(d.json("threads"), [])
        refused(d, ("WARDER_URL must be",), "runs",
                env={"WARDER_URL": "ftp://127.0.0.1"})
        refused(d, ("over the Unix socket",), "keys",
                env={"WARDER_URL": f"http://127.0.0.1:{d.port}"})
        refused(d, ("is warderd running?",), "runs",
                env={"WARDER_URL": "unix:/nowhere"})
        refused(d, ("WARDER_API_KEY", '"warder keys create"'), "runs",
                env={"WARDER_URL": f"http://127.0.0.1:{d.port}",
                     "WARDER_API_KEY": "wdr_" + "0" * 40})


@test
def tables_name_the_agent(w):
    with Daemon(w) as d:
        d.deploy("hello")
        d.run("hello", {"name": "you"})
        (run,) = d.json("runs")
        thread = run["thread_id"]
        for argv in (("runs",), ("threads",), ("threads", "runs", thread),
                     ("runs", "list", "success")):
            head, row = d.verb(*argv).expect(0).text.splitlines()
            check("AGENT" in head.split() and "hello" in row.split(),
                  f"{argv}: {head} {row}")
        rows = d.verb("threads", "history", thread).expect(0).text.splitlines()
        holds(rows[0], "CHECKPOINT", "STEP", "SOURCE", "NEXT")
        equal(rows[1].split()[2:], ["-1", "loop", "[]"])
        equal(len(d.json("threads", "history", thread)), 1)


@test
def what_failed_says_where_to_look(w):
    with Daemon(w) as d:
        d.agent("fails", "import sys\nprint('a reason', file=sys.stderr)\n"
                "sys.exit(4)", protocol="plain")
        done = d.verb("run", "fails").expect(1)
        holds(done.said, "the run failed", "status 4")
        look = done.said.splitlines()[-1].rpartition("warder ")[2].split()
        equal(look[0], "logs")
        holds(d.verb(*look).expect(0).text, "a reason")


@test
def a_question_says_how_it_is_answered(w):
    with Daemon(w) as d:
        d.agent("asks", ASKS)
        done = d.verb("run", "asks", '{"q": "sure?"}').expect(3)
        holds(done.said, 'asked: {"q":"sure?"}')
        argv = done.said.splitlines()[-1].partition("warder run ")[2].split()
        equal(argv[-1], "'JSON'")
        answered = d.verb("run", *argv[:-1], "surely").expect(0)
        equal(json.loads(answered.text)["said"], "surely")


@test(modes=("root",))
def a_terminal_is_not_what_an_agent_writes_to(w):
    with Daemon(w) as d:
        d.agent("shouts", SHOUTS, protocol="plain")
        argv = f"'{w.program}' run shouts"
        done = w.popen(["script", "-qec", argv, "/dev/null"],
                       env=d.environment(), stdin=-3, stdout=-1,
                       stderr=-1).finish()
        done.expect(0)
        text = done.text.replace("\r\n", "\n")
        holds(text, '  "shown": "\\u001b[31m\\xc2\\x9b32m'
              '\\xe2\\x80\\xae",\n',
              '  "n": [\n    1,\n    {}\n  ],\n  "e": []\n}\n')
        check(not set(text) & set("\x1b\x9b\u202e"), repr(text))
        # a script gets one line
        equal(len(d.verb("run", "shouts").expect(0).text.splitlines()), 1)


@test
def a_log_is_followed_over_a_kill(w):
    with Daemon(w) as d:
        d.agent("writes", LOGS)
        begun = d.json("run", "writes", '{"lines": 12}', "-b")
        follower = d.begin("logs", begun["run_id"], "-f")
        wait_until(lambda: "line 3" in d.verb(
            "logs", begun["run_id"]).expect(0).text, 30, "some lines")
        os.kill(d.control(), signal.SIGKILL)
        lines = follower.finish(60).expect(0).text.splitlines()
        # a step that was journalled is not written again, a line may be
        seen = [line for line in lines if line.startswith("line ")]
        equal(sorted(set(seen), key=lambda s: int(s.split()[1])),
              [f"line {n}" for n in range(12)])
        equal(seen[0], "line 0")


if __name__ == "__main__":
    sys.exit(main())
