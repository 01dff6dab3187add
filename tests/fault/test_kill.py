#!/usr/bin/env python3
"""kill -9 of each process of a start, at each of its system calls, and of the
launcher at each call of the others.

Whoever dies, within two seconds there is no process, socket, mount or
control group left; and unless it was the janitor, which has done its work by
then, the run does not end as if nothing had happened.
"""

import sys

import sweep  # which knows where flow is
from flow import check, main, test
from sweep import Start, Sweep, exit_status

SLICE, SLICE_S = 80, 10  # calls and seconds, of each user
STATUS = 3


def judge(call, o):
    if o.left:
        return o.left
    status = exit_status(o.status)
    if call.role == "launcher":
        return None if status == 137 else f"status {status}"
    if status == STATUS and o.text == "ran\n" and o.ran:
        if call.role == "two" or (call.role == "command" and
                                  call.phase == "start"):
            return "it went on without warder-init"
        if call.role == "image" and not call.name.startswith("exit"):
            return "it went on without its image"
        return None
    if status == STATUS:
        return f"status {status} without its output"
    if status not in (125, 126, 137) or "warder: " not in o.said:
        if call.role == "command" and status == 137:
            return None
        return f"status {status}, {o.said.strip()[-200:]!r}"
    return None


def run(w):
    start = Start(w)
    start.command = ["sh", "-c", ": >/mnt/w/ran; echo ran; exit 3"]
    calls = start.trace(STATUS)
    # its last words are the exit itself
    calls = [c for c in calls if not (c.role == "two" and c.phase == "end")]
    sweeping = Sweep(start, calls, SLICE, SLICE_S)
    for call in sweeping.chosen:
        sweeping.inject(call, judge, "kill")
    sweeping.finish(f"{len(calls)} calls, {len(calls) - sweeping.tried} not tried",
                    10)


@test
def each_process_dies_at_each_call(w):
    run(w)


@test
def the_launcher_dies_before_each_call(w):
    """What the others do alone leaves nothing either."""
    start = Start(w)
    start.command = ["sh", "-c", ": >/mnt/w/ran; echo ran; exit 3"]
    calls = [c for c in start.trace(STATUS) if c.role != "launcher"]
    check({"one", "two", "command"} <= {c.role for c in calls}, "roles")
    sweeping = Sweep(start, calls, SLICE, SLICE_S)
    for call in sweeping.chosen:
        sweeping.inject(call, lambda c, o: o.left or None, "orphan")
    sweeping.finish(f"{len(calls)} calls, {len(calls) - sweeping.tried} not tried",
                    10)


if __name__ == "__main__":
    sweep.build_injector()
    sys.argv = [a for a in sys.argv if a != "--all"]
    sys.exit(main())
