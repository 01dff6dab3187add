"""An agent: a function, how its state is joined, and its conversation."""

import functools
import sys
import threading
import traceback

from .rpc import Connection, ProtocolError
from .run import Cancelled, Interrupted, Run, merged

UNKNOWN_METHOD = -32601
FAILED = -32000


def append(old, new):
    """The reducer of lists that grow."""
    return list(old or []) + (new if isinstance(new, list) else [new])


class Agent:
    """A function of a Run, and what Warder asks of it.

    reducers: {key: fn(old, new)}: how an update joins the state; without one
    the new value stands.
    nodes: names of its nodes in order, for those who draw it.
    """

    keeps_state = False  # by itself: checkpoints are not the Run's

    def __init__(self, fn, reducers=None, nodes=()):
        functools.update_wrapper(self, fn)
        self.fn = fn
        self.reducers = dict(reducers or {})
        self.nodes = list(nodes)

    def __call__(self, run):
        return self.fn(run)

    def serve(self, connection=None):
        """Do the one thing that this jail was started for, and return."""
        connection = connection or Connection.inherited()
        conversation = Conversation(self, connection)
        reader = threading.Thread(target=connection.read, daemon=True,
                                  args=(conversation.called,))
        reader.start()
        conversation.work(reader)

    # -- what control calls

    def start(self, run):
        """The final values of the run."""
        if run.input is not None:
            if not isinstance(run.input, dict):
                run.values = run.merged(run.values, {"input": run.input})
            else:
                run.values = run.merged(run.values, run.input)
        run.begin()
        result = self.fn(run)
        if isinstance(result, dict):
            run.values = run.merged(run.values, result)
        elif result is not None:
            run.values = run.merged(run.values, {"output": result})
        return run.values

    def describe(self):
        nodes = self.nodes or [self.__name__]
        names = ["__start__"] + nodes + ["__end__"]
        return {
            "nodes": [{"id": n, "type": "schema" if n.startswith("__")
                       else "runnable"} for n in names],
            "edges": [{"source": a, "target": b, "conditional": False}
                      for a, b in zip(names, names[1:])],
        }

    def update(self, params):
        """What the state is after somebody's update, by the reducers."""
        updates = params.get("values") or {}
        values = params.get("state") or {}
        for update in updates if isinstance(updates, list) else [updates]:
            values = merged(self.reducers, values, update)
        return {"values": values}

    def update_own(self, params, request):
        """The parameters of the checkpoint.put that an update comes to.

        Asked of those that keep their state by themselves.  params has
        thread_id, ns, checkpoint (what is changed; missing: nothing is there)
        and updates, a list of {values, as_node}; request() may be asked for
        blob.get and blob.put alone.
        """
        raise NotImplementedError("this agent's state cannot be changed")


def agent(fn=None, **options):
    """@agent, or @agent(reducers={…}, nodes=[…])."""
    if fn is None:
        return functools.partial(agent, **options)
    return Agent(fn, **options)


class Conversation:
    """Waits for the one command, carries it out, answers."""

    def __init__(self, which, connection):
        self.agent = which
        self.connection = connection
        self.command = None
        self.come = threading.Event()
        self.run = None
        self.reason = None

    def called(self, method, params, number):
        if method == "run.cancel":
            self.reason = params.get("reason") or "interrupt"
            if self.run is not None:
                self.run.cancel(self.reason)
        elif method == "exec.output":
            if self.run is not None:
                self.run.commands.came(params)
        elif number is not None and self.command is None:
            self.command = (method, params, number)
            self.come.set()
        elif number is not None:
            self.fail(number, UNKNOWN_METHOD, "one command a jail")

    def work(self, reader):
        while not self.come.wait(0.2):
            if not reader.is_alive():
                return
        method, params, number = self.command
        handler = {"run.start": self.run_start,
                   "graph.describe": lambda _: self.agent.describe(),
                   "state.update": self.state_update}.get(method)
        if handler is None:
            self.fail(number, UNKNOWN_METHOD, "no such method")
            return
        try:
            result = handler(params)
        except ProtocolError:
            # nobody listens any more; another attempt will be made
            raise SystemExit(1) from None
        except Exception as e:  # pylint: disable=broad-except
            traceback.print_exc(file=sys.stderr)
            self.fail(number, FAILED, str(e) or type(e).__name__,
                      {"error": type(e).__name__})
            return
        self.connection.send({"id": number, "result": result})

    def state_update(self, params):
        if self.agent.keeps_state and "updates" in params:
            return {"checkpoint": self.agent.update_own(
                params, self.connection.request)}
        return self.agent.update(params)

    def run_start(self, params):
        self.run = Run(self.connection, params, self.agent.reducers,
                       self.agent.nodes, self.agent.keeps_state)
        if self.reason is not None:
            self.run.cancel(self.reason)
        try:
            values = self.agent.start(self.run)
        except (Interrupted, Cancelled):
            values = self.run.values
        self.run.finish()
        return values

    def fail(self, number, code, message, data=None):
        error = {"code": code, "message": message}
        if data is not None:
            error["data"] = data
        self.connection.send({"id": number, "error": error})
