#!/usr/bin/env python3
"""Another policy for a jail that runs: what is cut, what goes on, who may."""

import base64
import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time

from driver import SCRIPT, policy, request, tcp, web
from flow import (Failed, Skip, check, descendants, equal, holds, main,
                  name_of, test, wait_until)
from lacking import without
from private import places
from upstream import Authority, Echo, Reader, Server, Web, response

CUT_S = 1  # NE-08: tunnels close in so many seconds

# Runs in the jail: connections by their names, as the test says.
LIVE = SCRIPT.split("def talk(c):")[0] + r'''
held = {}

def ended(e):
    if isinstance(e, socket.timeout):
        return "silence"
    if isinstance(e, EOFError):
        return "refused"
    return "reset" if e.errno in (104, 32, 107) else str(e)

def start(c):
    s = open_way(c)
    s.settimeout(10)
    held[c["id"]] = secure(s, c) if c.get("tls") else s
    return {"end": "open"}

def say(c):
    held[c["id"]].sendall(get(c["data"]))
    return {"end": "sent"}

def hear(c):
    s, out, end = held[c["id"]], b"", "enough"
    s.settimeout(c["seconds"])
    while end == "enough" and len(out) < c["bytes"]:
        try:
            d = s.recv(c["bytes"] - len(out))
        except (OSError, EOFError) as e:
            d, end = b"", ended(e)
        else:
            end = end if d else "eof"
        out += d
    return {"raw": base64.b64encode(out).decode(), "end": end}

print("up", flush=True)
for line in sys.stdin:
    c = json.loads(line)
    try:
        answer = globals()[c["do"]](c)
    except (OSError, EOFError) as e:
        answer = {"end": ended(e)}
    print(json.dumps(answer), flush=True)
'''


class Live:
    """A jail that does as it is told, one step after the other."""

    def __init__(self, w, *flags, prefix=(), **more):
        self.w = w
        self.prefix = prefix
        self.jail = w.popen([*prefix, w.program, "exec", "-i", *flags, "--",
                             "python3", "-c", LIVE], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            **more)
        line = self.jail.line()
        if line != "up\n":
            raise Failed(f"no start: {line!r} {self.jail.finish().said}")
        self.name = f"{self.jail.pid}-"

    def do(self, what, name, **more):
        self.jail.popen.stdin.write(json.dumps(
            dict(do=what, id=name, **more)).encode() + b"\n")
        self.jail.popen.stdin.flush()
        line = self.jail.line()
        if not line:
            raise Failed(f"it has ended: {self.jail.finish().said}")
        return json.loads(line)

    def open(self, name, host, port, way="capture", **more):
        return self.do("start", name, host=host, port=port, way=way, **more)

    def must_open(self, *words, **more):
        equal(self.open(*words, **more)["end"], "open")

    def say(self, name, data):
        return self.do("say", name,
                       data=base64.b64encode(data).decode())["end"]

    def hear(self, name, count, seconds=5):
        """What came (of so many bytes) and how it ended."""
        answer = self.do("hear", name, bytes=count, seconds=seconds)
        return base64.b64decode(answer.get("raw", "")), answer["end"]

    def echo(self, name, data=b"hello"):
        end = self.say(name, data)
        return self.hear(name, len(data)) if end == "sent" else (b"", end)

    def alive(self, *names):
        for name in names:
            equal(self.echo(name), (b"HELLO", "enough"), name)

    def cut(self, *names):
        """Nothing of them is left, and soon."""
        begin = time.monotonic()
        for name in names:
            _, end = self.hear(name, 1, CUT_S)
            check(end in ("reset", "eof"), f"{name}: {end}")
        check(time.monotonic() - begin < CUT_S, "not within a second")

    def reload(self, path=None, status=0):
        flags = ["--policy", path] if path is not None else []
        r = self.w.popen([*self.prefix, self.w.program, "policy", "reload",
                          self.name, *flags, "--json"],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE).finish().expect(status)
        return json.loads(r.text) if r.text else r.said

    def changed(self, path, kept, cut):
        a = self.reload(path)
        equal((a["answer"], a["kept"], a["cut"]), ("reloaded", kept, cut))
        return a

    def why(self, question):
        return self.w.verb("policy", "why", "--live", self.name, question)

    def helper(self, name):
        return next(p for p in descendants(self.jail.pid)
                    if name_of(p) == name)

    def proxy(self):
        return self.helper("warder-proxy")

    def end(self, status=0):
        self.jail.popen.stdin.close()
        self.jail.popen.stdin = None
        return self.jail.finish().expect(status)


class Gate(Server):
    """HTTP that holds its answers back: the head, half of them, or nothing."""

    BODY = b"0123456789" * 2

    def __init__(self, early=True, **more):
        self.early = early
        self.go = threading.Event()
        self.asked = threading.Semaphore(0)
        super().__init__(**more)

    def serve(self, connection):
        reader = Reader(connection, self.bytes)
        whole = response(self.BODY)
        half = len(whole) - 10 if self.early else 0
        while True:
            reader.until(b"\r\n\r\n")
            connection.sendall(whole[:half])
            self.asked.release()
            self.go.wait(20)
            connection.sendall(whole[half:])


def closed(w):
    return w.file("closed.yaml", "policy: 1\nname: closed\n")


def audit_lines(w, report):
    """Of the run that wrote this report: other runs have logs beside it."""
    with open(report, encoding="utf-8") as f:
        log = json.load(f)["network"]["audit"]["file"]
    w.verb("audit", "verify", log).expect(0)
    with open(log, encoding="utf-8") as f:
        return [json.loads(x) for x in f]


# ---- what is cut, and what is not --------------------------------------------

@test
def tcp_services(w):
    """NE-08: captured and by CONNECT; the other service is the control."""
    with Echo() as one, Echo() as two:
        both = {"one": tcp(one.port, "one.internal:7000"),
                "two": tcp(two.port, "two.internal:7001")}
        report = os.path.join(w.scratch("report"), "r.json")
        live = Live(w, "--policy", policy(w, both), "--report", report)
        live.must_open("a", "one.internal", 7000)
        live.must_open("b", "one.internal", 7000, way="connect")
        live.must_open("c", "two.internal", 7001)
        live.alive("a", "b", "c")
        live.changed(None, 3, 0)
        live.alive("a", "b", "c")
        live.changed(policy(w, {"two": both["two"]}), 1, 2)
        live.cut("a", "b")
        live.alive("c")
        end = live.open("d", "one.internal", 7000)["end"]
        check("resolution" in end or "known" in end, end)
        live.changed(policy(w, both), 1, 0)
        live.must_open("e", "one.internal", 7000)
        live.alive("c", "e")
        live.end()
        lines = audit_lines(w, report)
        changes = [x for x in lines if x["kind"] == "reloaded"]
        equal([(x["kept"], x["cut"]) for x in changes],
              [(3, 0), (1, 2), (1, 0)])
        equal(changes[1]["from"], changes[0]["policy"])
        equal(changes[2]["from"], changes[1]["policy"])
        check(changes[1]["policy"] != changes[0]["policy"], "one digest")
        refused = [x for x in lines if x["kind"] == "refused"
                   and x["way"] != "dns"]
        equal([x["code"] for x in refused[:2]], ["service"] * 2)


@test
def another_address(w):
    """The name is allowed still, but means another place: also cut."""
    with Echo() as one, Echo() as two:
        live = Live(w, "--policy", policy(w, {"echo": tcp(one.port)}))
        live.must_open("a", "echo.internal", 7000)
        live.alive("a")
        live.changed(policy(w, {"echo": tcp(two.port)}), 0, 1)
        live.cut("a")
        live.must_open("b", "echo.internal", 7000)
        live.alive("b")
        equal((one.connections, two.connections), (1, 1))
        live.end()


@test
def addresses_of_a_name(w):
    """The address that it is connected to is asked for anew."""
    with Echo() as up:
        def allowed(*ranges):
            return policy(w, {"echo": [
                f"to: 127.0.0.1:{up.port}", "protocol: tcp", "allow: any",
                f"only_addresses: [{', '.join(ranges)}]"]})
        live = Live(w, "--policy", allowed("127.0.0.0/8"))
        live.must_open("a", "127.0.0.1", up.port, way="connect")
        live.alive("a")
        live.changed(allowed("127.0.0.1/32", "10.0.0.0/8"), 1, 0)
        live.alive("a")
        live.changed(allowed("127.0.0.2/32"), 0, 1)
        live.cut("a")
        live.end()


@test
def spliced_tls(w):
    """NE-08: nobody looks inside, and it is cut all the same."""
    ca = Authority(w.scratch("ca"))
    with Echo(context=ca.context("one.internal")) as up:
        def spliced(name):
            return policy(w, {"one": [
                f"to: {name}.internal:443", "tls: splice", "allow: any",
                f"dial: 127.0.0.1:{up.port}"]})
        live = Live(w, "--policy", spliced("one"))
        for way in ("capture", "connect"):
            live.must_open(way, "one.internal", 443, way=way, tls=True,
                           sni="one.internal")
        live.alive("capture", "connect")
        live.changed(None, 2, 0)
        live.alive("capture", "connect")
        live.changed(spliced("two"), 0, 2)
        for way in ("capture", "connect"):
            _, end = live.hear(way, 1, CUT_S)
            check(end != "silence", f"{way}: {end}")
        live.end()


def inspected(w, port, ca, *rules, to="api.internal:443"):
    return policy(w, {"api": [
        f"to: {to}", f"tls: {{ca: {ca.pem}}}", f"dial: 127.0.0.1:{port}",
        "allow: [" + ", ".join(rules) + "]"]})


@test
def responses_in_flight(w):
    """NE-08: half of it is there, and no more of it comes."""
    targets = {"explicit": "http://web.internal/ok/a", "capture": "/ok/a"}
    with Gate() as gate:
        def half_of_it(suffix):
            for way, target in targets.items():
                live.must_open(way + suffix, "web.internal", 80, way=way)
                live.say(way + suffix, request(target, "web.internal"))
                gate.asked.acquire(timeout=10)
                raw, _ = live.hear(way + suffix, 25)
                holds(raw.decode(), "HTTP/1.1 200 OK")

        def rest_of_it(way):
            raw, end = live.hear(way, 4096, CUT_S)
            return gate.BODY in raw, end
        live = Live(w, "--policy", policy(w, {"web": web(gate.port)}))
        half_of_it("-1")
        # the control: it is allowed still, and comes to its end
        live.changed(policy(w, {"web": web(
            gate.port, "{methods: read, path: /ok/a}")}), 2, 0)
        gate.go.set()
        for way in targets:
            equal(rest_of_it(way + "-1"), (True, "silence"), way)
        gate.go.clear()
        half_of_it("-2")
        a = live.reload(policy(w, {"web": web(
            gate.port, "{methods: read, path: /ok/b}")}))
        # of the first two one is captured, and has a destination still
        equal((a["kept"], a["cut"]), (1, 2))
        for way in targets:
            whole, end = rest_of_it(way + "-2")
            check(end in ("eof", "reset") and not whole, f"{way}: {end}")
        live.end()


@test
def requests_that_wait_for_an_answer(w):
    """Nothing was said yet: the client is told why."""
    with Gate(early=False) as gate:
        live = Live(w, "--policy", policy(w, {"web": web(gate.port)}))
        live.must_open("a", "web.internal", 80)
        live.must_open("b", "web.internal", 80)
        live.say("a", request("/ok/a", "web.internal"))
        live.say("b", request("/ok/b", "web.internal"))
        gate.asked.acquire(timeout=10)
        gate.asked.acquire(timeout=10)
        a = live.changed(policy(w, {"web": web(
            gate.port, "{methods: read, path: /ok/b}")}), 1, 1)
        raw, end = live.hear("a", 65536, 2)
        equal(end, "eof")
        holds(raw.decode(), "HTTP/1.1 403 ", '"code":"path"', "/ok/a",
              a["after"])
        gate.go.set()
        raw, _ = live.hear("b", 30)
        holds(raw.decode(), "HTTP/1.1 200 OK")
        live.end()


@test
def inspected_streams(w):
    """A kept connection goes on; its next request is judged anew."""
    ca = Authority(w.scratch("ca"))
    with Web(context=ca.context("api.internal")) as up:
        def allow(*paths, to="api.internal:443"):
            return inspected(w, up.port, ca, *(
                f"{{methods: read, path: {p}}}" for p in paths), to=to)

        def status(path):
            live.say("a", request(path, "api.internal"))
            raw, _ = live.hear("a", 65536, 1)
            return raw
        live = Live(w, "--policy", allow("/a", "/b"))
        live.must_open("a", "api.internal", 443, tls=True,
                       sni="api.internal")
        live.say("a", request("/a", "api.internal"))
        raw, _ = live.hear("a", 30)
        holds(raw.decode(), "HTTP/1.1 200 OK")
        live.changed(allow("/b"), 1, 0)
        live.hear("a", 4096, 1)
        live.say("a", request("/b", "api.internal"))
        raw, _ = live.hear("a", 30)
        holds(raw.decode(), "HTTP/1.1 200 OK")
        live.hear("a", 4096, 1)
        live.say("a", request("/a", "api.internal"))
        raw, _ = live.hear("a", 30)
        holds(raw.decode(), "HTTP/1.1 403")
        equal(up.targets(), ["GET /a", "GET /b"])
        # and with its service away, the stream goes too
        live.must_open("b", "api.internal", 443, tls=True,
                       sni="api.internal")
        live.changed(closed(w), 0, 1)
        _, end = live.hear("b", 1, CUT_S)
        check(end != "silence", end)
        live.end()


@test
def connections_to_services_are_not_used_again(w):
    """What an earlier policy has opened carries nothing of a later one."""
    with Web() as up:
        path = policy(w, {"web": web(up.port)})
        live = Live(w, "--policy", path)

        def ask():
            live.must_open("a", "web.internal", 80)
            live.say("a", request("/ok/a", "web.internal"))
            raw, _ = live.hear("a", 30)
            holds(raw.decode(), "HTTP/1.1 200 OK")
        ask()
        ask()
        equal(up.connections, 1)
        live.reload(path)
        wait_until(lambda: up.open[0].fileno() == -1, 2, "the old one")
        ask()
        equal(up.connections, 2)
        live.end()


# ---- what is let in, and what is not -------------------------------------------

@test
def a_looser_policy_lets_in(w):
    with Echo() as up:
        live = Live(w, "--policy", policy(w, {"echo": tcp(up.port)}))
        equal(live.open("a", "new.internal", 7001, way="connect")["end"],
              "refused")
        live.why("tcp:new.internal:7001").expect(3)
        live.changed(policy(w, {
            "echo": tcp(up.port), "new": tcp(up.port, "new.internal:7001"),
        }), 0, 0)
        live.why("tcp:new.internal:7001").expect(0)
        for way in ("capture", "connect"):
            live.must_open(way, "new.internal", 7001, way=way)
        live.alive("capture", "connect")
        live.end()


@test
def a_policy_that_does_not_load(w):
    """Nothing changes, and each defect has its line."""
    with Echo() as up:
        path = policy(w, {"echo": tcp(up.port)})
        live = Live(w, "--policy", path)
        live.must_open("a", "echo.internal", 7000)
        bad = w.file("bad.yaml", "policy: 1\nlimit: {}\nx: 3\n")
        for flags in ([], ["--json"]):
            r = w.verb("policy", "reload", live.name, "--policy", bad, *flags)
            r.expect(2)
            holds(r.said + r.text, "bad.yaml:2:1", "bad.yaml:3:1")
        r = w.verb("policy", "reload", live.name, "--policy", "nowhere.yaml")
        r.expect(2, "")
        holds(r.said, "No such file")
        live.alive("a")
        live.why("tcp:echo.internal:7000").expect(0)
        live.end()


@test
def secrets_are_read_anew(w):
    """And one that cannot be in a header leaves all as it was."""
    with Web() as up:
        key = w.file("key", "first-canary\n", mode=0o600)
        path = policy(w, {"web": web(up.port)}, (
            "credentials:\n  key:\n"
            f"    source: {{file: {key}}}\n"
            "    inject: [{service: web, as: {header: x-key}, "
            "when: always}]\n"))
        live = Live(w, "--policy", path)

        def sent():
            live.must_open("a", "web.internal", 80)
            live.say("a", request("/ok/a", "web.internal"))
            live.hear("a", 30)
            return up.requests[-1].get("x-key")
        equal(sent(), "first-canary")
        with open(key, "w", encoding="ascii") as f:
            f.write("second-canary\n")
        equal(sent(), "first-canary")
        live.reload()
        equal(sent(), "second-canary")
        with open(key, "wb") as f:
            f.write(b"third\x01canary\n")
        a = live.reload(status=2)
        equal(a["answer"], "failed")
        holds(a["text"], "cannot be in a header")
        equal(sent(), "second-canary")
        os.unlink(key)
        equal(live.reload(status=2)["answer"], "failed")
        equal(sent(), "second-canary")
        live.end()


@test
def an_earlier_secret_is_scrubbed_still(w):
    """A service that remembers it may say it after the change too."""
    held = []

    def echo(q):
        held.append(q.get("x-key"))
        return response("\n".join(held).encode())
    with Web(echo) as up:
        key = w.file("key", "first-canary\n", mode=0o600)
        live = Live(w, "--policy", policy(w, {"web": web(up.port)}, (
            "credentials:\n  key:\n"
            f"    source: {{file: {key}}}\n"
            "    scrub_response: true\n"
            "    inject: [{service: web, as: {header: x-key}, "
            "when: always}]\n")))
        for secret in ("first", "second", "third"):
            with open(key, "w", encoding="ascii") as f:
                f.write(f"{secret}-canary\n")
            live.reload()
            live.must_open("a", "web.internal", 80)
            live.say("a", request("/ok/a", "web.internal"))
            raw, _ = live.hear("a", 65536, 1)
            equal(held[-1], f"{secret}-canary")
            holds(raw.decode(), "HTTP/1.1 200", "*****")
            check(b"canary" not in raw, raw)
        live.end()


@test
def secrets_of_the_vault(w):
    """Numbers of credentials change; who waits for a secret asks again."""
    with places(w) as prefix, Web() as up:
        def known(*names, at="web"):
            sources = {"aa": "{env: AA}", "bot": "{vault: bot}"}
            return policy(w, {
                "web": web(up.port),
                "rest": web(up.port, to="rest.internal:80"),
            }, "credentials:\n" + "".join(
                f"  {n}:\n    source: {sources[n]}\n"
                f"    inject: [{{service: {at if n == 'bot' else 'rest'}, "
                f"as: {{header: x-{n}}}, when: always}}]\n" for n in names))
        w.popen([*prefix, w.program, "credential", "set", "bot", "--to",
                 "web.internal:80", "--to", "rest.internal:80"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE).finish(
                    data=b"canary-of-the-vault").expect(0)
        live = Live(w, "--policy", known("aa", "bot"), prefix=prefix,
                    env=w.environment(AA="canary-of-the-env"))

        def ask(name):
            live.must_open(name, "web.internal", 80)
            live.say(name, request("/ok/a", "web.internal"))

        def status(name):
            raw, _ = live.hear(name, 30, 3)
            return raw[9:12]
        for path in (None, known("bot"), known("aa", "bot")):
            live.reload(path)
            ask("a")
            equal(status("a"), b"200")
            equal(up.requests[-1].get("x-bot"), "canary-of-the-vault")
        vault = live.helper("warder-vault")
        os.kill(vault, signal.SIGSTOP)
        live.reload()  # what the vault has said does not count any more
        ask("b")
        ask("c")
        equal(live.hear("b", 1, 0.3), (b"", "silence"))
        a = live.reload(known("bot"))
        equal(a["cut"], 0)
        os.kill(vault, signal.SIGCONT)
        equal((status("b"), status("c")), (b"200", b"200"))
        equal([q.get("x-bot") for q in up.requests[-2:]],
              ["canary-of-the-vault"] * 2)
        # and without its credential it would be another request: cut
        os.kill(vault, signal.SIGSTOP)
        live.reload()
        sent = len(up.requests)
        ask("d")
        equal(live.hear("d", 1, 0.3), (b"", "silence"))
        check(live.reload(known("bot", at="rest"))["cut"] == 1, "not cut")
        equal(status("d"), b"503")
        os.kill(vault, signal.SIGCONT)
        ask("e")
        equal(status("e"), b"200")
        equal(len(up.requests), sent + 1)
        equal(up.requests[-1].get("x-bot"), None)
        live.end()


@test
def what_takes_a_new_jail(w):
    ca = Authority(w.scratch("ca"))
    with Echo() as up, Web(context=ca.context("api.internal")) as api:
        echo = {"echo": tcp(up.port)}

        def api_at(host):
            return {"api": [f"to: {host}:443", f"tls: {{ca: {ca.pem}}}",
                            f"dial: 127.0.0.1:{api.port}", "allow: any"]}
        begin = {**echo, **api_at("api.internal")}
        key = ("credentials:\n  {}:\n    source: {{env: KEY}}\n{}"
               "    inject: [{{service: api, as: bearer}}]\n")
        stands = "    placeholder: {env: GH_TOKEN, shape: github_pat}\n"
        live = Live(w, "--policy", policy(w, begin, key.format("k", stands)),
                    env=w.environment(KEY="canary-of-the-key"))
        live.must_open("a", "echo.internal", 7000)
        cases = (
            ("limits", policy(w, begin, "limits: {memory: 2GiB}\n")),
            ("filesystem", policy(
                w, begin, "filesystem: {tmpfs: [{path: /more}]}\n")),
            ("process.env", policy(w, begin, "process: {env: {A: b}}\n")),
            ("seccomp", policy(w, begin, "seccomp: {profile: build}\n")),
            ("host other.internal", policy(w, {
                **echo, **api_at("other.internal")})),
            ("credential new", policy(w, begin, key.format("new", ""))),
            ("credential k", policy(w, begin, key.format("k", "").replace(
                "{env: KEY}", "{env: KEY2}").replace(
                    "    inject", stands + "    inject"))),
            ("credential k", policy(w, begin, key.format(
                "k", stands.replace("github_pat", "openai")))),
        )
        for reason, path in cases:
            a = live.reload(path, 1)
            equal(a["answer"], "needs_restart", reason)
            holds(a["text"], reason)
            live.alive("a")
        r = w.verb("policy", "reload", live.name, "--policy", cases[0][1])
        holds(r.expect(1, "").said, "warder: needs_restart: limits")
        # the controls: less of each, and all of it again
        live.changed(policy(w, echo), 1, 0)
        live.changed(policy(w, begin, key.format("k", stands)), 1, 0)
        live.alive("a")
        live.end()


@test
def a_jail_without_a_way_out(w):
    with Echo() as up:
        live = Live(w)
        a = live.reload(policy(w, {"echo": tcp(up.port)},
                               "extends: [builtin/default]\n"), 1)
        holds(a["text"], "network")
        equal(live.reload()["answer"], "reloaded")
        live.why("tcp:echo.internal:7000").expect(3)
        live.end()


@test
def a_port_without_a_listener(w):
    """Without nf_tables the jail has listeners for the named ports alone."""
    with Echo() as up:
        path = policy(w, {"echo": tcp(up.port)})
        live = Live(w, "--policy", path,
                    preexec_fn=without(errno.EPROTONOSUPPORT))
        a = live.reload(policy(w, {
            "echo": tcp(up.port), "new": tcp(up.port, "new.internal:7001"),
        }), 1)
        equal(a["answer"], "needs_restart")
        holds(a["text"], "port 7001")
        live.changed(policy(w, {"new": tcp(up.port, "new.internal:7000")}),
                     0, 0)
        live.must_open("a", "new.internal", 7000)
        live.alive("a")
        live.end()


@test
def the_flags_stay(w):
    """Those of the command line, under another file."""
    shared = w.owned()
    with Echo() as up:
        live = Live(w, "--rw", f"{shared}:/shared", "--policy", closed(w),
                    "--allow", "echo.internal")
        live.why("tcp:new.internal:7001").expect(3)
        equal(live.reload(policy(w, {"new": tcp(up.port, "new.internal:7001")})
                          )["answer"], "reloaded")
        live.why("tcp:new.internal:7001").expect(0)
        live.why("https://echo.internal/").expect(0)
        live.why("write:/shared/a").expect(0)
        live.end()


# ---- asking what is in force ---------------------------------------------------

@test
def why_asks_the_policy_in_force(w):
    with Echo() as up:
        path = policy(w, {"echo": tcp(up.port)})
        live = Live(w, "--policy", path)
        # the file says otherwise by now: it is not what is asked
        with open(path, "w", encoding="ascii") as f:
            f.write("policy: 1\nname: now\n")
        holds(live.why("tcp:echo.internal:7000").expect(0).text, "allow")
        live.why("getpid").expect(0)
        live.why("write:/usr/a").expect(3)
        live.why("keyctl").expect(3)
        live.reload()
        r = w.verb("policy", "why", "--json", "--live", live.name,
                   "tcp:echo.internal:7000").expect(3)
        equal(json.loads(r.text)["code"], "service")
        names = [json.loads(x) for x in
                 w.verb("ps", "--json").text.splitlines()]
        equal([x["policy"] for x in names
               if x["name"].startswith(live.name)], ["now"])
        live.end()
        live.why("keyctl").expect(2)


@test
def usage(w):
    for words in (("reload",), ("reload", "a", "b"),
                  ("reload", "--policy", "", "a"), ("reload", "--nosuch", "a"),
                  ("reload", "no-such-jail"),
                  ("why", "--live", "no-such-jail", "keyctl"),
                  ("why", "--live", "a")):
        r = w.verb("policy", *words).expect(2, "")
        holds(r.said, "warder: ")
    holds(w.verb("policy", "reload", "--help").expect(0).text,
          "--policy FILE", "--json", "Exit status")
    holds(w.verb("policy", "--help").expect(0).text, "reload")


# ---- races -----------------------------------------------------------------------

# Asks in turn for /a and /b, by new connections and by kept ones.
LOAD = r'''
import http.client, sys, threading
seen = {}
lock = threading.Lock()
stop = threading.Event()

def ask(c, path):
    try:
        c.request("GET", path)
        r = c.getresponse()
        r.read()
        return r.status
    except (OSError, http.client.HTTPException) as e:
        c.close()
        return "cut"

def load(n):
    c = http.client.HTTPConnection("web.internal", timeout=10)
    i = 0
    while not stop.is_set():
        i += 1
        if i % 7 == n % 7:
            c.close()
        for x in "ab":
            status = ask(c, f"/{x}/{n}-{i}")
            with lock:
                seen[x, status] = seen.get((x, status), 0) + 1

threads = [threading.Thread(target=load, args=(n,)) for n in range(6)]
for t in threads:
    t.start()
print("up", flush=True)
sys.stdin.read()
stop.set()
for t in threads:
    t.join()
for (x, status), n in sorted(seen.items(), key=str):
    print(x, status, n)
'''

TIMES = 200


@test
def two_hundred_times_under_load(w):
    """Each request is one policy's: its path, its secret, its record."""
    def one(x, other):
        return policy(w, {"web": web(up.port, f"{{path: /{x}/**}}"),
                          "rest": web(up.port, "{path: /none}",
                                      to="rest.internal:80")}, (
            "credentials:\n"
            f"  k{x}:\n    source: {{env: K{x.upper()}}}\n"
            f"    inject: [{{service: web, as: {{header: x-{x}}}, "
            "when: always}]\n"
            f"  k{other}:\n    source: {{env: K{other.upper()}}}\n"
            f"    inject: [{{service: rest, as: {{header: x-{other}}}, "
            "when: always}]\n"))
    with Web() as up:
        a, b = one("a", "b"), one("b", "a")
        report = os.path.join(w.scratch("report"), "r.json")
        jail = w.start(["python3", "-c", LOAD], "-i", "--policy", a,
                       "--report", report, stdin=subprocess.PIPE,
                       stderr=subprocess.DEVNULL,  # thousands of refusals
                       env=w.environment(KA="canary-aaaa", KB="canary-bbbb"))
        equal(jail.line(), "up\n")
        digest = {}
        for i in range(TIMES):
            r = w.verb("policy", "reload", f"{jail.pid}-", "--json",
                       "--policy", (b, a)[i % 2]).expect(0)
            digest["ba"[i % 2]] = json.loads(r.text)["after"]
        r = jail.finish(60, b"").expect(0)
        counts = {tuple(x.split()[:2]): int(x.split()[2])
                  for x in r.text.splitlines()}
        check(counts.get(("a", "200"), 0) > 20, r.text)
        check(counts.get(("b", "200"), 0) > 20, r.text)
        check(set(s for _, s in counts) <= {"200", "403", "503", "cut"},
              r.text)
        for q in up.requests:
            x, other = ("a", "b") if q.target[1] == "a" else ("b", "a")
            equal(q.get(f"x-{x}"), f"canary-{x * 4}", q.target)
            equal(q.get(f"x-{other}"), None, q.target)
        lines = audit_lines(w, report)
        for line in lines:
            if line["kind"] == "allowed":
                equal(line["policy"], digest[line["path"][1]], line["path"])
        equal(sum(x["kind"] == "reloaded" for x in lines), TIMES)


@test
def the_proxy_dies_meanwhile(w):
    """Whoever has asked is told, and the run ends as it does without."""
    with Echo() as up:
        path = policy(w, {"echo": tcp(up.port)})
        live = Live(w, "--policy", path)
        live.must_open("a", "echo.internal", 7000)
        os.kill(live.proxy(), signal.SIGSTOP)
        asking = w.popen([w.program, "policy", "reload", live.name],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE)
        time.sleep(0.5)
        check(asking.popen.poll() is None, "it did not wait")
        # one at a time
        r = w.verb("policy", "reload", live.name).expect(2, "")
        holds(r.said, "under way")
        # the launcher is not held up by it
        holds(w.verb("ps").text, live.name)
        os.kill(live.proxy(), signal.SIGKILL)
        r = asking.finish(10).expect(2, "")
        check("warder-proxy" in r.said or "ended" in r.said, r.said)
        live.jail.finish(10).expect(125)


@test
def whoever_asked_has_gone(w):
    """It is in force all the same, and the next one may ask."""
    with Echo() as up:
        path = policy(w, {"echo": tcp(up.port)})
        live = Live(w, "--policy", path)
        os.kill(live.proxy(), signal.SIGSTOP)
        asking = w.popen([w.program, "policy", "reload", live.name,
                          "--policy", closed(w)],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE)
        time.sleep(0.5)
        asking.popen.kill()
        asking.popen.wait()
        os.kill(live.proxy(), signal.SIGCONT)
        wait_until(lambda: live.why("tcp:echo.internal:7000").status == 3,
                   5, "the new policy")
        live.changed(path, 0, 0)
        live.must_open("a", "echo.internal", 7000)
        live.alive("a")
        live.end()


# ---- who may ----------------------------------------------------------------------

def ask_raw(path, uid):
    """As that user: whether the launcher answers JAIL_RELOAD at all."""
    code = (
        "import os, socket, struct, sys\n"
        f"os.setgroups([]); os.setgid({uid}); os.setuid({uid})\n"
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
        "s.settimeout(5)\n"
        "try:\n"
        f"    s.connect({path!r})\n"
        "    s.send(struct.pack('III', 4, 8196, 1) + bytes(8192))\n"
        "    print('answered' if s.recv(65536) else 'closed')\n"
        "except OSError as e:\n"
        "    print('closed' if e.errno in (32, 104) else e.strerror)\n")
    return subprocess.run([sys.executable, "-c", code], check=True,
                          capture_output=True, text=True).stdout.strip()


@test(modes=("rootless",))
def another_user_may_not(w):
    if os.geteuid() != 0:
        raise Skip("takes root, to be two users")
    with Echo() as up:
        live = Live(w, "--policy", policy(w, {"echo": tcp(up.port)}))
        name = next(n for n in os.listdir(w.jails)
                    if n.startswith(live.name))
        path = os.path.join(w.jails, name)
        other = w.uid + 1
        equal(ask_raw(path, other), "Permission denied")
        # and if the folder were open: the launcher looks who it is
        os.chmod(w.runtime, 0o755)
        os.chmod(w.jails, 0o755)
        os.chmod(path, 0o777)
        equal(ask_raw(path, other), "closed")
        equal(ask_raw(path, w.uid), "answered")
        live.must_open("a", "echo.internal", 7000)
        live.alive("a")
        live.end()


if __name__ == "__main__":
    sys.exit(main())
