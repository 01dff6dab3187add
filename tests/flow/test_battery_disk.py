#!/usr/bin/env python3
"""CC-04 of the battery: the disk of the database fills up, or fails, under a
running service.  Nothing that was acknowledged is lost, what is refused is
told why, and there is no need of anybody when the disk is well again.
"""

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
import uuid

from daemon import Daemon
from flow import check, equal, holds, main, test, wait_until
from service import Client

MIB = 1024 * 1024
BACK_OFF_S = 60  # warderd waits up to 30 s before it starts control again
ROWS = 60  # requests while the disk is full
TALK = "x" * 60000  # what each brings with it

SLEEPS = """
import time, warder

@warder.agent
def main(run):
    time.sleep(run.input["seconds"])
    return {"slept": True}

main.serve()
"""


@contextlib.contextmanager
def mounted(folder, *options):
    os.makedirs(folder, exist_ok=True)
    subprocess.run(["mount", *options, folder], check=True)
    try:
        yield
    finally:
        gone(folder)


def dead(d):
    """What a test that has failed left running keeps the disk busy."""
    if d.process.popen.poll() is None:
        print("# " + d.said()[-2000:].replace("\n", "\n# "))
        d.kill()


def gone(folder):
    """A daemon that was killed, or a loop device, lets go a little later."""
    wait_until(lambda: not os.path.ismount(folder) or subprocess.run(
        ["umount", folder], capture_output=True, check=False
        ).returncode == 0, 10, f"umount {folder}")


def unused(image):
    """A copy of the mount, in a jail's first moments, keeps the failed one."""
    wait_until(lambda: not subprocess.run(
        ["losetup", "-j", image], capture_output=True, check=True).stdout,
        60, f"the end of {image}'s loop device")


def fill(path):
    """All the room there is: how many bytes."""
    done = 0
    with open(path, "wb", buffering=0) as f:
        with contextlib.suppress(OSError):
            while True:
                done += f.write(b"\0" * 4096)
    return done


class Impatient(Client):
    """While warder-control is down, its listener takes connections."""

    def connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.service.port,
                                          timeout=5)


class Books:
    """What was asked for, and what was acknowledged."""

    def __init__(self, d):
        self.user = Impatient(d, d.key)
        self.kept, self.refused, self.cut = [], [], 0

    def put(self, size=len(TALK)):
        """One thread of a name that the client chooses; its status or 0."""
        name = str(uuid.uuid4())
        try:
            got = self.user.post("/threads", {
                "thread_id": name, "metadata": {"talk": TALK[:size]}})
        except (OSError, http.client.HTTPException):
            self.cut += 1
            return 0
        if got.status == 200:
            self.kept.append(name)
        else:
            self.refused.append(got)
        return got.status

    def until_kept(self, seconds=20):
        wait_until(lambda: self.put(100) == 200, seconds,
                   "a request that is taken again")

    def all_there(self):
        lost = [i for i, name in enumerate(self.kept)
                if self.user.get(f"/threads/{name}").status != 200]
        equal(lost, [], f"lost, of {len(self.kept)} that were acknowledged")


@test(modes=("root",))
def a_full_disk_loses_nothing_and_says_so(w):
    folder = w.scratch("daemon")
    state = os.path.join(folder, "state")
    with mounted(state, "-t", "tmpfs", "-o", "size=24m,mode=755", "none"), \
            Daemon(w, folder=folder) as d:
        d.agent("sleeps", SLEEPS)
        books = Books(d)
        for _ in range(5):
            equal(books.put(), 200, "while there is room")
        thread = books.user.thread()
        run = books.user.post(f"/threads/{thread}/runs", {
            "assistant_id": "sleeps", "input": {"seconds": 6}}
            ).expect(200).json["run_id"]
        d.wait_status(run, "running")
        filler = os.path.join(state, "filler")
        check(fill(filler) > MIB, "there was no room to fill")
        said = [books.put() for _ in range(ROWS)]
        refused = len(books.refused)
        check(refused > ROWS // 2, f"only {refused} were refused: {said}")
        for got in books.refused:
            equal(got.status, 507, f"{got.body[:300]}")
            holds(got.json["detail"], "full")
            check("retry-after" in got.headers, "not told when to try again")
        # reading goes on, and so does the process that serves
        pid = d.control()
        books.all_there()
        # the run ends in the meantime, and its end cannot be stored
        time.sleep(7)
        equal(books.user.get("/ok").status, 200)
        equal(d.control(), pid, "warder-control, while the disk was full")
        check(books.put() != 200, "the disk is not full any more")
        os.unlink(filler)
        books.until_kept()
        equal(d.wait_status(run, "success", "error", seconds=30), "success",
              f"the run's end; {d.said()[-900:]}")
        books.all_there()
        # refused is refused: it did not happen later
        found = books.user.post("/threads/count", {}).expect(200).json
        equal(found, len(books.kept) + 1, "threads")
        os.kill(d.control(), signal.SIGKILL)
        wait_until(lambda: d.control() not in (None, pid), 10, "the next")
        d.wait_ready()
        books.all_there()
        equal(d.wait_status(run, "success", "error"), "success")
        print(f"# {len(books.kept)} kept, {refused} refused", flush=True)


@test(modes=("root",))
def a_disk_full_from_the_start_is_waited_for(w):
    folder = w.scratch("daemon")
    state = os.path.join(folder, "state")
    with mounted(state, "-t", "tmpfs", "-o", "size=24m,mode=755", "none"), \
            Daemon(w, folder=folder) as d:
        books = Books(d)
        equal(books.put(), 200)
        filler = os.path.join(state, "filler")
        check(fill(filler) > MIB, "there was no room to fill")
        os.kill(d.control(), signal.SIGKILL)
        # it may answer or not, but nothing is taken that is not kept
        tried(books)
        check(d.process.popen.poll() is None, "warderd has gone")
        os.unlink(filler)
        books.until_kept(BACK_OFF_S)
        books.all_there()


def tried(books):
    """Some seconds of requests to a service that may be down."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        books.put()
        time.sleep(0.1)


def failing_disk(folder):
    """An ext4 whose blocks come from a tmpfs that has too few of them: what
    SQLite writes is taken by the page cache, and fsync(2) fails.  What the
    file system says of itself goes by its journal, which has its blocks."""
    image = os.path.join(folder, "image")
    with open(image, "wb") as f:
        f.truncate(96 * MIB)
    subprocess.run(["mkfs.ext4", "-q", "-J", "size=4", "-E",
                    "lazy_itable_init=0,lazy_journal_init=0,nodiscard",
                    image], check=True)
    return image


@test(modes=("root",))
def a_disk_that_fails_is_never_believed(w):
    folder = w.scratch("daemon")
    state, backing = (os.path.join(folder, n) for n in ("state", "backing"))
    with contextlib.ExitStack() as stack:
        stack.enter_context(mounted(
            backing, "-t", "tmpfs", "-o", "size=40m,mode=755", "none"))
        image = failing_disk(backing)
        stack.enter_context(mounted(
            state, "-o", "loop,errors=continue", image))
        os.chmod(state, 0o755)
        d = Daemon(w, folder=folder)
        stack.callback(dead, d)
        books = Books(d)
        for _ in range(5):
            equal(books.put(), 200, "while the disk is well")
        first = d.control()
        subprocess.run(["sync", "-f", state], check=True)
        filler = os.path.join(backing, "filler")
        check(fill(filler) > MIB, "there was no room to fill")
        wait_until(lambda: books.put() != 200, 20, "a refusal")
        # what was taken by a process that was failed is not believed again
        wait_until(lambda: d.control() != first, 10, "its end")
        tried(books)
        print(f"# {len(books.kept)} kept while it failed")
        for got in books.refused:
            check(got.status in (500, 503, 507), got.status)
            check(got.json["detail"], "not told why")
        holds(d.said(), "ev=storage")
        check(d.process.popen.poll() is None, "warderd has gone")
        # somebody mends it: what never was on the disk is not there now
        d.kill()
        gone(state)
        unused(image)
        os.unlink(filler)
        subprocess.run(["mount", "-o", "loop", image, state], check=True)
        again = Daemon(w, folder=folder)
        stack.callback(dead, again)
        again.key = d.key
        books.user = Impatient(again, d.key)
        books.all_there()
        for _ in range(5):
            equal(books.put(), 200, "when it is well again")
        again.kill()
        gone(state)
        subprocess.run(["mount", "-o", "loop", image, state], check=True)
        again.start()
        books.all_there()
        print(f"# {len(books.kept)} kept, {len(books.refused)} refused, "
              f"{books.cut} cut off", flush=True)
        again.stop()


if __name__ == "__main__":
    sys.exit(main())
