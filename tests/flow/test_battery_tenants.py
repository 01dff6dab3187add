#!/usr/bin/env python3
"""MT-01, MT-02, MT-05, AU-07, HD-04 and HD-05 of the battery, over the table of
routes of a running service with two tenants.

The table is the service's own (/openapi.json, whose rows are those of
routes.h): a route that is new is tried here without a line being added.
"""

import http.client
import json
import os
import re
import sys
import time
import urllib.parse
import uuid

from daemon import Daemon
from flow import TOP, check, equal, holds, main, test, wait_until
from service import Client, UnixConnection

TWO = "tenants: [default, other]\n"
READS = {"read", "search", "get", "list_namespaces"}
ANY = -1  # a status of its own
FOLLOWS = ("/stream", "/join", "/wait", "/logs")
AGENT = """
import warder

@warder.agent
def main(run):
    run.emit({"mark": run.input.get("mark")})
    print("log of", run.input.get("mark"), flush=True)
    return {"mark": run.input.get("mark")}

main.serve()
"""


class Stranger(Client):
    """Nobody, each time from another address: a few refusals are not late."""

    def connection(self):
        address = "127.{}.{}.{}".format(*(1 + b % 250 for b in os.urandom(3)))
        return http.client.HTTPConnection(
            "127.0.0.1", self.service.port, timeout=30,
            source_address=(address, 0))


class Tenants:
    """Two tenants of one service; what the first has is "mine"."""

    def __init__(self, d):
        self.d = d
        self.user = Client(d, d.key)
        self.other = self.client("other", "user")
        self.reader = self.client("default", "reader")
        self.anonymous = Stranger(d, None)
        self.revoked = Stranger(d, self.client("default", "user", True).key)
        d.agent("mine", AGENT)
        self.mark = "m" + uuid.uuid4().hex

    def operate(self, method, path, body=None):
        connection = UnixConnection(self.d.socket)
        connection.request(method, path, body and json.dumps(body),
                           {"content-type": "application/json"})
        got = connection.getresponse()
        text = got.read()
        connection.close()
        check(got.status < 300, f"{method} {path}: {text}")
        return json.loads(text) if text else None

    def client(self, tenant, role, revoke=False):
        made = self.operate("POST", "/v1/keys", {
            "tenant": tenant, "name": "test", "role": role})
        if revoke:
            self.operate("DELETE", f"/v1/keys/{made['key_id']}")
        return Client(self.d, made["key"])

    def make(self):
        """One of everything, with the mark in it."""
        u = self.user
        thread = u.thread(metadata={"mark": self.mark})
        equal(u.post(f"/threads/{thread}/runs/wait", {
            "assistant_id": "mine", "input": {"mark": self.mark},
            "stream_resumable": True}).expect(200).json,
              {"mark": self.mark})
        run = u.get(f"/threads/{thread}/runs").json[0]["run_id"]
        state = u.get(f"/threads/{thread}/state").expect(200).json
        assistant = u.post("/assistants", {
            "graph_id": "mine", "metadata": {"mark": self.mark}}
            ).expect(200).json["assistant_id"]
        u.ask("PUT", "/store/items", {
            "namespace": ["n", self.mark], "key": "k",
            "value": {"mark": self.mark}}).expect(204)
        key = self.operate("GET", "/v1/keys")[0]["key_id"]
        return {"thread_id": thread, "run_id": run, "key_id": key,
                "checkpoint_id": state["checkpoint"]["checkpoint_id"],
                "assistant_id": assistant, "namespace": "inner",
                "name": "mine"}

    def routes(self):
        paths = self.user.get("/openapi.json").expect(200).json["paths"]
        for path, methods in paths.items():
            for method, about in methods.items():
                authz = about["x-warder-authz"]
                yield path, method.upper(), authz["resource"], authz["action"]


def fill(path, values):
    for name, value in values.items():
        path = path.replace("{" + name + "}", value)
    check("{" not in path, f"a parameter of {path} is not known here")
    return path


def body_for(method, mine):
    if method not in ("POST", "PATCH", "PUT"):
        return None
    return {"assistant_id": "mine", "version": 1, "values": {}, "key": "k",
            "metadata": {}, "namespace": ["n"], "value": {},
            "checkpoint": {}, "checkpoint_id": mine["checkpoint_id"]}


def declared():
    """Rows of the table in the source: the document must have them all."""
    with open(os.path.join(TOP, "supervisor/control/api/routes.h"),
              encoding="utf-8") as f:
        text = re.sub(r"\\\n\s*", "", f.read())
    return {(m, p) for m, p in
            re.findall(r'X\((GET|POST|PUT|PATCH|DELETE), "([^"]+)"', text)}


@test(modes=("root",))
def mt_01_the_whole_table_of_routes(w):
    with Daemon(w, TWO) as d:
        t = Tenants(d)
        mine = t.make()
        none = {n: str(uuid.uuid4()) for n in mine}
        routes = list(t.routes())
        equal({(m, p) for p, m, _, _ in routes}, declared(), "the table")
        foreign = 0
        for path, method, resource, action in routes:
            what = f"{method} {path}"
            body, at = body_for(method, mine), fill(path, mine)
            public = resource == "public"
            for who in (t.anonymous, t.revoked):
                got = who.ask(method, at, body)
                equal(got.status == 401, not public,
                      f"{what} without a key: {got.status}")
            if public:
                continue
            # who may read may do no more; keys are the operator's alone
            if not path.endswith(FOLLOWS):
                got = t.reader.ask(method, at, body)
                equal(got.status == 403,
                      resource == "keys" or action not in READS,
                      f"{what} as a reader: {got.status}")
            if resource == "keys":
                equal(t.user.ask(method, at, body).status, 403, what)
                continue
            if "{" not in path:
                continue
            theirs = t.other.ask(method, at, body)
            missing = t.other.ask(method, fill(path, none), body)
            equal((theirs.status, missing.status), (404, 404), what)
            for value in (*mine.values(), *none.values()):
                for answer in (theirs, missing):
                    answer.body = answer.body.replace(value.encode(), b"ID")
            equal(theirs.body, missing.body, what)
            equal(sorted(set(theirs.headers) - {"date"}),
                  sorted(set(missing.headers) - {"date"}), what)
            foreign += 1
        check(foreign > 25, f"only {foreign} routes have names in them")
        # control: all that was asked for by others is still there, and the
        # owner is answered at each route that reads
        read = 0
        for path, method, resource, action in routes:
            if method == "GET" and resource in ("threads", "agents") and \
                    "{" in path and not path.endswith("threads/{thread_id}"
                                                      "/stream"):
                got = t.user.ask(method, fill(path, mine))
                equal(got.status, 200, f"{method} {path} of its own")
                read += 1
        check(read >= 10, f"only {read} were read by their owner")
        print(f"# {len(routes)} routes, {foreign} with names", flush=True)


@test(modes=("root",))
def mt_01_another_tenants_takes_as_long_as_what_is_missing(w):
    with Daemon(w, TWO) as d:
        t = Tenants(d)
        mine = t.make()
        paths = {"mine": f"/threads/{mine['thread_id']}",
                 "none": f"/threads/{uuid.uuid4()}"}
        took = {name: [] for name in paths}
        connection = http.client.HTTPConnection("127.0.0.1", d.port,
                                                timeout=30)
        for _ in range(400):
            for name, path in paths.items():
                start = time.perf_counter()
                connection.request("GET", path,
                                   headers={"x-api-key": t.other.key})
                got = connection.getresponse()
                got.read()
                took[name].append(time.perf_counter() - start)
                equal(got.status, 404)
        connection.close()
        fast = {name: sorted(v)[len(v) // 4] for name, v in took.items()}
        ratio = fast["mine"] / fast["none"]
        check(0.67 < ratio < 1.5, f"told apart by time: {fast}")


@test(modes=("root",))
def mt_02_lists_streams_and_counts_are_ones_own(w):
    with Daemon(w, TWO) as d:
        t = Tenants(d)
        mine = t.make()
        mark = t.mark.encode()
        lists = [(p, m) for p, m, r, a in t.routes()
                 if "{" not in p and r not in ("keys", "public") and
                 a in READS]
        seen = set()
        for path, method in lists:
            for body in ({"limit": 1000}, {"limit": 1000, "metadata": {},
                         "namespace_prefix": [], "prefix": []},
                         {"metadata": {"mark": t.mark}},
                         {"namespace_prefix": ["n"], "query": "*"},
                         {"namespace_prefix": ["%"]}, {"prefix": ["*"]},
                         {"suffix": ["*"]}, {"tenant": "default"}):
                at = path + ("?limit=1000&tenant=default&namespace=n." +
                             t.mark + "&key=k" if method == "GET" else "")
                sent = body if method == "POST" else None
                got = t.other.ask(method, at, sent)
                check(mark not in got.body, f"{method} {at} {body} shows "
                      f"another's: {got.body[:200]}")
                if mark in t.user.ask(method, at, sent).body:
                    seen.add(path)
        # control: the same questions show the owner what is there
        check({"/threads/search", "/assistants/search", "/store/items",
               "/store/items/search", "/store/namespaces", "/v1/runs"} <= seen,
              f"shown to the owner: {sorted(seen)}")
        for headers in ({"x-tenant": "default"}, {"x-tenant-id": "default"},
                        {"x-warder-tenant": "default"},
                        {"x-forwarded-user": "default"}):
            got = t.other.post("/threads/search", {"limit": 1000},
                               headers=headers)
            equal(got.expect(200).json, [], f"{headers}")
        # counts of runs are each tenant's
        count = [c.post("/threads/count", {}).json for c in (t.user, t.other)]
        equal(count[1], 0, "threads of the other")
        check(count[0] > 0, "threads of the first")
        names = (re.findall(rb'warder_runs\S*', c.get("/metrics").body)
                 for c in (t.user, t.other))
        equal(*(len(n) > 0 for n in names), "metrics")
        own = [sum(float(line.rsplit(b" ", 1)[1]) for line in
                   c.get("/metrics").body.splitlines()
                   if line.startswith(b"warder_runs{"))
               for c in (t.user, t.other)]
        check(own[0] >= 1 and own[1] == 0, f"runs in metrics: {own}")
        # a mark in one tenant's history is none in another's
        theirs = t.other.thread()
        run = mine["run_id"]
        for method, path, body in (
                ("GET", f"/threads/{theirs}/state/{mine['checkpoint_id']}",
                 None),
                ("POST", f"/threads/{theirs}/state/checkpoint",
                 {"checkpoint": {"thread_id": mine["thread_id"],
                                 "checkpoint_id": mine["checkpoint_id"],
                                 "checkpoint_ns": ""}}),
                ("POST", f"/threads/{theirs}/history",
                 {"before": {"configurable": {
                     "checkpoint_id": mine["checkpoint_id"]}}}),
                ("GET", f"/threads/{theirs}/runs/{run}", None),
                ("GET", f"/threads/{theirs}/runs/{run}/stream", None),
                ("GET", f"/runs/{run}/stream", None),
                ("GET", f"/v1/runs/{run}/logs", None)):
            got = t.other.ask(method, path, body,
                              headers={"last-event-id": "-1"})
            check(mark not in got.body and mine["thread_id"].encode()
                  not in got.body, f"{method} {path}: {got.body[:300]}")
        for path in (f"/threads/{mine['thread_id']}/runs/{run}/stream",
                     f"/v1/runs/{run}/logs",
                     f"/threads/{mine['thread_id']}/state"):
            got = t.user.get(path, headers={"last-event-id": "-1"})
            check(mark in got.expect(200).body, f"{path} of its own")


@test(modes=("root",))
def mt_02_a_thread_of_every_run_is_followed_by_its_own_alone(w):
    with Daemon(w, TWO) as d:
        t = Tenants(d)
        mine = t.make()
        path = f"/threads/{mine['thread_id']}/stream"
        equal(t.other.get(path).status, 404, "another's")
        stream = t.user.stream("GET", path, headers={"last-event-id": "-"})
        equal(stream.status, 200)
        wait_until(lambda: t.mark in json.dumps(next(stream).data), 10,
                   "the owner's event")
        stream.close()


# ---- MT-05 -----------------------------------------------------------------

KEEPS = """
import os, warder

PLACES = ["/tmp", "/var/tmp", "/dev/shm", "/workspace", "/agent",
          "/agent/__pycache__", os.path.expanduser("~"), "."]

@warder.agent
def main(run):
    mark, kept, found = run.input["mark"], [], []
    for place in filter(os.path.isdir, PLACES):
        found += [n for n in os.listdir(place) if n.startswith("kept-")]
    for place in PLACES:
        try:
            with open(os.path.join(place, "kept-" + mark), "x") as f:
                f.write(mark)
            kept.append(place)
        except OSError:
            pass
    found += [i.key for i in run.store.search(("kept",))]
    run.store.put(("kept",), "kept-" + mark, {"mark": mark})
    return {"kept": kept, "found": found}

main.serve()
"""


@test(modes=("root",))
def mt_05_what_is_the_same_is_not_shared(w):
    """The same bytes and the same keys, of two tenants."""
    with Daemon(w, TWO) as d:
        t = Tenants(d)
        mine = d.key
        made = {}
        for who in (t.user, t.other):
            d.key = who.key
            made[who] = d.agent("keeps", KEEPS)
        d.key = mine
        equal([m["version"] for m in made.values()], [1, 1], "versions")
        # a request that is remembered is its tenant's
        thread, key = str(uuid.uuid4()), {"idempotency-key": "same"}
        body = {"assistant_id": "keeps", "input": {"mark": "later"},
                "if_not_exists": "create", "after_seconds": 3600}
        runs = {}
        for who in (t.user, t.other):
            path = f"/threads/{thread}/runs"
            got = who.post(path, body, headers=key)
            if who is t.other:
                # a thread's name that is taken is not told by the memory
                check(got.status in (200, 404, 409), got.status)
                path = f"/threads/{uuid.uuid4()}/runs"
                got = who.post(path, body, headers={"idempotency-key": "own"})
            runs[who] = got.expect(200).json["run_id"]
            equal(who.post(path, body, headers=key if who is t.user else
                           {"idempotency-key": "own"}
                           ).expect(200).json["run_id"], runs[who],
                  "its own request, remembered")
            got = who.post(path, dict(body, metadata={"a": 1}),
                           headers=key if who is t.user else
                           {"idempotency-key": "own"})
            got.expect(409)
        check(runs[t.user] != runs[t.other], "a run of two tenants")
        # what a run leaves is nobody else's, where the same program finds it
        for who, mark in ((t.user, "a"), (t.other, "b"), (t.user, "c")):
            got = who.post("/runs/wait", {
                "assistant_id": "keeps", "input": {"mark": mark}}
                ).expect(200).json
            check("/tmp" in got["kept"], got)
            # control: the store of the tenant is the way to keep something
            equal(got["found"], ["kept-a"] if mark == "c" else [],
                  f"what {mark} found")


# ---- AU-07 -----------------------------------------------------------------

@test(modes=("root",))
def au_07_who_may_is_asked_of_the_bytes_that_are_done(w):
    with Daemon(w, TWO) as d:
        t = Tenants(d)
        mine = t.make()
        before = t.user.post("/threads/count", {}).json
        bodies = {
            "malformed": (b'{"thread_id":', {}, 400),
            "duplicate": (b'{"metadata":{"a":1},"metadata":{"a":2}}', {},
                          400),
            "duplicate inside": (b'{"metadata":{"a":1,"a":2}}', {}, 400),
            "duplicate by an escape":
                (b'{"metadata":{},"metad\\u0061ta":{}}', {}, 400),
            "over the limit": (b'{"metadata":{"a":"' + b"x" * (5 << 20) +
                               b'"}}', {}, 413),
            "chunked, over the limit": (b'{"metadata":{"a":"' + b"x" *
                                        (5 << 20) + b'"}}',
                                        {"transfer-encoding": "chunked"},
                                        413),
            "unknown coding": (b"{}", {"transfer-encoding": "xchunked"},
                               ANY),
        }
        for path in ("/threads", "/v1/keys"):
            for name, (body, headers, status) in bodies.items():
                for who, wanted in ((t.anonymous, 401), (t.reader, 403),
                                    (t.user, status if path == "/threads"
                                     else 403)):
                    got = sent(d, path, body, who.headers, headers)
                    check(got == wanted or (got in (400, 501) and
                                            status == ANY),
                          f"{name} at {path} of {who.key}: {got}, expected "
                          f"{wanted}")
        # what was refused has not happened
        equal(t.user.post("/threads/count", {}).json, before, "threads")
        # two keys are none, whichever of them is good
        for first, second in ((t.user.key, t.reader.key),
                              (t.reader.key, t.user.key)):
            connection = http.client.HTTPConnection("127.0.0.1", d.port,
                                                    timeout=30)
            connection.putrequest("DELETE", f"/threads/{mine['thread_id']}")
            connection.putheader("x-api-key", first)
            connection.putheader("x-api-key", second)
            connection.endheaders()
            equal(connection.getresponse().status, 400, "two keys")
            connection.close()
        got = t.user.ask("DELETE", f"/threads/{mine['thread_id']}", headers={
            "authorization": "Bearer " + t.reader.key})
        check(got.status in (400, 204, 200), got.status)
        # the operator's route, with a key and without, over TCP
        for who in (t.user, t.anonymous):
            check(who.post("/v1/keys", {"tenant": "other"}).status in
                  (401, 403), "a key was made over TCP")


def sent(d, path, body, *headers):
    """The status of a request whose body may not be waited for."""
    connection = http.client.HTTPConnection("127.0.0.1", d.port, timeout=30)
    fields = {"content-type": "application/json"}
    for more in headers:
        fields.update(more)
    chunked = "transfer-encoding" in fields
    try:
        connection.putrequest("POST", path)
        for name, value in fields.items():
            connection.putheader(name, value)
        if not chunked:
            connection.putheader("content-length", str(len(body)))
        connection.endheaders()
        try:
            for i in range(0, len(body), 65536):
                part = body[i:i + 65536]
                connection.send(b"%x\r\n%s\r\n" % (len(part), part)
                                if chunked else part)
            if chunked:
                connection.send(b"0\r\n\r\n")
        except OSError:
            pass  # answered before all of it was sent
        return connection.getresponse().status
    finally:
        connection.close()


# ---- HD-04, HD-05 ----------------------------------------------------------

NAMES = ["-rf", "--help", "$(touch /tmp/warder-hd05)", "`id`", "a\nb",
         "a\r\nX: y", "%n%n%n%s%s%s", "%999999999d", "';--", '"', "a\tb",
         "\x1b[31mred",
         "..", "../../etc/passwd", "/etc/passwd", "a/../b", "x" * 5000,
         "\u202ereversed", "{{7*7}}"]


@test(modes=("root",))
def hd_05_names_are_names(w):
    with Daemon(w, TWO) as d:
        t = Tenants(d)
        for name in NAMES:
            what = repr(name[:40])
            # what is kept comes back as it came
            thread = t.user.post("/threads", {"metadata": {name[:200]: name}}
                                 ).expect(200).json
            equal(thread["metadata"], {name[:200]: name}, what)
            made = t.user.post("/assistants", {
                "graph_id": "mine", "name": name, "description": name})
            check(made.status in (200, 400, 422), f"{what}: {made.status}")
            if made.status == 200:
                equal(made.json["name"], name, what)
            put = t.user.ask("PUT", "/store/items", {
                "namespace": [name], "key": name, "value": {"v": name}})
            check(put.status in (204, 400, 422), f"{what}: {put.status}")
            if put.status == 204:
                found = t.user.post("/store/items/search", {
                    "namespace_prefix": [name]}).expect(200).json["items"]
                equal([i["key"] for i in found], [name], what)
            # what is looked for by such a name is not there, or no name
            at = urllib.parse.quote(name, safe="")
            for path in ("/threads/{}", "/threads/{}/state", "/runs/{}",
                         "/assistants/{}", "/v1/agents/{}",
                         "/v1/runs/{}/logs"):
                got = t.user.get(path.format(at))
                check(got.status in (400, 404, 414, 422),
                      f"{path} {what}: {got.status}")
                check(got.json["detail"], what)
            for body in ({"assistant_id": name, "input": {}},
                         {"assistant_id": "mine", "input": {},
                          "thread_id": name, "multitask_strategy": name}):
                got = t.user.post("/runs", body)
                check(got.status in (400, 404, 422),
                      f"a run of {what}: {got.status}")
        # control: an argument that is a name of nothing reaches the agent
        got = t.user.post("/runs/wait", {"assistant_id": "mine",
                                         "input": {"mark": NAMES[2]}})
        equal(got.expect(200).json, {"mark": NAMES[2]}, "an input")
        check(not os.path.exists("/tmp/warder-hd05"), "a shell was asked")
        # a line of the log is one line, whoever wrote it
        for line in d.said().splitlines():
            check(line.startswith("time="), f"a line of its own: {line!r}")
        check("\x1b" not in d.said(), "an escape in the log")


@test(modes=("root",))
def hd_05_names_on_the_command_line(w):
    with Daemon(w) as d:
        d.agent("mine", AGENT)
        for name in ("a\nb", "%n%n", "$(id)", "../../x", "a b", '"'):
            done = d.verb("run", "--", name, "{}")
            equal(done.status, 125, f"{name!r}: {done.said}")
            holds(done.said, "warder")
            check("\n" + name.split("\n")[-1] + "\n" not in done.said or
                  "\n" not in name, f"{name!r} breaks the line")
            for verb in (("runs", "get"), ("threads", "get"),
                         ("agents", "versions")):
                done = d.verb(*verb, "--", name)
                check(done.status == 125, f"{verb} {name!r}: {done.status}")
        # names of agents and tenants that could be anything else
        for name in ("-x", "a\\nb", "..", "a/b", "$(id)", "%n", "x" * 200):
            folder = w.scratch("agent")
            w.file("agent.yaml", f'name: "{name}"\nprotocol: native\n'
                   "command: [python3, agent.py]\n", folder=folder)
            w.file("agent.py", AGENT, folder=folder)
            done = d.verb("agents", "deploy", folder)
            check(done.status == 125, f"an agent {name!r}: {done.status}")
        equal([a["name"] for a in d.json("agents", "list")], ["mine"])


@test(modes=("root",))
def hd_04_commands_and_directories_of_an_agent_stay_in_its_jail(w):
    """agent.yaml says them; a run can say none."""
    with Daemon(w) as d:
        d.agent("mine", AGENT)
        for more in ("cwd: ../..\n", "cwd: /agent/../../etc\n",
                     "policy: {policy: 1, filesystem: {write: [/etc]}}\n",
                     "policy: {policy: 1, filesystem: {read: [/root]}}\n",
                     f"cwd: /{'x' * 4096}\n"):
            folder = w.scratch("agent")
            w.file("agent.yaml", "name: out\nprotocol: native\n"
                   f"command: [python3, agent.py]\n{more}", folder=folder)
            w.file("agent.py", AGENT, folder=folder)
            done = d.verb("agents", "deploy", folder)
            check(done.status != 0, f"{more!r} was taken")
        equal([a["name"] for a in d.json("agents", "list")], ["mine"])
        got = Client(d, d.key).post("/runs/wait", {
            "assistant_id": "mine", "input": {"mark": "x"}, "cwd": "/etc",
            "command": {"resume": None}, "config": {"configurable": {
                "cwd": "/root", "command": ["id"]}}})
        check(got.status in (200, 422), got.status)


if __name__ == "__main__":
    sys.exit(main())
