"""What the rows of tests/bench share: how they end, and small sums."""

import shutil
import subprocess


class Skip(Exception):
    """This row cannot be measured here, and why."""


class Failed(Exception):
    """Something did not work that must."""


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * q))]


def summary(values):
    return {"n": len(values), "p50_us": round(quantile(values, .5) / 1e3, 1),
            "p99_us": round(quantile(values, .99) / 1e3, 1)}


def output(*argv, **more):
    r = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       text=True, check=False, **more)
    if r.returncode != 0:
        raise Failed(f"{' '.join(argv)}: status {r.returncode}: "
                     f"{(r.stdout + r.stderr).strip()[:400]}")
    return r.stdout


def first_line(*argv):
    try:
        return output(*argv).splitlines()[0]
    except (OSError, Failed, IndexError):
        return None


def need(program):
    if shutil.which(program) is None:
        raise Skip(f"{program}: not packaged, or not installed")
    return program
