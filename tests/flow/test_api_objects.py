#!/usr/bin/env python3
"""The API's objects, as a client sees them: assistants, threads, states, the
store, keys; and what nobody else sees of them.
"""
import sys
import time
import urllib.parse

import service
from service import AGENT, AGENT_ID, check, equal, new_id, test

NOTHING = "00000000-0000-4000-8000-0000000000ff"


# ---- the service -----------------------------------------------------------

@test
def info_and_ok__without_a_key(s):
    equal(s.anonymous.get("/ok").expect(200).json, {"ok": True})
    equal(s.anonymous.get("/ok?check_db=1").expect(200).json, {"ok": True})
    info = s.anonymous.get("/info").expect(200).json
    check(info["version"] and info["flags"]["assistants"] is True, info)


@test
def documents_and_metrics__with_a_key(s):
    for path in ("/docs", "/openapi.json", "/metrics", "/nope"):
        s.anonymous.get(path).expect(401)
    equal(s.user.get("/openapi.json").expect(200).json["openapi"], "3.1.0")
    check(b"/threads/{thread_id}" in s.user.get("/docs").expect(200).body,
          "the page has no routes")
    text = s.user.get("/metrics").expect(200).body.decode()
    check("warder_api_requests " in text, text)
    rows = s.user.get("/metrics?format=json").expect(200).json
    check(any(r["name"] == "warder_threads" for r in rows), rows)


@test
def keys__made_listed_revoked(s):
    made = s.operate("POST", "/v1/keys", {"tenant": "acme"}).expect(201).json
    check(made["key"].startswith("wdr_") and len(made["key"]) == 44, made)
    user = service.Client(s, made["key"])
    user.post("/threads/count", {}).expect(200)
    # the other prefix and the other header are the same key
    service.Client(s, None, {"authorization": "Bearer e2b_" + made["key"][4:]}
                   ).post("/threads/count", {}).expect(200)
    listed = s.operate("GET", "/v1/keys?tenant=acme").expect(200)
    check(made["key"].encode() not in listed.body, "a key is listed")
    check(any(k["key_id"] == made["key_id"] for k in listed.json), "not there")
    revoked = s.operate(
        "DELETE", f"/v1/keys/{made['key_id']}?tenant=acme").expect(200)
    check(revoked.json["revoked_at"] is not None, revoked.json)
    user.post("/threads/count", {}).expect(401)


@test
def keys__only_the_operator(s):
    for client in (s.user, s.reader):
        client.get("/v1/keys").expect(403)
    s.anonymous.get("/v1/keys").expect(401)
    s.operate("POST", "/v1/keys", {"role": "admin"}).expect(422, "role")
    # the operator's word is for keys: for what tenants have it is no key
    s.operate("POST", "/threads/count", {}).expect(401)


@test
def reader__reads_alone(s):
    thread = s.user.thread()
    s.reader.get(f"/threads/{thread}").expect(200)
    s.reader.post("/threads/search", {}).expect(200)
    s.reader.post("/threads", {}).expect(403)
    s.reader.ask("DELETE", f"/threads/{thread}").expect(403)
    s.reader.post(f"/threads/{thread}/runs", {"assistant_id": AGENT}
                  ).expect(403)


# ---- assistants --------------------------------------------------------------

@test
def assistants__one_for_each_graph(s):
    a = s.user.get(f"/assistants/{AGENT}").expect(200).json
    equal(a["assistant_id"], AGENT_ID)
    equal(a["graph_id"], AGENT)
    equal(a["metadata"]["created_by"], "system")
    equal(s.user.get(f"/assistants/{AGENT_ID}").json, a)
    equal(sorted(a), ["assistant_id", "config", "context", "created_at",
                      "description", "graph_id", "metadata", "name",
                      "updated_at", "version"])


@test
def assistants__versions(s):
    mark = new_id()
    made = s.user.post("/assistants", {
        "graph_id": AGENT, "metadata": {"k": 1, "mark": mark},
        "if_exists": "do_nothing", "name": "n1", "description": "d",
        "config": {"tags": ["x"]}}).expect(200).json
    ident = made["assistant_id"]
    equal((made["version"], made["name"], made["config"]),
          (1, "n1", {"tags": ["x"]}))
    changed = s.user.ask("PATCH", f"/assistants/{ident}", {
        "metadata": {"k": 2}}).expect(200).json
    equal((changed["version"], changed["metadata"]),
          (2, {"k": 2, "mark": mark}))
    equal([v["version"] for v in s.user.post(
        f"/assistants/{ident}/versions", {"limit": 10}).expect(200).json],
        [2, 1])
    back = s.user.post(f"/assistants/{ident}/latest", {"version": 1})
    equal(back.expect(200).json["metadata"]["k"], 1)
    s.user.post(f"/assistants/{ident}/latest?version=2").expect(200)
    s.user.post(f"/assistants/{ident}/latest", {}).expect(422, "version")
    found = s.user.post("/assistants/search", {
        "metadata": {"mark": mark}, "select": ["assistant_id"]}).expect(200)
    equal(found.json, [{"assistant_id": ident}])
    equal(found.headers["x-pagination-total"], "1")
    equal(s.user.post("/assistants/count", {"metadata": {"mark": mark}}).json,
          1)
    s.user.post("/assistants", {"graph_id": AGENT, "assistant_id": ident}
                ).expect(409)
    equal(s.user.ask("DELETE", f"/assistants/{ident}").expect(200).json,
          [ident])
    s.user.get(f"/assistants/{ident}").expect(404)


@test
def assistants__described(s):
    graph = s.user.get(f"/assistants/{AGENT}/graph?xray=1").expect(200).json
    equal([n["id"] for n in graph["nodes"]], ["__start__", AGENT, "__end__"])
    equal(len(graph["edges"]), 2)
    schemas = s.user.get(f"/assistants/{AGENT}/schemas").expect(200).json
    equal(schemas["graph_id"], AGENT)
    equal(schemas["input_schema"], {"type": "object"})
    equal(s.user.get(f"/assistants/{AGENT}/subgraphs").expect(200).json, {})
    equal(s.user.get(f"/assistants/{AGENT}/subgraphs/a?recurse=true"
                     ).expect(200).json, {})


@test
def assistants__refused(s):
    s.user.post("/assistants", {}).expect(422, "graph_id")
    s.user.post("/assistants", {"graph_id": "no-such"}).expect(404)
    s.user.post("/assistants", {"graph_id": AGENT, "assistant_id": "x"}
                ).expect(422, "UUID")
    s.user.post("/assistants", {"graph_id": 1}).expect(422, "graph_id")
    s.user.post("/assistants/search", {"limit": 0}).expect(422, "limit")
    s.user.post("/assistants/search", {"limit": 1001}).expect(422, "limit")
    s.user.post("/assistants/search", [1]).expect(422)


# ---- threads -------------------------------------------------------------------

@test
def threads__made_changed_deleted(s):
    made = s.user.post("/threads", {"metadata": {"graph_id": AGENT}}
                       ).expect(200).json
    ident = made["thread_id"]
    equal((made["status"], made["metadata"], made["interrupts"]),
          ("idle", {"graph_id": AGENT}, {}))
    equal(s.user.get(f"/threads/{ident}").expect(200).json, made)
    s.user.post("/threads", {"thread_id": ident}
                ).expect(409, "Thread already exists")
    equal(s.user.post("/threads", {
        "thread_id": ident, "if_exists": "do_nothing"}).expect(200).json, made)
    patched = s.user.ask("PATCH", f"/threads/{ident}",
                         {"metadata": {"x": "y"}}).expect(200).json
    equal(patched["metadata"], {"graph_id": AGENT, "x": "y"})
    s.user.ask("PATCH", f"/threads/{ident}", {"metadata": {"z": 1}},
               headers={"prefer": "return=minimal"}).expect(204)
    s.user.ask("DELETE", f"/threads/{ident}").expect(204)
    s.user.get(f"/threads/{ident}").expect(404, f"Thread {ident} not found")


@test
def threads__time_to_live(s):
    for ttl in (60, {"ttl": 60, "strategy": "keep_latest"}):
        ident = s.user.thread(ttl=ttl)
        check("ttl" not in s.user.get(f"/threads/{ident}").json, "unasked")
        shown = s.user.get(f"/threads/{ident}?include=ttl").json["ttl"]
        equal(shown["ttl_minutes"], 60)
        check(shown["expires_at"].endswith("Z"), shown)
    for ttl in (0, -1, "x", {}, {"ttl": None}):
        s.user.post("/threads", {"ttl": ttl}).expect(422, "ttl")


@test
def threads__searched_and_counted(s):
    mark = new_id()
    made = [s.user.thread(metadata={"mark": mark, "n": i}) for i in range(5)]
    body = {"metadata": {"mark": mark}, "limit": 2, "sort_by": "created_at",
            "sort_order": "asc"}
    page = s.user.post("/threads/search", body).expect(200)
    equal([t["thread_id"] for t in page.json], made[:2])
    equal((page.headers["x-pagination-total"],
           page.headers["x-pagination-next"]), ("5", "2"))
    page = s.user.post("/threads/search", dict(body, offset=4)).expect(200)
    equal([t["thread_id"] for t in page.json], made[4:])
    check("x-pagination-next" not in page.headers, "more behind the end")
    equal(s.user.post("/threads/search", {
        "ids": [made[3]], "select": ["thread_id", "metadata"],
        "extract": {"n": "metadata.n", "no": "values.x[0].y"}}).json,
        [{"thread_id": made[3], "metadata": {"mark": mark, "n": 3},
          "extracted": {"n": 3, "no": None}}])
    equal(s.user.post("/threads/count", {"metadata": {"mark": mark}}).json, 5)
    equal(s.user.post("/threads/count", {
        "metadata": {"mark": mark}, "status": "busy"}).json, 0)
    pruned = s.user.post("/threads/prune", {"thread_ids": made[:3]})
    equal(pruned.expect(200).json, {"pruned_count": 3})
    equal(s.user.post("/threads/count", {"metadata": {"mark": mark}}).json, 2)


@test
def threads__copied_with_their_state(s):
    ident = s.user.thread(metadata={"a": 1})
    s.user.post(f"/threads/{ident}/state", {"values": {"x": 1}}).expect(200)
    copy = s.user.post(f"/threads/{ident}/copy").expect(200).json
    check(copy["thread_id"] != ident, copy)
    equal(copy["metadata"]["a"], 1)
    equal(s.user.get(f"/threads/{copy['thread_id']}/state").json["values"],
          {"x": 1})
    size = s.user.get(f"/threads/{ident}/storage").expect(200).json
    check(size["total_bytes"] > 0, size)


@test
def threads__refused(s):
    s.user.get("/threads/not-a-uuid").expect(422, "UUID")
    s.user.post("/threads", {"thread_id": "x"}).expect(422, "UUID")
    s.user.post("/threads", {"metadata": []}).expect(422, "metadata")
    s.user.post("/threads", {"if_exists": "perhaps"}).expect(422)
    for path in ("", "/state", "/history", "/storage", "/runs"):
        s.user.get(f"/threads/{NOTHING}{path}").expect(404)
    s.user.post(f"/threads/{NOTHING}/copy").expect(404)
    s.user.ask("DELETE", f"/threads/{NOTHING}").expect(404)


# ---- state ---------------------------------------------------------------------------

@test
def state__of_a_new_thread(s):
    ident = s.user.thread()
    equal(s.user.get(f"/threads/{ident}/state").expect(200).json,
          {"values": {}, "next": [], "tasks": [], "created_at": None,
           "checkpoint": None, "parent_checkpoint": None})
    equal(s.user.post(f"/threads/{ident}/history", {"limit": 10}
                      ).expect(200).json, [])


@test
def state__updated_and_forked(s):
    ident = s.user.thread()
    path = f"/threads/{ident}/state"
    made = [s.user.post(path, {"values": {"n": i, f"k{i}": i}}
                        ).expect(200).json["checkpoint"] for i in range(3)]
    equal(sorted(made[0]), ["checkpoint_id", "checkpoint_map",
                            "checkpoint_ns", "thread_id"])
    now = s.user.get(path).expect(200).json
    equal(now["values"], {"n": 2, "k0": 0, "k1": 1, "k2": 2})
    equal(now["checkpoint"], made[2])
    equal(now["parent_checkpoint"]["checkpoint_id"],
          made[1]["checkpoint_id"])
    equal((now["metadata"]["source"], now["metadata"]["step"]),
          ("update", 1))
    first = s.user.get(f"{path}/{made[0]['checkpoint_id']}").expect(200).json
    equal(first["values"], {"n": 0, "k0": 0})
    equal(s.user.post(f"{path}/checkpoint", {"checkpoint": made[0],
                                             "subgraphs": True}).json, first)
    # a fork goes on from where it is told, whatever came after that
    s.user.post(path, {"values": [{"n": 7}, {"m": 8}], "as_node": "a",
                       "checkpoint": made[0]}).expect(200)
    equal(s.user.get(path).json["values"], {"n": 7, "k0": 0, "m": 8})
    equal(s.user.get(path).json["parent_checkpoint"]["checkpoint_id"],
          made[0]["checkpoint_id"])
    equal(s.user.post(path, {"values": None}).expect(200).status, 200)
    equal(s.user.get(path).json["metadata"]["source"], "fork")
    thread = s.user.get(f"/threads/{ident}").json
    equal(thread["values"], {"n": 7, "k0": 0, "m": 8})


@test
def state__with_those_of_the_graphs_inside_it(s):
    def task(name, ns):
        return {"id": name, "name": name, "state": None,
                "checkpoint": {"checkpoint_ns": ns}}

    ident = s.user.thread()
    outer, deep = "outer:1", "outer:1|deep:2"
    run = s.user.run(ident, [
        {"put": {"ns": deep, "values": {"d": 1}}},
        {"put": {"ns": outer, "values": {"o": 1},
                 "tasks": [task("deep", deep)]}},
        {"put": {"ns": "", "values": {"r": 1},
                 "tasks": [task("outer", outer), task("late", "late:3"),
                           {"id": "x", "name": "x"}]}},
        {"fail": ["E", "m"]}])
    s.user.wait_for(ident, run, "error")
    path = f"/threads/{ident}/state"
    flat = s.user.get(path).expect(200).json
    equal([t.get("state") for t in flat["tasks"]], [None, None, None])
    full = s.user.get(f"{path}?subgraphs=true").expect(200).json
    inner = full["tasks"][0]["state"]
    equal((inner["values"], inner["checkpoint"]["checkpoint_ns"]),
          ({"o": 1}, outer))
    equal(inner["tasks"][0]["state"]["values"], {"d": 1})
    # what has not begun has no state; the rest is as it was
    equal([t.get("state") for t in full["tasks"][1:]], [None, None])
    equal([t["name"] for t in full["tasks"]], ["outer", "late", "x"])
    equal({k: v for k, v in full.items() if k != "tasks"},
          {k: v for k, v in flat.items() if k != "tasks"})
    equal(s.user.post(f"{path}/checkpoint", {
        "checkpoint": flat["checkpoint"], "subgraphs": True}).json, full)
    # one of them by itself
    one = s.user.post(f"{path}/checkpoint", {
        "checkpoint": {"checkpoint_ns": deep}}).expect(200).json
    equal(one["values"], {"d": 1})
    s.user.get(f"{path}?subgraphs=maybe").expect(422, "subgraphs")


@test
def threads__made_with_a_past(s):
    steps = [{"updates": [{"values": {"a": 1}, "as_node": "one"},
                          {"command": {"update": [["b", 2]]}}]},
             {"updates": [{"values": [{"a": 3}, {"c": 4}]}]},
             {"updates": [{"values": None}]}]
    made = s.user.post("/threads", {"supersteps": steps}).expect(200).json
    equal((made["values"], made["status"]),
          ({"a": 3, "b": 2, "c": 4}, "idle"))
    states = s.user.get(f"/threads/{made['thread_id']}/history").json
    equal([c["values"] for c in reversed(states)],
          [{"a": 1, "b": 2}, {"a": 3, "b": 2, "c": 4},
           {"a": 3, "b": 2, "c": 4}])
    equal([(c["metadata"]["source"], c["metadata"]["step"])
           for c in reversed(states)],
          [("update", -1), ("update", 0), ("fork", 1)])
    equal(states[2]["metadata"]["as_node"], "one")
    equal(states[0]["parent_checkpoint"], states[1]["checkpoint"])
    for bad, why in (
            ([{}], "updates"), ([{"updates": []}], "updates"),
            ([{"updates": ["x"]}], "object"),
            ([{"updates": [{"values": 1}]}], "values"),
            ([{"updates": [{"values": {}, "as_node": 1}]}], "as_node"),
            ([{"updates": [{"command": {"update": [["x"]]}}]}], "pairs"),
            ([{"updates": [{"command": {"goto": "x"}}]}], "goto")):
        ident = new_id()
        s.user.post("/threads", {"thread_id": ident, "supersteps": bad}
                    ).expect(422, why)
        s.user.get(f"/threads/{ident}").expect(404)
    # what is too much to be stored is refused, and so is the thread
    ident = new_id()
    steps = [{"updates": [{"values": {c: [0] * 60_000}}]} for c in "xyz"]
    s.user.post("/threads", {"thread_id": ident, "supersteps": steps}
                ).expect(422, "values")
    s.user.get(f"/threads/{ident}").expect(404)
    s.user.post("/threads", {"thread_id": ident, "supersteps": steps[:2]}
                ).expect(200)
    s.user.post(f"/threads/{ident}/state", steps[2]["updates"][0]
                ).expect(422, "values")


@test
def state__history(s):
    ident = s.user.thread()
    made = [s.user.post(f"/threads/{ident}/state", {"values": {"n": i}}
                        ).json["checkpoint"]["checkpoint_id"]
            for i in range(4)]
    states = s.user.post(f"/threads/{ident}/history", {"limit": 3}).json
    equal([c["values"]["n"] for c in states], [3, 2, 1])
    equal([c["values"]["n"] for c in
           s.user.get(f"/threads/{ident}/history?limit=2").json], [3, 2])
    for before in (made[2], {"checkpoint_id": made[2]},
                   {"configurable": {"checkpoint_id": made[2]}}):
        older = s.user.post(f"/threads/{ident}/history",
                            {"limit": 10, "before": before}).expect(200).json
        equal([c["values"]["n"] for c in older], [1, 0])
    for states in (
            s.user.get(f"/threads/{ident}/history?limit=1&select=values.n"
                       "&select=next").json,
            s.user.post(f"/threads/{ident}/history", {
                "limit": 1, "select": ["values.n", "next"]}).json):
        equal(states, [{"values": {"n": 3}, "next": []}])
    equal(s.user.get(f"/threads/{ident}/history?limit=1&select=values.x"
                     ).json, [{"values": {}}])
    s.user.ask("PATCH", f"/threads/{ident}/state",
               {"metadata": {"mark": 1}}).expect(200)
    equal(s.user.post(f"/threads/{ident}/history",
                      {"metadata": {"mark": 1}}).json[0]["checkpoint"]
          ["checkpoint_id"], made[3])


@test
def state__refused(s):
    ident = s.user.thread()
    path = f"/threads/{ident}/state"
    s.user.post(path, {"values": 1}).expect(422, "values")
    s.user.post(path, {"values": [1]}).expect(422, "values")
    s.user.post(path, {"values": {}, "checkpoint_id": NOTHING}).expect(404)
    s.user.get(f"{path}/{NOTHING}").expect(404, "Checkpoint")
    s.user.post(f"/threads/{NOTHING}/state", {"values": {}}).expect(404)
    s.user.post(f"/threads/{ident}/history", {"limit": 1001}).expect(422)


# ---- the store -------------------------------------------------------------------------

@test
def store__put_got_deleted(s):
    ns = ["s", new_id()]
    dotted = urllib.parse.quote(".".join(ns))
    s.user.ask("PUT", "/store/items", {
        "namespace": ns, "key": "k1", "value": {"n": 1, "s": "x"}}).expect(204)
    item = s.user.get(f"/store/items?namespace={dotted}&key=k1"
                      ).expect(200).json
    equal((item["namespace"], item["key"], item["value"]),
          (ns, "k1", {"n": 1, "s": "x"}))
    equal(s.user.get(f"/store/items?namespace={dotted}&key=no").expect(200)
          .json, None)
    s.user.ask("DELETE", "/store/items", {"namespace": ns, "key": "k1"}
               ).expect(204)
    equal(s.user.get(f"/store/items?namespace={dotted}&key=k1").json, None)


@test
def store__searched(s):
    top = new_id()
    for i in range(4):
        s.user.ask("PUT", "/store/items", {
            "namespace": [top, f"n{i % 2}"], "key": f"k{i}",
            "value": {"n": i}}).expect(204)
    found = s.user.post("/store/items/search", {
        "namespace_prefix": [top], "filter": {"n": {"$gte": 2}},
        "query": "anything", "limit": 10, "offset": 0}).expect(200).json
    equal(sorted(i["key"] for i in found["items"]), ["k2", "k3"])
    equal(s.user.post("/store/items/search", {
        "namespace_prefix": ["no"]}).json, {"items": []})
    spaces = s.user.post("/store/namespaces", {
        "prefix": [top], "max_depth": 2}).expect(200).json["namespaces"]
    equal(sorted(spaces), [[top, "n0"], [top, "n1"]])
    equal(s.user.post("/store/namespaces", {
        "suffix": ["*", "n1"], "prefix": [top]}).json["namespaces"],
        [[top, "n1"]])


@test
def store__refused(s):
    item = {"namespace": ["a"], "key": "k", "value": {}}
    s.user.ask("PUT", "/store/items", dict(item, namespace=[])
               ).expect(400, "Namespace is required")
    for label in ("a.b", ""):
        s.user.ask("PUT", "/store/items", dict(item, namespace=[label])
                   ).expect(422, "periods")
    s.user.ask("PUT", "/store/items", dict(item, value=[])
               ).expect(422, "value")
    s.user.ask("PUT", "/store/items", dict(item, namespace=[1])).expect(422)
    s.user.ask("PUT", "/store/items", dict(item, ttl=0)).expect(422, "ttl")
    s.user.get("/store/items?namespace=a").expect(422, "key")


# ---- JSON of strangers --------------------------------------------------------------------

@test
def bodies__not_json__refused_with_a_reason(s):
    for body in (b"", b"{", b"{}x", b"[1,]", b"{'a':1}", b'{"a":1,"a":2}',
                 b'{"a":"\\u0000"}', b'{"a":"\\ud800"}', b"\xef\xbb\xbf{}",
                 b'{"a":NaN}', b'{"a":1e999}', b"// x\n{}", b"\x00{}",
                 b'{"a":18446744073709551616}', b'"\xff"'):
        answer = s.user.ask("POST", "/threads", body)
        if body == b"":
            answer.expect(200)
        else:
            answer.expect(400, "the body")


@test
def bodies__large__refused_in_time(s):
    begin = time.monotonic()
    s.user.ask("POST", "/threads", b"[" * 100000).expect(413, "the body")
    many = b'{"a":[' + b"{}," * 400000 + b"{}]}"
    s.user.ask("POST", "/threads", many).expect(413, "the body")
    check(time.monotonic() - begin < 5, "it took too long")


# ---- tenants --------------------------------------------------------------------------------

def sweep(s):
    """Every route with its arguments filled in by what acme has."""
    thread = s.user.thread()
    mark = s.user.post(f"/threads/{thread}/state", {"values": {"x": 1}}
                       ).json["checkpoint"]["checkpoint_id"]
    assistant = s.user.post("/assistants", {"graph_id": AGENT}
                            ).json["assistant_id"]
    run = s.user.post(f"/threads/{thread}/runs", {
        "assistant_id": AGENT, "after_seconds": 3600}).json["run_id"]
    mine = {"thread_id": thread, "checkpoint_id": mark, "run_id": run,
            "assistant_id": assistant, "namespace": "inside-of-it", "key_id": NOTHING,
            "name": AGENT}
    paths = s.user.get("/openapi.json").expect(200).json["paths"]
    for path, methods in paths.items():
        for method, about in methods.items():
            yield path, method.upper(), about["x-warder-authz"], mine


def fill(path, values):
    for name, value in values.items():
        path = path.replace("{" + name + "}", value)
    return path


@test
def tenants__what_another_has_is_as_if_it_were_not_there(s):
    seen = 0
    for path, method, authz, mine in sweep(s):
        public = authz["resource"] == "public"
        if authz["resource"] == "keys" or path.endswith("/stream"):
            continue
        body = None
        if method in ("POST", "PATCH", "PUT"):
            body = {"assistant_id": AGENT, "version": 1, "values": {},
                    "metadata": {}, "checkpoint": {},
                    "checkpoint_id": mine["checkpoint_id"]}
        # nobody without a key
        got = s.anonymous.ask(method, fill(path, mine), body)
        check((got.status != 401) == public,
              f"{method} {path} without a key: {got.status}")
        if "_id}" not in path:
            continue
        none = {name: new_id() for name in mine}
        theirs = s.other.ask(method, fill(path, mine), body)
        missing = s.other.ask(method, fill(path, none), body)
        equal(theirs.status, 404, f"{method} {path} of another tenant")
        equal(missing.status, 404, f"{method} {path} of nobody")
        # the same words, but for the names that the client itself has sent
        for name in mine:
            for answer in (theirs, missing):
                for value in (mine[name], none[name]):
                    answer.body = answer.body.replace(value.encode(), b"ID")
        equal(theirs.body, missing.body, f"{method} {path}")
        seen += 1
    check(seen > 20, f"only {seen} routes were looked at")


@test
def tenants__reader_is_kept_to_what_actions_say(s):
    reading = {"read", "search", "get", "list_namespaces"}
    for path, method, authz, mine in sweep(s):
        if authz["resource"] in ("keys", "public") or \
                path.endswith(("/stream", "/join", "/wait")):
            continue
        got = s.reader.ask(method, fill(path, mine))
        equal(got.status == 403, authz["action"] not in reading,
              f"{method} {path} ({authz}): {got.status}")


@test
def tenants__lists_have_only_ones_own(s):
    mark = new_id()
    s.other.thread(metadata={"mark": mark})
    s.other.ask("PUT", "/store/items", {
        "namespace": ["x_y", mark], "key": "k", "value": {"mark": mark}})
    for path, body in (
            ("/threads/search", {"metadata": {"mark": mark}}),
            ("/threads/search", {"limit": 1000}),
            ("/store/items/search", {"namespace_prefix": [], "limit": 1000}),
            ("/store/items/search", {"namespace_prefix": ["x%y"]}),
            ("/store/namespaces", {"limit": 1000}),
            ("/assistants/search", {"limit": 1000})):
        got = s.user.post(path, body).expect(200)
        check(mark.encode() not in got.body, f"{path} shows another's")
    # control: its own tenant sees it
    check(mark.encode() in s.other.post("/store/namespaces",
                                        {"limit": 1000}).body, "not there")
    # nothing in a request changes whose it is
    for headers in ({"x-tenant-id": "other"}, {"x-tenant": "other"}):
        got = s.user.post("/threads/search", {"metadata": {"mark": mark}},
                          headers=headers)
        equal(got.expect(200).json, [])


if __name__ == "__main__":
    sys.exit(service.main())
