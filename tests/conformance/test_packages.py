#!/usr/bin/env python3
"""pip, npm, cargo, go and apt each install one real package in a jail.

The policy is "use: [NAME]" and no host: the template takes that from the
manager's own files on this host, and the manager in the jail is told, by its
variable or its file.  A registry that cannot be reached from here is a skip
with its reason.
"""

import glob
import os
import re
import shutil
import socket
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "flow"))

from flow import Skip, check, equal, holds, main, test  # noqa: E402

POLICY = """policy: 1
use: [%s]
limits: {memory: 3GiB, pids: 1024, cpu: 2, wall: 4m}
filesystem:
  tmpfs: [{path: /tmp, size: 1GiB}]
  write: [{path: /workspace}]
  read: [%s]
"""

APT = """set -e
mkdir -p /tmp/a/lists/partial /tmp/a/cache/archives/partial
: >/tmp/a/status
O='-qq -o Dir::State=/tmp/a -o Dir::State::status=/tmp/a/status
   -o Dir::Cache=/tmp/a/cache -o APT::Sandbox::User= -o Acquire::Languages='
apt-get $O update
apt-get $O download hello
dpkg-deb -x hello_*.deb root
root/usr/bin/hello -g "hello from $(basename hello_*.deb)"
"""

GO = """set -e
export PATH="$TOOL/bin:$PATH" GOPATH=/tmp/go GOCACHE=/tmp/cache CGO_ENABLED=0
go mod init example.test/m
go get github.com/google/uuid
printf 'package main
import "github.com/google/uuid"
func main() { print("hello from ", uuid.Nil.String()) }' >main.go
go run . 2>&1
"""

CARGO = """set -e
export PATH="$TOOL/bin:$PATH"
cargo init -q --vcs none --name p p
cd p
echo 'itoa = "1"' >>Cargo.toml
printf 'fn main() {
    println!("hello from {}", itoa::Buffer::new().format(42)); }' >src/main.rs
cargo run -q
"""

NPM = """set -e
npm install --silent --no-fund --no-audit --no-update-notifier left-pad
node -e 'console.log(require("left-pad")("hello", 7), "from left-pad")'
"""

PIP = """set -e
python3 -m pip install -q --disable-pip-version-check --target /tmp/x six
PYTHONPATH=/tmp/x python3 -c 'import six; print("hello from", six.__file__)'
"""


def reach(w, policy):
    """The first host that the template names takes a connection, or Skip."""
    shown = w.verb("policy", "show", "--resolved", policy)
    if "names an index of" in shown.said:
        raise Skip(shown.said.strip()[-300:])
    shown.expect(0)
    found = re.search(r'- "([^"/]+):(\d+)" ', shown.text)
    check(found, f"no host in {shown.text!r}")
    connect(found[1], int(found[2]))


def connect(host, port):
    try:
        socket.create_connection((host, port), 5).close()
    except OSError as e:
        raise Skip(f"{host} cannot be reached from here: {e}") from e


def install(w, name, script, tool=None):
    read = f"{{from: {tool}, path: {tool}}}" if tool else ""
    policy = w.file("p.yaml", POLICY % (name, read))
    if name != "cargo":
        reach(w, policy)
    r = w.exec(f"TOOL={tool or '/usr'}; cd /workspace\n" + script,
               "--policy", policy, seconds=240)
    equal(r.status, 0, r.said[-1500:])
    holds(r.text, "hello")
    holds(r.text, " from ")
    holds(r.said, f"network: {name}: ")
    # and the same without the template ends without a single answer
    bare = w.file("bare.yaml", POLICY % ("anthropic", read))
    r = w.exec(f"TOOL={tool or '/usr'}; cd /workspace\n" + script,
               "--policy", bare, seconds=240)
    check(r.status != 0 and " from " not in r.text,
          f"installed without the template: {r.text!r}")


def need(program):
    path = shutil.which(program, path="/usr/local/bin:/usr/bin:/bin")
    if path is None:
        raise Skip(f"no {program}")


@test
def pip_installs(w):
    if not glob.glob("/usr/lib/python3*/*-packages/pip"):
        raise Skip("no pip")
    install(w, "pip", PIP)


@test
def npm_installs(w):
    need("npm")
    install(w, "npm", NPM)


@test
def go_installs(w):
    tool = "/usr/local/go" if os.path.exists("/usr/local/go/bin/go") else None
    if tool is None:
        need("go")
    install(w, "go", GO.replace("$TOOL", tool or "/usr"))


@test
def apt_installs(w):
    need("apt-get")
    install(w, "apt", APT)


def rust():
    """The directory of a toolchain, and what its user's cargo knows."""
    cargo = shutil.which("cargo")
    if cargo is None:
        raise Skip("no cargo")
    root = subprocess.run(["rustc", "--print", "sysroot"], text=True,
                          capture_output=True, check=True).stdout.strip()
    indexes = glob.glob(os.path.expanduser("~/.cargo/registry/index/*/"
                                           "config.json"))
    if not indexes:
        raise Skip("cargo has not read an index on this host yet")
    return root, indexes


@test(modes=("root",))
def cargo_installs(w):
    """From the index that this host's cargo has used, named in a file."""
    root, indexes = rust()
    cargo = os.path.join(w.home, ".cargo")
    for path in indexes:
        name = os.path.basename(os.path.dirname(path))
        there = os.path.join(cargo, "registry", "index", name)
        os.makedirs(there)
        shutil.copy(path, there)
    bare = w.exec("true", "--policy", w.file("p.yaml", POLICY % ("cargo", "")))
    bare.refused('"[source.crates-io]" in ~/.cargo/config.toml')
    host = os.path.basename(os.path.dirname(indexes[0])).rpartition("-")[0]
    connect(host, 443)
    w.file("config.toml", "[source.crates-io]\n"
           f'registry = "sparse+https://{host}/"\n', folder=cargo)
    install(w, "cargo", CARGO, None if root == "/usr" else root)


if __name__ == "__main__":
    sys.exit(main())
