"""Checks that need the host: witnesses, sibling jails, the command line.

Each function is the check of one row in one mode on one path; it adds
attempts to the case.  What the probe alone can say is in expect.tsv.
"""

CHECKS = {}


def row(name, paths=None, full=False):
    """Register a check; paths: the ones it means something on.

    full: too long for the bounded slice that "make check" runs.
    """
    def register(fn):
        CHECKS.setdefault(name, []).append((fn, paths, full))
        return fn
    return register
