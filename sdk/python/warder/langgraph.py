"""Run a compiled LangGraph graph as an agent, unmodified.

    from warder.langgraph import serve
    from my_project import graph

    serve(graph)

The graph's checkpoints, pending writes and store are the host's: whatever
checkpointer and store it was compiled with, it gets those of its thread and
tenant.  A run that is killed goes on from its last checkpoint, with the
writes of the tasks that were done.

Needs the package langgraph, which comes with the agent; nothing else of
warder does.
"""

import asyncio
import base64
import contextlib
import dataclasses
import datetime
import enum
import hashlib
import json
import math
import threading

from langchain_core.messages import (BaseMessageChunk,
                                     message_chunk_to_message)
from langgraph.checkpoint.base import (WRITES_IDX_MAP, BaseCheckpointSaver,
                                       CheckpointTuple, get_checkpoint_id,
                                       get_checkpoint_metadata)
from langgraph.store.base import (BaseStore, GetOp, Item, ListNamespacesOp,
                                  PutOp, SearchItem, SearchOp)
from langgraph.types import Command, Interrupt, Send, StateUpdate

from .agent import Agent
from .run import Cancelled
from .store import Store

INLINE = 64 * 1024  # bytes of a channel within a message
TOTAL = 400 * 1024  # of all channels of one message
CHUNK = 512 * 1024
SHOWN = 3 * 1024 * 1024  # of a state as JSON: what people can be shown
DEPTH = 48
NULL_TASK = "00000000-0000-0000-0000-000000000000"


# ---- JSON that the host takes ----------------------------------------------

def _text(value):
    return value.replace("\0", "\ufffd").encode(
        "utf-8", "replace").decode("utf-8")


def _number(value):
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if -(1 << 63) <= value < 1 << 63 else float(value)


def _object(value):
    """Things that are shown by their members; None: they are not."""
    if isinstance(value, Interrupt):
        return {"id": value.id, "value": value.value}
    if isinstance(value, Send):
        return {"node": value.node, "input": value.arg}
    if callable(getattr(value, "model_dump", None)) and not isinstance(
            value, type):
        return value.model_dump()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name)
                for f in dataclasses.fields(value)}
    if hasattr(value, "_asdict"):
        return value._asdict()
    return None


def plain(value, depth=DEPTH):
    """The value as JSON: what has no such form is shown as text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, enum.Enum):
        return plain(value.value, depth)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, (int, float)):
        return _number(value)
    if depth == 0:
        return _text(str(value))[:1000]
    if isinstance(value, dict):
        return {_text(str(k)): plain(v, depth - 1) for k, v in value.items()}
    shown = _object(value)
    if shown is not None:
        return plain(shown, depth - 1)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v, depth - 1) for v in value]
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    return _text(str(value))


def _dumps(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def shown_values(values):
    """A state as people see it; a member that is too large is only named."""
    values = plain(values)
    if not isinstance(values, dict):
        values = {"__root__": values}
    sizes = {k: len(_dumps(v).encode()) for k, v in values.items()}
    for k in sorted(sizes, key=sizes.get, reverse=True):
        if sum(sizes.values()) <= SHOWN:
            break
        values[k] = {"warder:omitted_bytes": sizes[k]}
        sizes[k] = 64
    return values


# ---- bytes ------------------------------------------------------------------

class Bytes:
    """Typed bytes, within a message or in chunks by their digest."""

    def __init__(self, request):
        self._request = request

    def pack(self, data, room):
        """Members of a message for these bytes; what room is left."""
        if len(data) <= min(INLINE, room):
            return {"data": base64.b64encode(data).decode()}, room - len(data)
        return {"blob": self.send(data)}, room

    def send(self, data):
        digest = hashlib.sha256(data).hexdigest()
        at = 0
        while at < len(data):
            chunk = data[at:at + CHUNK]
            have = self._request("blob.put", {
                "digest": digest, "size": len(data), "offset": at,
                "data": base64.b64encode(chunk).decode()})["have"]
            at = max(at + len(chunk), have)
        return digest

    def unpack(self, members, seen):
        """The bytes that a message says; seen: those in chunks so far."""
        if members.get("blob") is None:
            return base64.b64decode(members.get("data") or "")
        digest = members["blob"]
        if digest not in seen:
            data = bytearray()
            while True:
                got = self._request("blob.get", {"digest": digest,
                                                 "offset": len(data)})
                data += base64.b64decode(got["data"])
                if len(data) >= got["size"]:
                    break
            seen[digest] = bytes(data)
        return seen[digest]


# ---- the checkpointer -------------------------------------------------------

class Saver(BaseCheckpointSaver):
    """The checkpoints of the run's thread, kept by the host.

    project(config, tuple) gives {values, next, tasks, interrupts}: what
    people see of a checkpoint without running the graph.
    """

    def __init__(self, request, project=None, serde=None):
        super().__init__(serde=serde)
        self._request = request
        self._bytes = Bytes(request)
        self.project = project
        # bytes in chunks are there for one request, whoever makes it
        self._lock = threading.RLock()

    # -- reading

    def _tuple(self, config, said):
        ns = said.get("ns") or ""
        thread = config["configurable"]["thread_id"]
        seen = {}

        def load(members):
            return self.serde.loads_typed(
                (members["type"], self._bytes.unpack(members, seen)))

        checkpoint = load(said)
        values = {c["name"]: load(c) for c in said.get("channels") or ()}
        writes = [(w["task_id"], w["channel"], load(w))
                  for w in said.get("writes") or ()]

        def place(ident):
            return {"configurable": {"thread_id": thread, "checkpoint_ns": ns,
                                     "checkpoint_id": ident}}
        return CheckpointTuple(
            config=place(said["checkpoint_id"]),
            checkpoint={**checkpoint, "channel_values": values},
            metadata=said.get("metadata") or {},
            parent_config=(place(said["parent_id"])
                           if said.get("parent_id") else None),
            pending_writes=writes)

    def get_tuple(self, config):
        where = config["configurable"]
        params = {"ns": where.get("checkpoint_ns", ""), "channels": True}
        if get_checkpoint_id(config):
            params["checkpoint_id"] = get_checkpoint_id(config)
        with self._lock:
            said = self._request("checkpoint.get", params)
            # one of the host's own, made by no graph, has no bytes
            if not said or not said.get("type"):
                return None
            return self._tuple(config, said)

    def list(self, config, *, filter=None, before=None, limit=None):
        if config is None:
            raise ValueError("a run sees its own thread only")
        where = config["configurable"]
        page = {"ns": where.get("checkpoint_ns"), "limit": 100,
                "metadata": filter}
        page = {k: v for k, v in page.items() if v is not None}
        if before is not None:
            page["before"] = get_checkpoint_id(before)
        only = get_checkpoint_id(config)
        while limit is None or limit > 0:
            found = self._request("checkpoint.list", page)["checkpoints"]
            for said in found:
                if only is not None and said["checkpoint_id"] != only:
                    continue
                tuple_ = self.get_tuple({"configurable": {
                    **where, "checkpoint_ns": said["ns"],
                    "checkpoint_id": said["checkpoint_id"]}})
                if tuple_ is None:
                    continue
                yield tuple_
                if limit is not None:
                    limit -= 1
                    if limit == 0:
                        return
            if len(found) < page["limit"]:
                return
            page["before"] = found[-1]["checkpoint_id"]

    # -- writing

    def _projected(self, config, tuple_, params):
        if self.project is None:
            return
        shown = self.project(config, tuple_)
        if shown is None:
            return
        values = shown.pop("values", None)
        params.update(shown)
        if values is None:
            return
        text = _dumps(values).encode()
        if len(text) <= INLINE:
            params["values"] = values
        else:
            params["values_blob"] = self._bytes.send(text)

    def put(self, config, checkpoint, metadata, new_versions):
        with self._lock:
            return self._put(config, checkpoint, metadata, new_versions)

    def _put(self, config, checkpoint, metadata, new_versions):
        where = config["configurable"]
        ns = where.get("checkpoint_ns", "")
        bare = dict(checkpoint)
        values = bare.pop("channel_values")
        metadata = get_checkpoint_metadata(config, metadata)
        type_, data = self.serde.dumps_typed(bare)
        room = TOTAL
        params = {"ns": ns, "checkpoint_id": checkpoint["id"],
                  "parent_id": where.get("checkpoint_id"), "type": type_,
                  "metadata": plain(metadata), "versions": {
                      k: str(v) for k, v in
                      checkpoint["channel_versions"].items()}}
        more, room = self._bytes.pack(data, room)
        if "blob" in more:
            params["blob"] = more["blob"]
        else:
            params["data"] = more["data"]
        channels = params["channels"] = []
        for name, version in new_versions.items():
            if name not in values:
                continue
            type_, data = self.serde.dumps_typed(values[name])
            more, room = self._bytes.pack(data, room)
            channels.append({"name": name, "version": str(version),
                             "type": type_, **more})
        place = {"configurable": {"thread_id": where["thread_id"],
                                  "checkpoint_ns": ns,
                                  "checkpoint_id": checkpoint["id"]}}
        tuple_ = CheckpointTuple(
            config=place, checkpoint=checkpoint, metadata=metadata,
            parent_config=None, pending_writes=[])
        self._projected(place, tuple_, params)
        self._request("checkpoint.put", params)
        return place

    def put_writes(self, config, writes, task_id, task_path=""):
        with self._lock:
            self._put_writes(config, writes, task_id, task_path)

    def _put_writes(self, config, writes, task_id, task_path):
        where = config["configurable"]
        room = TOTAL
        packed = []
        for idx, (channel, value) in enumerate(writes):
            type_, data = self.serde.dumps_typed(value)
            more, room = self._bytes.pack(data, room)
            packed.append({"task_id": task_id,
                           "idx": WRITES_IDX_MAP.get(channel, idx),
                           "channel": channel, "type": type_,
                           "task_path": task_path, **more})
        self._request("checkpoint.writes", {
            "ns": where.get("checkpoint_ns", ""),
            "checkpoint_id": where["checkpoint_id"], "writes": packed})

    def delete_thread(self, thread_id):
        self._request("checkpoint.delete_thread", {})

    # -- the same for graphs that are asynchronous

    async def aget_tuple(self, config):
        return await asyncio.to_thread(self.get_tuple, config)

    async def alist(self, config, *, filter=None, before=None, limit=None):
        found = await asyncio.to_thread(lambda: list(self.list(
            config, filter=filter, before=before, limit=limit)))
        for one in found:
            yield one

    async def aput(self, config, checkpoint, metadata, new_versions):
        return await asyncio.to_thread(self.put, config, checkpoint, metadata,
                                       new_versions)

    async def aput_writes(self, config, writes, task_id, task_path=""):
        await asyncio.to_thread(self.put_writes, config, writes, task_id,
                                task_path)

    async def adelete_thread(self, thread_id):
        await asyncio.to_thread(self.delete_thread, thread_id)


class Update:
    """The host of a Saver while a person changes the state.

    It has the one checkpoint that is changed, and keeps the one that is put;
    the host itself stores that when it has the answer.
    """

    def __init__(self, request, base):
        self._request = request
        self._base = base
        self._read = {}
        self.put = None

    def __call__(self, method, params):
        if method == "checkpoint.get":
            return self._get(params)
        if method == "checkpoint.list":
            return {"checkpoints": []}
        if method == "checkpoint.put":
            self.put = dict(params, writes=[])
        elif method == "checkpoint.writes":
            self._write(params)
        elif method == "blob.get":
            return self._blob(method, params)
        else:
            return self._request(method, params)
        return {}

    def _get(self, params):
        base = self._base or {}
        wanted = params.get("checkpoint_id", base.get("checkpoint_id"))
        return (base if (params["ns"], wanted) ==
                (base.get("ns"), base.get("checkpoint_id")) else {})

    def _write(self, params):
        # those of the one before are not kept: it stays as it was
        if self.put and self.put["checkpoint_id"] == params["checkpoint_id"]:
            self.put["writes"] += params["writes"]

    def _blob(self, method, params):
        """The host forgets what was read to its end; it may be read again."""
        key = (params["digest"], params["offset"])
        if key not in self._read:
            self._read[key] = self._request(method, params)
        return self._read[key]


# ---- the store --------------------------------------------------------------

def _when(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


class HostStore(BaseStore):
    """What agents of the tenant remember, as LangGraph asks for it."""

    supports_ttl = True

    def __init__(self, store):
        self._store = store

    @staticmethod
    def _asked(op):
        if isinstance(op, GetOp):
            return {"op": "get", "namespace": list(op.namespace),
                    "key": op.key}
        if isinstance(op, PutOp) and op.value is None:
            return {"op": "delete", "namespace": list(op.namespace),
                    "key": op.key}
        if isinstance(op, PutOp):
            asked = {"op": "put", "namespace": list(op.namespace),
                     "key": op.key, "value": plain(op.value)}
            if op.ttl is not None:
                asked["ttl"] = max(1, round(op.ttl))
            return asked
        if isinstance(op, SearchOp):
            return {"op": "search", "namespace_prefix":
                    list(op.namespace_prefix), "filter": op.filter,
                    "limit": op.limit, "offset": op.offset}
        if isinstance(op, ListNamespacesOp):
            ends = {"prefix": [], "suffix": []}
            for c in op.match_conditions or ():
                ends[c.match_type] = list(c.path)
            return {"op": "list_namespaces", "max_depth": op.max_depth,
                    "limit": op.limit, "offset": op.offset, **ends}
        raise TypeError(f"no such operation: {type(op).__name__}")

    @staticmethod
    def _item(kind, said):
        return kind(namespace=tuple(said["namespace"]), key=said["key"],
                    value=said["value"], created_at=_when(said["created_at"]),
                    updated_at=_when(said["updated_at"]))

    def _answer(self, op, said):
        if isinstance(op, GetOp):
            return None if said is None else self._item(Item, said)
        if isinstance(op, SearchOp):
            return [self._item(SearchItem, i) for i in said["items"]]
        if isinstance(op, ListNamespacesOp):
            return [tuple(n) for n in said["namespaces"]]
        return None

    def batch(self, ops):
        ops = list(ops)
        said = []
        for at in range(0, len(ops), 100):
            said += self._store.batch([self._asked(op)
                                       for op in ops[at:at + 100]])
        return [self._answer(op, s) for op, s in zip(ops, said)]

    async def abatch(self, ops):
        return await asyncio.to_thread(self.batch, list(ops))


# ---- what people see of a checkpoint ----------------------------------------

def task_json(task, done=()):
    error = getattr(task, "error", None)
    state = task.state
    return {"id": task.id, "name": task.name, "path": plain(task.path),
            "error": None if error is None else _text(
                error if isinstance(error, str) else repr(error)),
            "interrupts": ([] if task.id in done
                           else plain(task.interrupts)),
            "result": plain(getattr(task, "result", None)),
            "checkpoint": (plain(state.get("configurable"))
                           if isinstance(state, dict) else None),
            "state": None}


def done_tasks(tuple_):
    """Those that wrote what they had to: what they asked was answered."""
    return {task for task, channel, _ in tuple_.pending_writes or ()
            if channel not in WRITES_IDX_MAP}


def snapshot_json(snapshot, done=()):
    tasks = [task_json(t, done) for t in snapshot.tasks]
    return {"values": shown_values(snapshot.values),
            "next": [_text(n) for n in snapshot.next], "tasks": tasks,
            "interrupts": [i for t in tasks for i in t["interrupts"]]}


# ---- the agent --------------------------------------------------------------

MODES = {"values": "values", "updates": "updates", "custom": "custom",
         "debug": "debug", "tasks": "tasks", "checkpoints": "checkpoints",
         "messages": "messages", "messages-tuple": "messages"}


class Shower:
    """Chunks of the graph's stream as events of the run."""

    def __init__(self, run, modes):
        self._run = run
        self._modes = modes
        self._messages = {}

    def show(self, ns, mode, chunk):
        if mode != "messages":
            self._emit(ns, mode, plain(chunk))
            return
        message, metadata = chunk
        metadata = plain(metadata)
        if "messages-tuple" in self._modes:
            self._emit(ns, "messages-tuple", [plain(message), metadata])
        if "messages" in self._modes:
            self._accumulate(ns, message, metadata)

    def _accumulate(self, ns, message, metadata):
        known = self._messages.get(message.id)
        if known is None:
            self._messages[message.id] = message
            self._emit(ns, "messages", {message.id: {"metadata": metadata}},
                       "messages/metadata")
        else:
            self._messages[message.id] = known + message
        whole = self._messages[message.id]
        partial = isinstance(message, BaseMessageChunk)
        if isinstance(whole, BaseMessageChunk):
            whole = message_chunk_to_message(whole)
        self._emit(ns, "messages", [plain(whole)],
                   "messages/partial" if partial else "messages/complete")

    def _emit(self, ns, mode, data, event=None):
        params = {"ns": [str(n) for n in ns], "mode": mode, "data": data}
        if event is not None:
            params["event"] = event
        # what is too large for a message is only named
        if len(_dumps(data).encode()) > 1000 * 1000:
            params["data"] = {"warder:omitted_bytes": len(_dumps(data))}
        self._run.notify("event", params)


def _goto(goto):
    def one(x):
        return Send(x["node"], x.get("input")) if isinstance(x, dict) else x
    if isinstance(goto, list):
        return [one(x) for x in goto]
    return one(goto) if goto else ()


class GraphAgent(Agent):
    """A compiled graph, and what the host asks of it.

    graph: a Pregel, or a function (of the run's config) that gives one.
    """

    keeps_state = True

    def __init__(self, graph, name=None):
        self.__name__ = name or getattr(graph, "name", "graph")
        super().__init__(lambda run: None)
        self._graph = graph

    # -- the graph with the host behind it

    def _made(self, config=None):
        graph = self._graph
        if callable(graph) and not hasattr(graph, "astream"):
            graph = graph(config or {})
        return graph

    def bound(self, request, store, config=None):
        graph = self._made(config)
        saver = Saver(request)
        graph = graph.copy(update={"checkpointer": saver, "store": store})
        subgraphs = {}

        def of(ns):
            """The graph whose checkpoints have this namespace."""
            names = "|".join(p.split(":")[0] for p in ns.split("|") if p)
            if names == "":
                return graph
            if not subgraphs:
                subgraphs.update(graph.get_subgraphs(recurse=True))
            return subgraphs.get(names)

        def project(place, tuple_):
            which = of(place["configurable"].get("checkpoint_ns", ""))
            if which is None:
                return None
            checkpoint = dict(tuple_.checkpoint, channel_versions=dict(
                tuple_.checkpoint["channel_versions"]))
            return snapshot_json(which._prepare_state_snapshot(
                place, tuple_._replace(checkpoint=checkpoint)))

        saver.project = project
        return graph, saver

    @staticmethod
    def _config(run):
        config = dict(run.config)
        configurable = dict(config.get("configurable") or {})
        configurable.update(thread_id=run.thread_id, checkpoint_ns="")
        configurable.pop("checkpoint_id", None)
        config["configurable"] = configurable
        return config

    @staticmethod
    def _input(run, newest):
        """What the graph is to begin with, or go on with."""
        if run.been_here:
            return None
        if run.attempt > 1 and newest is not None and any(
                w[0] == NULL_TASK for w in newest.pending_writes or ()):
            return None
        command = run.command
        if run.resumes or command.get("update") or command.get("goto"):
            return Command(resume=run.resumes or None,
                           update=command.get("update"),
                           goto=_goto(command.get("goto")))
        return None if run.continues else run.input

    def start(self, run):
        return asyncio.run(self._start(run))

    async def _start(self, run):
        config = self._config(run)
        store = HostStore(run.store)
        graph, saver = self.bound(run.request, store, config)
        newest = await saver.aget_tuple(config)
        if newest is not None and run.stopped_at(
                newest.config["configurable"]["checkpoint_id"]):
            return await self._end(run, graph, saver, config)
        start = dict(config)
        if run.forks:
            start["configurable"] = dict(
                config["configurable"], checkpoint_id=run.checkpoint_id)
        task = asyncio.ensure_future(self._stream(
            run, graph, self._input(run, newest), start))
        loop = asyncio.get_running_loop()
        run.on_cancel(lambda: loop.call_soon_threadsafe(task.cancel))
        try:
            await task
        except asyncio.CancelledError:
            raise Cancelled(run.cancelled or "interrupt") from None
        return await self._end(run, graph, saver, config)

    @staticmethod
    async def _stream(run, graph, value, config):
        asked = run.modes
        modes = sorted({MODES[m] for m in asked if m in MODES}) or ["values"]
        shower = Shower(run, asked)
        options = {"stream_mode": modes, "subgraphs": True,
                   "durability": run.durability}
        if run.context:
            options["context"] = run.context
        for name in ("interrupt_before", "interrupt_after"):
            nodes = run.stops(name)
            if nodes:
                options[name] = nodes
        async for ns, mode, chunk in graph.astream(value, config, **options):
            shower.show(ns, mode, chunk)

    @staticmethod
    async def _end(run, graph, saver, config):
        """The final state; or it stands still, and says what it waits for."""
        tuple_ = await saver.aget_tuple(config)
        if tuple_ is None:
            return {}
        ident = tuple_.config["configurable"]["checkpoint_id"]
        snapshot = await graph._aprepare_state_snapshot(config, tuple_)
        shown = snapshot_json(snapshot, done_tasks(tuple_))
        if shown["next"]:
            await asyncio.to_thread(run.stand_still, ident, shown)
        # the host has been shown them
        return None

    # -- what people change

    @staticmethod
    def _changes(graph, values):
        """A list of objects, one after the other, is what a Command takes."""
        if (isinstance(values, list) and "__root__" not in graph.channels
                and all(isinstance(v, dict) for v in values)):
            return Command(update=[i for v in values for i in v.items()])
        return values

    def update_own(self, params, request):
        return asyncio.run(self._update_own(params, request))

    async def _update_own(self, params, request):
        host = Update(request, params.get("checkpoint"))
        place = {"thread_id": params["thread_id"],
                 "checkpoint_ns": params.get("ns") or ""}
        if params.get("checkpoint"):
            place["checkpoint_id"] = params["checkpoint"]["checkpoint_id"]
        config = {"configurable": place}
        graph, _ = self.bound(host, HostStore(Store(request)), config)
        await graph.abulk_update_state(config, [[
            StateUpdate(self._changes(graph, u.get("values")),
                        u.get("as_node")) for u in params["updates"]]])
        return host.put

    # -- what it is

    def describe(self):
        graph = self._made()
        drawn = graph.get_graph().to_json()
        nodes = [{"id": n["id"], "type": n.get("type", "runnable"),
                  "data": plain(n.get("data"))} for n in drawn["nodes"]]
        edges = [{"source": e["source"], "target": e["target"],
                  "conditional": bool(e.get("conditional"))}
                 for e in drawn["edges"]]
        said = {"nodes": nodes, "edges": edges, "subgraphs": {}}
        for ns, sub in graph.get_subgraphs(recurse=True):
            said["subgraphs"][ns] = self._schemas(sub)
        said.update(self._schemas(graph))
        return said

    @staticmethod
    def _schemas(graph):
        ways = {"input_schema": "get_input_jsonschema",
                "output_schema": "get_output_jsonschema",
                "config_schema": "get_config_jsonschema",
                "context_schema": "get_context_jsonschema"}
        said = {}
        for name, way in ways.items():
            # a schema that cannot be drawn is none
            with contextlib.suppress(Exception):
                said[name] = plain(getattr(graph, way)())
        said["state_schema"] = said.get("output_schema")
        return said


def serve(graph, name=None):
    """Do the one thing that this jail was started for, and return."""
    GraphAgent(graph, name).serve()
