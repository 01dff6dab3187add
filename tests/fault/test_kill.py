#!/usr/bin/env python3
"""kill -9 of each process of a start, at each of its system calls.

Whoever dies, within two seconds there is no process, socket, mount or
control group left; and unless it was the janitor, which has done its work by
then, the run does not end as if nothing had happened.
"""

import sys
import time

import sweep
from flow import Failed, check, main, test
from sweep import Start, exit_status, show, slice_of

ALL = "--all" in sys.argv
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
    chosen = calls if ALL else slice_of(calls, SLICE)
    end = time.monotonic() + (7200 if ALL else SLICE_S)
    fired = tried = missed = 0
    wrong = []
    for call in chosen:
        if time.monotonic() > end:
            break
        tried += 1
        try:
            o = start.try_call(call, "kill")
        except Failed as e:
            wrong.append(f"{show(call)}: {e}")
            start.leftovers()
            continue
        if not o.fired:
            missed += call.phase == "start"
            continue
        fired += 1
        bad = judge(call, o)
        if bad:
            wrong.append(f"{show(call)} ({call.phase}): {bad}")
    print(f"# {w.mode}: {len(calls)} calls; {fired} of {tried} fired, "
          f"{len(calls) - tried} not tried")
    for line in wrong:
        print("#", line)
    w.begin()
    check(not wrong, f"{len(wrong)} of {fired}: {wrong[0] if wrong else ''}")
    # how often the launcher polls while the command runs is chance
    check(missed <= tried * 0.1, f"{missed} of the start did not fire")
    if not ALL:
        check(fired >= 10, f"only {fired} fired in {SLICE_S} s")


@test
def each_process_dies_at_each_call(w):
    run(w)


if __name__ == "__main__":
    sweep.build_injector()
    sys.argv = [a for a in sys.argv if a != "--all"]
    sys.exit(main())
