#!/usr/bin/env python3
"""make install, uninstall: a package's view, in a folder of its own."""

import os
import stat
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))


def make(target, folder):
    # A sanitizer's build is not what is installed: take the plain one, which
    # "all" makes if it is not there.
    env = {k: v for k, v in os.environ.items()
           if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "SAN")}
    return subprocess.run(
        ["make", "--no-print-directory", target, "DESTDIR=" + folder,
         "PREFIX=/opt/x", "SAN="], cwd=TOP, env=env, text=True,
        stdin=subprocess.DEVNULL, capture_output=True, check=False)


def below(folder):
    return {os.path.relpath(os.path.join(d, n), folder)
            for d, _, names in os.walk(folder) for n in names}


def mode(folder, path):
    return stat.S_IMODE(os.lstat(os.path.join(folder, path)).st_mode)


def checks(folder):
    done = make("install", folder)
    yield "install__new_destdir__succeeds", done.returncode == 0, done.stderr
    found = below(folder)
    programs = {p for p in found if "/bin/" in p or "/libexec/" in p}
    yield ("install__programs__there",
           {"opt/x/bin/warder", "opt/x/libexec/warder/warder-init",
            "opt/x/libexec/warder/warder-config"} <= programs, programs)
    modes = {p: oct(mode(folder, p)) for p in programs
             if mode(folder, p) != 0o755}
    yield "install__programs__executable_and_not_setuid", not modes, modes
    writable = {p for p in found if mode(folder, p) & 0o022 and
                not os.path.islink(os.path.join(folder, p))}
    yield "install__every_file__writable_by_owner_only", not writable, writable
    stray = {p for p in found if not p.startswith("opt/x/")}
    yield "install__every_file__below_the_prefix", not stray, stray

    mine = os.path.join(folder, "opt/x/bin/mine")
    with open(mine, "w", encoding="ascii") as f:
        f.write("not Warder's\n")
    done = make("uninstall", folder)
    left = below(folder)
    yield ("uninstall__own_files__gone_and_no_other",
           done.returncode == 0 and left == {"opt/x/bin/mine"},
           f"{done.stderr} {left}")
    kept = [d for d, _, _ in os.walk(folder)
            if os.path.basename(d) == "warder"]
    yield "uninstall__own_folders__gone", not kept, kept


def main():
    print("1..7")
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for i, (name, good, got) in enumerate(checks(folder), 1):
            bad += not good
            print(f"{'ok' if good else 'not ok'} {i} - {name}")
            if not good:
                print("#", got)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
