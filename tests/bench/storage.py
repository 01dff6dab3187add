"""Rows of the storage, beside SQLite alone."""

import shutil
import statistics
import tempfile

from common import output

GROWTH_STEPS = 1000
MESSAGE_BYTES = 103  # of a step, with its quotes and comma


def folder():
    """On a disk: an fsync of memory costs nothing."""
    return tempfile.mkdtemp(prefix="warder-bench-", dir="/var/tmp")


def row_commits(b):
    """acknowledged checkpoints, 16 writers"""
    rounds, d = b.runs(200) // 8, folder()
    argv = [b.program("storage"), "commits", d, str(rounds), "300"]
    try:
        found = {"raw": [], "warder": []}
        for line in output(*argv).splitlines():
            name, rate = line.split()
            found[name].append(float(rate))
    finally:
        shutil.rmtree(d, ignore_errors=True)
    ratio = statistics.median(
        w / r for w, r in zip(found["warder"], found["raw"]))
    sides = {name: {"p50": f"{statistics.median(v):.0f}/s",
                    "best": f"{max(v):.0f}/s"} for name, v in found.items()}
    return {"sides": {"warder": sides["warder"],
                      "sqlite, 16 a commit": sides["raw"]},
            "ratio": round(ratio, 3), "goal": 0.7, "at_least": True,
            "verdict": "met" if ratio >= 0.7 else "missed",
            "commands": {"storage": " ".join(argv)}}


def row_growth(b):
    """bytes of a step when the state is 10 times as large"""
    d = folder()
    argv = [b.program("storage"), "growth", d, str(GROWTH_STEPS)]
    try:
        lines = [list(map(int, line.split()))
                 for line in output(*argv).splitlines()]
    finally:
        shutil.rmtree(d, ignore_errors=True)
    first, last = lines[0], lines[-1]
    early = first[1] / first[0]
    late = (last[1] - lines[-2][1]) / (last[0] - lines[-2][0])
    sides = {
        f"step 1 to {first[0]}": {"stored": f"{early:.0f} bytes a step"},
        f"step {lines[-2][0]} to {last[0]}": {
            "stored": f"{late:.0f} bytes a step"},
        "whole states": {"stored": f"{last[2] / last[0]:.0f} bytes a step"},
        "the change": {"stored": f"{MESSAGE_BYTES} bytes a step"},
    }
    ratio = late / early
    return {"sides": sides, "ratio": round(ratio, 3), "goal": 2,
            "verdict": "met" if ratio <= 2 else "missed",
            "commands": {"storage": " ".join(argv)}}


def row_recovery(b):
    """1,000 running runs claimed again, s"""
    found = []
    for _ in range(3):
        d = folder()
        argv = [b.program("storage"), "recovery", d, "1000"]
        try:
            found.append(int(output(*argv)) / 1e6)
        finally:
            shutil.rmtree(d, ignore_errors=True)
    median = statistics.median(found)
    return {"sides": {"storage": {"p50": f"{median:.3f} s"}},
            "ratio": round(median, 3), "goal": 2,
            "verdict": "met" if median <= 2 else "missed",
            "commands": {"storage": " ".join(argv)}}


ROWS = (row_commits, row_growth, row_recovery)
