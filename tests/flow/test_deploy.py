#!/usr/bin/env python3
"""Deployment: hostile archives, agent.yaml, policies under the ceiling.

IN-05 of the battery: each archive is refused, or what would have harmed is
not there afterwards; beside each stands one that is fine.
"""

import gzip
import io
import os
import signal
import sys
import tarfile

from flow import check, equal, holds, main, test, wait_until
from supervisor import (DEPLOY, Warderd, agent, archive, digest_of, sealed)

YAML = "name: tried\nprotocol: plain\ncommand: [sh, /agent/run.sh]\n"
LOOK = "cd /agent; find . | sort; echo; cat run.sh | head -1"
GOOD = [("agent.yaml", YAML), ("run.sh", LOOK)]


def entry(name, kind=tarfile.REGTYPE, link="", mode=0o644, **more):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, mode
    for key, value in more.items():
        setattr(info, key, value)
    return info


def hostile(d, files, *parts):
    """Refused as the archive's fault, and nothing of it is left."""
    before = sorted(os.listdir(os.path.join(d.state, "agents", "default"))) \
        if os.path.isdir(os.path.join(d.state, "agents", "default")) else []
    m = d.deploy(archive([*GOOD, *files]), expect="REFUSED")
    equal(m.code, "INVALID", m.text)
    holds(m.text, *parts)
    after = sorted(os.listdir(os.path.join(d.state, "agents", "default")))
    equal(after, before, "what is left of it")


def tree_of(d, digest, tenant="default"):
    return os.path.join(d.state, "agents", tenant, digest.hex(), "tree")


def names_in(d, digest):
    root = tree_of(d, digest)
    return sorted(os.path.relpath(os.path.join(f, n), root)
                  for f, folders, files in os.walk(root)
                  for n in folders + files)


@test
def names_that_lead_out(w):
    with Warderd(w) as d:
        secret = os.path.join(d.folder, "secret")
        for name in ("../out", "a/../../out", "../../../../" + secret):
            hostile(d, [(name, "x")], "tar")
        # GNU tar takes the slash away: it lies in the tree, or nowhere
        m = d.deploy(archive([*GOOD, (secret, "x")]))
        check(not os.path.exists(secret), "it was written outside")
        check(secret.lstrip("/") in names_in(d, m.digest), "it is not there")


@test
def links_that_lead_out(w):
    with Warderd(w) as d:
        out = w.scratch("out", mode=0o777)
        # written through a link
        for target in (out, "../../..", "/"):
            hostile(d, [(entry("way", tarfile.SYMTYPE, target), None),
                        ("way/file", "x")], "tar")
        equal(os.listdir(out), [])
        hostile(d, [(entry("hard", tarfile.LNKTYPE, "/etc/passwd"), None)],
                "tar")
        hostile(d, [(entry("hard", tarfile.LNKTYPE, "../../x"), None)], "tar")
        # a link itself is a name; who follows it is in the jail
        tar = archive([("agent.yaml", YAML),
                       ("run.sh", "cat /agent/way 2>&1; readlink /agent/way; "
                        "cat /agent/beside"),
                       ("text", "good\n"),
                       (entry("way", tarfile.SYMTYPE, "/etc/shadow"), None),
                       (entry("beside", tarfile.SYMTYPE, "text"), None)])
        out, _ = d.spawn(d.deploy(tar).digest).finish()
        holds(out, "No such file", "/etc/shadow\ngood\n")


@test
def agent_yaml_and_its_policy_are_no_links(w):
    with Warderd(w) as d:
        secret = w.file("secret.yaml", YAML)
        m = d.deploy(archive([("run.sh", LOOK),
                              (entry("agent.yaml", tarfile.SYMTYPE, secret),
                               None)]), expect="REFUSED")
        holds(m.text, "no regular file agent.yaml")
        policy = w.file("policy.yaml", "policy: 1\nnonsense: SECRET\n")
        for name, files in (
                ("p.yaml", [(entry("p.yaml", tarfile.SYMTYPE, policy),
                             None)]),
                ("dir/p.yaml", [(entry("dir", tarfile.SYMTYPE,
                                       os.path.dirname(policy)), None)])):
            m = d.deploy(archive([("agent.yaml", YAML + f"policy: {name}\n"),
                                  ("run.sh", LOOK), *files]),
                         expect="REFUSED")
            check("SECRET" not in m.text, m.text)
            holds(m.text, "no regular file")
        # the control: the same file in the archive
        m = d.deploy(archive([("agent.yaml", YAML + "policy: p.yaml\n"),
                              ("run.sh", LOOK),
                              ("p.yaml", "policy: 1\n")]))
        equal(m.fresh, 1)
        # what a policy draws in by a path is not opened either
        beside = os.path.basename(policy)
        for reference in (f"./{beside}", f"../../../{policy}"):
            m = d.deploy(agent("", f"policy: {{policy: 1, extends: "
                               f"[\"{reference}\"]}}\n"), expect="REFUSED")
            check("SECRET" not in m.text, m.text)


@test
def special_files(w):
    with Warderd(w) as d:
        hostile(d, [(entry("null", tarfile.CHRTYPE, devmajor=1, devminor=3),
                     None)], "tar")
        hostile(d, [(entry("disk", tarfile.BLKTYPE, devmajor=8, devminor=0),
                     None)], "tar")
        hostile(d, [(entry("pipe", tarfile.FIFOTYPE), None)],
                "devices, sockets, FIFOs")
        d.deploy(archive([*GOOD, (entry("dir", tarfile.DIRTYPE, mode=0o755),
                                  None)]))


@test
def modes_and_owners_are_nobodys(w):
    with Warderd(w) as d:
        # without root nobody reads what its owner may not
        closed = 0o000 if w.root else 0o400
        files = [(entry("set", mode=0o6755, size=1, uid=0, uname="root"),
                  b"x"), (entry("open", mode=0o666, size=1), b"x"),
                 (entry("closed", mode=closed, size=1), b"x"),
                 (entry("sticky", tarfile.DIRTYPE, mode=0o1777), None)]
        m = d.deploy(archive([*GOOD, *files]))
        found = {n: os.stat(os.path.join(tree_of(d, m.digest), n)).st_mode
                 & 0o7777 for n in ("set", "open", "closed", "sticky")}
        equal(found, {"set": 0o755, "open": 0o644, "closed": 0o644,
                      "sticky": 0o755})
        for name in ("set", "run.sh"):
            st = os.stat(os.path.join(tree_of(d, m.digest), name))
            equal(st.st_uid, w.uid, name)
        # extended attributes of the archive do not come either
        attributed = entry("xattr", size=1, pax_headers={
            "SCHILY.xattr.user.x": "y",
            "SCHILY.xattr.security.capability": "\1\0\0\2x"})
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w",
                          format=tarfile.PAX_FORMAT) as tar:
            for name, text in GOOD:
                tar.addfile(entry(name, size=len(text)),
                            io.BytesIO(text.encode()))
            tar.addfile(attributed, io.BytesIO(b"x"))
        m = d.deploy(out.getvalue())
        equal(os.listxattr(os.path.join(tree_of(d, m.digest), "xattr")), [])


@test
def the_same_name_twice(w):
    with Warderd(w) as d:
        hostile(d, [("twice", "one"), ("twice", "two")], "tar")
        hostile(d, [("agent.yaml", "name: other\n")], "tar")
        d.deploy(archive([*GOOD, ("twice", "one")]))


def pax_size(name, size, data):
    """A member whose size the extended header overrides."""
    info = entry(name, size=len(data), pax_headers={"size": str(size)})
    return info, data


@test
def bombs(w):
    settings = "limits: {agent: 2MiB, archive: 4MiB}\n"
    with Warderd(w, settings=settings) as d:
        # more than the tree may hold
        hostile(d, [("large", b"x" * (3 << 20))], "tar")
        d.deploy(archive([*GOOD, ("large", b"x" * (1 << 20))]))
        # more than the archive may have
        m = d.deploy(archive([*GOOD, ("large", b"x" * (5 << 20))]),
                     expect="REFUSED")
        holds(m.text, "the most is 4194304")
        # compressed: a thousand times its size
        big = gzip.compress(archive([*GOOD, ("zero", bytes(64 << 20))]))
        check(len(big) < 1 << 20, "no bomb")
        m = d.deploy(big, expect="REFUSED")
        equal(m.code, "INVALID")
        d.deploy(gzip.compress(archive([*GOOD, ("zero", bytes(1 << 20))])))
        # holes that are longer than any disk
        hostile(d, [sparse("hole", 1 << 60)])
        # one file under many names: each is a copy here
        hostile(d, [("one", b"x" * (1 << 20)),
                    *[(entry(f"n{i}", tarfile.LNKTYPE, "one"), None)
                      for i in range(8)]])
        # names without end
        m = d.deploy(archive([*GOOD, *[("d/" * i + "f", "") for i in
                                       range(200, 140, -1)]]),
                     expect="REFUSED")
        equal(m.code, "INVALID")


def sparse(name, size):
    """GNU's sparse format 1.0 by extended headers: one hole."""
    map_ = f"1\n{size}\n0\n".encode().ljust(512, b"\0")
    return entry(name, size=len(map_), pax_headers={
        "GNU.sparse.major": "1", "GNU.sparse.minor": "0",
        "GNU.sparse.name": name, "GNU.sparse.realsize": str(size)}), map_


@test
def many_files(w):
    with Warderd(w) as d:
        m = d.deploy(archive([*GOOD, *[(f"f{i}", "") for i in
                                       range(100100)]]), expect="REFUSED")
        equal(m.code, "INVALID")
        holds(m.text, "tar")
        d.deploy(archive([*GOOD, *[(f"f{i}", "") for i in range(1000)]]))


@test
def what_is_no_archive(w):
    with Warderd(w) as d:
        for data in (b"x", b"x" * 10240, b"\x1f\x8b" + b"x" * 1000,
                     archive(GOOD)[:700], bytes(10240)):
            m = d.deploy(data, expect="REFUSED")
            equal(m.code, "INVALID" if data != bytes(10240) else "NOT_FOUND",
                  m.text)
        # changed while it is read: not in an unsealed memfd
        id_ = d.new_id()
        fd = sealed(archive(GOOD), seal=False)
        d.send("DEPLOY", DEPLOY.pack(id_, b"default"), [fd])
        holds(d.receive("REFUSED", id_).text, "sealed")
        id_ = d.new_id()
        with open("/etc/passwd", "rb") as f:
            d.send("DEPLOY", DEPLOY.pack(id_, b"default"), [f.fileno()])
        holds(d.receive("REFUSED", id_).text, "sealed")
        os.close(fd)


@test
def the_same_bytes_are_the_same_version(w):
    with Warderd(w) as d:
        tar = archive(GOOD)
        first = d.deploy(tar)
        path = os.path.join(tree_of(d, first.digest), "run.sh")
        before = os.stat(path)
        again = d.deploy(tar)
        equal((again.digest, again.policy, again.fresh, again.card),
              (first.digest, first.policy, 0, first.card))
        after = os.stat(path)
        equal((after.st_ino, after.st_ctime_ns),
              (before.st_ino, before.st_ctime_ns))
        other = d.deploy(tar, "acme")
        equal((other.digest, other.fresh), (first.digest, 1))
        # at once: one is made, all are told
        tar = archive([*GOOD, ("x", "x")])
        ids = [d.new_id() for _ in range(4)]
        for id_ in ids:
            fd = sealed(tar)
            d.send("DEPLOY", DEPLOY.pack(id_, b"default"), [fd])
            os.close(fd)
        for id_ in ids:
            equal(d.receive("DEPLOYED", id_, 60).digest, digest_of(tar))
        # and no more than so many
        ids = [d.new_id() for _ in range(5)]
        for id_ in ids:
            fd = sealed(archive([*GOOD, ("y", str(id_))]))
            d.send("DEPLOY", DEPLOY.pack(id_, b"default"), [fd])
            os.close(fd)
        equal(d.receive("REFUSED", ids[4]).code, "LIMIT")
        for id_ in ids[:4]:
            d.receive("DEPLOYED", id_, 60)


@test
def agent_yaml_is_strict(w):
    with Warderd(w) as d:
        def refused(yaml, *parts):
            m = d.deploy(archive([("agent.yaml", yaml), ("run.sh", "")]),
                         expect="REFUSED")
            equal(m.code, "INVALID", m.text)
            holds(m.text, *parts)
        refused("name: x\ncomand: [a]\n",
                "agent.yaml:2:1: unknown key \"comand\" in agent; did you "
                "mean \"command\"?", "\"command\" is missing in agent")
        refused("command: [a]\n", "\"name\" is missing")
        refused(YAML + "protocol: plain\n", "agent.yaml:4:1", "twice")
        refused("name: x\ncommand: a\n", "agent.yaml:2:10")
        refused("name: x\ncommand: []\n", "agent.yaml:2:10")
        refused("name: x\ncommand: [a]\nprotocol: pain\n",
                "agent.yaml:3:11", "did you mean \"plain\"")
        refused(YAML + "env: {1A: x}\n", "agent.yaml:4:7")
        refused(YAML + "timeout: 5\n", "agent.yaml:4:10")
        refused(YAML + "retry: {attempts: 0}\n", "agent.yaml:4:19")
        refused(YAML + "policy: ../x.yaml\n", "agent.yaml:4:9")
        refused(YAML + "policy: /x.yaml\n", "agent.yaml:4:9")
        refused(YAML + "schemas: {inputs: {}}\n", "agent.yaml:4:11", "input")
        refused(YAML + "defaults: {config: {answer: yes}}\n",
                "agent.yaml:4:29", "quotes")
        refused(YAML + "policy: {policy: 1, limit: {}}\n",
                "agent.yaml:4:21: unknown key \"limit\"")
        refused("&a [*a]", "agent.yaml:1:1")
        refused("\xff", "agent.yaml")
        m = d.deploy(archive([("run.sh", "")]), expect="REFUSED")
        equal(m.code, "NOT_FOUND")


@test
def agent_json_says_what_agent_yaml_does(w):
    yaml = (YAML + "summary: \"Says \\\"hello\\\".\"\ntimeout: 10m\n"
            "retry: {attempts: 3, backoff: 500ms}\n"
            "schemas: {input: {type: object, required: [q], properties: "
            "{q: {type: string, maxLength: 5}}}}\n"
            "defaults: {config: {a: [1, -2, 0.5, true, null, \"no\"]}, "
            "recursion_limit: 25}\n"
            "nodes: [{id: a, type: runnable}]\n"
            "edges: [{source: __start__, target: a}]\n")
    with Warderd(w) as d:
        card = d.deploy(archive([("agent.yaml", yaml),
                                 ("run.sh", "")])).card
        equal(card, {
            "name": "tried", "summary": "Says \"hello\".",
            "protocol": "plain", "timeout_ms": 600000,
            "retry": {"attempts": 3, "backoff_ms": 500},
            "schemas": {"input": {"type": "object", "required": ["q"],
                                  "properties": {"q": {"type": "string",
                                                       "maxLength": 5}}}},
            "defaults": {"config": {"a": [1, -2, 0.5, True, None, "no"]},
                         "recursion_limit": 25},
            "nodes": [{"id": "a", "type": "runnable"}],
            "edges": [{"source": "__start__", "target": "a"}]})


# ---- the operator's ceiling --------------------------------------------------

def refused(d, policy, *parts):
    m = d.deploy(agent("", f"policy: {policy}\n"), expect="REFUSED")
    holds(m.text, *parts)
    return m


@test
def without_a_ceiling_no_file_of_the_host_and_no_network(w):
    with Warderd(w) as d:
        given = w.scratch("given", uid=23456 if w.root else None)
        with open(os.path.join(given, "file"), "w", encoding="ascii") as f:
            f.write("secret")
        # cut when it is compiled: it is not there
        for key in ("read", "write"):
            out, _, _ = d.run("cat /data/file 2>&1; echo end",
                              f"policy: {{policy: 1, filesystem: {{{key}: "
                              f"[{{from: {given}, path: /data}}]}}}}\n")
            check("secret" not in out, out)
            holds(out, "end")
        out, _, _ = d.run("echo end", "policy: {policy: 1, network: "
                          "{services: {a: {to: a.example, allow: any}}}}\n")
        equal(out, "end\n")
        equal(d.deploy(agent("", "policy: {policy: 1, seccomp: {profile: "
                             "debug}}\n")).fresh, 1)
        run = d.spawn(d.deploy(agent("x=1", "policy: {policy: 1, seccomp: "
                                     "{profile: debug}}\n")).digest)
        holds(run.message.posture["seccomp"], "strict")
        run.finish()


@test
def what_a_ceiling_gives(w):
    given = w.owned("given")
    with open(os.path.join(given, "file"), "w", encoding="ascii") as f:
        f.write("hello\n")
    os.chmod(os.path.join(given, "file"), 0o644)
    policy = (f"policy: {{policy: 1, filesystem: {{read: [{{from: {given}, "
              "path: /data}]}}\n")
    ceiling = ("policy: 1\nkind: ceiling\nfilesystem: {read: [{from: "
               f"{os.path.dirname(given)}}}], write: [{{path: /}}]}}\n"
               "limits: {pids: 20}\n")
    with Warderd(w, ceiling=ceiling) as d:
        out, _, _ = d.run("cat /data/file; ulimit -u", policy)
        holds(out, "hello\n")


@test
def a_ceiling_that_is_lowered_counts_at_the_next_start(w):
    given = w.owned("given")
    policy = (f"policy: {{policy: 1, filesystem: {{read: [{{from: {given}, "
              "path: /data}]}, limits: {pids: 50}}\n")
    low = "policy: 1\nkind: ceiling\nfilesystem: {read: []}\n"
    pids = "policy: 1\nkind: ceiling\nlimits: {pids: 40}\n"
    with Warderd(w, ceiling="policy: 1\nkind: ceiling\n") as d:
        digest = d.deploy(agent("echo ran", policy)).digest
        for ceiling, part in ((low, "/data"), (pids, "pids"), (None, "")):
            d.stop()
            w.file("ceiling.yaml", ceiling or "policy: 1\nkind: ceiling\n",
                   folder=d.etc)
            d.start()
            if ceiling:
                no = d.spawn(digest, expect="REFUSED")
                equal(no.code, "DENIED")
                holds(no.text, "ceiling", part)
            else:
                equal(d.spawn(digest).finish()[0], "ran\n")


@test
def a_ceiling_is_read_again_at_sighup(w):
    head = "policy: 1\nkind: ceiling\n"
    policy = "policy: {policy: 1, limits: {pids: 50}}\n"
    with Warderd(w, ceiling=head) as d:
        digest = d.deploy(agent("echo ran; read x", policy)).digest
        lives = d.spawn(digest)

        def again(text, said):
            w.file("ceiling.yaml", text, folder=d.etc)
            before = d.said().count(said)
            os.kill(d.pid, signal.SIGHUP)
            wait_until(lambda: d.said().count(said) > before, 10, said)
        again(head + "limits: {pids: 40}\n", "read again")
        equal(d.spawn(digest, expect="REFUSED").code, "DENIED")
        m = d.deploy(agent("echo cut", policy))
        equal(d.spawn(m.digest).finish()[0], "cut\n")
        # one with a defect changes nothing
        again(head + "limit: {pids: 60}\n", "did you mean")
        equal(d.spawn(digest, expect="REFUSED").code, "DENIED")
        again(head, "read again")
        equal(d.spawn(digest).finish(b"\n")[0], "ran\n")
        # what runs goes on
        equal(lives.finish(b"\n")[0], "ran\n")


@test
def secrets_come_from_the_vault_alone(w):
    ceiling = ("policy: 1\nkind: ceiling\nnetwork: {services: {a: {to: "
               "a.example, allow: any}}}\n")
    rest = "inject: [{service: a, as: bearer}]"
    with Warderd(w, ceiling=ceiling) as d:
        for source in ("{file: /etc/shadow}", "{env: HOME}"):
            refused(d, "{policy: 1, network: {services: {a: {to: a.example, "
                    "allow: any}}}, credentials: {c: {source: " + source +
                    f", {rest}}}}}}}", "only the vault")
        m = d.deploy(agent("", "policy: {policy: 1, network: {services: {a: "
                           "{to: a.example, allow: any}}}, credentials: {c: "
                           "{source: {vault: x}, " + rest + "}}}\n"))
        equal(m.fresh, 1)


@test
def services_stay_under_the_ceilings(w):
    ceiling = ("policy: 1\nkind: ceiling\nnetwork: {services: {a: {to: "
               "[a.example, \"*.b.example\"], allow: [{methods: read, path: "
               "/v1/**}]}}}\n")
    one = "{policy: 1, network: {services: {x: {to: %s, allow: [{methods: " \
        "[%s], path: %s}]%s}}}}"
    with Warderd(w, ceiling=ceiling) as d:
        d.deploy(agent("", "policy: " + one % ("a.example", "GET", "/v1/x",
                                               "") + "\n"))
        d.deploy(agent("", "policy: " + one % ("c.b.example", "GET",
                                               "/v1/x", "") + "\n"))
        refused(d, one % ("a.example", "GET", "/v1/x",
                          ", dial: \"127.0.0.1:1\""), "dial")
        refused(d, one % ("a.example", "GET", "/v1/x",
                          ", only_addresses: [127.0.0.0/8]"), "addresses")
        refused(d, one % ("a.example", "GET", "/v1/x",
                          ", tls: {ca: /etc/ssl/certs/ca-certificates.crt}"),
                "tls")
    # the same under one that does not speak of services
    with Warderd(w, ceiling="policy: 1\nkind: ceiling\n") as d:
        d.deploy(agent("", "policy: " + one % ("a.example", "POST", "/x",
                                               "") + "\n"))
        refused(d, one % ("a.example", "GET", "/x",
                          ", dial: \"127.0.0.1:1\""), "dial")
        refused(d, one % ("a.example", "GET", "/x",
                          ", only_addresses: [127.0.0.0/8]"),
                "only_addresses")


@test
def what_lies_on_disk_is_checked_again(w):
    """As if the parser had been taken over, or the disk had changed it."""
    with Warderd(w) as d:
        digest = d.deploy(agent("echo ran")).digest
        folder = os.path.dirname(tree_of(d, digest))
        for name in ("plan", "record"):
            path = os.path.join(folder, name)
            with open(path, "rb") as f:
                good = f.read()
            for bad in (good[:-1], good + b"x", b"", bytes(len(good)),
                        good[:200] + bytes([good[200] ^ 1]) + good[201:]):
                if name == "record" and len(bad) == len(good) and any(bad):
                    continue  # a name's letter: another agent, no defect
                with open(path, "wb") as f:
                    f.write(bad)
                no = d.spawn(digest, expect="REFUSED")
                equal(no.code, "CORRUPT", no.text)
            with open(path, "wb") as f:
                f.write(good)
        equal(d.spawn(digest).finish()[0], "ran\n")


if __name__ == "__main__":
    sys.exit(main())
