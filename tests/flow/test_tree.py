#!/usr/bin/env python3
"""What a jail may write and what stays of it: protect, rootfs {dir}, --keep."""

import os
import shutil
import stat

from flow import Skip, check, equal, holds, main, test, wait_until

BUSYBOX = "/bin/busybox"
APPLETS = ("sh", "cat", "echo", "id", "ls", "rm", "mkdir", "mv", "ln", "test",
           "touch", "sleep")


def own(w, *paths):
    """Give what the test made to the ordinary owner of its folder."""
    if os.geteuid() != 0:
        return
    owner = os.stat(w.owned()).st_uid
    for path in paths:
        os.lchown(path, owner, owner)


def project(w):
    """A directory that looks like a work tree."""
    folder = w.owned("project")
    os.makedirs(os.path.join(folder, ".git", "hooks"))
    config = w.file("config", "orig\n", os.path.join(folder, ".git"))
    own(w, os.path.join(folder, ".git"), config,
        os.path.join(folder, ".git", "hooks"))
    return folder


def protecting(w, folder, *paths):
    return w.file("protect.yaml", f"""policy: 1
filesystem:
  write: [{{from: {folder}, path: /workspace}}, {{path: /scratch, size: 1MiB}}]
  protect: [{", ".join(paths)}]
""")


def tree(folder):
    """Every name below, as relative paths."""
    found = []
    for base, dirs, files in os.walk(folder):
        found += [os.path.relpath(os.path.join(base, n), folder)
                  for n in dirs + files]
    return sorted(found)


@test
def protected_paths_stay(w):
    folder = project(w)
    policy = protecting(w, folder, "/workspace/.git/hooks/**",
                        "/workspace/.git/config")
    before = tree(folder)
    r = w.exec("cd /workspace; cat .git/config; touch made && echo control; "
               "for c in 'echo x >.git/config' 'echo x >.git/hooks/h' "
               "'rm .git/config' 'rmdir .git/hooks' 'mv .git g' "
               "'ln .git/config l' "
               "'chmod 700 .git/config'; do "
               "sh -c \"$c\" 2>/dev/null && echo \"did $c\"; done; true",
               "--policy", policy).expect(0)
    equal(r.text, "orig\ncontrol\n")
    equal(tree(folder), sorted(before + ["made"]))
    with open(os.path.join(folder, ".git", "config"), encoding="ascii") as f:
        equal(f.read(), "orig\n")


@test
def protected_paths_that_are_not_there(w):
    folder = project(w)
    policy = protecting(w, folder, "/workspace/.ssh/authorized_keys",
                        "/workspace/secret", "/scratch/x/y")
    before = tree(folder)
    r = w.exec("cd /workspace; for c in 'mkdir .ssh/a' 'rmdir .ssh' "
               "'echo x >.ssh/authorized_keys' 'mv .ssh s' 'rm secret' "
               "'echo x >secret' 'mkdir /scratch/x/y' 'mv /scratch/x /scratch/z'"
               "; do sh -c \"$c\" 2>/dev/null && echo \"did $c\"; done; "
               "echo x >/scratch/free && echo control",
               "--policy", policy).expect(0)
    equal(r.text, "control\n")
    equal(tree(folder), before)


@test
def placeholders_go_with_a_killed_launcher(w):
    folder = project(w)
    before = tree(folder)
    p, _ = w.running("echo up; exec sleep 600", "--policy",
                     protecting(w, folder, "/workspace/secret"))
    check("secret" in tree(folder), "control: the placeholder is there")
    p.popen.kill()
    wait_until(lambda: tree(folder) == before, 5, "the placeholder's end")


@test
def protect_follows_no_link(w):
    folder = project(w)
    link = os.path.join(folder, "link")
    os.symlink("/etc", link)
    own(w, link)
    r = w.exec("echo ran", "--policy",
               protecting(w, folder, "/workspace/link/passwd"))
    r.refused("file system", "/workspace/link/passwd")


def image(w):
    """A root file system in a directory, of busybox alone."""
    if not os.path.exists(BUSYBOX):
        raise Skip("busybox-static is not installed")
    folder = w.owned("image")
    for name in ("bin", "etc", "data", "tmp"):
        os.mkdir(os.path.join(folder, name))
    shutil.copy(BUSYBOX, os.path.join(folder, "bin"))
    for name in APPLETS:
        os.symlink("busybox", os.path.join(folder, "bin", name))
    w.file("old", "old\n", os.path.join(folder, "etc"))
    w.file("kept", "kept\n", os.path.join(folder, "data"))
    os.symlink("/elsewhere", os.path.join(folder, "var"))
    for base, dirs, files in os.walk(folder):
        own(w, base, *[os.path.join(base, n) for n in dirs + files])
    return folder


def imaged(w, folder, more=""):
    return w.file("image.yaml", "policy: 1\nfilesystem: "
                  f"{{rootfs: {{dir: {folder}, size: 16MiB}}{more}}}\n")


@test
def a_given_root_is_all_there_is(w):
    folder = image(w)
    r = w.exec(["/bin/sh", "-c", "ls / /..; cat /etc/old /proc/self/mountinfo"],
               "--policy", imaged(w, folder)).expect(0)
    names = r.text.split("old\n")[0]
    for name in ("home", "root", "srv", "opt", "usr"):
        if name != "home":
            check(f"\n{name}\n" not in names, f"the host's /{name}")
    listed = names.split("/..:\n")
    equal(listed[0].split("\n")[1:-2], listed[1].split("\n")[:-1], "..")
    mounts = r.text.split("old\n")[1]
    equal([m.split()[4] for m in mounts.splitlines()].count("/"), 1,
          "mounts of the root")
    check(folder not in mounts, "the host's path in mountinfo")


@test
def a_given_root_is_not_written(w):
    folder = image(w)
    before = tree(folder)
    w.exec(["/bin/sh", "-c", "echo new >/etc/new; rm /etc/old; echo x >/data/kept;"
            "test -e /etc/new -a ! -e /etc/old"],
           "--policy", imaged(w, folder)).expect(0)
    equal(tree(folder), before)
    with open(os.path.join(folder, "data", "kept"), encoding="ascii") as f:
        equal(f.read(), "kept\n")


@test
def a_given_root_has_its_size(w):
    r = w.exec(["/bin/busybox", "dd", "if=/dev/zero", "of=/data/big", "bs=1M",
                "count=64"], "--policy", imaged(w, image(w)))
    check(r.status != 0, "64 MiB in 16 MiB")
    holds(r.said, "No space left")


@test
def keep_has_what_was_done(w):
    folder = image(w)
    kept = os.path.join(w.scratch("out"), "kept")
    w.exec(["/bin/sh", "-c", "echo new >/etc/new; rm /etc/old; "
            "mkdir -p /data/a/b; echo x >/data/a/b/c; ln -s c /data/a/b/l; "
            "echo w >/out/file"],
           "--keep", kept, "--policy",
           imaged(w, folder, ", write: [{path: /out, size: 1MiB}]")).expect(0)
    files = [n for n in tree(kept)
             if not os.path.isdir(os.path.join(kept, n))]
    equal(files, ["data/a/b/c", "data/a/b/l", "etc/.wh.old", "etc/new",
                  "out/file"])
    equal(os.readlink(os.path.join(kept, "data/a/b/l")), "c")


@test
def keep_of_a_hostile_tree(w):
    kept = os.path.join(w.scratch("out"), "kept")
    r = w.exec("cd /workspace; echo x >plain; mkfifo fifo; "
               "ln -s /etc/passwd link; "
               "python3 -c 'import os, socket; "
               "s = socket.socket(socket.AF_UNIX); s.bind(\"sock\"); "
               "os.truncate(\"plain\", 1 << 42); "
               "open(\"long\", \"w\").truncate(1 << 60); "
               "open(b\"\\xff\\n\\x1b-\", \"w\").write(\"odd\"); "
               "[(os.mkdir(\"d\"), os.chdir(\"d\")) for i in range(300)]'",
               "--keep", kept, "--limit", "memory=8GiB").expect(0)
    holds(r.said, "left out")
    check("\x1b" not in r.said, "an escape on the terminal")
    names = os.listdir(os.fsencode(os.path.join(kept, "workspace")))
    equal(sorted(names), [b"d", b"link", b"plain", b"\xff\n\x1b-"])
    st = os.stat(os.path.join(kept, "workspace", "plain"))
    equal(st.st_size, 1 << 42)
    check(st.st_blocks < 1000, "the hole was filled")
    equal(stat.S_IMODE(st.st_mode) & 0o6000, 0)


@test
def keep_where_something_is(w):
    kept = w.scratch("there")
    r = w.exec("echo ran; true", "--keep", kept)
    equal(r.status, 125)
    holds(r.said, "--keep", "File exists")


if __name__ == "__main__":
    main()
