#!/usr/bin/env python3
"""warder credential: what goes in, what is said of it, and what is on disk."""

import json
import os
import stat
import subprocess
import sys
import termios

from flow import Terminal, check, equal, holds, main, test, wait_until
from private import path, places

SECRET = "ghp_SwordfishSwordfishSwordfish"


class Vault:
    def __init__(self, w, prefix):
        self.w = w
        self.prefix = prefix

    def __call__(self, *argv, data=None, env=None):
        return self.w.popen(
            [*self.prefix, self.w.program, "credential", *argv],
            env=env or self.w.environment(),
            stdin=subprocess.PIPE if data is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE).finish(
                data=data.encode() if isinstance(data, str) else data)

    def list(self):
        out = self("list", "--json").expect(0).text
        return [json.loads(line) for line in out.splitlines()]

    def file(self, place, *below):
        return path(self.w, self.prefix, place, *below)


def vault(f):
    """A test with an empty vault."""
    def run(w):
        with places(w) as prefix:
            f(w, Vault(w, prefix))
    run.__name__ = f.__name__
    return test(run)


@vault
def stored_and_listed_without_the_secret(w, v):
    v("set", "github/bot", "--to", "API.GitHub.com", "--to",
      "*.example.com:8443", "--use", "alice", data=SECRET + "\n").expect(0, "")
    entry, = v.list()
    equal(entry["name"], "github/bot")
    equal(entry["to"], ["api.github.com:443", "*.example.com:8443"])
    equal(entry["users"], ["alice"])
    equal((entry["kind"], entry["version"]), ("static", 1))
    text = v("list").expect(0).text
    holds(text, "github/bot", "version 1")
    check("word" not in text and SECRET not in json.dumps(entry), "no secret")


@vault
def disk_has_neither_secret_nor_name_and_is_closed(w, v):
    v("set", "github/bot", "--to", "api.github.com", data=SECRET).expect(0)
    top = v.file("/var/lib/warder", "vault")
    mode = os.stat(top)
    equal(stat.S_IMODE(mode.st_mode), 0o700)
    check(mode.st_uid != 0 or not w.root, "the vault is its own user's")
    for name in os.listdir(top):
        st = os.stat(os.path.join(top, name))
        equal((stat.S_IMODE(st.st_mode), st.st_uid), (0o600, mode.st_uid))
        with open(os.path.join(top, name), "rb") as f:
            data = f.read()
        check(b"Swordfish" not in data and b"github" not in data, name)
    key = os.stat(v.file("/etc/warder", "vault.key"))
    equal((stat.S_IMODE(key.st_mode), key.st_size), (0o600, 32))
    equal(key.st_uid, 0 if w.root else w.uid)


@vault
def rotate_and_remove(w, v):
    v("set", "a", "--to", "x.example", data="first-secret").expect(0)
    v("rotate", "a", data="second-secret").expect(0, "")
    equal([e["version"] for e in v.list()], [2])
    equal(v.list()[0]["to"], ["x.example:443"])
    v("set", "a", "--to", "y.example", data="third").refused("there already",
                                                             "rotate")
    v("set", "a", "--to", "y.example", "--replace", data="third").expect(0)
    equal([(e["version"], e["to"]) for e in v.list()],
          [(3, ["y.example:443"])])
    v("remove", "a").expect(0, "")
    equal(v.list(), [])
    v("remove", "a").refused("no credential a")
    v("rotate", "a", data="x").refused("no credential a")


@vault
def bad_secrets_are_refused_and_nothing_is_stored(w, v):
    for data in (b"", b"\n", b"a\r\nX: y", b"two\nlines", b"nul\0",
                 "caf\u00e9".encode(), b" a", b"a ", b"x" * 8193):
        r = v("set", "a", "--to", "x.example", data=data)
        r.refused()
        check(b"Swordfish" not in r.err, "the secret is not in the message")
        equal(v.list(), [])
    v("set", "a", "--to", "x.example", data=b"x" * 8192).expect(0)


@vault
def bad_arguments_are_refused(w, v):
    for argv, part in (
            (["set", "a"], "--to"),
            (["set", "../a", "--to", "x.example"], "not the name"),
            (["set", "a b", "--to", "x.example"], "not the name"),
            (["set", "--to", "x.example"], "which one"),
            (["set", "a", "--to", "x.example:0"], "x.example:0"),
            (["set", "a", "--to", "*.com"], "top-level"),
            (["set", "a", "--to", "x_y.example"], "x_y.example"),
            (["set", "a", "--to", "x.example", "--too"], "did you mean"),
            (["set", "a", "--to", "x.example", "--oauth", "password"],
             "client_credentials"),
            (["set", "a", "--to", "x.example", "--oauth", "refresh_token"],
             "--token-url"),
            (["set", "a", "--to", "x.example", "--oauth", "refresh_token",
              "--token-url", "http://x.example/", "--client-id", "i"],
             "https"),
            (["list", "more"], "too many")):
        v(*argv, data=SECRET).refused(part)
    equal(v("steal").status, 2)
    equal(v.list(), [])


@vault
def oauth_entries_take_one_or_two_lines(w, v):
    oauth = ["--token-url", "https://id.example/token", "--client-id", "i"]
    v("set", "a", "--to", "x.example", "--oauth", "client_credentials", *oauth,
      "--scope", "read write", data="client-secret\n").expect(0)
    v("set", "b", "--to", "x.example", "--oauth", "refresh_token", *oauth,
      data="refresh\nclient-secret\n").expect(0)
    v("set", "c", "--to", "x.example", "--oauth", "refresh_token", *oauth,
      "--client-auth", "none", data="refresh").expect(0)
    equal([e["kind"] for e in v.list()],
          ["client_credentials", "refresh_token", "refresh_token"])
    v("set", "d", "--to", "x.example", "--oauth", "client_credentials", *oauth,
      data="a\nb").refused("two lines")


@vault
def a_key_that_others_read_or_that_is_lost_or_wrong(w, v):
    v("set", "a", "--to", "x.example", data=SECRET).expect(0)
    key = v.file("/etc/warder", "vault.key")
    os.chmod(key, 0o640)
    v("list").refused("vault.key", "0600")
    os.chmod(key, 0o600)
    equal(len(v.list()), 1)
    os.rename(key, key + ".old")
    v("list").refused("no key")
    v("set", "b", "--to", "x.example", data=SECRET).refused(
        "no key, and the vault has entries")
    os.replace(key + ".old", key)
    equal(len(v.list()), 1)


@vault
def the_key_is_a_credential_of_systemds(w, v):
    folder = w.scratch("credentials", mode=0o700)
    given = w.file("warder-vault-key", os.urandom(32), folder, 0o400)
    env = w.environment(CREDENTIALS_DIRECTORY=folder)
    key = v.file("/etc/warder", "vault.key")
    v("set", "a", "--to", "x.example", data=SECRET, env=env).expect(0)
    check(not os.path.exists(key), "no key of its own")
    v("list", env=env).expect(0)
    v("list").refused("no key")
    v("set", "b", "--to", "x.example", data=SECRET).refused(
        "no key, and the vault has entries")
    check(not os.path.exists(key), "nor now")
    # two keys: nobody can say which
    for folder in (os.path.dirname(os.path.dirname(key)),
                   os.path.dirname(key)):
        if not os.path.isdir(folder):
            w.make(folder, 0o700)
    w.file("vault.key", os.urandom(32), os.path.dirname(key), 0o600)
    v("list", env=env).refused("two keys")
    os.unlink(key)
    os.chmod(given, 0o444)
    v("list", env=env).refused("0600")
    os.chmod(given, 0o400)
    v("list", env=env).expect(0)
    with open(given, "wb") as f:
        f.write(os.urandom(32))
    v("list", env=env).refused("another key")


@vault
def a_changed_file_is_refused(w, v):
    v("set", "a", "--to", "x.example", data=SECRET).expect(0)
    name = v.file("/var/lib/warder", "vault", "entries")
    with open(name, "r+b") as f:
        data = bytearray(f.read())
        for at in (0, 5, 9, 20, 30, len(data) - 1):
            data[at] ^= 1
            f.seek(0)
            f.write(data)
            f.flush()
            v("list").refused("vault")
            data[at] ^= 1
        f.seek(0)
        f.write(data)
    equal(len(v.list()), 1)


@vault
def many_at_once_lose_nothing(w, v):
    running = [w.popen([*v.prefix, w.program, "credential", "set", f"n{i}",
                        "--to", "x.example"], stdin=subprocess.PIPE,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
               for i in range(8)]
    for p in running:
        p.finish(data=SECRET.encode()).expect(0)
    equal(len(v.list()), 8)
    equal([n for n in os.listdir(v.file("/var/lib/warder"))
           if n.startswith(".")], [])


@vault
def on_a_terminal_it_is_asked_for_and_not_shown(w, v):
    t = Terminal(w, [*v.prefix, w.program, "credential", "set", "a", "--to",
                     "x.example"])
    t.expect("not shown")
    wait_until(lambda: not termios.tcgetattr(t.slave)[3] & termios.ECHO)
    t.type(SECRET + "\n")
    equal(t.finish(), 0)
    check(SECRET not in t.seen, "no echo")
    check(termios.tcgetattr(t.slave)[3] & termios.ECHO, "echo is on again")
    t.close()
    equal(len(v.list()), 1)


if __name__ == "__main__":
    sys.exit(main())
