#!/usr/bin/env python3
"""The official SDKs of the Agent Server API, unmodified and pinned.

langgraph/package-lock.json and requirements.txt name every package with its
version: the SDK alone pinned would bring whatever its dependencies are today.
They are installed once into the build directory; where there is no registry
the SDK is skipped, with the reason.
"""
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "flow"))

import service  # noqa: E402

FILES = os.path.join(HERE, "langgraph")
PLACE = os.path.join(service.TOP, os.environ.get("WARDER_BUILD", "build"),
                     "conformance", "langgraph")


def fingerprint(*names):
    """What is installed is installed anew when one of these changes."""
    h = hashlib.sha256()
    for name in names:
        with open(os.path.join(FILES, name), "rb") as f:
            h.update(f.read())
    return h.hexdigest()


def install(name, mark, commands):
    """The folder with an SDK, or None and why there is none."""
    folder = os.path.join(PLACE, name)
    done = os.path.join(folder, "installed")
    if os.path.exists(done):
        with open(done, encoding="ascii") as f:
            if f.read() == mark:
                return folder, None
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for command in commands:
        try:
            got = subprocess.run(command, cwd=folder, timeout=300, check=False,
                                 capture_output=True, text=True)
        except (OSError, subprocess.TimeoutExpired) as e:
            return None, f"{command[0]}: {e}"
        if got.returncode != 0:
            lines = (got.stderr or got.stdout).strip().splitlines()
            return None, f"{command[0]}: {lines[-1] if lines else '?'}"
    with open(done, "w", encoding="ascii") as f:
        f.write(mark)
    return folder, None


def javascript():
    names = ("package.json", "package-lock.json")
    folder, why = install("js", fingerprint(*names), [
        ["cp", *(os.path.join(FILES, n) for n in names), "."],
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]])
    if folder is None:
        return None, why
    # modules are looked for beside the program
    shutil.copy(os.path.join(FILES, "client.mjs"), folder)
    return ["node", os.path.join(folder, "client.mjs")], None


def python():
    folder, why = install("py", fingerprint("requirements.txt"), [
        [sys.executable, "-m", "venv", "venv"],
        ["venv/bin/pip", "install", "--quiet", "--no-deps", "-r",
         os.path.join(FILES, "requirements.txt")]])
    if folder is None:
        return None, why
    return [os.path.join(folder, "venv", "bin", "python"),
            os.path.join(FILES, "client.py")], None


def run(name, command, s, number):
    """An SDK's rows, numbered on; how many there were and how many failed."""
    got = subprocess.run([*command, f"http://127.0.0.1:{s.port}", s.user.key],
                         timeout=300, check=False, capture_output=True,
                         text=True, cwd=os.path.dirname(command[-1]))
    rows = failed = 0
    for line in got.stdout.splitlines():
        row = re.match(r"(not )?ok \d+ - (.*)", line)
        if row:
            rows += 1
            failed += bool(row.group(1))
            line = (f"{row.group(1) or ''}ok {number + rows} - {name} "
                    f"{row.group(2)}")
        if not line.startswith("1.."):
            print(line)
    if rows == 0 or (got.returncode != 0 and failed == 0):
        rows += 1
        failed += 1
        print(f"# {got.stderr[-500:]!r}\nnot ok {number + rows} - {name} ends")
    return rows, failed


def main():
    number = failed = 0
    folder = tempfile.mkdtemp(prefix="warder-sdk-")
    s = service.Service(folder)
    try:
        for name, prepare in (("js", javascript), ("python", python)):
            command, why = prepare()
            if command is None:
                number += 1
                print(f"ok {number} - {name} # SKIP {why}")
                continue
            rows, bad = run(name, command, s, number)
            number += rows
            failed += bad
    finally:
        s.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"1..{number}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
