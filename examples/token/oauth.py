"""The demonstration's second part: OAuth tokens that the jail never holds.

The same API, but what it wants are access tokens of a real OAuth 2.0 server:
oidc-provider, from npm, in build/demo/npm, as npm/package-lock.json has it.
The vault has the client's secret and fetches them. Between two calls of the
program the first token is revoked; the program notices nothing. Without node
or npm, or where npm's registry cannot be reached, nothing is shown but the
reason.
"""

import base64
import contextlib
import json
import os
import secrets
import shutil
import ssl
import subprocess
import tempfile
import urllib.parse
import urllib.request

from stage import HERE, HOST, TOP, Server, check

SOURCE = os.path.join(HERE, "npm")
MODULES = os.path.join(TOP, "build/demo/npm")
ENTRY = "demo/oauth"
INSTALL_S = 90
WHY_MAX = 100   # bytes of npm's complaints
ANSWER = "12 degrees, rain"


class Skipped(Exception):
    """What is missing for this."""


def fetch():
    """The packages, once; by npm's own settings, but not into its cache.

    Their digests are in package-lock.json, and no script of theirs is run.
    """
    if os.path.isdir(MODULES):
        return
    print("\nFetching an OAuth server, oidc-provider, with npm", flush=True)
    new = MODULES + ".new"
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(SOURCE, new)
    with tempfile.TemporaryDirectory() as cache:
        env = dict(os.environ, npm_config_cache=cache)
        try:
            done = subprocess.run(
                ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund",
                 "--no-update-notifier", "--fetch-retries=0",
                 "--fetch-timeout=15000", "--loglevel=error"],
                cwd=new, check=False, env=env, stdin=subprocess.DEVNULL,
                capture_output=True, encoding="utf-8", timeout=INSTALL_S)
        except subprocess.TimeoutExpired:
            raise Skipped("npm did not end within %d s" % INSTALL_S) from None
    if done.returncode != 0:
        shutil.rmtree(new, ignore_errors=True)
        why = " ".join(done.stderr.replace("npm error", "").split())
        raise Skipped("npm says: " + why[:WHY_MAX])
    os.rename(new, MODULES)


class Authorization:
    """The OAuth server, and what a client and the API may ask of it."""

    def __init__(self, stage, port):
        self.url = "https://127.0.0.1:%d" % port
        self.context = ssl.create_default_context(cafile=stage.ca)
        self.secrets = {}

    def ask(self, path, client, token):
        who = "%s:%s" % (client, self.secrets[client])
        request = urllib.request.Request(
            self.url + path, urllib.parse.urlencode({"token": token}).encode(),
            {"Authorization": "Basic " +
             base64.b64encode(who.encode()).decode()})
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=self.context))
        with opener.open(request, timeout=10) as r:
            return r.read()

    def active(self, token):
        return json.loads(self.ask("/token/introspection", "api",
                                   token))["active"]

    def revoke(self, token):
        self.ask("/token/revocation", "program", token)


@contextlib.contextmanager
def authorization(stage):
    """Node with the server; it ends with its standard input."""
    program = os.path.join(MODULES, "authorization.mjs")
    shutil.copy(os.path.join(SOURCE, "authorization.mjs"), MODULES)
    clients = {name: secrets.token_hex(16) for name in ("program", "api")}
    with subprocess.Popen(
            ["node", program, stage.key, stage.ca], cwd=MODULES,
            env={"PATH": os.environ["PATH"]}, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            encoding="ascii") as node:
        node.stdin.write(json.dumps(clients) + "\n")
        node.stdin.flush()
        port = node.stdout.readline()
        check(port, "the OAuth server does not start: node %s" % program)
        server = Authorization(stage, int(port))
        server.secrets = clients
        yield server


class Judge:
    """Whether the API takes a token; the first is revoked after its use."""

    def __init__(self, server):
        self.server = server
        self.seen = []      # token, taken

    def __call__(self, auth):
        token = auth.removeprefix("Bearer ")
        if len(self.seen) == 1:
            self.server.revoke(self.seen[0][0])
        self.seen.append((token, self.server.active(token)))
        return self.seen[-1][1]


def store(stage, server):
    argv = ["--to", HOST, "--oauth", "client_credentials", "--token-url",
            server.url + "/token", "--client-id", "program", "--token-ca",
            stage.at("ca.pem"), "--scope", "weather"]
    print("\n$ %s credential set %s %s %s \\\n      %s %s \\\n"
          "      %s %s %s %s \\\n      %s %s %s %s <CLIENT-SECRET"
          % (stage.name(), ENTRY, *argv), flush=True)
    stage.command([stage.warder, "credential", "set", ENTRY, *argv],
                  input=server.secrets["program"])


def check_run(stage, done, seen, secret):
    """That both calls had an answer, by two tokens, and none came out."""
    said = json.loads(done.stdout)
    check(said["answers"] == [[200, ANSWER]] * 2, "answers: %s" % said)
    check(len(seen) == 3 and [taken for _, taken in seen] ==
          [True, False, True] and seen[0][0] == seen[1][0] != seen[2][0],
          "the API saw %s" % seen)
    with open(stage.path("report.json"), encoding="utf-8") as f:
        log = json.load(f)["network"]["audit"]["file"]
    stage.command([stage.warder, "audit", "verify", log])
    shutil.copyfile(log, stage.path("audit.jsonl"))
    with open(log, encoding="utf-8") as f:
        texts = (done.stdout, done.stderr, f.read())
    for hidden in (secret, *(token for token, _ in seen)):
        check(not any(hidden in t for t in texts), "a secret came out")
    return said


def show(stage, server, judge):
    with open(os.path.join(MODULES, "node_modules/oidc-provider/package.json"),
              encoding="utf-8") as f:
        version = json.load(f)["version"]
    print("""
The same with OAuth: oidc-provider %s on this machine issues tokens. The
vault has the client's secret and fetches them; the program has its placeholder.
Between its two calls the first token is revoked.""" % version)
    store(stage, server)
    done = stage.exec("calls.py")
    said = check_run(stage, done, judge.seen, server.secrets["program"])
    form = "    %-16s  the API received  Bearer %s…  %s"
    print("\n    the program sent  Authorization: Bearer %s…, twice"
          % said["token"][:22])
    for name, (token, taken) in zip(("its first call", "its second call",
                                     "tried again"), judge.seen):
        print(form % (name, token[:10], "200" if taken else "401, revoked"))
    print("    the program got   %s" % ", ".join(
        "%d %s" % tuple(a) for a in said["answers"]))
    print("""
No token and no secret entered the jail.
Audit     %s, whole""" % stage.at("audit.jsonl"))


def demonstrate(stage):
    try:
        for program in ("node", "npm"):
            if not shutil.which(program):
                raise Skipped("there is no %s" % program)
        fetch()
    except Skipped as e:
        print("\nNot shown, the same with an OAuth server: %s" % e)
        return
    with authorization(stage) as server:
        judge = Judge(server)
        with Server(stage.context, judge, {"/v1/today": ANSWER}) as api:
            stage.copy(api.port)
            policy = stage.path("policy.yaml")
            with open(policy, encoding="ascii") as f:
                text = f.read()
            check("demo/weather" in text, "policy.yaml has no demo/weather")
            with open(policy, "w", encoding="ascii") as f:
                f.write(text.replace("demo/weather", ENTRY))
            show(stage, server, judge)
