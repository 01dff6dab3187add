#!/usr/bin/env python3
"""Given directories on file systems without idmapped mounts, as root.

ramfs has none on any kernel, a FUSE file system mostly has none.  Everything
is mounted in a mount namespace of its own.
"""

import json
import os
import shutil
import subprocess
import time

from flow import BLOCK_BASE, Skip, check, equal, holds, main, test

OWNER, GROUP = 23456, 23457


class Place:
    """sh in a mount namespace of its own, with ramfs mounts; as a context."""

    def __init__(self, w, *names, kind="ramfs"):
        self.w = w
        self.folder = w.scratch("place")
        self.lines = []
        for name in names:
            path = os.path.join(self.folder, name)
            os.mkdir(path)
            self.lines.append(f"mount -t {kind} none {path} && "
                              f"chown {OWNER}:{GROUP} {path}")

    def path(self, name):
        return os.path.join(self.folder, name)

    def exec(self, command, *flags, before="true", after="true"):
        """(what the jail said, what was seen in the place afterwards)."""
        seen = os.path.join(self.folder, "seen")
        report = os.path.join(self.folder, "report")
        script = "\n".join([*self.lines, before, f'"$@" 3>{report}; s=$?',
                            f"( {after} ) >{seen}", "exit $s"])
        r = self.w.popen(
            ["unshare", "-m", "sh", "-c", script, "sh", self.w.program,
             "exec", "--report-fd", "3", *flags, "--", "sh", "-c", command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE).finish()
        with open(seen, encoding="utf-8") as f:
            self.seen = f.read()
        with open(report, encoding="utf-8") as f:
            text = f.read()
        self.posture = json.loads(text)["posture"] if text else {}
        return r


WRITE = ("cd /workspace && id -u && id -g && stat -c %u:%g . && echo x >f && "
         "mkdir d && ln -s f l && rm -f old && stat -c %u:%g f")


@test(modes=("root",))
def written_as_the_owner(w):
    p = Place(w, "a")
    r = p.exec(WRITE, "--rw", p.path("a") + ":/workspace",
               before=f"echo o >{p.path('a')}/old; chmod 700 {p.path('a')}",
               after=f"cd {p.path('a')}; stat -c '%n %u:%g' * | sort")
    equal(r.expect(0).text,
          "1000\n1000\n1000:1000\n1000:1000\n")
    equal(p.seen, "".join(f"{n} {OWNER}:{GROUP}\n" for n in ("d", "f", "l")))
    holds(p.posture["identity"], f"uid {OWNER}, the owner's of given")
    check("identity" in p.posture["lessened"], "it is recorded")


def needs_idmap(posture):
    """The tests' own directory may lie on a tmpfs before Linux 6.3."""
    if "a block that is this jail's alone" not in posture["identity"]:
        raise Skip("no idmapped mounts where temporary directories are")


@test(modes=("root",))
def an_ordinary_directory_is_idmapped(w):
    """The control: the same, where idmapped mounts are."""
    folder = w.owned("ordinary")
    r, report = w.report(WRITE, "--rw", f"{folder}:/workspace")
    equal(r.expect(0).text, "1000\n1000\n1000:1000\n1000:1000\n")
    equal(os.stat(os.path.join(folder, "f")).st_uid, OWNER)
    needs_idmap(report["posture"])
    check("identity" not in report["posture"]["lessened"], "nothing is lost")


@test(modes=("root",))
def others_are_still_idmapped(w):
    """A second directory, of another owner, on a file system that can."""
    p = Place(w, "a")
    other = w.scratch("other", uid=34567)
    _, alone = w.report("true", "--rw", f"{other}:/mnt/other")
    needs_idmap(alone["posture"])
    r = p.exec("echo x >/mnt/other/f && echo y >/workspace/f && "
               "stat -c %u /mnt/other /workspace", "--rw",
               f"{other}:/mnt/other", "--rw", p.path("a") + ":/workspace")
    equal(r.expect(0).text, "1000\n1000\n")
    equal(os.stat(os.path.join(other, "f")).st_uid, 34567)
    check("identity" in p.posture["lessened"], "it is recorded")


@test(modes=("root",))
def two_of_one_owner(w):
    p = Place(w, "a", "b")
    r = p.exec("echo x >/mnt/a/f && echo x >/mnt/b/f", "--rw",
               p.path("a") + ":/mnt/a", "--rw", p.path("b") + ":/mnt/b",
               after=f"stat -c %u {p.path('a')}/f {p.path('b')}/f")
    r.expect(0)
    equal(p.seen, f"{OWNER}\n{OWNER}\n")


@test(modes=("root",))
def two_owners_are_refused(w):
    for owner in (f"{OWNER + 1}:{GROUP}", f"{OWNER}:{GROUP + 1}"):
        p = Place(w, "a", "b")
        r = p.exec("true", "--rw", p.path("a") + ":/mnt/a", "--rw",
                   p.path("b") + ":/mnt/b",
                   before=f"chown {owner} {p.path('b')}")
        r.refused(p.path("a"), p.path("b"), f"{OWNER}:{GROUP}", owner,
                  "without idmapped mounts")


@test(modes=("root",))
def owners_that_never_enter(w):
    rows = (("0:0", "belongs to root"), ("0:5", "belongs to root"),
            (f"{OWNER}:0", "its group is root's"),
            (f"{BLOCK_BASE + 1000}:5", "kept for jails"),
            (f"5:{BLOCK_BASE + 65536 + 1000}", "kept for jails"))
    for owner, why in rows:
        p = Place(w, "a")
        p.exec("true", "--rw", p.path("a") + ":/mnt/a",
               before=f"chown {owner} {p.path('a')}").refused(why)


@test(modes=("root",))
def to_read_needs_no_owner(w):
    """Read-only ones are seen as others see them, as before."""
    p = Place(w, "a")
    r = p.exec("cat /mnt/a/open; cat /mnt/a/closed 2>/dev/null || "
               "echo no; stat -c %u /mnt/a", "--ro", p.path("a") + ":/mnt/a",
               before=f"cd {p.path('a')}; echo x >open; echo y >closed; "
                      "chmod 600 closed; chown 5:5 *; cd /")
    equal(r.expect(0).text, "x\nno\n65534\n")
    holds(p.posture["identity"], "a block that is this jail's alone")


@test(modes=("root",))
def streams_and_new_directories_are_the_agents(w):
    p = Place(w, "a")
    r = p.exec("echo e >/dev/stderr; echo o >/dev/stdout; echo t >/tmp/t && "
               "echo h >~/h && echo n >/workspace/n && "
               "stat -c %u:%g /workspace /tmp/t ~/h /workspace/n", "--rw",
               p.path("a") + ":/mnt/a")
    equal(r.expect(0).text, "o\n" + "1000:1000\n" * 4)
    equal(r.said, "e\n")


@test(modes=("root",))
def the_owners_processes_are_out_of_reach(w):
    """The uid is shared with them; the pid namespace stands between."""
    p = Place(w, "a")
    victim = subprocess.Popen(["sleep", "600"], user=OWNER, group=GROUP,
                              extra_groups=[])
    try:
        r = p.exec(f"kill -9 {victim.pid} 2>/dev/null && echo killed; "
                   "kill -9 -1; "
                   "cat /proc/[0-9]*/comm", "--rw",
                   p.path("a") + ":/workspace")
        words = r.text.split()
        check("killed" not in words and "sleep" not in words, words)
        check("sh" in words, "control: it sees its own")
        time.sleep(0.1)
        equal(victim.poll(), None, "the owner's process")
    finally:
        victim.kill()
        victim.wait()


@test(modes=("root",))
def protect_on_it(w):
    p = Place(w, "a")
    policy = w.file("p.yaml", f"""policy: 1
filesystem:
  write: [{{from: {p.path('a')}, path: /workspace}}]
  protect: [/workspace/keep, /workspace/absent]
""")
    r = p.exec("echo x >/workspace/keep; echo x >/workspace/absent; "
               "echo x >/workspace/free && cat /workspace/keep",
               "--policy", policy,
               before=f"echo kept >{p.path('a')}/keep; "
                      f"chown {OWNER}:{GROUP} {p.path('a')}/keep",
               after=f"ls {p.path('a')}")
    equal(r.expect(0).text, "kept\n")
    equal(p.seen, "free\nkeep\n")


@test(modes=("root",))
def a_fuse_file_system(w):
    if not shutil.which("bindfs") or not os.path.exists("/dev/fuse"):
        raise Skip("bindfs or /dev/fuse is not there")
    p = Place(w)
    below = w.scratch("below", uid=OWNER)
    os.mkdir(p.path("a"))
    p.lines.append(f"bindfs -o allow_other {below} {p.path('a')}")
    r = p.exec(WRITE, "--rw", p.path("a") + ":/workspace",
               after=f"umount {p.path('a')}")
    equal(r.expect(0).text, "1000\n1000\n1000:1000\n1000:1000\n")
    st = os.stat(os.path.join(below, "f"))
    equal((st.st_uid, st.st_gid), (OWNER, OWNER))
    holds(p.posture["identity"], f"uid {OWNER}, the owner's")


if __name__ == "__main__":
    main()
