#!/usr/bin/env python3
"""Sizes of new directories: in memory, on disk, and what meets them."""

import json
import os
import shutil
import subprocess

from flow import (Skip, check, equal, holds, loops, main, test, wait_until)

MIB = 1 << 20
STATE = "/var/lib/warder/sandboxes"

# What a directory is on: its type, its free bytes and inodes.
LOOK = r"""
import os, sys
for path in sys.argv[1:]:
    v = os.statvfs(path)
    with open("/proc/self/mountinfo") as f:
        kind = [l.split(" - ")[1].split()[0] for l in f
                if l.split()[4] == path][-1]
    print(path, kind, v.f_bavail * v.f_frsize, v.f_favail)
"""

FILL = r"""
import errno, os, sys
path, piece, most = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
data, done = os.urandom(4096) * (piece // 4096), 0
fd = os.open(path, os.O_WRONLY | os.O_CREAT)
try:
    while done < most:
        done += os.write(fd, data[:most - done])
except OSError as e:
    print(errno.errorcode[e.errno], end=" ")
print(done)
"""

COUNT = r"""
import errno, os, sys
n = 0
try:
    while True:
        os.close(os.open(f"{sys.argv[1]}/{n}", os.O_CREAT | os.O_WRONLY))
        n += 1
except OSError as e:
    print(errno.errorcode[e.errno], n)
"""


def python(text, *args):
    return ["python3", "-c", text, *map(str, args)]


def needs_disk(w):
    """Whether this host offers what the tests of a disk are about."""
    _, report = w.report("true")
    if "disk" in report["posture"]["lessened"]:
        raise Skip(report["posture"]["disk"])


def sized(w, *mounts, memory="64MiB", more=""):
    return w.file("sized.yaml", f"""policy: 1
filesystem:
  write: [{", ".join(mounts)}]
  tmpfs: [{{path: /tmp, size: 1MiB}}]
  {more}
limits: {{memory: {memory}}}
""")


def used():
    v = os.statvfs(STATE)
    return (v.f_blocks - v.f_bfree) * v.f_frsize


@test(modes=("root",))
def the_default_is_on_disk(w):
    needs_disk(w)
    r, report = w.report(python(LOOK, "/workspace", "/tmp"))
    equal(r.expect(0).text, f"/workspace ext4 {1 << 30} 100000\n"
          f"/tmp tmpfs {256 * MIB} 99999\n")
    equal(report["posture"]["disk"], "1 in tmpfs (counted as memory), "
          "1 in an image on disk")


@test
def what_fits_is_in_memory(w):
    r, report = w.report(python(LOOK, "/workspace"), "--limit", "memory=8GiB")
    holds(r.expect(0).text, "/workspace tmpfs 1073741824 ")
    equal(report["posture"]["disk"], "2 in tmpfs (counted as memory)")
    check("disk" not in report["posture"]["lessened"], "nothing is missing")


@test(modes=("root",))
def more_than_the_memory_goes_to_the_disk(w):
    needs_disk(w)
    r, report = w.report(python(FILL, "x", MIB, 800 * MIB))
    r.expect(0, f"{800 * MIB}\n")
    equal((report["end"]["kind"], report["end"]["disk_full"]),
          ("exited", False))
    r, report = w.report(python(FILL, "x", MIB, 200 * MIB), "--limit",
                         "memory=64MiB", seconds=200)
    r.expect(0, f"{200 * MIB}\n")


@test(modes=("root",))
def a_full_default_ends_in_disk(w):
    needs_disk(w)
    before = used()
    r, report = w.report(python(FILL, "x", MIB, 2048 * MIB), seconds=100)
    word, done = r.expect(0).text.split()
    equal(word, "ENOSPC")
    check(1022 * MIB <= int(done) <= 1024 * MIB, f"{done} bytes")
    equal((report["end"]["kind"], report["end"]["disk_full"]),
          ("exited", True))
    wait_until(lambda: used() - before < 100 * MIB, 5, "the host's disk back")


@test(modes=("root",))
def bytes_and_inodes_are_exact(w):
    needs_disk(w)
    policy = sized(w, "{path: /a, size: 128MiB}", memory="256MiB")
    r, report = w.report(python(FILL, "/a/x", 4096, 256 * MIB), "--policy",
                         policy)
    word, done = r.expect(0).text.split()
    equal(word, "ENOSPC")
    check(128 * MIB - 65536 <= int(done) <= 128 * MIB, f"{done} bytes")
    check(report["end"]["disk_full"], "it is full")
    r, report = w.report(python(COUNT, "/a"), "--policy", policy,
                         seconds=200)
    equal(r.expect(0).text, "ENOSPC 100000\n")
    check(report["end"]["disk_full"], "it is full of inodes")
    r, report = w.report("true", "--policy", policy)
    check(not report["end"]["disk_full"], "control: it was empty")


@test(modes=("rootless",))
def without_a_disk_it_is_full_before_the_memory_is(w):
    """Nobody but the watchdog counts here, and it leaves these out."""
    r, report = w.report(python(FILL, "x", MIB, 800 * MIB))
    if "beside" not in report["posture"]["disk"]:
        raise Skip(report["posture"]["disk"])
    r.expect(0, f"{800 * MIB}\n")
    check("disk" in report["posture"]["lessened"], "it is recorded")
    r, report = w.report(python(FILL, "x", MIB, 2048 * MIB))
    r.expect(0, f"ENOSPC {1 << 30}\n")
    equal((report["end"]["kind"], report["end"]["disk_full"]),
          ("exited", True))
    # control: what fits in memory is counted
    policy = w.file("small.yaml", "policy: 1\nfilesystem: {write: [{path: "
                    "/a, size: 16MiB}], tmpfs: [{path: /tmp, size: 1MiB}]}\n"
                    "limits: {memory: 80MiB}\n")
    r, report = w.report("head -c 60000000 /dev/zero >/dev/shm/x; "
                         "head -c 16000000 /dev/zero >/a/x; "
                         "head -c 60000000 /dev/zero >~/x; sleep 5",
                         "--policy", policy)
    equal(report["end"]["kind"], "oom")


@test(modes=("root",))
def the_largest_go_to_the_disk(w):
    needs_disk(w)
    policy = sized(w, "{path: /a, size: 12MiB}", "{path: /b, size: 40MiB}",
                   "{path: /c, size: 20MiB}")
    r = w.exec(python(LOOK, "/a", "/b", "/c", "/tmp"), "--policy", policy)
    equal([line.split()[1] for line in r.expect(0).text.splitlines()],
          ["tmpfs", "ext4", "ext4", "tmpfs"])


@test(modes=("root",))
def it_belongs_to_the_agent_alone(w):
    needs_disk(w)
    r = w.exec("stat -c '%u:%g %a' . && ls -A && touch f && stat -c %u:%g f; "
               "cp /bin/true s && chmod 4755 s || echo no setuid; "
               "mknod n c 1 3 2>/dev/null || echo no node")
    equal(r.expect(0).text, "1000:1000 755\n1000:1000\nno setuid\nno node\n")


@test(modes=("root",))
def kept_from_the_disk(w):
    needs_disk(w)
    to = os.path.join(w.scratch(), "kept")
    w.exec("mkdir -p d/e && echo text >d/e/f && ln -s f d/e/l && "
           "dd if=/dev/zero of=big bs=1M count=40 2>/dev/null",
           "--keep", to).expect(0)
    with open(f"{to}/workspace/d/e/f", encoding="ascii") as f:
        equal(f.read(), "text\n")
    equal(os.readlink(f"{to}/workspace/d/e/l"), "f")
    equal(os.stat(f"{to}/workspace/big").st_size, 40 * MIB)


@test(modes=("root",))
def the_device_goes_with_a_killed_launcher(w):
    needs_disk(w)
    before = set(os.listdir(STATE))
    p, _ = w.running()
    equal(set(os.listdir(STATE)), before, "files with a name")
    mine = lambda: [n for n in loops().values()
                    if n.startswith(f"{p.pid}-")]
    equal(len(mine()), 1, "control: the witness sees the device")
    p.popen.kill()
    wait_until(lambda: not mine(), 5, "the device's end")
    equal(set(os.listdir(STATE)), before, "files with a name")


@test(modes=("root",))
def an_overlay_on_disk(w):
    needs_disk(w)
    if not os.path.exists("/bin/busybox"):
        raise Skip("busybox-static is not installed")
    folder = w.owned("image")
    os.mkdir(os.path.join(folder, "bin"))
    shutil.copy("/bin/busybox", os.path.join(folder, "bin"))
    for name in ("sh", "cat", "rm", "ls", "stat"):
        os.symlink("busybox", os.path.join(folder, "bin", name))
    old = w.file("old", "old\n", folder)
    os.chown(old, os.stat(folder).st_uid, os.stat(folder).st_gid)
    to = os.path.join(w.scratch(), "kept")
    policy = w.file("p.yaml", f"""policy: 1
process: {{cwd: /}}
filesystem: {{rootfs: {{dir: {folder}}}}}
limits: {{memory: 64MiB}}
""")
    r, report = w.report(
        "cat /old; echo new >/new; rm /old; /bin/busybox dd if=/dev/zero "
        "of=/big bs=1M count=100 2>/dev/null && echo big",
        "--policy", policy, "--keep", to)
    equal(r.expect(0).text, "old\nbig\n")
    holds(report["posture"]["disk"], "in an image on disk")
    equal(sorted(n for n in os.listdir(to) if not
                 os.path.isdir(f"{to}/{n}")), [".wh.old", "big", "new"])
    check(os.path.exists(old), "the lower layer is as it was")


def elsewhere(w, prepare, command, *flags):
    """warder in a mount namespace of its own, after some sh."""
    p = w.popen(["unshare", "-m", "sh", "-c", prepare + '\nexec "$@"', "sh",
                 w.program, "exec", "--report-fd", "3", *flags, "--",
                 *command], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return p.finish()


HIDE = {
    "loop": "mkdir -p /tmp/dev.$$ && mount -t tmpfs none /tmp/dev.$$ && "
            "for n in null zero full random urandom tty; do "
            "cp -a /dev/$n /tmp/dev.$$/; done && "
            "mount --move /tmp/dev.$$ /dev && rmdir /tmp/dev.$$",
    "overlay": f"mount -t tmpfs none {STATE} && cd {STATE} && mkdir l u w && "
               "mount -t overlay none -o lowerdir=l,upperdir=u,workdir=w "
               f"{STATE} && cd / && chmod 700 {STATE}",
    "state": f"mount -t tmpfs none {STATE} && chmod 700 {STATE}",
}


@test(modes=("root",))
def what_the_host_lacks_is_recorded(w):
    needs_disk(w)
    for what, why in (("loop", "/dev/loop-control: No such file"),
                      ("state", "is in memory itself"),
                      ("overlay", "upper layer is in memory")):
        path = os.path.join(w.scratch("report"), "r")
        r = elsewhere(w, HIDE[what] + f"; exec 3>{path}",
                      python(LOOK, "/workspace"))
        holds(r.expect(0).text, "/workspace tmpfs 1073741824 ")
        with open(path, encoding="utf-8") as f:
            text = f.read()
        holds(text, "1 in tmpfs (counted as memory) for want of a disk: ", why)
        check("disk" in json.loads(text)["posture"]["lessened"], text)


@test(modes=("root",))
def a_file_system_without_nameless_files(w):
    """overlayfs, with what a killed start may have left there."""
    needs_disk(w)
    layers = w.scratch("layers")
    for name in ("lower", "upper", "work"):
        os.mkdir(os.path.join(layers, name))
    path = os.path.join(layers, "r")
    r = elsewhere(w, f"cd {layers} && mount -t overlay none -o lowerdir=lower,"
                  f"upperdir=upper,workdir=work {STATE} && chmod 700 {STATE} "
                  f"&& echo x >{STATE}/new; cd /; exec 3>{path}",
                  python(LOOK, "/workspace"))
    with open(path, encoding="utf-8") as f:
        if "upper layer is in memory" in f.read():
            raise Skip("temporary directories are in memory here")
    holds(r.expect(0).text, "/workspace ext4 1073741824 ")
    nameless = subprocess.run(
        ["unshare", "-m", "sh", "-c", f"cd {layers} && mount -t overlay none "
         f"-o lowerdir=lower,upperdir=upper,workdir=work {STATE} && exec "
         f"python3 -c 'import os; os.open(\"{STATE}\", os.O_TMPFILE | "
         "os.O_RDWR)'"], stderr=subprocess.DEVNULL, check=False)
    equal(os.listdir(os.path.join(layers, "upper")),
          ["new"] if nameless.returncode == 0 else [])


@test(modes=("root",))
def what_fails_refuses_the_run(w):
    needs_disk(w)
    # a device that is there, and is none
    r = elsewhere(w, "mount --bind /dev/null /dev/loop-control; "
                  "exec 3>/dev/null", ["true"])
    r.refused("/workspace", "loop device")


if __name__ == "__main__":
    main()
