#!/usr/bin/env python3
"""Host directories: who owns what is written, and which never enter."""

import os
import socket
import stat
import subprocess
import sys

from flow import Skip, check, equal, holds, main, test


def refused(w, flag, path, *reasons, dest="/mnt/x"):
    """The run is refused, with the reason and the place."""
    r = w.exec("echo ran", flag, f"{path}:{dest}")
    r.refused(*reasons)
    holds(r.said, "command line:")
    return r


@test
def files_belong_to_the_owner(w):
    folder = w.owned()
    owner = os.stat(folder).st_uid
    w.exec("umask 027; echo a >/mnt/d/file; mkdir -p /mnt/d/one/two; "
           "ln -s file /mnt/d/link; mkfifo /mnt/d/pipe; "
           "ln /mnt/d/file /mnt/d/hard", "--rw", f"{folder}:/mnt/d").expect(0)
    for name in ("file", "one", "one/two", "link", "pipe", "hard"):
        st = os.lstat(os.path.join(folder, name))
        equal((st.st_uid, st.st_gid), (owner, owner), name)
    equal(stat.S_IMODE(os.stat(os.path.join(folder, "file")).st_mode), 0o640)


@test
def inside_they_belong_to_the_agent(w):
    folder = w.owned()
    path = os.path.join(folder, "f")
    w.file("f", "x\n", folder)
    owner = os.stat(folder).st_uid
    if w.root:
        os.chown(path, owner, owner)
    os.chmod(path, 0o600)
    r = w.exec("stat -c %u:%g /mnt/d /mnt/d/f; cat /mnt/d/f; "
               "echo y >>/mnt/d/f", "--rw", f"{folder}:/mnt/d").expect(0)
    equal(r.text, "1000:1000\n1000:1000\nx\n")
    with open(path, encoding="ascii") as f:
        equal(f.read(), "x\ny\n")


@test
def removal_and_renaming(w):
    folder = w.owned()
    for name in ("a", "b"):
        os.chown(w.file(name, "x", folder), *2 * [os.stat(folder).st_uid])
    w.exec("rm -f /mnt/d/a; mv -f /mnt/d/b /mnt/d/c", "--rw",
           f"{folder}:/mnt/d").expect(0)
    equal(os.listdir(folder), ["c"])


@test(modes=["root"])
def files_of_others_stay_theirs(w):
    """Only the owner's ids are mapped: root's files cannot be written."""
    folder = w.owned()
    path = os.path.join(folder, "roots")
    with open(path, "w", encoding="ascii") as f:
        f.write("x\n")
    os.chmod(path, 0o644)
    r = w.exec("cat /mnt/d/roots; stat -c %u /mnt/d/roots; "
               "echo y >>/mnt/d/roots; chmod 777 /mnt/d/roots", "--rw",
               f"{folder}:/mnt/d")
    equal(r.text, "x\n65534\n")
    with open(path, encoding="ascii") as f:
        equal(f.read(), "x\n")
    equal(stat.S_IMODE(os.stat(path).st_mode), 0o644)


@test
def setuid_bits_do_nothing(w):
    folder = w.owned()
    r = w.exec("cp /usr/bin/id /mnt/d/id && chmod 4755 /mnt/d/id; "
               "stat -c %a /mnt/d/id; /mnt/d/id -u", "--rw",
               f"{folder}:/mnt/d")
    holds(r.text, "1000\n")
    mode = os.stat(os.path.join(folder, "id")).st_mode
    check(not mode & (stat.S_ISUID | stat.S_ISGID),
          f"a set-uid file lies on the host: {mode:o}")


@test
def never_whatever_the_flag(w):
    for path in ("/", "/proc", "/proc/self", "/sys", "/run", "/dev",
                 "/dev/shm", "/usr/../proc", "//proc", "/proc/../sys"):
        for flag in ("--ro", "--rw"):
            refused(w, flag, path, "never given for writing" if
                    (flag, path) == ("--rw", "/") else "never enters a jail")


@test
def warders_own_directories(w):
    places = ["/etc/warder"] if w.root else []
    config = os.path.join(w.home, ".config", "warder")
    if not w.root:
        os.makedirs(config, exist_ok=True)
        w.give(os.path.join(w.home, ".config"))
        w.give(config)
        places += [config, os.path.join(w.home, ".cache", "warder")]
    w.exec("true").expect(0)
    for place in places:
        if not os.path.exists(place):
            continue
        refused(w, "--ro", place, "never enters a jail")
    if not w.root:
        refused(w, "--ro", w.runtime + "/warder",
                "sockets", "never enters a jail")
        refused(w, "--rw", w.runtime, "sockets", "never enters a jail")
        # nor what holds one of them
        refused(w, "--ro", os.path.join(w.home, ".config"),
                "it contains", "never enters a jail")


@test
def the_home_directory_is_not_for_writing(w):
    if w.root:
        r = w.exec("echo ran", "--rw", f"{w.home}:/mnt/x")
        r.refused(w.home)
        return
    refused(w, "--rw", w.home, "home")
    refused(w, "--rw", os.path.dirname(w.home), os.path.dirname(w.home))


@test
def a_directory_of_roots_is_not_for_writing(w):
    for path in ("/usr", "/var/lib", "/etc", "/opt"):
        refused(w, "--rw", path, path)


@test
def only_directories_are_for_writing(w):
    path = w.file("f", "x", w.owned())
    refused(w, "--rw", path, "only directories")


@test
def sockets_fifos_and_devices(w):
    folder = w.scratch()
    fifo = os.path.join(folder, "fifo")
    os.mkfifo(fifo)
    w.give(fifo)
    path = os.path.join(folder, "sock")
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    s.listen(1)
    for flag in ("--ro", "--rw"):
        refused(w, flag, fifo, "neither a directory nor a regular file")
        refused(w, flag, path, "neither a directory nor a regular file")
        refused(w, flag, "/dev/null", "the host's devices")
    if w.root:
        node = os.path.join(folder, "node")
        os.mknod(node, 0o666 | stat.S_IFCHR, os.makedev(1, 5))
        refused(w, "--ro", node, "neither a directory")
        # as a part of a directory it opens nothing
        os.unlink(path)
        os.unlink(fifo)
        r = w.exec("head -c1 /mnt/x/node", "--ro", f"{folder}:/mnt/x")
        holds(r.said, "Permission denied")
    s.close()


@test
def a_socket_inside_a_directory(w):
    """It is refused, or nobody answers there."""
    folder = w.scratch()
    s = socket.socket(socket.AF_UNIX)
    s.bind(os.path.join(folder, "sock"))
    s.listen(1)
    s.settimeout(0.1)
    w.give(os.path.join(folder, "sock"))
    code = ("import socket\ns = socket.socket(socket.AF_UNIX)\n"
            "s.connect('/mnt/x/sock')\nprint('connected')")
    r = w.exec(["python3", "-c", code], "--ro", f"{folder}:/mnt/x")
    check("connected" not in r.text, "a socket of the host answered")
    check(r.status != 0, r.text)
    s.close()


@test
def what_is_not_there(w):
    folder = w.scratch()
    r = w.exec("echo ran", "--ro", f"{folder}/missing:/mnt/x")
    r.refused(f"{folder}/missing", "no such file or directory")
    path = w.file("f", "x", folder)
    w.exec("echo ran", "--ro", f"{path}/below:/mnt/x").refused(
        "no such file or directory")


@test
def a_deleted_directory(w):
    code = ("import os, sys, tempfile\n"
            "d = tempfile.mkdtemp(dir=sys.argv[1]); os.chdir(d); os.rmdir(d)\n"
            "os.execv(sys.argv[2], sys.argv[2:])")
    for flags in (["--ro", ".:/mnt/x"], ["--ro", "/proc/self/cwd:/mnt/x"]):
        r = w.popen(["/usr/bin/python3", "-c", code, w.scratch(), w.program,
                     "exec", *flags, "--", "echo", "ran"],
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE).finish()
        r.refused()


@test
def from_a_deleted_directory_a_jail_starts(w):
    """Its working directory is the jail's own."""
    code = ("import os, sys, tempfile\n"
            "d = tempfile.mkdtemp(dir=sys.argv[1]); os.chdir(d); os.rmdir(d)\n"
            "os.execv(sys.argv[2], sys.argv[2:])")
    r = w.popen(["/usr/bin/python3", "-c", code, w.scratch(), w.program,
                 "exec", "--", "pwd"],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE).finish()
    check((r.status, r.text) == (0, "/workspace\n") or
          (r.status == 125 and "working directory" in r.said),
          f"{r.status} {r.said}")


@test
def links_are_followed_once_and_judged(w):
    folder, target = w.scratch(), w.scratch()
    w.file("f", "text\n", target)
    os.symlink(target, os.path.join(folder, "good"))
    os.symlink("/proc", os.path.join(folder, "bad"))
    os.symlink("/", os.path.join(folder, "root"))
    os.symlink("loop", os.path.join(folder, "loop"))
    w.exec("cat /mnt/x/f", "--ro", f"{folder}/good:/mnt/x").expect(
        0, "text\n")
    refused(w, "--ro", f"{folder}/bad", f"{folder}/bad", "proc")
    refused(w, "--ro", f"{folder}/root", f"{folder}/root")
    refused(w, "--ro", f"{folder}/loop", f"{folder}/loop")


@test
def links_inside_lead_nowhere_outside(w):
    folder = w.owned()
    os.symlink("/etc/shadow", os.path.join(folder, "shadow"))
    os.symlink("../../../../../../root", os.path.join(folder, "up"))
    r = w.exec("cat /mnt/x/shadow; ls /mnt/x/up/", "--rw", f"{folder}:/mnt/x")
    equal(r.text, "")
    check(r.status != 0, r.status)


@test
def proc_links_of_the_caller(w):
    for path in ("/proc/self/root", "/proc/self/fd/0", "/proc/1/root",
                 "/proc/self/cwd/../../../.."):
        r = w.exec("echo ran", "--ro", f"{path}:/mnt/x")
        r.refused()


@test
def destinations_that_are_not_free(w):
    folder = w.scratch()
    for dest in ("/", "/proc", "/proc/x", "/dev", "/dev/shm", "/sys",
                 "relative", "/mnt/../proc", "/mnt//x", "/mnt/x/", "/mnt/./x",
                 "", "/etc/passwd", "/run", "/run/x"):
        r = w.exec("echo ran; ls / >/dev/null", "--ro", f"{folder}:{dest}")
        check(r.status == 125 or
              (r.status == 0 and dest in ("/mnt/x/", "", "relative")),
              f"{dest!r}: {r.status} {r.said}")


@test
def two_at_one_place(w):
    one, two = w.scratch(), w.scratch()
    r = w.exec("echo ran", "--ro", f"{one}:/mnt/x", "--ro", f"{two}:/mnt/x")
    r.refused("/mnt/x")


@test
def one_below_another(w):
    outer, inner = w.owned(), w.owned()
    w.file("f", "inner\n", inner)
    r = w.exec("cat /mnt/x/in/f; touch /mnt/x/y; touch /mnt/x/in/z",
               "--rw", f"{outer}:/mnt/x", "--ro", f"{inner}:/mnt/x/in")
    if r.status == 125:
        holds(r.said, "/mnt/x/in")
        return
    equal(r.text, "inner\n")
    holds(r.said, "Read-only")
    check(os.path.exists(os.path.join(outer, "y")), "the outer one")


@test
def a_read_only_submount_stays_read_only(w):
    if not w.root:
        raise Skip("needs root to mount")
    folder = w.owned()
    sub = os.path.join(folder, "sub")
    os.mkdir(sub)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0777", "none", sub],
                   check=True)
    try:
        r = w.exec("touch /mnt/x/sub/f", "--ro", f"{folder}:/mnt/x")
        check(r.status != 0, "a submount of a read-only directory is written")
        equal(os.listdir(sub), [])
    finally:
        subprocess.run(["umount", sub], check=True)


@test
def names_in_errors_are_escaped(w):
    for name in ("a\nb", "a\033[31m", "a\u202eb"):
        r = w.exec("echo ran", "--ro", f"/nowhere/{name}:/mnt/x")
        r.refused()
        for line in r.said.splitlines():
            check(line.isprintable() and line.startswith(("warder:",
                                                          "command line:")),
                  r.said)


@test
def two_jails_with_one_directory(w):
    folder = w.owned()
    jails = [w.start(["sh", "-c", f"for i in $(seq 50); do "
                      f"echo {n} >/mnt/x/{n}.$i; done"], "--rw",
                     f"{folder}:/mnt/x") for n in range(4)]
    for jail in jails:
        jail.finish().expect(0)
    equal(len(os.listdir(folder)), 200)


@test(modes=["rootless"])
def own_directories_never_enter_wherever_they_are(w):
    """XDG_* may move them; what is not there yet could be made."""
    for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        # without a cache it does not start at all
        for exists in (True, False)[:1 + (variable != "XDG_CACHE_HOME")]:
            base = w.owned(f"{variable}-{exists}".lower())
            moved = os.path.join(base, "deep", "moved")
            if exists:
                os.makedirs(os.path.join(moved, "warder", "x"))
                for folder, _, _ in os.walk(base):
                    os.chmod(folder, 0o700)
                    w.give(folder)
            env = dict(w.environment(), **{variable: moved})
            w.exec("true", "--rw", f"{base}:/mnt/w").expect(0)  # control
            given = [base]
            if exists:
                given += [moved, os.path.join(moved, "warder"),
                          os.path.join(moved, "warder", "x")]
            for path in given:
                for flag in ("--ro", "--rw"):
                    r = w.exec("true", flag, f"{path}:/mnt/w", env=env)
                    equal(r.status, 125, f"{variable} {flag} {path}")
                    holds(r.said, "never enters a jail")


if __name__ == "__main__":
    sys.exit(main())
