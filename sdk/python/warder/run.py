"""One attempt of a run, as the agent's function sees it."""

import contextlib
import hashlib
import threading

from .execute import Commands, Result
from .store import Store


class Interrupted(BaseException):
    """Ends the attempt: somebody is asked, and the run goes on later.

    Not an Exception, so that an agent that catches those does not stop it.
    """


class Cancelled(BaseException):
    """Somebody cancelled the run; reason: interrupt, rollback, timeout."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


def merged(reducers, values, update):
    """The state after an update; a key's reducer says how it is joined."""
    result = dict(values)
    for key, value in update.items():
        reducer = reducers.get(key)
        result[key] = (reducer(result.get(key), value)
                       if reducer is not None else value)
    return result


class Run:
    """What an agent's function gets.

    id, attempt, thread_id: of this run.
    input: what the caller sent (None: go on with the thread as it is).
    values: the thread's state, a dict; change it by node() or checkpoint().
    config, context: of the assistant and the caller.
    store: what agents remember across threads.
    """

    def __init__(self, connection, start, reducers, nodes=(),
                 keeps_state=False):
        self._nodes = list(nodes)
        self._connection = connection
        self._reducers = reducers
        self._local = threading.local()
        self._lock = threading.Lock()
        self._counts = {}
        self._asked = []
        self._pending = []
        self._cancelled = None
        self._on_cancel = None
        self._start = start
        assistant = start.get("assistant") or {}
        self.id = start["run_id"]
        self.attempt = start.get("attempt", 1)
        self.thread_id = start.get("thread_id")
        self.input = start.get("input")
        self.command = start.get("command") or {}
        self.config = assistant.get("config") or {}
        self.context = assistant.get("context") or {}
        self.durability = start.get("durability") or "async"
        self.store = Store(self._request)
        self.commands = Commands(connection)
        self._execution = start.get("execution") or self.id
        self._modes = start.get("stream_modes") or ()
        self._resumes = start.get("resumes") or {}
        self._journal = {e["key"]: e.get("value")
                         for e in start.get("journal") or ()}
        self._whole_journal = start.get("journal_is_whole", True)
        self._checkpoint = start.get("checkpoint") or {}
        ours = (self._checkpoint.get("metadata") or {}).get("warder") or {}
        # where an earlier attempt got to: until then nothing is put again
        self._behind = (ours.get("key")
                        if ours.get("execution") == self._execution
                        else None)
        self._has_base = self._behind is not None
        self._been_here = self.id in (ours.get("runs") or ())
        self.values = {}
        if not keeps_state:
            self.values = self._first_values()
            self._apply(self.command)

    # -- steps

    def step(self, name, fn, *args, **kwargs):
        """Call fn once: an attempt after this one gets the same result.

        The result must be JSON.  An exception is not journalled: the next
        attempt tries again.
        """
        return self._once(self._key("step", name),
                          lambda: fn(*args, **kwargs))

    def node(self, name, fn):
        """A step of the thread's state: fn(values) returns what changes.

        Kept as a checkpoint, streamed as "updates" and "values", and a place
        where interrupt_before and interrupt_after stop.
        """
        if getattr(self._local, "key", None) is not None:
            raise RuntimeError("a node inside a node or a parallel branch")
        key = self._key("node", name)
        self._stop_at("interrupt_before", name, key)
        task = {"id": self._task_id(key), "name": name}
        self._show_task("task", task, input=self.values, triggers=[])
        with self._task(name, key):
            update = self._once(key, lambda: fn(dict(self.values)) or {})
        self._show_task("task_result", task, result=update)
        with self._lock:
            self.values = self.merged(self.values, update)
        self._put_checkpoint(key, {"name": name, "update": update,
                                   "task_id": self._task_id(key)})
        self._stop_at("interrupt_after", name, key)
        return update

    def parallel(self, **branches):
        """Call each fn() in a thread of its own: {name: result}.

        Those that interrupt are asked about together, once all have ended.
        """
        results, failures = {}, []

        def work(name, fn, key):
            try:
                with self._task(name, key):
                    results[name] = fn()
            except Interrupted:
                pass
            except BaseException as e:  # pylint: disable=broad-except
                failures.append(e)

        self._check()
        threads = [threading.Thread(
            target=work, args=(n, f, self._key("branch", n)), daemon=True)
            for n, f in branches.items()]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        if failures:
            raise failures[0]
        self._ask()
        return results

    # -- people

    def interrupt(self, value):
        """Ask somebody: the answer, once there is one.

        The question is stored before anybody sees it, and the attempt ends
        here; the run that resumes comes back to this place.
        """
        self._check()
        key = self._key("interrupt", "")
        self._reach(key)
        ident = hashlib.sha256(
            f"{self._execution}:{key}".encode()).hexdigest()[:32]
        if ident in self._resumes:
            return self._once(key, lambda: self._resumes[ident])
        found, answer = self._recall(key)
        if found:
            return answer
        task = self._place()
        with self._lock:
            self._asked.append({"id": ident, "value": value, "task": task,
                                "key": key})
        if not (getattr(self._local, "key", None) or "").startswith("branch/"):
            self._ask()
        raise Interrupted()

    # -- what is kept and what is seen

    def checkpoint(self, update=None, next=()):
        """Merge update into the thread's state, and keep it."""
        key = self._key("checkpoint", "")
        with self._lock:
            self.values = self.merged(self.values, update or {})
        self._put_checkpoint(key, None, next)

    def emit(self, data, mode="custom"):
        """Show something to whoever follows the run."""
        self._check()
        self._connection.notify("event", {
            "ns": [], "mode": mode, "data": data})

    def log(self, message, level="info", **fields):
        self._connection.notify("log", dict(fields, message=message,
                                            level=level))

    # -- other jails

    def exec(self, command=None, code=None, on_output=None, **options):
        """Run a command or code in a jail of its own: its Result.  Once.

        command: words, or a text for sh.  code: a program, in "language"
        (python, sh, bash, node).  input, files {name: content}, env, cwd;
        timeout and cpu_time (seconds), memory (bytes), processes,
        output_max (bytes; more kills it), keep (bytes; more is dropped).
        The jail has what this one has at most: without network=True no
        network, without write=True directories of the host only to read.
        on_output(stream, bytes) sees all of it as it comes.
        """
        name = command if isinstance(command, str) else (
            command[0] if command else options.get("language", "python"))
        plain = self._once(
            self._key("exec", str(name)[:100]),
            lambda: self.commands.run(on_output, command=command, code=code,
                                      **options).to_json())
        return Result.from_json(plain)

    def executing(self, command=None, code=None, **options):
        """The same, not waited for and not journalled: an Execution."""
        self._check()
        return self.commands.start(command=command, code=code, **options)

    def spawn(self, assistant_id, input=None, **options):
        """Start a run of another agent: its run_id.  Once, like a step."""
        return self._once(
            self._key("spawn", assistant_id),
            lambda: self._request("run.spawn", dict(
                options, assistant_id=assistant_id, input=input))["run_id"])

    def join(self, run_id):
        """Wait for a run that was spawned: its final values."""
        return self.step(f"join {run_id}", self._request, "run.join",
                         {"run_id": run_id})

    @property
    def cancelled(self):
        """The reason, or None."""
        return self._cancelled

    # -- for those who keep the state by themselves (warder.langgraph)

    @property
    def been_here(self):
        """An attempt before this one has put the thread's newest checkpoint."""
        return self._been_here

    @property
    def continues(self):
        """It goes on with what another run has begun."""
        return self._execution != self.id

    @property
    def forks(self):
        """It was told to begin with a checkpoint that is not the newest."""
        return bool(self._start.get("fork")) and not self._been_here

    @property
    def checkpoint_id(self):
        return self._checkpoint.get("checkpoint_id")

    @property
    def resumes(self):
        """{interrupt id: answer}"""
        return self._resumes

    @property
    def modes(self):
        return self._modes

    def stops(self, which):
        """Nodes of "interrupt_before" or "interrupt_after", or "*"."""
        at = self._start.get(which) or ()
        return at if at == "*" else [at] if isinstance(at, str) else list(at)

    def request(self, method, params):
        return self._connection.request(method, params)

    def notify(self, method, params):
        self._connection.notify(method, params)

    def on_cancel(self, fn):
        """fn() is called when the run is cancelled, from another thread."""
        self._on_cancel = fn
        if self._cancelled is not None:
            fn()

    def stopped_at(self, checkpoint_id):
        """An attempt of this run has stood still there already."""
        return self.attempt > 1 and self._recall(
            f"stopped/{self.id}/{checkpoint_id}")[0]

    def stand_still(self, checkpoint_id, shown):
        """The run ends at this checkpoint, with what it asks or waits for."""
        self._request("journal.put", {
            "key": f"stopped/{self.id}/{checkpoint_id}", "value": True})
        self._request("interrupt", {
            "checkpoint_id": checkpoint_id, "ns": "",
            "next": shown["next"], "tasks": shown["tasks"],
            "interrupts": shown["interrupts"]})

    # -- private

    def merged(self, values, update):
        """The state after an update; a key's reducer says how it is joined."""
        return merged(self._reducers, values, update)

    def begin(self):
        """The input is part of the state: the first checkpoint."""
        self._put_checkpoint("input", None, source="input")

    def cancel(self, reason):
        self._cancelled = reason
        if self._on_cancel is not None:
            self._on_cancel()

    def finish(self):
        """All that was put is durable."""
        pending, self._pending = self._pending, []
        for call in pending:
            call.wait()

    def _check(self):
        if self._cancelled is not None:
            raise Cancelled(self._cancelled)

    def _request(self, method, params):
        return self._connection.request(method, params)

    def _key(self, kind, name):
        """The same for the same place in each attempt: what comes how often."""
        branch = getattr(self._local, "key", None)
        where = f"{branch}/" if branch is not None else ""
        key = f"{where}{kind}/{name}"
        with self._lock:
            n = self._counts[key] = self._counts.get(key, 0) + 1
        return f"{key}#{n}"

    def _recall(self, key):
        if key in self._journal:
            return True, self._journal[key]
        if self._whole_journal:
            return False, None
        found = self._request("journal.get", {"key": key})
        if found.get("found"):
            self._journal[key] = found.get("value")
        return bool(found.get("found")), found.get("value")

    def _once(self, key, fn):
        self._check()
        found, result = self._recall(key)
        if found:
            return result
        result = fn()
        kept = self._request("journal.put", {"key": key, "value": result})
        # another attempt was first: what it did is what was done
        result = kept["value"] if kept and kept.get("found") else result
        self._journal[key] = result
        return result

    def _show_task(self, kind, task, **what):
        """Modes "tasks" and "debug", of what is not only replayed."""
        if self._behind is not None:
            return
        shown = dict(task, interrupts=[], **what)
        if "tasks" in self._modes:
            self.emit(shown, "tasks")
        if "debug" in self._modes:
            self.emit({"type": kind, "payload": shown}, "debug")

    def _task_id(self, key):
        return hashlib.sha256(
            f"{self._execution}:task:{key}".encode()).hexdigest()[:32]

    @contextlib.contextmanager
    def _task(self, name, key):
        before = getattr(self._local, "task", None)
        place = getattr(self._local, "key", None)
        self._local.task = {"id": self._task_id(key), "name": name}
        self._local.key = key
        try:
            yield
        finally:
            self._local.task = before
            self._local.key = place

    def _place(self):
        task = getattr(self._local, "task", None)
        return task or {"id": self._task_id("main"), "name": "main"}

    def _ask(self):
        with self._lock:
            asked, self._asked = self._asked, []
        if not asked:
            return
        self._stop({"interrupts": asked, "key": asked[0]["key"],
                    "next": [a["task"] for a in asked]})

    def _stop(self, params):
        self._put_base()
        self.finish()
        self._request("interrupt", dict(params, values=self.values))
        raise Interrupted()

    def _stop_at(self, which, name, key):
        """Stop before or after a node, once: a resumed run goes past it."""
        at = self._start.get(which) or ()
        at = [at] if isinstance(at, str) else at
        if "*" not in at and name not in at:
            return
        marker = f"{which}:{key}"
        self._reach(marker)
        if self._recall(marker)[0]:
            return
        self._request("journal.put", {"key": marker, "value": True})
        task = ({"id": self._task_id(key), "name": name}
                if which == "interrupt_before" else self._after(name))
        self._stop({"interrupts": [], "key": marker, "next": [task]})

    def _after(self, name):
        """What comes behind a node, as far as the agent says; there is more
        of its function in any case."""
        at = self._nodes.index(name) + 1 if name in self._nodes else None
        if at is None or at == len(self._nodes):
            return self._place()
        return {"id": self._task_id(f"node/{self._nodes[at]}#1"),
                "name": self._nodes[at]}

    # An attempt after the first goes through the same places again.  Until
    # the one at which the thread's newest checkpoint was made, the state is
    # what it was then; from there on it is what the thread has now, with what
    # people have changed in it.

    def _first_values(self):
        found, base = self._recall("base")
        if not found:
            return dict(self._checkpoint.get("values") or {})
        self._has_base = True
        if base is None:
            return {}
        return dict(self._request("checkpoint.get", {
            "checkpoint_id": base}).get("values") or {})

    def _apply(self, command):
        """What a person changes while resuming joins the thread's state."""
        if command.get("goto"):
            raise ValueError("goto: this agent has no graph to go in")
        update = dict(command.get("update") or {})
        if not update:
            return
        if self._execution == self.id or self._behind is None:
            # each of its attempts begins with it
            self.values = self.merged(self.values, update)
        elif not self._been_here:
            self._checkpoint = dict(self._checkpoint, values=self.merged(
                self._checkpoint.get("values") or {}, update))

    def _put_base(self):
        if not self._has_base:
            self._has_base = True
            self._pending.append(self._connection.begin("journal.put", {
                "key": "base",
                "value": self._checkpoint.get("checkpoint_id")}))

    def _reach(self, key):
        if self._behind == key:
            self._behind = None
            self.values = dict(self._checkpoint.get("values") or {})

    def _put_checkpoint(self, key, step, next=(), source="loop"):
        """One for each place, whatever the number of attempts."""
        if self._behind is not None:
            self._reach(key)
            return
        if self.durability == "exit":
            return
        self._put_base()
        params = {"values": self.values, "next": list(next), "key": key,
                  "source": source}
        if step is not None:
            params["step"] = step
        call = self._connection.begin("checkpoint.put", params)
        self._pending.append(call)
        if self.durability == "sync":
            self.finish()
