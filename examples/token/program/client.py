"""Call an HTTPS API with the token in $API_TOKEN; then misbehave.

DEMO_TARGETS holds, as JSON, where to. What came of each attempt is printed as
JSON. These are only claims: the demonstration asks its servers, and looks for
the token in all that was printed.

An ordinary program: it knows nothing of Warder, neither of a proxy nor of a
certificate authority.
"""

import glob
import json
import os
import socket
import urllib.error
import urllib.parse
import urllib.request

VARIABLE = "API_TOKEN"
WAIT_S = 10
MOST = 4096     # bytes of an answer


def ask(url, send=urllib.request.urlopen):
    """A request with the token, as any client of the API would send it."""
    request = urllib.request.Request(url, headers={
        "Authorization": "Bearer " + os.environ[VARIABLE]})
    try:
        answer = send(request, timeout=WAIT_S)
    except urllib.error.HTTPError as e:
        answer = e
    with answer as r:
        return {"status": r.status, "head": str(r.headers),
                "body": r.read(MOST).decode()}


def ask_straight(url):
    """Past whatever proxy the environment names."""
    direct = urllib.request.ProxyHandler({})
    return ask(url, urllib.request.build_opener(direct).open)


def token_in_query(url):
    return ask(url + "?" + urllib.parse.urlencode(
        {"key": os.environ[VARIABLE]}))


def read_environments(_):
    """The variable, of every process whose environment can be read."""
    held = [VARIABLE + "=" + os.environ[VARIABLE]]
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(path, "rb") as f:
                held += [v for v in f.read().decode(errors="replace")
                         .split("\0") if v.startswith(VARIABLE + "=")]
        except OSError:
            continue
    return {"status": 0, "head": "", "body": "\n".join(sorted(set(held)))}


def lookup(host):
    return {"status": 0, "head": "",
            "body": socket.gethostbyname(host)}


ATTEMPTS = (
    ("call", ask),
    ("echo", ask),
    ("path", ask),
    ("query", token_in_query),
    ("host", ask),
    ("plain", ask),
    ("environment", read_environments),
    ("name", lookup),
    ("address", ask_straight),
)


def attempt(f, target):
    try:
        return f(target)
    except (OSError, ValueError) as e:
        return {"status": None, "head": "", "body": str(e)}


def main():
    targets = json.loads(os.environ["DEMO_TARGETS"])
    print(json.dumps({name: attempt(f, targets[name])
                      for name, f in ATTEMPTS}))


if __name__ == "__main__":
    main()
