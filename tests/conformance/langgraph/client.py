"""Every call of the official Python SDK that Warder serves, against a running
service.  Arguments: URL, API key.  Prints TAP.
"""
import asyncio
import inspect
import sys
import traceback

from langgraph_sdk import get_client, get_sync_client

AGENT = "agent"
ASK = "b9ecc8393c16e42622eed3fed9dce532"
TESTS = []

# What the SDK has and Warder does not serve.
UNSERVED = {"threads.stream", "crons.create_for_thread", "crons.create",
            "crons.update", "crons.delete", "crons.search", "crons.count"}
UNUSED = set()


def test(function):
    TESTS.append(function)
    return function


def script(*steps):
    return {"script": list(steps)}


async def refused(status, awaitable):
    try:
        await awaitable
    except Exception as e:  # the SDK's classes are its own
        got = getattr(getattr(e, "response", None), "status_code", None)
        assert got == status, f"{got} in place of {status}: {e!r}"
        return
    raise AssertionError(f"nothing refused with {status}")


@test
async def assistants(c):
    made = await c.assistants.create(AGENT, metadata={"mark": "py"},
                                     name="py", if_exists="do_nothing")
    ident = made["assistant_id"]
    assert (await c.assistants.get(ident))["name"] == "py"
    changed = await c.assistants.update(ident, metadata={"more": 1})
    assert changed["version"] == 2
    assert len(await c.assistants.get_versions(ident)) == 2
    latest = await c.assistants.set_latest(ident, 1)
    assert "more" not in latest["metadata"]
    found = await c.assistants.search(metadata={"mark": "py"})
    assert [a["assistant_id"] for a in found] == [ident]
    assert await c.assistants.count(metadata={"mark": "py"}) == 1
    assert (await c.assistants.get_graph(AGENT))["nodes"]
    assert (await c.assistants.get_schemas(AGENT))["graph_id"] == AGENT
    assert await c.assistants.get_subgraphs(AGENT) == {}
    await c.assistants.delete(ident)
    await refused(404, c.assistants.get(ident))


@test
async def threads(c):
    thread = await c.threads.create(metadata={"mark": "py"}, ttl=60)
    ident = thread["thread_id"]
    await c.threads.create(thread_id=ident, if_exists="do_nothing")
    await refused(409, c.threads.create(thread_id=ident))
    await c.threads.update(ident, metadata={"b": "py"})
    assert (await c.threads.get(ident))["metadata"]["b"] == "py"
    found = await c.threads.search(metadata={"b": "py"}, sort_by="updated_at",
                                   sort_order="desc")
    assert [t["thread_id"] for t in found] == [ident]
    assert await c.threads.count(metadata={"b": "py"}) == 1
    copy = await c.threads.copy(ident)
    copied = await c.threads.search(metadata={"b": "py"})
    assert len(copied) == 2, copy
    await c.threads.delete(ident)
    await refused(404, c.threads.get(ident))


@test
async def states(c):
    ident = (await c.threads.create())["thread_id"]
    assert (await c.threads.get_state(ident))["values"] == {}
    first = await c.threads.update_state(ident, {"n": 1}, as_node="n")
    await c.threads.update_state(ident, {"n": 2})
    state = await c.threads.get_state(ident)
    assert state["values"] == {"n": 2}
    checkpoint = first["checkpoint"]
    older = await c.threads.get_state(ident, checkpoint=checkpoint)
    assert older["values"] == {"n": 1}
    older = await c.threads.get_state(
        ident, checkpoint_id=checkpoint["checkpoint_id"])
    assert older["values"] == {"n": 1}
    assert len(await c.threads.get_history(ident, limit=5)) == 2
    older = await c.threads.get_history(ident, before=state["checkpoint"])
    assert [s["values"]["n"] for s in older] == [1]


@test
async def runs(c):
    ident = (await c.threads.create())["thread_id"]
    run = await c.runs.create(ident, AGENT, input={"x": 1},
                              metadata={"m": 1}, multitask_strategy="enqueue")
    assert await c.runs.join(ident, run["run_id"]) == {"x": 1}
    got = await c.runs.get(ident, run["run_id"])
    assert got["status"] == "success"
    assert len(await c.runs.list(ident, limit=5)) == 1
    await c.runs.delete(ident, run["run_id"])
    await refused(404, c.runs.get(ident, run["run_id"]))
    assert await c.runs.wait(ident, AGENT, input={"a": 1}) == {"a": 1}
    assert await c.runs.wait(None, AGENT, input={"b": 2}) == {"b": 2}
    made = await c.runs.create_batch([{"assistant_id": AGENT, "input": {}}])
    assert len(made) == 1
    failed = await c.runs.wait(
        ident, AGENT, input=script({"fail": ["CustomError", "Boo!"]}),
        raise_error=False)
    assert failed["__error__"]["message"] == "Boo!"


@test
async def streams(c):
    ident = (await c.threads.create())["thread_id"]
    created = []
    events = [e async for e in c.runs.stream(
        ident, AGENT, stream_mode=["values", "custom"],
        input=script({"emit": ["custom", 1]}, {"result": {"n": 1}}),
        on_run_created=created.append)]
    assert [e.event for e in events] == ["metadata", "custom", "values",
                                         "end"], events
    assert created[0]["run_id"] == events[0].data["run_id"]
    run = await c.runs.create(ident, AGENT, stream_resumable=True,
                              input=script({"sleep": 200},
                                           {"result": {"n": 2}}))
    events = [e async for e in c.runs.join_stream(
        ident, run["run_id"], last_event_id="-1")]
    assert events[-2].data == {"n": 2}, events
    stream = await c.threads.join_stream(ident, last_event_id="-")
    async for event in stream:
        if event.event == "values":
            assert event.data == {"n": 1}
            break


@test
async def cancelling(c):
    ident = (await c.threads.create())["thread_id"]
    long = script({"sleep": 30000})
    run = await c.runs.create(ident, AGENT, input=long)
    await c.runs.cancel(ident, run["run_id"], wait=True)
    got = await c.runs.get(ident, run["run_id"])
    assert got["status"] == "interrupted"
    run = await c.runs.create(ident, AGENT, input=long)
    await c.runs.cancel_many(thread_id=ident, run_ids=[run["run_id"]])
    await c.runs.join(ident, run["run_id"])
    first = await c.runs.create(ident, AGENT, input=long)
    await refused(409, c.runs.create(ident, AGENT, input={},
                                     multitask_strategy="reject"))
    second = await c.runs.create(ident, AGENT, input={"s": 2},
                                 multitask_strategy="rollback")
    assert await c.runs.join(ident, second["run_id"]) == {"s": 2}
    await refused(404, c.runs.get(ident, first["run_id"]))


@test
async def interrupts(c):
    ident = (await c.threads.create())["thread_id"]
    asked = await c.runs.wait(ident, AGENT, input=script(
        {"ask": [{"id": ASK, "value": "sure?"}]}))
    assert asked["__interrupt__"][0]["id"] == ASK
    assert (await c.threads.get(ident))["status"] == "interrupted"
    await refused(422, c.runs.wait(ident, AGENT,
                                   command={"resume": {"0" * 32: 1}}))
    got = await c.runs.wait(ident, AGENT, command={"resume": "yes"})
    assert got == {"answer": "yes"}


@test
async def store(c):
    ns = ["py", "conformance"]
    await c.store.put_item(ns, "k", {"n": 1}, ttl=5)
    item = await c.store.get_item(ns, "k")
    assert item["value"] == {"n": 1}
    found = await c.store.search_items(["py"], filter={"n": {"$gt": 0}})
    assert [i["key"] for i in found["items"]] == ["k"]
    spaces = await c.store.list_namespaces(prefix=["py"], max_depth=2)
    assert spaces["namespaces"] == [ns]
    await c.store.delete_item(ns, "k")


@test
async def pasts_and_streams_of_threads(c):
    thread = await c.threads.create(supersteps=[
        {"updates": [{"values": {"a": 1}, "as_node": "one"}]},
        {"updates": [{"values": {"b": 2}, "as_node": "two"}]}])
    ident = thread["thread_id"]
    assert thread["values"] == {"a": 1, "b": 2}
    await c.threads.update_state(ident, {"n": 2})
    stream = await c.threads.join_stream(ident, last_event_id="-",
                                         stream_mode="state_update")
    seen = []
    async for event in stream:
        assert event.event == "state_update", event
        seen.append(event.data["state"]["values"])
        if len(seen) == 3:
            break
    assert seen == [{"a": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 2, "n": 2}]
    assert await c.threads.update(ident, metadata={"x": 1},
                                  return_minimal=True) is None
    pruned = await c.threads.prune([ident], strategy="keep_latest")
    assert pruned == {"pruned_count": 1}
    assert len(await c.threads.get_history(ident)) == 1


@test
async def another_run_of_everything(c):
    ident = (await c.threads.create())["thread_id"]
    run = await c.runs.create(
        ident, AGENT, input={"a": 1}, context={"c": 1}, durability="sync",
        config={"tags": ["t"], "configurable": {"x": 1}},
        interrupt_before="*", interrupt_after=["a"], after_seconds=0,
        stream_mode=["values", "updates"], stream_subgraphs=True,
        stream_resumable=True, multitask_strategy="interrupt",
        on_completion="keep", if_not_exists="create")
    assert await c.runs.join(ident, run["run_id"]) == {"a": 1}
    found = await c.assistants.search(graph_id=AGENT, limit=1,
                                      response_format="object")
    assert found["assistants"], found
    await refused(501, c.runs.create(ident, AGENT, input={},
                                     webhook="https://example.org/hook"))


@test
async def the_sync_client(c):
    s = get_sync_client(url=sys.argv[1], api_key=sys.argv[2])

    def all_of_it():
        ident = s.threads.create(metadata={"mark": "sync"})["thread_id"]
        assert s.runs.wait(ident, AGENT, input={"a": 1}) == {"a": 1}
        events = [e.event for e in s.runs.stream(ident, AGENT,
                                                 input={"a": 2})]
        assert events == ["metadata", "values", "end"], events
        s.threads.update_state(ident, {"b": 3})
        assert s.threads.get_state(ident)["values"] == {"a": 2, "b": 3}
        assert len(s.runs.list(ident)) == 2
        s.store.put_item(["sync"], "k", {"n": 1})
        assert s.store.get_item(["sync"], "k")["value"] == {"n": 1}
        assert s.assistants.get(AGENT)["graph_id"] == AGENT
        s.threads.delete(ident)

    await asyncio.to_thread(all_of_it)


@test
async def every_other_call_of_the_sdk(c):
    assert UNUSED == UNSERVED, UNUSED ^ UNSERVED


def count_calls(client, part):
    """Its public methods are unused until somebody takes one."""
    target = getattr(client, part)
    names = {n for n, _ in inspect.getmembers(type(target), callable)
             if not n.startswith("_")}
    UNUSED.update(f"{part}.{n}" for n in names)

    class Counted:
        def __getattr__(self, name):
            UNUSED.discard(f"{part}.{name}")
            return getattr(target, name)

    setattr(client, part, Counted())


async def main():
    client = get_client(url=sys.argv[1], api_key=sys.argv[2])
    for part in ("assistants", "threads", "runs", "crons", "store"):
        count_calls(client, part)
    failed = 0
    for i, function in enumerate(TESTS, 1):
        try:
            await function(client)
            print(f"ok {i} - {function.__name__}")
        except Exception:  # whatever it is, the row has failed
            failed += 1
            for line in traceback.format_exc().splitlines()[-12:]:
                print("#", line)
            print(f"not ok {i} - {function.__name__}")
    print(f"1..{len(TESTS)}")
    return 1 if failed else 0


sys.exit(asyncio.run(main()))
