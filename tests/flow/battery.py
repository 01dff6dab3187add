"""What the battery's tests of the API share: clients, and what it costs."""

import os
import re
import time

from flow import check, equal
from service import Client

MIB = 1024 * 1024
# Of control, whatever arrives; a sanitizer keeps what was freed.
SANITIZED = "address" in os.environ.get("WARDER_BUILD", "")
GROWS_MAX = (500 if SANITIZED else 160) * MIB
NOWHERE = "/threads/00000000-0000-4000-8000-0000000000ff"
TWO = "tenants: [default, other]\n"


def client(d, tenant="default"):
    key = d.verb("keys", "create", "--tenant", tenant).expect(0).text.strip()
    return Client(d, key)


def status_kib(pid, name):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        for line in f:
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
    return 0


class Cost:
    """Seconds, and how much larger warder-control has been."""

    def __init__(self, d):
        self.d, self.pid = d, d.control()
        with open(f"/proc/{self.pid}/clear_refs", "w", encoding="ascii") as f:
            f.write("5")  # the peak begins anew
        self.before = status_kib(self.pid, "VmRSS")
        self.began = time.monotonic()

    def bounded(self, seconds, what):
        took = time.monotonic() - self.began
        grew = status_kib(self.pid, "VmHWM") - self.before
        check(took < seconds, f"{what}: {took:.1f} s")
        check(grew < GROWS_MAX, f"{what}: {grew // MIB} MiB more")
        equal(self.d.control(), self.pid, f"{what}: warder-control")
        return took, grew


def statuses(said):
    return [int(n) for n in re.findall(rb"HTTP/1\.1 (\d{3}) ", said)]
