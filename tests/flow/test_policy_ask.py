#!/usr/bin/env python3
"""warder policy why, test, diff, init and check's findings about the network;
what "why" says of files against what a jail shows; package managers."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import traceback
import zipfile

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = TOP / os.environ.get("WARDER_BUILD", "build")
WARDER = BUILD / "bin/warder"
SHARE = BUILD / "share/warder"

TESTS = []


def test(function):
    TESTS.append(function)
    return function


class Skip(Exception):
    pass


def run(directory, *words, verb="policy"):
    return subprocess.run([WARDER, verb, *words], cwd=directory, text=True,
                          capture_output=True, timeout=60, check=False,
                          stdin=subprocess.DEVNULL)


def write(directory, name, text):
    (pathlib.Path(directory) / name).write_text(text, encoding="utf-8")
    return name


def equal(got, expected, what=""):
    assert got == expected, f"{what}: got {got!r}, expected {expected!r}"


def holds(text, *parts):
    for part in parts:
        assert part in text, f"{part!r} is not in {text!r}"


BOT = """policy: 1
name: bot
network:
  services:
    api:
      to: [api.example.com, "*.cdn.example.com:8443"]
      allow:
        - {methods: read, path: /repos/acme/**}
        - {methods: [POST], path: /repos/acme/issues, query: {dry: "1"}}
      ask: [{methods: [POST], path: /repos/acme/pulls, why: Opens a request}]
      deny: [{methods: [DELETE], path: /**, why: Never}]
    db: {to: "db.internal:5432", protocol: tcp, allow: any}
credentials:
  token:
    source: {vault: bot}
    placeholder: {env: TOKEN, shape: opaque}
    inject: [{service: api, as: bearer, when: placeholder}]
filesystem:
  write: [{path: /workspace}]
  protect: [/workspace/.git/hooks/**]
seccomp: {deny: [flock]}
"""

# question, exit status, what the answer says
ANSWERS = [
    ("GET https://api.example.com/repos/acme/x", 0,
     ["allow", "bot.yaml:8", "token in authorization"]),
    ("https://api.example.com/repos/acme/x", 0, ["GET /repos/acme/x"]),
    ("GET https://API.example.com./repos/%61cme/x", 0, ["/repos/acme/x"]),
    ("GET https://a.cdn.example.com:8443/repos/acme/x", 0, ["allow"]),
    ("GET https://a.b.cdn.example.com:8443/repos/acme/x", 3,
     ["code        service"]),
    ("GET https://api.example.com:8443/repos/acme/x", 3,
     ["code        port", "to[+]: api.example.com:8443"]),
    ("GET https://evilapi.example.com/", 3, ["code        service"]),
    ("GET https://api.example.com.evil.test/", 3, ["code        service"]),
    
    ("POST https://api.example.com/repos/acme/issues", 3,
     ["code        query", "bot.yaml:9"]),
    ("POST https://api.example.com/repos/acme/issues?dry=1", 0, []),
    ("POST https://api.example.com/repos/acme/pulls", 4,
     ["ask:", "code        approval_required", "Opens a request"]),
    ("DELETE https://api.example.com/repos/acme/x", 3,
     ["code        method", "why         Never", "deny[0]"]),
    ("GET https://api.example.com/repos/hr", 3,
     ["code        path", "nearest     bot.yaml:8",
      "allow[+]: {methods: [GET], path: /repos/hr}"]),
    ("GET https://api.example.com/repos/acme/../hr", 3,
     ["code        malformed", 'it has a "." or ".." segment']),
    ("GET https://api.example.com/repos/acme/..%2fhr", 3,
     ["code        malformed"]),
    ("get https://api.example.com/repos/acme/x", 3, ["code        malformed"]),
    ("GET https://user@api.example.com/", 3, ["code        malformed"]),
    ("TRACE https://api.example.com/repos/acme/x", 3, ["code        method"]),
    ("DELETE https://api.example.com/repos/acme/x", 3,
     ["deny: a deny rule matches\n", "why         Never",
      "network.services.api.deny[0]"]),
    ("PUT https://api.example.com/repos/acme/x", 3,
     ["deny: no rule allows this method"]),
    ("GET http://api.example.com/repos/acme/x", 3,
     ["deny: the service wants TLS: connect with https\n",
      "code        tls"]),
    ("GET http://api.example.com:8080/repos/acme/x", 3,
     ["code        port", "network.services.api.to[+]"]),
    ("tcp:db.internal:5432", 0, ["service     db"]),
    ("tcp:db.internal:22", 3, ["code        port"]),
    ("tcp:api.example.com:443", 3, ["speaks http"]),
    ("tcp:192.168.1.10:5432", 3, ["code        address_class",
                                  "only_addresses"]),
    ("tcp:[::ffff:169.254.169.254]:80", 3, ["code        address_class"]),
    ("dns:api.example.com", 0, []),
    ("dns:example.com", 3, ["code        service"]),
    ("/workspace/a", 0, ["bot.yaml:19"]),
    ("/workspace/.git/hooks/x", 3, ["protected", "bot.yaml:20"]),
    ("read:/workspace/.git/hooks/x", 0, []),
    ("write:/usr/bin/x", 3, ["read-only"]),
    ("read:/usr/bin/env", 0, []),
    ("read:/root/.ssh/id_rsa", 3, ["not there"]),
    ("flock", 3, ["seccomp.deny"]),
    ("syscall:read", 0, []),
    ("clone", 0, ["by its arguments"]),
    ("bpf", 3, ["EPERM"]),
]


@test
def policy_why__each_question__status_and_reason(d):
    write(d, "bot.yaml", BOT)
    for question, status, parts in ANSWERS:
        r = run(d, "why", "bot.yaml", question)
        equal((r.returncode, r.stderr), (status, ""), question)
        holds(r.stdout, *parts)
        r = run(d, "why", "--json", "bot.yaml", question)
        equal(r.returncode, status, question)
        record = json.loads(r.stdout)
        equal(list(record), ["code", "what", "service", "passed", "failed",
                             "nearest", "edit", "why", "policy", "run"],
              question)
        holds(record["policy"], "sha256:")
        if status == 0:
            equal((record["code"], record["failed"]), (None, None), question)


@test
def policy_why__bad_questions__2(d):
    write(d, "bot.yaml", BOT)
    for question in ("what?", "nosuchcall", "read:relative", "/a/../b", ""):
        r = run(d, "why", "bot.yaml", question)
        equal((r.returncode, r.stdout), (2, ""), question)
        holds(r.stderr, "warder: policy why: ")
    equal(run(d, "why", "bot.yaml").returncode, 2)
    equal(run(d, "why", "nowhere.yaml", "bpf").returncode, 2)


@test
def policy_why__hostile_question__nothing_reaches_the_terminal(d):
    write(d, "bot.yaml", BOT)
    for question in ("GET https://api.example.com/\x1b[2J",
                     "GET https://api.example.com/\u202e",
                     "tcp:\x1b[2J:1", "\x1b]0;x\x07"):
        r = run(d, "why", "bot.yaml", question)
        assert r.returncode in (2, 3), question
        assert "\x1b" not in r.stdout + r.stderr, question
        assert "\u202e" not in r.stdout + r.stderr, question


# ---- test -------------------------------------------------------------------

GOOD_TESTS = """tests:
  - {name: reads, http: GET https://api.example.com/repos/acme/x, expect: allow, rule: api, credential: token}
  - {name: not elsewhere, http: GET https://api.example.com/repos/hr, expect: deny, code: path}
  - {name: a person, http: POST https://api.example.com/repos/acme/pulls, expect: ask, code: approval_required}
  - {name: the net, tcp: 192.168.1.10:5432, expect: deny, code: address_class}
  - {name: the database, tcp: "db.internal:5432", expect: allow, rule: db}
  - {name: ambiguous, http: "GET https://api.example.com/a//b", expect: deny, code: malformed}
  - {name: writes, write: /workspace/x, expect: allow}
  - {name: hooks, write: /workspace/.git/hooks/x, expect: deny}
  - {name: base, read: /usr/bin/env, expect: allow}
  - {name: keyring, syscall: flock, expect: deny}
"""


@test
def policy_test__all_forms_good__0_and_counts(d):
    write(d, "bot.yaml", BOT + GOOD_TESTS)
    r = run(d, "test", "bot.yaml")
    equal((r.returncode, r.stdout, r.stderr),
          (0, "10 passed, 0 failed\n", ""))


# Each of these says something that is not so.
WRONG_TESTS = {
    "{name: t, http: GET https://api.example.com/repos/acme/x, expect: deny}":
        "answer deny expected, allow found (bot.yaml:8)",
    "{name: t, http: GET https://api.example.com/repos/hr, expect: allow}":
        "answer allow expected, deny found",
    "{name: t, http: GET https://api.example.com/repos/hr, expect: deny, "
    "code: method}": "code method expected, path found",
    "{name: t, http: GET https://api.example.com/repos/acme/x, "
    "expect: allow, rule: db}": "service db expected, api found",
    "{name: t, tcp: \"db.internal:5432\", expect: allow, credential: token}":
        "credential token expected, none found",
    "{name: t, http: GET https://api.example.com/repos/acme/x, "
    "expect: deny, carries: nosuch}": "has no credential nosuch",
    "{name: t, write: /usr/x, expect: allow}": "answer allow expected",
    "{name: t, read: /workspace/x, expect: deny}": "answer deny expected",
    "{name: t, syscall: bpf, expect: allow}": "answer allow expected",
    "{name: t, tcp: \"10.0.0.1:1\", expect: deny, code: service}":
        "code service expected, address_class found",
}


@test
def policy_test__each_wrong_expectation__1_with_its_place(d):
    for wrong, text in WRONG_TESTS.items():
        write(d, "bot.yaml", BOT + f"tests:\n  - {wrong}\n")
        r = run(d, "test", "bot.yaml")
        equal(r.returncode, 1, wrong)
        holds(r.stdout, "bot.yaml:23:5: \"t\": ", text,
              "0 passed, 1 failed\n")


@test
def policy_test__placeholder_elsewhere__refused(d):
    write(d, "bot.yaml", BOT.replace(
        "credentials:",
        "    other: {to: other.example.com, allow: [{methods: read}]}\n"
        "credentials:") + """tests:
  - {name: elsewhere, http: GET https://other.example.com/, carries: token, expect: deny, code: credential_elsewhere}
  - {name: without, http: GET https://other.example.com/, expect: allow, rule: other}
  - {name: where it belongs, http: GET https://api.example.com/repos/acme/x, carries: token, expect: allow, credential: token}
""")
    r = run(d, "test", "bot.yaml")
    equal((r.returncode, r.stdout), (0, "3 passed, 0 failed\n"))


@test
def policy_test__recorded_requests__run_too(d):
    write(d, "bot.yaml", BOT)
    write(d, "recorded.yaml", json.dumps({"policy": 1, "tests": [
        {"name": "one", "expect": "allow",
         "http": "GET https://api.example.com/repos/acme/x"},
        {"name": "two", "expect": "allow",
         "http": "GET https://api.example.com/repos/hr"}]}))
    r = run(d, "test", "--with", "recorded.yaml", "bot.yaml")
    equal(r.returncode, 1)
    holds(r.stdout, "recorded.yaml:1:", '"two"', "1 passed, 1 failed")
    r = run(d, "test", "--json", "--with", "recorded.yaml", "bot.yaml")
    lines = [json.loads(line) for line in r.stdout.splitlines()]
    equal([(t["name"], t["passed"], t["answer"]) for t in lines],
          [("one", True, "allow"), ("two", False, "deny")])
    equal(lines[1]["record"]["code"], "path")
    equal(run(d, "test", "--with", "nowhere.yaml", "bot.yaml").returncode, 2)


@test
def policy_test__no_tests__says_so(d):
    write(d, "p.yaml", "policy: 1\n")
    r = run(d, "test", "p.yaml")
    equal(r.returncode, 0)
    holds(r.stdout, "the policy has no tests")


# ---- diff -------------------------------------------------------------------

# what changes in BOT, and the line that widening it prints
WIDENINGS = [
    ("api.example.com,", "api.example.com, new.example.com,",
     "+ reach: new.example.com:443"),
    ("methods: read, path", "methods: [GET, HEAD, OPTIONS, PUT], path",
     "+ methods and paths: PUT /repos/acme/** at api.example.com:443"),
    ("path: /repos/acme/**}", "path: /repos/**}",
     "+ methods and paths: GET,HEAD,OPTIONS /repos/**"),
    (", query: {dry: \"1\"}", "", "+ methods and paths: POST"),
    ("      deny: [{methods: [DELETE], path: /**, why: Never}]\n", "",
     "+ not denied: DELETE /**"),
    ("      ask: [{methods: [POST], path: /repos/acme/pulls, "
     "why: Opens a request}]\n", "", "+ not asked about: POST"),
    ("protocol: tcp, allow: any}",
     "protocol: tcp, allow: any, only_addresses: [10.0.0.0/8]}",
     "+ addresses: others than now for db.internal:5432"),
    ("source: {vault: bot}", "source: {vault: boss}",
     "+ credentialed reach: token to api.example.com:443"),
    ("    inject: [{service: api,",
     "    elsewhere: pass\n    inject: [{service: api,",
     "+ credential: token: elsewhere is looser"),
    ("    inject: [{service: api,",
     "    scrub_response: false\n    inject: [{service: api,",
     "+ credential: token: responses are not scrubbed"),
    ("write: [{path: /workspace}]",
     "write: [{path: /workspace}, {path: /more}]", "+ new: a directory"),
    ("  protect: [/workspace/.git/hooks/**]\n", "",
     "+ not protected: /workspace/.git/hooks/**"),
    ("seccomp: {deny: [flock]}", "seccomp: {}",
     "+ seccomp: flock is not denied"),
    ("seccomp: {deny: [flock]}",
     "seccomp: {deny: [flock], profile: build}", "+ seccomp: profile build"),
    ("name: bot\n", "name: bot\nlimits: {memory: 8GiB}\n",
     "+ limits: memory_bytes 8589934592"),
    ("name: bot\n", "name: bot\nprocess: {env_pass: [HOME]}\n",
     "+ environment: HOME is passed"),
]


@test
def policy_diff__each_widening__5_and_back_6(d):
    write(d, "old.yaml", BOT)
    for before, after, line in WIDENINGS:
        assert before in BOT, before
        write(d, "new.yaml", BOT.replace(before, after))
        r = run(d, "diff", "old.yaml", "new.yaml")
        equal((r.returncode, r.stderr), (5, ""), after)
        holds(r.stdout, line)
        r = run(d, "diff", "new.yaml", "old.yaml")
        holds(r.stdout, line.replace("+", "-", 1))
        # another secret, other addresses: something new in both directions
        both = "vault: boss" in after or "only_addresses" in after
        equal(r.returncode, 5 if both else 6, after)


@test
def policy_diff__another_way_to_say_the_same__0(d):
    write(d, "old.yaml", BOT)
    write(d, "new.yaml", BOT.replace("    api:\n", "    renamed:\n")
          .replace("service: api,", "service: renamed,")
          .replace("methods: read", "methods: [OPTIONS, GET, HEAD]")
          .replace("name: bot", "name: other"))
    r = run(d, "diff", "old.yaml", "new.yaml")
    equal((r.returncode, r.stdout, r.stderr), (0, "", ""))


@test
def policy_diff__both_ways__5_and_both_are_said(d):
    write(d, "old.yaml", BOT)
    write(d, "new.yaml", BOT.replace("api.example.com,", "new.example.com,"))
    r = run(d, "diff", "--json", "old.yaml", "new.yaml")
    equal(r.returncode, 5)
    lines = [json.loads(line) for line in r.stdout.splitlines()]
    equal({(x["change"], x["kind"]) for x in lines} >=
          {("widened", "reach"), ("narrowed", "reach"),
           ("widened", "credentialed reach")}, True)
    equal(run(d, "diff", "old.yaml").returncode, 2)
    equal(run(d, "diff", "old.yaml", "nowhere.yaml").returncode, 2)


# ---- init, templates ----------------------------------------------------------

@test
def policy_init__each_start__checks_clean_and_its_tests_pass(d):
    listing = run(d, "init")
    equal(listing.returncode, 0)
    names = [line.split()[0] for line in listing.stdout.splitlines()[2:]]
    assert set(names) >= {"script", "packages", "model", "build-bot"}, names
    for name in names:
        r = run(d, "init", name)
        equal(r.returncode, 0, name)
        holds(r.stdout, "policy: 1\n", "\ntests:\n")
        write(d, "p.yaml", r.stdout)
        r = run(d, "check", "p.yaml")
        if "names an index of" in r.stderr:
            continue  # a manager that is not here and not configured
        equal((r.returncode, r.stdout), (0, ""), name)
        r = run(d, "test", "p.yaml")
        equal(r.returncode, 0, name + r.stdout)
        holds(r.stdout, " passed, 0 failed")


@test
def policy_init__no_such_name__2_and_the_names(d):
    for name in ("nosuch", "../services/pip", ".hidden", "/etc/passwd"):
        r = run(d, "init", name)
        equal((r.returncode, r.stdout), (2, ""), name)
        holds(r.stderr, "build-bot")


@test
def policy_use__each_template__checks_clean(d):
    names = sorted(p.stem for p in (SHARE / "services").iterdir())
    assert set(names) >= {"pip", "npm", "cargo", "apt", "go", "anthropic",
                          "openai", "google", "mistral", "github-read"}, names
    for name in names:
        write(d, "p.yaml", f"policy: 1\nuse: [{name}]\n")
        r = run(d, "check", "p.yaml")
        if r.returncode == 2:  # said nowhere on this host: what to write
            holds(r.stderr, f"names an index of {name}; ")
            continue
        equal((r.returncode, r.stdout, r.stderr), (0, "", ""), name)


@test
def policy_use__managers_templates__name_no_host(d):
    for name in ("pip", "npm", "cargo", "apt", "go"):
        text = (SHARE / f"services/{name}.yaml").read_text(encoding="utf-8")
        holds(text, f"to: {{manager: {name}}}")
        assert ".org" not in text and ".io" not in text, name


@test
def policy_manager__its_code__names_no_host(d):
    """Strings of manager.c with a dot are file names, not hosts."""
    text = (TOP / "policy/manager.c").read_text(encoding="utf-8")
    strings = re.findall(r'"((?:[^"\\\n]|\\.)*)"', text)
    assert len(strings) > 50, strings
    hosts = [s for s in strings
             if re.search(r"://[a-z0-9]", s) or
             re.search(r"(^|[^\w.-])([a-z0-9-]+\.)+(org|io|com|net|dev)\b", s)]
    equal(hosts, [])


@test
def policy_use__github_read__no_push_and_no_post(d):
    write(d, "p.yaml", "policy: 1\nuse: [github-read]\n")
    for question, status in (
            ("GET https://github.com/a/b.git/info/refs"
             "?service=git-upload-pack", 0),
            ("GET https://github.com/a/b.git/info/refs"
             "?service=git-receive-pack", 3),
            ("POST https://github.com/a/b.git/git-upload-pack", 0),
            ("POST https://github.com/a/b.git/git-receive-pack", 3),
            ("GET https://api.github.com/repos/a/b", 0),
            ("POST https://api.github.com/repos/a/b/issues", 3)):
        equal(run(d, "why", "p.yaml", question).returncode, status, question)


@test
def policy_manager__unknown__its_place(d):
    write(d, "p.yaml", "policy: 1\nnetwork: {services: {x: "
                       "{to: {manager: yarn}, allow: any}}}\n")
    r = run(d, "check", "p.yaml")
    equal(r.returncode, 2)
    holds(r.stderr, 'p.yaml:2:40: "yarn"', "no package manager")


@test
def policy_manager__config_of_this_host__named_in_show(d):
    if os.geteuid() != 0:
        raise Skip("writes the user's own configuration: root in a "
                   "namespace only")
    # The tree may itself lie in /root: it is seen elsewhere then.
    build = os.path.dirname(os.path.dirname(WARDER))
    script = f"""set -e
mkdir {d}/build
mount --bind {build} {d}/build
mount -t tmpfs none /root
mkdir -p /root/.config/pip
printf '[global]\\nindex-url = https://u:pw@mirror.corp.example:8443/simple/\\n' >/root/.config/pip/pip.conf
cd {d}
PIP_INDEX_URL=https://evil.example {d}/build/bin/warder policy show --resolved p.yaml
"""
    write(d, "p.yaml", "policy: 1\nuse: [pip]\n")
    r = subprocess.run(["unshare", "--mount", "sh", "-c", script], text=True,
                       capture_output=True, timeout=60, check=False)
    equal((r.returncode, r.stderr), (0, ""))
    origin = "# /root/.config/pip/pip.conf:2\n"
    holds(r.stdout, f"\"mirror.corp.example:8443\"    {origin}",
          f"PIP_INDEX_URL: \"https://mirror.corp.example:8443/simple/\"    "
          f"{origin}")
    assert "pypi.org" not in r.stdout and "pw@" not in r.stdout
    assert "evil" not in r.stdout


def make_wheel(directory, name):
    """A wheel with nothing but a module, and the index page that names it."""
    pages = pathlib.Path(directory) / "simple" / name
    pages.mkdir(parents=True)
    wheel = f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(pages / wheel, "w") as z:
        z.writestr(f"{name}.py", "here = True\n")
        z.writestr(f"{info}/METADATA",
                   f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        z.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\n"
                                    "Root-Is-Purelib: true\n"
                                    "Tag: py3-none-any\n")
        z.writestr(f"{info}/RECORD", "")
    (pages / "index.html").write_text(f'<a href="{wheel}">{wheel}</a>\n')


# A network of two: here the launcher, behind the other end the mirror.
MIRROR = """set -e
ip link set lo up
unshare --net sleep 100 &
other=$!
trap 'kill $other $server 2>/dev/null || true' EXIT
sleep 0.3
ip link add v0 type veth peer name v1 netns $other || exit 77
ip addr add 10.77.0.1/24 dev v0
ip link set v0 up
nsenter -t $other -n ip addr add 10.77.0.2/24 dev v1
nsenter -t $other -n ip link set v1 up
nsenter -t $other -n {python} -m http.server --directory {d} \\
    --bind 10.77.0.2 8099 >/dev/null 2>&1 &
server=$!
for i in 1 2 3 4 5 6 7 8 9 10; do
    {python} -c 'import socket; socket.create_connection(("10.77.0.2", 8099), 1)' \\
        2>/dev/null && break
    sleep 0.3
done
mount -t tmpfs none /root
mkdir -p /root/.config/pip
printf '[global]\\nindex-url = http://10.77.0.2:8099/simple/\\ntrusted-host = 10.77.0.2\\n' \\
    >/root/.config/pip/pip.conf
cd {d}
{warder} exec --policy p.yaml -- python3 -m pip install --quiet \\
    --disable-pip-version-check --target /tmp/x wardertestwheel
# without the template, and at another port, it is as closed as any
{warder} exec --policy p.yaml -- python3 -c '
import urllib.request
urllib.request.urlopen("http://10.77.0.2:8098/", timeout=5)' && exit 9
{warder} exec --policy bare.yaml -- python3 -c '
import urllib.request
urllib.request.urlopen("http://10.77.0.2:8099/", timeout=5)' && exit 9
exit 0
"""


@test
def policy_manager__mirror_on_the_premises__pip_installs_from_it(d):
    if os.geteuid() != 0:
        raise Skip("makes a network of its own: root only")
    if subprocess.run([sys.executable, "-m", "pip", "--version"],
                      capture_output=True, check=False).returncode != 0:
        raise Skip("no pip here")
    make_wheel(d, "wardertestwheel")
    write(d, "p.yaml", "policy: 1\nuse: [pip]\n"
                       "limits: {pids: 512, memory: 2GiB}\n")
    write(d, "bare.yaml", "policy: 1\n"
                          "network: {services: {a: {to: a.example, "
                          "allow: any}}}\n")
    script = MIRROR.format(d=d, warder=WARDER, python=sys.executable)
    r = subprocess.run(["unshare", "--mount", "--net", "sh", "-c", script],
                       text=True, capture_output=True, timeout=120,
                       check=False, stdin=subprocess.DEVNULL)
    if r.returncode == 77:
        raise Skip("no veth on this kernel")
    equal(r.returncode, 0, r.stdout + r.stderr)
    holds(r.stderr, "network: pip: ")


# ---- check --------------------------------------------------------------------

def services(**named):
    return "network: {services: {" + ", ".join(
        f"{name}: {{{body}}}" for name, body in named.items()) + "}}\n"


FINDINGS = {
    "can never match: line 2 asks about": services(
        a="to: a.example, allow: [{methods: [POST], path: /x/y}], "
          "ask: [{path: /x/**}]"),
    "can never match: line 2 denies": services(
        a="to: a.example, allow: any, ask: [{path: /x/y}], "
          "deny: [{path: /x/**}]"),
    "is always blocked: no policy opens it": services(
        a="to: 169.254.169.254, allow: any"),
    "is never connected to: its address is private": services(
        a="to: 192.168.1.1, allow: any"),
    "is always blocked, so nothing is ever connected": services(
        a="to: a.example, allow: any, only_addresses: [169.254.169.254/32]"),
    "opens private addresses far and wide": services(
        a="to: a.example, allow: any, only_addresses: [0.0.0.0/0]"),
    "belongs to service a too": services(
        a="to: \"*.b.example\", allow: any", b="to: x.b.example, allow: any"),
    "/nowhere.pem: does not exist": services(
        a="to: a.example, allow: any, tls: {ca: /nowhere.pem}"),
    "each would carry this credential": services(
        a="to: a.example, allow: any") +
        "credentials: {k: {source: {vault: k}, "
        "inject: [{service: a, as: bearer}]}}\n",
    "in the clear": services(
        a="to: \"a.example:80\", tls: none, allow: [{path: /x}]") +
        "credentials: {k: {source: {vault: k}, "
        "inject: [{service: a, as: bearer}]}}\n",
    "/nowhere.key: does not exist": services(
        a="to: a.example, allow: [{path: /x}]") +
        "credentials: {k: {source: {file: /nowhere.key}, "
        "inject: [{service: a, as: bearer}]}}\n",
    "can be read or written by others": services(
        a="to: a.example, allow: [{path: /x}]") +
        "credentials: {k: {source: {file: /etc/hostname}, "
        "inject: [{service: a, as: bearer}]}}\n",
}


@test
def policy_check__network_findings__1_and_text(d):
    for text, body in FINDINGS.items():
        r = run(d, "check", write(d, "p.yaml", "policy: 1\n" + body))
        equal((r.returncode, r.stderr), (1, ""), text)
        holds(r.stdout, "p.yaml:", text)
    # the control: none of them where nothing is wrong
    r = run(d, "check", write(d, "p.yaml", BOT))
    equal((r.returncode, r.stdout), (0, ""))


@test
def policy_check__program_that_enforces_is_missing__says_so(d):
    write(d, "p.yaml", BOT)
    for program in ("warder-config", "warder-vault"):
        shutil.copy(BUILD / "libexec/warder" / program, d)
    r = subprocess.run([f"{d}/warder-config", "policy", "check", "p.yaml"],
                       cwd=d, text=True, capture_output=True, timeout=60,
                       check=False)
    equal(r.returncode, 1)
    holds(r.stdout, "p.yaml:5:", "there is no warder-proxy\n")
    assert "warder-vault" not in r.stdout
    os.unlink(f"{d}/warder-vault")
    r = subprocess.run([f"{d}/warder-config", "policy", "check", "p.yaml"],
                       cwd=d, text=True, capture_output=True, timeout=60,
                       check=False)
    holds(r.stdout, "there is no warder-vault\n")


# ---- the command line's --allow ---------------------------------------------

@test
def exec_allow__printed_policy__one_service_each(d):
    r = run(d, "--allow", "api.example.com", "--allow", "ci.example.com:8443",
            "--print-policy", "--", "true", verb="exec")
    equal((r.returncode, r.stderr), (0, ""))
    write(d, "p.yaml", r.stdout)
    for question, status in (
            ("POST https://api.example.com/any/path", 0),
            ("GET https://ci.example.com:8443/", 0),
            ("GET https://ci.example.com/", 3),
            ("GET http://api.example.com/", 3),
            ("GET https://sub.api.example.com/", 3),
            ("tcp:10.0.0.1:443", 3)):
        equal(run(d, "why", "p.yaml", question).returncode, status, question)


@test
def exec_allow__not_a_host__refused_with_the_reason(d):
    for host, reason in (("*.com", "whole top-level domain"),
                         ("https://a.example/", "is a URL"),
                         ("API.example.com", "capital letters"),
                         ("a.example:0", "port"),
                         ("a.example, b.example", "is not a host")):
        r = run(d, "--allow", host, "--", "true", verb="exec")
        equal(r.returncode, 125, host)
        holds(r.stderr, reason)


@test
def exec_refusal__record_and_report_and_why__one_digest(d):
    write(d, "p.yaml", "policy: 1\nnetwork: {services: {a: "
                       "{to: a.example, allow: any}}}\n")
    r = run(d, "--policy", "p.yaml", "--report", "report.json", "--",
            "python3", "-c", "import urllib.request\n"
            "try: urllib.request.urlopen('http://b.example/')\n"
            "except Exception as e: print(e.read().decode())", verb="exec")
    equal(r.returncode, 0, r.stderr)
    record = json.loads(r.stdout)
    equal(record["code"], "service")
    report = json.loads((pathlib.Path(d) / "report.json").read_text())
    why = json.loads(run(d, "why", "--json", "p.yaml",
                         "GET http://b.example/").stdout)
    equal((record["policy"], why["policy"]),
          (report["policy"]["digest"],) * 2)


# ---- against a jail ---------------------------------------------------------------

PROBE = r"""
for p in "$@"; do
    r=0; w=0
    if [ -e "$p" ]; then [ -r "$p" ] && r=1; [ -w "$p" ] && w=1; fi
    echo "$p $r $w"
done
"""


@test
def policy_why__files__as_a_jail_shows_them(d):
    paths = ["/usr", "/usr/bin/env", "/bin", "/etc", "/etc/passwd",
             "/etc/shadow", "/etc/hosts", "/etc/ssl/certs", "/proc", "/dev",
             "/dev/null", "/dev/zero", "/dev/shm", "/dev/kmsg", "/home",
             "/home/agent", "/", "/tmp", "/workspace", "/root", "/var",
             "/sys", "/run", "/opt", "/etc/resolv.conf", "/etc/machine-id", "/etc/fstab",
             "/var/tmp", "/var/lib", "/etc/ssl", "/dev/fd", "/sys/kernel"]
    answer = run(d, "--", "/bin/sh", "-c", PROBE, "sh", *paths, verb="exec")
    if answer.returncode != 0:
        raise Skip("no jail on this host: " + answer.stderr.strip())
    for line in answer.stdout.splitlines():
        path, readable, writable = line.split()
        for verb, there in (("read", readable), ("write", writable)):
            got = run(d, "why", "default", f"{verb}:{path}").returncode
            equal(got, 0 if there == "1" else 3, f"{verb} {path}")


def main():
    print(f"1..{len(TESTS)}")
    failed = 0
    for number, function in enumerate(TESTS, 1):
        name = function.__name__
        with tempfile.TemporaryDirectory() as directory:
            try:
                function(os.path.realpath(directory))
                print(f"ok {number} - {name}", flush=True)
            except Skip as why:
                print(f"ok {number} - {name} # SKIP {why}", flush=True)
            except Exception:  # pylint: disable=broad-except
                failed += 1
                print("# " + traceback.format_exc().replace("\n", "\n# "))
                print(f"not ok {number} - {name}", flush=True)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
