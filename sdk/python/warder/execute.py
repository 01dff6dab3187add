"""Commands and code in a jail of their own, beside the agent's.

That jail has what the agent's has, or less: the host makes it from the
agent's own policy and only takes away.  It shares no writable file with the
agent; files go in with the call, and results come out as output.
"""

import base64
import itertools
import json
import queue
import sys
from typing import NamedTuple, Optional

WINDOW = 256 * 1024
INPUT_MAX = 512 * 1024
KEEP = 256 * 1024

LANGUAGES = {
    "python": ("main.py", [sys.executable or "python3"]),
    "sh": ("main.sh", ["sh"]),
    "bash": ("main.sh", ["bash"]),
    "node": ("main.js", ["node"]),
}

# Runs in the new jail, before the command: its files, variables, directory.
PREPARE = r"""
import json, os, sys
def take(n):
    data = b""
    while len(data) < n:
        got = os.read(0, n - len(data))
        if not got:
            sys.exit("warder: the input has ended early")
        data += got
    return data
what = json.loads(take(int(sys.argv[1])))
where = what["cwd"]
if where is None:
    where = os.getcwd()
    for path in ("/workspace", where, "/tmp"):
        if what["files"] and os.access(path, os.W_OK):
            where = path
            break
os.environ.update(what["env"])
for name, size in what["files"]:
    path = os.path.join(where, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(take(size))
os.chdir(where)
try:
    os.execvp(what["argv"][0], what["argv"])
except OSError as e:
    print(f"{what['argv'][0]}: {e.strerror}", file=sys.stderr)
    os._exit(127 if isinstance(e, FileNotFoundError) else 126)
"""


class Result(NamedTuple):
    """How a command ended, and what it wrote.

    end: "exited", or the limit that it met ("wall", "oom", "output", ...).
    truncated: more was written than is kept here.
    """

    end: str
    exit_code: Optional[int]
    signal: Optional[int]
    stdout_bytes: bytes
    stderr_bytes: bytes
    truncated: bool
    wall_ms: int
    cpu_ms: int
    memory_peak_bytes: int

    @property
    def ok(self):
        return self.end == "exited" and self.exit_code == 0

    @property
    def stdout(self):
        return self.stdout_bytes.decode(errors="replace")

    @property
    def stderr(self):
        return self.stderr_bytes.decode(errors="replace")

    def to_json(self):
        plain = self._asdict()
        for name in ("stdout_bytes", "stderr_bytes"):
            plain[name] = base64.b64encode(plain[name]).decode()
        return plain

    @classmethod
    def from_json(cls, plain):
        plain = dict(plain)
        for name in ("stdout_bytes", "stderr_bytes"):
            plain[name] = base64.b64decode(plain[name])
        return cls(**plain)


def _bytes(data):
    return data.encode() if isinstance(data, str) else bytes(data or b"")


def prepared(command, code, language, files, env, cwd, data):
    """The words and the standard input of what is to run."""
    if (command is None) == (code is None):
        raise ValueError("either command or code")
    files = {k: _bytes(v) for k, v in (files or {}).items()}
    if isinstance(command, str):
        command = ["sh", "-c", command]
    if code is not None:
        name, words = LANGUAGES[language]
        files[name] = _bytes(code)
        command = [*words, name]
    command = [str(word) for word in command]
    if not files and not env and cwd is None:
        return command, _bytes(data)
    what = json.dumps({"argv": command, "env": dict(env or {}), "cwd": cwd,
                       "files": [[k, len(v)] for k, v in files.items()]})
    return ([LANGUAGES["python"][1][0], "-c", PREPARE,
             str(len(what.encode()))],
            what.encode() + b"".join(files.values()) + _bytes(data))


class Execution:
    """A command that runs: its output as it comes, then its end.

        with run.executing(["make"]) as x:
            for stream, data in x:
                ...
        x.result
    """

    numbers = itertools.count(1)

    def __init__(self, commands, argv, data, limits):
        if len(data) > INPUT_MAX:
            raise ValueError(f"{len(data)} bytes of input and files; "
                             f"{INPUT_MAX} are the most")
        self.id = f"x{next(self.numbers)}"
        self.result = None
        self.came_bytes = 0
        self._ended = False
        self._commands = commands
        self._pieces = queue.SimpleQueue()
        params = {k: v for k, v in limits.items() if v is not None}
        params.update(exec_id=self.id, command=argv, window=WINDOW)
        if data:
            params["input"] = base64.b64encode(data).decode()
        commands.living[self.id] = self
        self._call = commands.connection.begin(
            "exec", params, lambda: self._pieces.put(None))

    def came(self, stream, data):
        """Of the connection's reader; bounded by what was granted."""
        self.came_bytes += len(data)
        self._pieces.put((stream, data))

    def __iter__(self):
        while not self._ended:
            piece = self._pieces.get()
            if piece is None:
                self._end()
                return
            yield piece
            self._commands.connection.notify(
                "exec.more", {"exec_id": self.id, "bytes": len(piece[1])})

    def _end(self):
        self._ended = True
        self._commands.living.pop(self.id, None)
        self.result = self._call.wait()

    def kill(self):
        self._commands.connection.notify("exec.kill", {"exec_id": self.id})

    def wait(self):
        """The host's report, or its refusal; unread output is dropped."""
        for _ in self:
            pass
        return self.result

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if not self._ended:
            self.kill()
            self.wait()


class Commands:
    """Those of one run."""

    def __init__(self, connection):
        self.connection = connection
        self.living = {}

    def came(self, params):
        execution = self.living.get(params.get("exec_id"))
        if execution is not None:
            execution.came(params.get("stream"),
                           base64.b64decode(params.get("data") or ""))

    def start(self, command=None, code=None, language="python", input=None,
              files=None, env=None, cwd=None, timeout=None, cpu_time=None,
              memory=None, processes=None, output_max=None, network=False,
              write=False):
        argv, data = prepared(command, code, language, files, env, cwd, input)
        return Execution(self, argv, data, {
            "wall_ms": None if timeout is None else max(1, int(
                timeout * 1000)),
            "cpu_time_ms": None if cpu_time is None else max(1, int(
                cpu_time * 1000)),
            "memory_bytes": memory, "pids": processes,
            "output_bytes": output_max, "network": network, "write": write})

    def run(self, on_output=None, keep=KEEP, **what):
        """To its end: a Result with at most "keep" bytes of its output."""
        kept = {"stdout": bytearray(), "stderr": bytearray()}
        left, truncated = keep, False
        with self.start(**what) as x:
            for stream, data in x:
                if on_output is not None:
                    on_output(stream, data)
                kept[stream] += data[:left]
                truncated = truncated or len(data) > left
                left -= min(left, len(data))
        r = x.result
        return Result(r["end"], r["exit_code"], r["signal"],
                      bytes(kept["stdout"]), bytes(kept["stderr"]), truncated,
                      r["wall_ms"], r["cpu_ms"], r["memory_peak_bytes"])
