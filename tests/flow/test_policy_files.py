#!/usr/bin/env python3
"""warder exec --policy: files, layers, paths, and where an error lies."""

import os
import sys

from flow import Skip, check, equal, holds, main, test


def policy(w, text, folder=None, name="p.yaml"):
    return w.file(name, text, folder)


def refused(w, text, *parts):
    path = policy(w, text)
    r = w.exec("echo ran", "--policy", path)
    r.refused(*[p.replace("FILE", path) for p in parts])
    return r


@test
def a_small_one(w):
    folder = w.owned()
    path = policy(w, "policy: 1\nfilesystem: {write: [{from: ., path: "
                  "/workspace}]}\n", folder)
    w.exec("echo x >result", "--policy", path).expect(0)
    check(os.path.exists(os.path.join(folder, "result")), "not written")


@test
def paths_are_relative_to_the_file(w):
    folder = w.owned()
    sub = os.path.join(folder, "sub")
    os.mkdir(sub)
    w.file("f", "text\n", sub)
    path = policy(w, "policy: 1\nfilesystem: {read: [{from: sub, path: "
                  "/data}, {from: ../" + os.path.basename(folder) +
                  "/sub/f, path: /mnt/f}]}\n", folder)
    for flags in (["--policy", path], ["--policy", "./p.yaml"],
                  ["--policy", "p.yaml"]):
        w.exec("cat /data/f /mnt/f", *flags, cwd=folder).expect(
            0, "text\ntext\n")
    w.exec("cat /data/f", "--policy", path, cwd="/").expect(0, "text\n")


@test
def home_is_the_callers(w):
    data = os.path.join(w.home, "datasets")
    os.makedirs(data, exist_ok=True)
    w.give(data)
    w.file("f", "text\n", data)
    path = policy(w, "policy: 1\nfilesystem: {read: [{from: ~/datasets, "
                  "path: /data}]}\n")
    w.exec("cat /data/f", "--policy", path).expect(0, "text\n")


@test
def extends(w):
    folder = w.scratch()
    policy(w, "policy: 1\nname: floor\nlimits: {pids: 50, memory: 100MiB}\n"
           "process: {env: {A: floor, B: floor}}\n", folder, "floor.yaml")
    path = policy(w, "policy: 1\nname: top\nextends: [./floor]\n"
                  "limits: {pids: 60}\nprocess: {env: {B: top}}\n", folder)
    if w.exec("true", "--policy", path).status:
        path = policy(w, "policy: 1\nname: top\nextends: [./floor.yaml]\n"
                      "limits: {pids: 60}\nprocess: {env: {B: top}}\n",
                      folder)
    r, report = w.report("echo $A $B", "--policy", path)
    r.expect(0, "floor top\n")
    equal(report["limits"]["pids"], 60)
    equal(report["limits"]["memory_bytes"], 100 << 20)
    equal(report["policy"]["name"], "top")


@test
def files_that_others_may_write_are_refused(w):
    """The policy itself and what it extends, by the same rule."""
    folder = w.scratch()
    floor = policy(w, "policy: 1\nname: floor\n", folder, "floor.yaml")
    path = policy(w, "policy: 1\nextends: [./floor]\n", folder)
    for file in (path, floor):
        for mode, fine in ((0o644, True), (0o646, False), (0o400, True)):
            os.chmod(file, mode)
            r = w.exec("echo ran", "--policy", path)
            if fine:
                r.expect(0, "ran\n")
                continue
            equal((r.status, r.text), (125, ""))
            holds(r.said, f"{file}: others than its owner can write")
        os.chmod(file, 0o644)
    # the group of the same number is the user's own
    os.chmod(floor, 0o664)
    w.exec("echo ran", "--policy", path).expect(0, "ran\n")
    if os.geteuid() == 0:
        os.chown(floor, w.uid, w.gid + 1)
        holds(w.exec("echo ran", "--policy", path).refused().said,
              "others than its owner")


@test
def files_of_strangers_are_refused(w):
    if os.geteuid() != 0:
        raise Skip("needs root to make a file of somebody else's")
    folder = w.scratch()
    floor = policy(w, "policy: 1\nname: floor\n", folder, "floor.yaml")
    path = policy(w, "policy: 1\nextends: [./floor]\n", folder)
    stranger = w.uid + 7
    for file in (path, floor):
        os.chown(file, stranger, stranger)
        r = w.exec("echo ran", "--policy", path)
        equal((r.status, r.text), (125, ""))
        holds(r.said, f"{file}: it belongs to uid {stranger}")
        os.chown(file, w.uid, w.gid)
    # who owns the directory says what is in it
    for place in (folder, path, floor):
        os.chown(place, stranger, stranger)
    w.exec("echo ran", "--policy", path).expect(0, "ran\n")


@test
def a_ceiling_only_narrows(w):
    folder = w.scratch()
    policy(w, "policy: 1\nkind: ceiling\nname: cap\nlimits: {pids: 30, "
           "memory: 2GiB}\n", folder, "cap.yaml")
    path = policy(w, "policy: 1\nextends: [./cap.yaml]\nlimits: {pids: 999, "
                  "memory: 100MiB}\n", folder)
    _, report = w.report("true", "--policy", path)
    equal(report["limits"]["pids"], 30)
    equal(report["limits"]["memory_bytes"], 100 << 20)


@test
def a_ceiling_itself_does_not_run(w):
    refused(w, "policy: 1\nkind: ceiling\nlimits: {pids: 3}\n", "ceiling")


@test
def extends_that_fail(w):
    refused(w, "policy: 1\nextends: [./missing]\n", "FILE:2:", "missing")
    folder = w.scratch()
    policy(w, "policy: 1\nextends: [./b.yaml]\n", folder, "a.yaml")
    path = policy(w, "policy: 1\nextends: [./a.yaml]\n", folder, "b.yaml")
    w.exec("echo ran", "--policy", path).refused("yaml:2:")
    broken = policy(w, "policy: 1\nlimits: {pdis: 3}\n", folder, "c.yaml")
    path = policy(w, "policy: 1\nextends: [./c.yaml]\n", folder, "d.yaml")
    w.exec("echo ran", "--policy", path).refused(f"{broken}:2:",
                                                 "did you mean")


@test
def errors_have_their_place(w):
    rows = (
        ("policy: 1\nlimits: {memroy: 1GiB}\n", "FILE:2:10", "memroy",
         "did you mean", "memory"),
        ("policy: 1\nlimits:\n  pids: many\n", "FILE:3:9", "pids"),
        ("policy: 2\n", "FILE:1:9", "2"),
        ("limits: {pids: 3}\n", "FILE:1:", "policy"),
        ("policy: 1\npolicy: 1\n", "FILE:2:1"),
        ("policy: 1\nlimits: {pids: 3, pids: 4}\n", "FILE:2:19"),
        ("policy: 1\nfoo: [\n", "FILE:"),
        ("policy: 1\n\tx: y\n", "FILE:2:"),
        ("policy: 1\nx: &a 1\ny: *a\n", "FILE:2:"),
        ("policy: 1\n---\npolicy: 1\n", "FILE:"),
        ("policy: 1\nname: !!str x\n", "FILE:2:"),
        ("policy: 1\nseccomp: {profile: stirct}\n", "FILE:2:",
         "did you mean", "strict"),
        ("policy: 1\nfilesystem: {write: [{from: /nowhere/at/all, path: "
         "/workspace}]}\n", "FILE:2", "/nowhere/at/all"),
        ("policy: 1\nlimits: {memory: 0}\n", "FILE:2:"),
        ("policy: 1\nprocess: {user: root}\n", "FILE:2:", "user"),
        ("policy: 1\nprocess: {nested: true}\n", "FILE:2:", "nested"),
        ("policy: 1\nfilesystem: {rootfs: {image: x}}\n", "FILE:2:", "image"),
        ("policy: 1\nrequires: {landlock: 99}\n", "landlock"),
    )
    for text, *parts in rows:
        refused(w, text, *parts)


@test
def what_is_not_a_policy(w):
    r = refused(w, "", "FILE")
    holds(r.said, "empty")
    refused(w, "# only a comment\n", "FILE")
    refused(w, "\n\n", "FILE")
    refused(w, "just words\n", "FILE")
    refused(w, "[]\n", "FILE")
    refused(w, "null\n", "FILE")
    path = w.file("binary", os.urandom(500))
    w.exec("echo ran", "--policy", path).refused(path)
    path = w.file("utf16", "policy: 1\n".encode("utf-16"))
    w.exec("echo ran", "--policy", path).refused(path)
    path = w.file("big", "# " + "x" * (1 << 20) + "\npolicy: 1\n")
    w.exec("echo ran", "--policy", path).refused(path)
    path = w.file("deep", "policy: 1\nx: " + "[" * 5000 + "]" * 5000 + "\n")
    w.exec("echo ran", "--policy", path).refused(path)


@test
def what_is_not_a_file(w):
    w.exec("echo ran", "--policy", "/nowhere.yaml").refused("/nowhere.yaml",
                                                            "No such file")
    w.exec("echo ran", "--policy", w.scratch()).refused()
    w.exec("echo ran", "--policy", "").refused()
    fifo = os.path.join(w.scratch(), "fifo")
    os.mkfifo(fifo)
    w.give(fifo)
    w.exec("echo ran", "--policy", fifo, seconds=10).refused(fifo)
    w.exec("echo ran", "--policy", "/dev/zero", seconds=10).refused()
    if not w.root:
        path = w.file("p.yaml", "policy: 1\n", mode=0o000)
        w.exec("echo ran", "--policy", path).refused(path, "Permission")


@test
def names_in_errors_are_escaped(w):
    path = w.file("a\033[31m\nb.yaml", "policy: 1\nlimts: {}\n")
    r = w.exec("echo ran", "--policy", path).refused()
    check("\033" not in r.said, r.said)
    r = refused(w, 'policy: 1\n"x\\e[31m\\ny": 1\n')
    check("\033" not in r.said, r.said)


@test
def all_findings_at_once(w):
    r = refused(w, "policy: 1\nlimits: {pdis: 1}\nproces: {}\n", "FILE:2:",
                "FILE:3:")
    holds(r.said, "pids", "process")


@test
def services_open_their_names_alone(w):
    path = policy(w, "policy: 1\nnetwork: {services: {a: {to: example.com, "
                  "allow: any}}}\n")
    w.exec("for n in example.com example.org; do getent ahostsv4 $n | "
           "head -c 4; echo; done", "--policy", path).expect(0, "198.\n\n")


@test
def a_changed_file_is_a_changed_policy(w):
    """Compiled plans are kept by content: no stale one is used."""
    folder = w.scratch()
    path = policy(w, "policy: 1\nprocess: {env: {A: one}}\n", folder)
    w.exec("echo $A", "--policy", path).expect(0, "one\n")
    w.exec("echo $A", "--policy", path).expect(0, "one\n")
    policy(w, "policy: 1\nprocess: {env: {A: two}}\n", folder)
    w.exec("echo $A", "--policy", path).expect(0, "two\n")


@test
def a_changed_base_is_a_changed_policy(w):
    folder = w.scratch()
    policy(w, "policy: 1\nprocess: {env: {A: one}}\n", folder, "base.yaml")
    path = policy(w, "policy: 1\nextends: [./base.yaml]\n", folder)
    w.exec("echo $A", "--policy", path).expect(0, "one\n")
    policy(w, "policy: 1\nprocess: {env: {A: two}}\n", folder, "base.yaml")
    w.exec("echo $A", "--policy", path).expect(0, "two\n")


@test
def a_broken_cache_is_not_believed(w):
    cache = "/var/cache/warder" if w.root else os.path.join(
        w.home, ".cache", "warder")
    w.exec("echo a", "--limit", "pids=41").expect(0, "a\n")
    before = set(os.listdir(cache))
    path = policy(w, f"policy: 1\nlimits: {{pids: 4{w.uid % 7 + 2}}}\n"
                  f"name: cache-{w.uid}\n")
    w.exec("echo a", "--policy", path).expect(0, "a\n")
    for name in set(os.listdir(cache)) - before:
        for data in (b"", b"\0" * 100, os.urandom(50000)):
            with open(os.path.join(cache, name), "wb") as f:
                f.write(data)
            _, report = w.report("true", "--policy", path)
            equal(report["limits"]["pids"], 40 + w.uid % 7 + 2)


@test
def a_foreign_cache_directory_is_refused(w):
    if w.root:
        return
    home = w.scratch("home2", mode=0o700)
    os.makedirs(os.path.join(home, ".cache", "warder"))
    w.give(os.path.join(home, ".cache"))
    os.chmod(os.path.join(home, ".cache", "warder"), 0o777)
    w.give(os.path.join(home, ".cache", "warder"))
    r = w.exec("echo ran", env=w.environment(HOME=home))
    r.refused("nobody else can write")


if __name__ == "__main__":
    sys.exit(main())
