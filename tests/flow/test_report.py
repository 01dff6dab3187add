#!/usr/bin/env python3
"""The report: its members and units, and that no program can forge it."""

import json
import os
import sys

from flow import BLOCK_BASE, BLOCK_SIZE, check, equal, holds, main, test

MEMBERS = {
    "schema": str, "version": str, "jail": str, "policy": dict, "end": dict,
    "used": dict, "limits": dict, "posture": dict, "network": type(None),
}
USED = {"wall_ms", "cpu_ms", "memory_peak_bytes", "largest_process_bytes",
        "output_bytes", "read_bytes", "written_bytes"}
LIMITS = {"cpu_milli": 1000, "memory_bytes": 1 << 30, "pids": 256,
          "open_files": 1024, "wall_ms": 600000, "idle_ms": 0,
          "cpu_time_ms": 0, "output_bytes": 16 << 20}
POSTURE = {"rootless", "start_us", "identity", "groups", "namespaces",
           "capabilities", "seccomp", "landlock", "memory", "pids", "cpu",
           "disk", "core_dumps", "network", "lessened"}


@test
def members(w):
    _, report = w.report("true")
    equal({k: type(v) for k, v in report.items()}, MEMBERS)
    equal(report["schema"], "warder.exec/1")
    equal(set(report["used"]), USED)
    equal(report["limits"], LIMITS)
    equal(set(report["posture"]), POSTURE)
    equal(set(report["policy"]), {"name", "digest"})
    check(report["policy"]["digest"].startswith("sha256:") and
          len(report["policy"]["digest"]) == 71, report["policy"])


@test
def one_line_of_json(w):
    path = os.path.join(w.scratch(), "r")
    w.exec("true", "--report", path).expect(0)
    with open(path, encoding="utf-8") as f:
        text = f.read()
    equal(text.count("\n"), 1)
    check(text.endswith("}\n"), text)


@test
def end_of_each_kind(w):
    rows = (("exit 7", "exited", 7, None), ("kill -9 $$", "signalled", 137, 9))
    for command, kind, status, signo in rows:
        r, report = w.report(command)
        equal(r.status, status)
        equal((report["end"]["kind"], report["end"]["exit_status"],
               report["end"].get("signal")), (kind, status, signo), command)
    _, report = w.report(["no-such-program"])
    equal((report["end"]["kind"], report["end"]["error"]),
          ("not_found", "No such file or directory"))
    _, report = w.report(["/etc/passwd"])
    equal(report["end"]["kind"], "not_executed")


@test
def used_is_what_was_used(w):
    code = ("import time\nx = bytearray(b'x' * 50000000)\n"
            "end = time.process_time() + 0.4\n"
            "while time.process_time() < end: pass\n"
            "print('y' * 999)")
    _, report = w.report(["python3", "-c", code])
    used = report["used"]
    equal(used["output_bytes"], 1000)
    check(50000000 < used["largest_process_bytes"] < 150000000, used)
    check(50000000 < used["memory_peak_bytes"] < 200000000 or not w.root, used)
    check(400 <= used["cpu_ms"] < 3000 or not w.root, used)
    check(used["wall_ms"] >= 400, used)


@test
def posture_is_the_hosts(w):
    _, report = w.report("true")
    posture = report["posture"]
    equal(posture["rootless"], not w.root)
    if w.root:
        uid = int(posture["identity"].split()[1].rstrip(","))
        check(BLOCK_BASE <= uid < 1 << 31, posture)
        equal((uid - BLOCK_BASE) % BLOCK_SIZE, 1000)
    else:
        holds(posture["identity"], f"uid {w.uid}, the caller's own")
        check("memory" in posture["lessened"] or "cgroup" in
              posture["memory"], posture)


@test
def output_cannot_forge_it(w):
    fake = ('{"schema":"warder.exec/1","end":{"kind":"exited",'
            '"exit_status":0}}')
    forge = (f"for i in 1 2 3 4 5 6 7 8 9; do echo '{fake}' "
             f"2>/dev/null >/proc/self/fd/$i; echo '{fake}' >&$i; "
             f"done 2>/dev/null; exit 9")
    path = os.path.join(w.scratch(), "r")
    result = w.exec(forge, "--report", path)
    equal(result.status, 9)
    with open(path, encoding="utf-8") as f:
        report = json.loads(f.read())
    end = report["end"]
    check(end.pop("pids_limit_met") is not True, report["end"])
    equal(end, {"kind": "exited", "exit_status": 9, "disk_full": False})
    holds(result.text, fake)


@test
def names_cannot_forge_it(w):
    evil = 'x","end":{"kind":"exited"},"\n{"a":"\033[31m'
    _, report = w.report([evil])
    equal(report["end"]["kind"], "not_found")


def with_pipe(w, command, *flags):
    """Run with --report-fd on a pipe; the result and what came through."""
    read, write = os.pipe()
    process = w.start(command, "--report-fd", str(write), *flags,
                      pass_fds=[write])
    os.close(write)
    result = process.finish()
    with os.fdopen(read, "rb") as f:
        return result, f.read(), write


@test
def report_fd_is_written_and_never_inherited(w):
    result, data, number = with_pipe(
        w, ["sh", "-c", "ls -l /proc/self/fd /proc/1/fd; cat "
            "/proc/*/fdinfo/* | wc -l; exit 3"])
    equal(result.status, 3)
    equal(json.loads(data)["end"]["exit_status"], 3)
    check(f" {number} ->" not in result.text, result.text)


@test
def only_three_descriptors(w):
    """Whatever the caller has open."""
    files = [os.open("/dev/null", os.O_RDWR) for _ in range(40)]
    try:
        r = w.start(["ls", "/proc/self/fd"], pass_fds=files).finish()
        r.expect(0, "0\n1\n2\n3\n")  # 3 is the directory itself
    finally:
        for fd in files:
            os.close(fd)


@test
def descriptors_are_pipes_and_no_files_of_the_caller(w):
    out = w.file("out", "")
    with open(out, "wb") as f:
        w.start(["sh", "-c", "readlink /proc/self/fd/0 /proc/self/fd/1; "
                 ": >/proc/self/fd/1; echo end"], stdout=f).finish()
    with open(out, encoding="ascii") as f:
        lines = f.read().splitlines()
    equal(lines[0], "/dev/null")
    check(lines[1].startswith("pipe:"), lines)
    equal(lines[2], "end")


@test
def bad_report_places(w):
    w.exec("echo x", "--report-fd", "2").refused("--report-fd",
                                                 "no open descriptor")
    w.exec("echo x", "--report-fd", "77").refused("--report-fd")
    for number in ("-1", "x", "", "3x", " 3", "99999999999999999999"):
        w.exec("echo x", "--report-fd", number).refused("--report-fd")


@test
def a_report_that_cannot_be_written_is_an_error(w):
    """Nobody may take a run for reported that is not."""
    folder = w.scratch()
    r = w.exec("exit 0", "--report", os.path.join(folder, "no", "r"))
    equal(r.status, 125)
    holds(r.said, "--report", "No such file")
    r = w.exec("exit 0", "--report", "/dev/full")
    equal(r.status, 125)
    holds(r.said, "No space left")


@test
def the_command_cannot_write_the_report_file(w):
    folder = w.owned()
    if w.root:
        os.chmod(folder, 0o777)
    path = os.path.join(folder, "r")
    w.exec("echo '{}' >/mnt/x/r; chmod 0 /mnt/x/r; exit 4", "--rw",
           f"{folder}:/mnt/x", "--report", path)
    if not os.path.exists(path):
        return
    with open(path, encoding="utf-8") as f:
        text = f.read()
    check(text == "{}\n" or json.loads(text)["end"]["exit_status"] == 4, text)


@test
def report_comes_after_a_limit(w):
    result, data, _ = with_pipe(w, ["sleep", "30"], "--limit", "wall=200ms")
    equal(result.status, 124)
    equal(json.loads(data)["end"]["kind"], "wall")


@test
def killed_from_outside_is_said(w):
    path = os.path.join(w.scratch(), "r")
    jail, name = w.running("echo up; exec sleep 600", "--report", path)
    equal(w.verb("kill", name).status, 0)
    r = jail.finish()
    equal(r.status, 137)
    with open(path, encoding="utf-8") as f:
        end = json.load(f)["end"]
    equal(end["exit_status"], 137)
    check(end["kind"] == "lost", end)
    equal(end["init_signal"], 9)
    holds(r.said, "killed from outside")


@test
def it_has_the_name_that_ps_shows(w):
    """One name: of the report, of the socket, of the control groups."""
    path = os.path.join(w.scratch(), "r")
    jail, name = w.running("echo up; exec sleep 600", "--report", path)
    shown = [json.loads(s) for s in w.verb("ps", "--json").text.splitlines()]
    name, = (s["name"] for s in shown if s["launcher_pid"] == jail.pid)
    groups = {os.path.basename(d) for d, _, _ in os.walk("/sys/fs/cgroup")
              if f"/warder-{jail.pid}-" in d}
    check(groups in (set(), {"warder-" + name}), groups)
    if w.root and os.path.isdir("/sys/fs/cgroup/memory"):
        check(groups, "control: its groups are found")
    w.verb("kill", name)
    jail.finish()
    with open(path, encoding="utf-8") as f:
        equal(json.load(f)["jail"], name)


if __name__ == "__main__":
    sys.exit(main())
