#!/usr/bin/env python3
"""warderd: its life, and control's; the runs that control asks for."""

import json
import os
import signal
import socket
import struct
import sys
import time

from flow import (check, children, descendants, equal, groups, holds, main,
                  name_of, test, wait_until)
from supervisor import MESSAGES, Warderd, agent, archive, digest_of


@test
def a_run_from_its_archive_to_its_end(w):
    tar = agent("cat; echo problem >&2; echo $HOME; pwd; exit 3")
    with Warderd(w) as d:
        deployed = d.deploy(tar)
        equal(deployed.digest, digest_of(tar))
        equal(deployed.fresh, 1)
        equal(deployed.card["name"], "tried")
        run = d.spawn(deployed.digest)
        equal(run.fd, None)
        out, err = run.finish(b"hello\n")
        equal(out, "hello\n/home/agent\n/agent\n")
        equal(err, "problem\n")
        end = d.receive("EXITED", run.id)
        equal((end.end, os.waitstatus_to_exitcode(end.status)),
              ("EXITED", 3))
        equal(run.message.policy, deployed.policy)
        holds(run.message.posture["seccomp"], "strict")
        equal(d.status().jails, 0)


if __name__ == "__main__":
    sys.exit(main())
