// Every call of the official JavaScript SDK that Warder serves, against a
// running service.  Arguments: URL, API key.  Prints TAP.
import assert from "node:assert/strict";
import { Client } from "@langchain/langgraph-sdk";

const [apiUrl, apiKey] = process.argv.slice(2);
const client = new Client({ apiUrl, apiKey });

// What the SDK has and Warder does not serve.
const UNSERVED = new Set(["threads.stream", // the other protocol
  ...["createForThread", "create", "update", "delete", "search", "count"].map(
    (name) => `crons.${name}`), "~ui.getComponent"]);
const unused = new Set();
for (const [part, object] of Object.entries(client)) {
  const methods = object === null || typeof object !== "object" ? [] :
    Object.getOwnPropertyNames(Object.getPrototypeOf(object));
  for (const name of methods.filter((m) => m !== "constructor")) {
    const method = object[name];
    unused.add(`${part}.${name}`);
    object[name] = (...args) => {
      unused.delete(`${part}.${name}`);
      return method.apply(object, args);
    };
  }
}
const AGENT = "agent";
const tests = [];
const test = (name, fn) => tests.push([name, fn]);
const script = (...steps) => ({ input: { script: steps } });
const all = async (stream) => {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
};
const ASK = "b9ecc8393c16e42622eed3fed9dce532";
const asks = [{ ask: [{ id: ASK, value: "sure?" }] }];

test("assistants: create, get, update, versions, latest, search, delete",
  async () => {
    const made = await client.assistants.create({
      graphId: AGENT, metadata: { mark: "js" }, name: "js",
      ifExists: "do_nothing", description: "d" });
    const id = made.assistant_id;
    assert.equal((await client.assistants.get(id)).name, "js");
    const changed = await client.assistants.update(id, {
      metadata: { more: 1 } });
    assert.equal(changed.version, 2);
    assert.equal((await client.assistants.getVersions(id)).length, 2);
    assert.equal((await client.assistants.setLatest(id, 1)).metadata.more,
      undefined);
    const found = await client.assistants.search({
      metadata: { mark: "js" }, limit: 5 });
    assert.deepEqual(found.map((a) => a.assistant_id), [id]);
    const page = await client.assistants.search({
      limit: 1, includePagination: true });
    assert.equal(page.assistants.length, 1);
    assert.equal(page.next, "1");
    assert.equal(await client.assistants.count({ metadata: { mark: "js" } }),
      1);
    await client.assistants.delete(id);
    await assert.rejects(client.assistants.get(id), { status: 404 });
  });

test("assistants: graph, schemas, subgraphs", async () => {
  const graph = await client.assistants.getGraph(AGENT, { xray: 2 });
  assert.equal(graph.nodes[0].id, "__start__");
  assert.equal((await client.assistants.getSchemas(AGENT)).graph_id, AGENT);
  assert.deepEqual(await client.assistants.getSubgraphs(AGENT, {
    namespace: "ns", recurse: true }), {});
});

test("threads: create, get, update, search, count, copy, prune, delete",
  async () => {
    const thread = await client.threads.create({
      metadata: { mark: "js" }, graphId: AGENT, ttl: 60 });
    const id = thread.thread_id;
    assert.equal(thread.metadata.graph_id, AGENT);
    const again = await client.threads.create({
      threadId: id, ifExists: "do_nothing" });
    assert.equal(again.thread_id, id);
    await assert.rejects(client.threads.create({ threadId: id }),
      { status: 409 });
    assert.equal((await client.threads.get(id, { include: ["ttl"] })
    ).ttl.ttl_minutes, 60);
    await client.threads.update(id, { metadata: { b: 1 } });
    const found = await client.threads.search({
      metadata: { b: 1 }, limit: 5, sortBy: "updated_at", sortOrder: "desc" });
    assert.deepEqual(found.map((t) => t.thread_id), [id]);
    assert.equal(await client.threads.count({ metadata: { b: 1 } }), 1);
    const copy = await client.threads.copy(id);
    assert.notEqual(copy.thread_id, id);
    const pruned = await client.threads.prune([copy.thread_id]);
    assert.equal(pruned.pruned_count, 1);
    await client.threads.delete(id);
    await assert.rejects(client.threads.get(id), { status: 404 });
  });

test("threads: state, history, fork, patch", async () => {
  const { thread_id: id } = await client.threads.create();
  assert.deepEqual((await client.threads.getState(id)).values, {});
  const first = await client.threads.updateState(id, {
    values: { n: 1 }, asNode: "n" });
  await client.threads.updateState(id, { values: { n: 2 } });
  assert.equal((await client.threads.getState(id)).values.n, 2);
  const checkpoint = first.checkpoint ?? first.configurable;
  assert.equal((await client.threads.getState(
    id, checkpoint.checkpoint_id)).values.n, 1);
  assert.equal((await client.threads.getState(
    id, checkpoint, { subgraphs: true })).values.n, 1);
  assert.equal((await client.threads.getHistory(id, { limit: 5 })).length, 2);
  await client.threads.updateState(id, {
    values: { m: 3 }, checkpoint });
  assert.deepEqual((await client.threads.getState(id)).values,
    { n: 1, m: 3 });
  await client.threads.patchState(id, { k: 1 });
  assert.equal((await client.threads.getState(id)).metadata.k, 1);
});

test("runs: create, get, list, join, delete", async () => {
  const { thread_id: id } = await client.threads.create();
  const run = await client.runs.create(id, AGENT, {
    input: { x: 1 }, metadata: { m: 1 }, streamMode: ["values"],
    multitaskStrategy: "enqueue", durability: "sync" });
  assert.equal(run.status, "pending");
  assert.deepEqual(await client.runs.join(id, run.run_id), { x: 1 });
  assert.equal((await client.runs.get(id, run.run_id)).status, "success");
  assert.equal((await client.runs.list(id, { limit: 5 })).length, 1);
  await client.runs.delete(id, run.run_id);
  await assert.rejects(client.runs.get(id, run.run_id), { status: 404 });
});

test("runs: wait, with and without a thread, and its failure", async () => {
  const { thread_id: id } = await client.threads.create();
  assert.deepEqual(await client.runs.wait(id, AGENT, { input: { a: 1 } }),
    { a: 1 });
  assert.deepEqual(await client.runs.wait(null, AGENT, { input: { b: 2 } }),
    { b: 2 });
  await assert.rejects(client.runs.wait(id, AGENT,
    script({ fail: ["CustomError", "Boo!"] })), /Boo!/);
});

test("runs: stream, and who it is", async () => {
  const { thread_id: id } = await client.threads.create();
  let created;
  const events = await all(client.runs.stream(id, AGENT, {
    ...script({ emit: ["custom", { t: 1 }] }, { result: { done: true } }),
    streamMode: ["values", "custom"],
    onRunCreated: (run) => { created = run; } }));
  assert.deepEqual(events.map((e) => e.event),
    ["metadata", "custom", "values", "end"]);
  assert.equal(events[0].data.run_id, created.run_id);
  assert.equal(created.thread_id, id);
  assert.deepEqual(events[2].data, { done: true });
  const stateless = await all(client.runs.stream(null, AGENT, {
    input: { a: 1 } }));
  assert.deepEqual(stateless.map((e) => e.event),
    ["metadata", "values", "end"]);
});

test("runs: joined streams", async () => {
  const { thread_id: id } = await client.threads.create();
  const run = await client.runs.create(id, AGENT, {
    ...script({ sleep: 300 }, { result: { n: 1 } }), streamResumable: true });
  const events = await all(client.runs.joinStream(id, run.run_id, {
    lastEventId: "-1", streamMode: "values" }));
  assert.deepEqual(events.at(-2).data, { n: 1 });
  const rest = await all(client.runs.joinStream(id, run.run_id, {
    lastEventId: events[0].id }));
  assert.deepEqual(rest[0].data, { n: 1 });
});

test("runs: cancel, one and many", async () => {
  const { thread_id: id } = await client.threads.create();
  const long = script({ sleep: 30000 });
  const first = await client.runs.create(id, AGENT, long);
  await client.runs.cancel(id, first.run_id, true, "interrupt");
  assert.equal((await client.runs.get(id, first.run_id)).status,
    "interrupted");
  const second = await client.runs.create(id, AGENT, long);
  await client.runs.cancelMany({ threadId: id, runIds: [second.run_id] });
  await client.runs.join(id, second.run_id);
  assert.equal((await client.runs.get(id, second.run_id)).status,
    "interrupted");
});

test("runs: multitask strategies", async () => {
  const { thread_id: id } = await client.threads.create();
  const first = await client.runs.create(id, AGENT, script({ sleep: 30000 }));
  await assert.rejects(client.runs.create(id, AGENT, {
    input: {}, multitaskStrategy: "reject" }), { status: 409 });
  const second = await client.runs.create(id, AGENT, {
    input: { s: 2 }, multitaskStrategy: "rollback" });
  assert.deepEqual(await client.runs.join(id, second.run_id), { s: 2 });
  await assert.rejects(client.runs.get(id, first.run_id), { status: 404 });
});

test("runs: batch", async () => {
  const runs = await client.runs.createBatch([
    { assistantId: AGENT, input: {} }, { assistantId: AGENT, input: {} }]);
  assert.equal(new Set(runs.map((r) => r.run_id)).size, 2);
});

test("interrupts: asked, seen, answered", async () => {
  const { thread_id: id } = await client.threads.create();
  const asked = await client.runs.wait(id, AGENT, script(...asks));
  assert.equal(asked.__interrupt__[0].id, ASK);
  const thread = await client.threads.get(id);
  assert.equal(thread.status, "interrupted");
  assert.equal(Object.values(thread.interrupts)[0][0].value, "sure?");
  assert.deepEqual((await client.threads.getState(id)).next, ["ask"]);
  await assert.rejects(client.runs.wait(id, AGENT, {
    command: { resume: { ["0".repeat(32)]: 1 } } }), { status: 422 });
  assert.deepEqual(await client.runs.wait(id, AGENT, {
    command: { resume: "yes" } }), { answer: "yes" });
});

test("threads: joined stream", async () => {
  const { thread_id: id } = await client.threads.create();
  await client.runs.wait(id, AGENT, { input: { n: 1 } });
  for await (const event of client.threads.joinStream(id, {
    lastEventId: "-" })) {
    if (event.event === "values") {
      assert.deepEqual(event.data, { n: 1 });
      break;
    }
  }
});

test("threads: joined stream, its modes", async () => {
  const { thread_id: id } = await client.threads.create();
  const first = (event, options) => (async () => {
    for await (const e of client.threads.joinStream(id, options))
      if (e.event === event) return e;
  })();
  await client.runs.wait(id, AGENT, { input: { n: 1 } });
  const begun = await first("metadata", {
    lastEventId: "-", streamMode: "lifecycle" });
  assert.equal(begun.data.attempt, 1);
  await client.threads.updateState(id, { values: { n: 2 } });
  const updated = await first("state_update", {
    lastEventId: "-", streamMode: ["lifecycle", "state_update"] });
  assert.equal(updated.data.state.values.n, 2);
  assert.equal(updated.data.thread_id, id);
});

test("threads: made with supersteps", async () => {
  const thread = await client.threads.create({ supersteps: [
    { updates: [{ values: { a: 1 }, asNode: "one" }] },
    { updates: [{ values: { b: 2 }, asNode: "two" }] }] });
  assert.deepEqual(thread.values, { a: 1, b: 2 });
  const history = await client.threads.getHistory(thread.thread_id);
  assert.deepEqual(history.map((s) => s.metadata.as_node), ["two", "one"]);
});

test("threads: searched by ids and values, selected, extracted", async () => {
  const { thread_id: id } = await client.threads.create({
    metadata: { mark: "js-select" } });
  await client.runs.wait(id, AGENT, { input: { list: [{ x: 7 }] } });
  const [found] = await client.threads.search({ ids: [id],
    values: { list: [{ x: 7 }] }, status: "idle",
    select: ["thread_id", "status"], extract: { last: "values.list[-1].x" } });
  assert.deepEqual(found, { thread_id: id, status: "idle",
    extracted: { last: 7 } });
  assert.deepEqual(await client.threads.search({ ids: [id], offset: 1 }), []);
  await client.threads.update(id, { metadata: { c: 1 }, returnMinimal: true });
  assert.equal((await client.threads.get(id)).metadata.c, 1);
  assert.equal((await client.threads.prune([id], { strategy: "keep_latest" })
  ).pruned_count, 1);
});

test("threads: history before, by metadata, from a checkpoint", async () => {
  const { thread_id: id } = await client.threads.create();
  const made = [];
  for (let n = 0; n < 3; n += 1)
    made.push((await client.threads.updateState(id, {
      values: { n }, asNode: `n${n}` })).checkpoint);
  const numbers = async (options) =>
    (await client.threads.getHistory(id, options)).map((s) => s.values.n);
  assert.deepEqual(await numbers({ before: { configurable: made[2] } }),
    [1, 0]);
  assert.deepEqual(await numbers({ metadata: { as_node: "n1" } }), [1]);
  assert.equal((await client.threads.getState(id, made[0].checkpoint_id, {
    subgraphs: true })).values.n, 0);
  const forked = await client.runs.wait(id, AGENT, {
    checkpointId: made[0].checkpoint_id, input: { forked: true } });
  assert.equal(forked.forked, true);
});

test("assistants: deleted with their threads", async () => {
  const { assistant_id: id } = await client.assistants.create({
    graphId: AGENT, name: "gone" });
  const { thread_id: thread } = await client.threads.create();
  await client.runs.wait(thread, id, { input: {} });
  await client.assistants.delete(id, { deleteThreads: true });
  await assert.rejects(client.threads.get(thread), { status: 404 });
});

test("runs: everything that a run can be told", async () => {
  const { thread_id: id } = await client.threads.create();
  const run = await client.runs.create(id, AGENT, {
    input: { a: 1 }, metadata: { k: 1 }, context: { c: 1 },
    config: { tags: ["t"], recursion_limit: 5, configurable: { x: 1 } },
    streamMode: ["values", "messages-tuple"], streamSubgraphs: true,
    streamResumable: true, interruptBefore: ["a"], interruptAfter: "*",
    multitaskStrategy: "interrupt", onCompletion: "keep", afterSeconds: 0,
    ifNotExists: "create", durability: "exit", feedbackKeys: ["f"] });
  assert.equal(run.kwargs.config.configurable.x, 1);
  assert.deepEqual(await client.runs.join(id, run.run_id), { a: 1 });
  const list = await client.runs.list(id, {
    status: "success", select: ["run_id"], limit: 1, offset: 0 });
  assert.deepEqual(list, [{ run_id: run.run_id }]);
  await assert.rejects(client.runs.create(id, AGENT, {
    input: {}, webhook: "https://example.org/hook" }), { status: 501 });
});

test("runs: joined without a thread", async () => {
  const run = await client.runs.create(null, AGENT, {
    ...script({ sleep: 200 }, { result: { n: 1 } }), streamResumable: true });
  const events = await all(client.runs.joinStream(null, run.run_id, {
    lastEventId: "-1", streamMode: ["values"] }));
  assert.deepEqual(events.map((e) => e.event), ["metadata", "values", "end"]);
});

test("runs: cancelled by their status", async () => {
  const { thread_id: id } = await client.threads.create();
  const run = await client.runs.create(id, AGENT, script({ sleep: 30000 }));
  await client.runs.cancelMany({ threadId: id, status: "all",
    action: "interrupt" });
  await client.runs.join(id, run.run_id);
  assert.equal((await client.runs.get(id, run.run_id)).status, "interrupted");
});

test("store: put, get, search, namespaces, delete", async () => {
  const ns = ["js", "conformance"];
  await client.store.putItem(ns, "k", { n: 1 }, { ttl: 5 });
  assert.deepEqual((await client.store.getItem(ns, "k", {
    refreshTtl: true })).value, { n: 1 });
  const found = await client.store.searchItems(["js"], {
    filter: { n: { $gt: 0 } }, limit: 3, query: "q" });
  assert.equal(found.items[0].key, "k");
  assert.deepEqual((await client.store.listNamespaces({
    prefix: ["js"], maxDepth: 2 })).namespaces, [ns]);
  await client.store.deleteItem(ns, "k");
  assert.equal(await client.store.getItem(ns, "k"), null);
});

test("every other call of the SDK was made above", async () => {
  assert.deepEqual([...unused].sort(), [...UNSERVED].sort());
});

let failed = 0;
for (const [i, [name, fn]] of tests.entries()) {
  try {
    await fn();
    console.log(`ok ${i + 1} - ${name}`);
  } catch (e) {
    failed += 1;
    console.log(String(e.stack).split("\n").slice(0, 12)
      .map((l) => `# ${l}`).join("\n"));
    console.log(`not ok ${i + 1} - ${name}`);
  }
}
console.log(`1..${tests.length}`);
process.exit(failed ? 1 : 0);
