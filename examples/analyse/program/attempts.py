"""What a hostile module tries. Each attempt says what came of it.

DEMO_TARGETS holds, as JSON, what the demonstration has laid out: a file, a
variable's name, addresses, this program's input, the number of processes at
which to stop. The answers go to attempts.json beside the results. They are
only claims: the demonstration also asks its listeners, and looks for the
secret in everything that was written.
"""

import glob
import json
import os
import socket
import sys

WAIT_S = 1


def read_file(path):
    with open(path, encoding="ascii") as f:
        return f.read()


def read_variable(name):
    return os.environ[name]


def read_environments(name):
    """Of any process that /proc shows, this one left out."""
    own = "/proc/%d/" % os.getpid()
    wanted = name.encode() + b"="
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(path, "rb") as f:
                held = [v for v in f.read().split(b"\0")
                        if v.startswith(wanted)]
        except OSError:
            continue
        if held and not path.startswith(own):
            return held[0][len(wanted):].decode()
    raise LookupError("no process has it")


def send(kind, address):
    """A word to a listener that answers."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, kind) as s:
        s.settimeout(WAIT_S)
        s.connect(tuple(address))
        s.send(b"hello from the hostile module")
        return s.recv(64).decode()


def tcp(address):
    return send(socket.SOCK_STREAM, address)


def udp(address):
    return send(socket.SOCK_DGRAM, address)


def open_for_writing(path):
    with open(path, "a", encoding="ascii"):
        return "opened"


def multiply(tokens, births, hold):
    """Fork, and so do the children, while there are tokens or room."""
    while os.read(tokens, 1):
        try:
            if os.fork() == 0:
                os.write(births, b"+")
        except OSError as e:
            os.write(births, b"%d\n" % e.errno)
            break
    os.close(births)
    os.read(hold, 1)  # until the first process closes its end
    os._exit(0)


def fork_bomb(most):
    """How many processes came to life, and what stopped them.

    Each fork but the first takes a byte from a pipe, and the pipe holds so
    many that the bomb ends by itself where nothing else ends it.
    """
    tokens, births, hold = os.pipe(), os.pipe(), os.pipe()
    os.write(tokens[1], b"t" * (most - 1))
    os.close(tokens[1])
    first = os.fork()
    if first == 0:
        os.close(births[0])
        os.close(hold[1])
        multiply(tokens[0], births[1], hold[0])
    os.close(births[1])
    os.close(tokens[0])
    with os.fdopen(births[0], "rb") as f:
        heard = f.read()
    os.close(hold[1])
    os.waitpid(first, 0)
    errors = heard.replace(b"+", b"").split()
    refused = os.strerror(int(errors[0])) if errors else None
    return {"born": 1 + heard.count(b"+"), "refused": refused}


def attempt(what, *arguments):
    try:
        return {"done": True, "got": what(*arguments)}
    except (OSError, LookupError) as e:
        text = getattr(e, "strerror", None) or "not there"
        if isinstance(e, TimeoutError):
            text = "no answer"
        return {"done": False, "got": text}


def attempts():
    if "DEMO_TARGETS" not in os.environ:
        return
    t = json.loads(os.environ["DEMO_TARGETS"])
    found = {
        "file": attempt(read_file, t["file"]),
        "variable": attempt(read_variable, t["variable"]),
        "environments": attempt(read_environments, t["variable"]),
        "input": attempt(open_for_writing, sys.argv[1]),
        "bomb": attempt(fork_bomb, t["most_processes"]),
    }
    for name, address in t["listeners"].items():
        found[name] = attempt(tcp if "tcp" in name else udp, address)
    with open(os.path.join(sys.argv[2], "attempts.json"), "w",
              encoding="ascii") as f:
        json.dump(found, f, indent=1)
