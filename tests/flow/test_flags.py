#!/usr/bin/env python3
"""The flags of warder exec, and what enters by the environment."""

import os
import sys

from flow import check, equal, holds, main, test


@test
def ro_shows_a_directory(w):
    folder = w.scratch()
    w.file("f", "text\n", folder)
    r = w.exec("cat /mnt/d/f; echo x >/mnt/d/g", "--ro", f"{folder}:/mnt/d")
    equal(r.text, "text\n")
    holds(r.said, "Read-only file system")
    equal(os.listdir(folder), ["f"])


@test
def ro_shows_a_file(w):
    path = w.file("f", "text\n")
    r = w.exec("cat /mnt/one; ls /mnt; echo x >>/mnt/one", "--ro",
               f"{path}:/mnt/one")
    equal(r.text, "text\none\n")
    with open(path, encoding="ascii") as f:
        equal(f.read(), "text\n")


@test
def without_a_destination_it_is_under_mnt(w):
    folder = w.scratch()
    w.file("f", "text\n", folder)
    r = w.exec(["cat", "/mnt" + folder + "/f"], "--ro", folder)
    if r.status != 0:
        r = w.exec(["cat", "/mnt/" + os.path.basename(folder) + "/f"],
                   "--ro", folder)
    r.expect(0, "text\n")


@test
def rw_is_written(w):
    folder = w.owned()
    w.exec("echo text >/mnt/d/f; mkdir /mnt/d/sub; ln -s f /mnt/d/l", "--rw",
           f"{folder}:/mnt/d").expect(0)
    owner = os.stat(folder).st_uid
    for name in ("f", "sub", "l"):
        st = os.lstat(os.path.join(folder, name))
        equal((st.st_uid, st.st_gid), (owner, owner), name)


@test
def relative_paths_are_the_callers(w):
    folder = w.owned()
    w.file("f", "text\n", folder)
    w.exec(["cat", "/mnt/d/f"], "--ro", ".:/mnt/d", cwd=folder).expect(
        0, "text\n")
    w.exec(["cat", "/mnt/one"], "--ro", "f:/mnt/one", cwd=folder).expect(
        0, "text\n")
    w.exec("echo y >/workspace/g", "--rw", ".:/workspace", cwd=folder)
    check(os.path.exists(os.path.join(folder, "g")), "nothing was written")


@test
def names_with_every_kind_of_byte(w):
    for name in ("with space", "with:colon", "with\"quote", "with'quote",
                 "with\\slash", "with{brace", "with#hash", "with%percent",
                 "- dash", "with,comma", "\u00e4\u20ac"):
        folder = w.scratch()
        w.file(name, "text\n", folder)
        w.exec(["cat", "/mnt/x"], "--ro",
               f"{folder}/{name}:/mnt/x").expect(0, "text\n")


@test
def env_sets_and_passes(w):
    w.exec('echo "$A|$B|$C"', "--env", "A=1", "--env", "B=two words",
           "--env", "C=a=b\"'\\$x{").expect(0, "1|two words|a=b\"'\\$x{\n")
    env = w.environment(MINE="here", OTHER="not")
    w.exec('echo "$MINE|$OTHER|$NOT_SET"', "--env", "MINE", "--env",
           "NOT_SET", env=env).expect(0, "here||\n")


@test
def nothing_else_of_the_environment_enters(w):
    env = w.environment(SECRET="canary", LD_PRELOAD="/nothing",
                        WARDER_X="canary", BASH_ENV="/x", PS4="canary",
                        TERM="vt100", LANG="de_DE.UTF-8",
                        AWS_SECRET_ACCESS_KEY="canary", LC_ALL="C")
    r = w.exec(["env", "-0"], env=env).expect(0)
    seen = dict(v.split("=", 1) for v in r.text.split("\0") if v)
    equal(seen["TERM"], "vt100")
    equal(seen["LANG"], "de_DE.UTF-8")
    check("canary" not in r.text, seen)
    for name in ("SECRET", "LD_PRELOAD", "LC_ALL", "XDG_RUNTIME_DIR"):
        check(name not in seen, f"{name} entered: {seen}")
    equal(seen.get("HOME"), "/home/agent")
    r = w.exec("cat /proc/1/environ | wc -c; tr '\\0' '\\n' "
               "</proc/self/environ | grep -c canary", env=env)
    check("canary" not in r.text, r.text)


@test
def the_environment_loosens_nothing(w):
    folder = w.scratch()
    evil = w.environment(WARDER_POLICY=folder, WARDER_LIBEXEC=folder,
                         WARDER_BUILD=folder, LD_LIBRARY_PATH=folder,
                         WARDER_URL="http://127.0.0.1:1")
    r = w.exec("id -u; ls /home", env=evil).expect(0, "1000\nagent\n")
    equal(r.said, "")


@test
def limits_by_flag(w):
    _, report = w.report("true", "--limit", "memory=100MiB", "--limit",
                         "pids=33", "--limit", "wall=90s", "--limit",
                         "cpu=0.5", "--limit", "open_files=77", "--limit",
                         "output=5KiB")
    limits = report["limits"]
    equal((limits["memory_bytes"], limits["pids"], limits["wall_ms"],
           limits["cpu_milli"], limits["open_files"], limits["output_bytes"]),
          (100 << 20, 33, 90000, 500, 77, 5120))
    w.exec("ulimit -n", "--limit", "open_files=77").expect(0, "77\n")


@test
def bad_limits(w):
    rows = (("memroy=1GiB", "did you mean", "memory"), ("memory",),
            ("mem=1GiB", 'did you mean "memory"'),
            ("memory=",), ("=1GiB",), ("memory=lots",), ("memory=-1",),
            ("memory=1XiB",), ("wall=5 parsecs",), ("pids=0x10",),
            ("pids=99999999999999999999",), ("cpu=1e9",),
            ("memory=1GiB, pids: 9999",), ("memory=1GiB\npids=3",),
            ("memory=*x",), ("wall=!!int 3",))
    for value, *parts in rows:
        r = w.exec("echo ran", "--limit", value).refused(*parts)
        check("ran" not in r.text, value)


@test
def bad_options(w):
    rows = ((("--polcy", "x"), "did you mean --policy?"),
            (("--print-polic",), "did you mean --print-policy?"),
            (("--rw",), "--rw needs a value"),
            (("-x",), "unknown option -x"),
            (("-itx",), "unknown option"),
            (("--tty=yes",), "--tty takes no value"),
            (("--limits", "x=1"), "did you mean --limit?"))
    for flags, text in rows:
        r = w.verb("exec", *flags)
        r.refused(text)
    w.verb("exec").refused("no command")
    w.verb("exec", "--").refused("no command")
    w.verb("exce", "--", "true").refused("did you mean exec?")
    r = w.verb("exec", "--\033[31m\n", "--", "true").refused()
    check("\033" not in r.said and r.said.count("\n") == 1, r.said)


@test
def options_end_where_the_command_begins(w):
    w.exec(["echo", "--ro", "-i", "--", "--help"]).expect(
        0, "--ro -i -- --help\n")
    w.verb("exec", "echo", "--policy", "x").expect(0, "--policy x\n")
    w.verb("exec", "--limit=pids=50", "echo", "-n", "y").expect(0, "y")


@test
def too_many_flags(w):
    flags = [v for i in range(100) for v in ("--env", f"A{i}=1")]
    w.exec("echo ran", *flags).refused("--env")


def digest(w, *flags, **more):
    return w.report("true", *flags, **more)[1]["policy"]["digest"]


@test
def the_printed_policy_is_the_same_plan(w):
    rows = ([], ["--limit", "memory=64MiB", "--limit", "wall=5s"],
            ["--env", "A=b c\"\\'{}#", "--env", "LANG"],
            ["--env", "X=", "--limit", "pids=20", "--env", "MINE"])
    for flags in rows:
        r = w.verb("exec", *flags, "--print-policy").expect(0)
        policy = w.file("printed.yaml", r.text)
        equal(digest(w, "--policy", policy), digest(w, *flags), str(flags))
    check(digest(w) != digest(w, "--limit", "pids=9"), "control")


@test
def the_printed_policy_gives_the_same_directories(w):
    """And the same digest, though each is from another line of a file."""
    # sorted: an image is mounted when it is ready, beside the others
    folder = w.owned()
    show = "cut -d' ' -f5,6 /proc/self/mountinfo | sort"
    path = w.file("f", "text\n")
    rows = (["--ro", f"{path}:/mnt/f"], ["--rw", f"{folder}:/workspace"],
            ["--ro", folder, "--rw", ".:/mnt/w"])
    for flags in rows:
        r = w.verb("exec", *flags, "--print-policy", cwd=folder).expect(0)
        policy = w.file("printed.yaml", r.text)
        equal(w.exec(show, "--policy", policy, cwd=w.home).expect(0).text,
              w.exec(show, *flags, cwd=folder).expect(0).text, str(flags))
        equal(digest(w, "--policy", policy, cwd=w.home),
              digest(w, *flags, cwd=folder), str(flags))
    check(digest(w, "--ro", f"{path}:/mnt/f") !=
          digest(w, "--ro", f"{path}:/mnt/g"), "control")


@test
def print_policy_runs_nothing(w):
    w.verb("exec", "--print-policy", "--", "echo", "ran").expect(0)
    check("ran" not in w.verb("exec", "--print-policy", "--", "echo",
                              "ran").text, "it ran")


@test
def flags_extend_a_policy(w):
    policy = w.file("p.yaml", "policy: 1\nname: mine\n"
                    "limits: {pids: 44}\nprocess: {env: {A: file}}\n")
    r, report = w.report('echo "$A$B"', "--policy", policy, "--env", "B=flag")
    r.expect(0, "fileflag\n")
    equal(report["limits"]["pids"], 44)
    # the nearest grant wins
    w.exec('echo "$A"', "--policy", policy, "--env", "A=flag").expect(
        0, "flag\n")


@test
def allow_opens_one_name(w):
    """The jail's names are the policy's: no other is to be found."""
    ask = ("for n in example.com example.org; do getent ahostsv4 $n | "
           "head -c 4; echo; done")
    w.exec(ask).expect(0, "\n\n")
    w.exec(ask, "--allow", "example.com:443").expect(0, "198.\n\n")


@test
def a_missing_file_names_the_flag(w):
    """A host file that the jail does not have: how to show it."""
    path = w.file("script.py", "print(1)\n")
    r = w.exec(["python3", path])
    check(r.status != 0, r.text)
    holds(r.said, "--ro")
    r = w.exec([w.file("tool", "#!/bin/sh\necho x\n", mode=0o755)])
    equal(r.status, 127)
    holds(r.said, "--ro")


if __name__ == "__main__":
    sys.exit(main())
