"""What the demonstrations of the network share: servers, places, commands.

Vault and audit log lie in directories made for one run, so nothing of the
caller's is touched; as root, where Warder's places are fixed, in a mount
namespace of its own.
"""

import contextlib
import http.server
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
PYTHON = "/usr/bin/python3"
PLACES = ("/etc/warder", "/var/lib/warder")     # root's
PRIVATE = "--private"   # those are this process's own already
DIAL = "127.0.0.1:8443"     # in policy.yaml, in place of the server's address
HOST = "api.demo.test"
INTERRUPTED = 130   # exit status, as shells have it


class Wrong(Exception):
    """Something behaves otherwise than it is told."""


def check(condition, what):
    if not condition:
        raise Wrong(what)


# ---- servers ----

class Server:
    """Keeps what it is asked, and repeats it at /v1/echo."""

    def __init__(self, context=None, accepts=lambda auth: True, answers=None):
        self.seen = []      # path, Authorization
        self.accepts = accepts
        self.answers = answers or {}
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self):
                outer.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                      Handler)
        if context:
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True,
                do_handshake_on_connect=False)
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever,
                                       args=(0.05,), daemon=True)
        self.thread.start()

    def answer(self, h):
        got = h.headers.get("Authorization", "")
        self.seen.append((h.path, got))
        good = self.accepts(got)
        text = "you sent " + got if h.path == "/v1/echo" else \
            self.answers.get(h.path.split("?")[0], "hello")
        data = (text if good else "who are you?").encode()
        h.send_response(200 if good else 401)
        h.send_header("Content-Length", str(len(data)))
        if h.path == "/v1/echo":
            h.send_header("X-You-Sent", got)
        h.end_headers()
        h.wfile.write(data)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def certificate(key, path):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
         "/CN=demonstration", "-addext",
         "subjectAltName=DNS:%s,DNS:localhost,IP:127.0.0.1" % HOST,
         "-keyout", key, "-out", path], check=True, capture_output=True)
    os.chmod(path, 0o644)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, key)
    return context


# ---- places that are nobody else's ----

@contextlib.contextmanager
def places(env):
    """Where Warder keeps vault, key and audit log, for this run."""
    if os.geteuid() == 0:
        for place in PLACES:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "none",
                            place], check=True)
        yield
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in ("CONFIG", "STATE", "CACHE"):
            env["XDG_%s_HOME" % name] = os.path.join(folder, name.lower())
            os.mkdir(env["XDG_%s_HOME" % name], 0o700)
        yield


def patiently(other):
    """Its exit status; an interrupt is for it to clean up after."""
    while True:
        try:
            return other.wait()
        except KeyboardInterrupt:
            continue


def in_private_places(script):
    """This program again, where root's places can be covered."""
    made = [p for p in PLACES if not os.path.isdir(p)]
    for place in made:
        os.makedirs(place, 0o755)
    try:
        with subprocess.Popen(
                ["unshare", "--mount", "--propagation", "private", "--",
                 PYTHON, script, PRIVATE, *sys.argv[1:]]) as other:
            return patiently(other)
    finally:
        for place in made:
            with contextlib.suppress(OSError):
                os.rmdir(place)


# ---- a demonstration ----

class Stage:
    """Where one plays: build/demo/NAME, with a certificate for its servers."""

    def __init__(self, name, warder, env, private):
        self.folder = os.path.join(TOP, "build/demo", name)
        self.warder = warder
        self.env = env
        self.key = os.path.join(private, "key.pem")
        self.ca = os.path.join(private, "ca.pem")
        self.context = certificate(self.key, self.ca)

    def another(self, name):
        """The same for another folder."""
        return Stage(name, self.warder, self.env, os.path.dirname(self.key))

    def name(self):
        """Of warder, as it is called from the top."""
        return os.path.relpath(self.warder, TOP)

    def path(self, name):
        return os.path.join(self.folder, name)

    def at(self, name):
        """A file of the demonstration's, as it is named from the top."""
        return os.path.relpath(self.path(name), TOP)

    def copy(self, port):
        """Policy and programs, with the server's address."""
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        shutil.copy(self.ca, self.folder)
        shutil.copytree(os.path.join(HERE, "program"), self.path("program"))
        with open(os.path.join(HERE, "policy.yaml"), encoding="ascii") as f:
            text = f.read()
        check(DIAL in text, "policy.yaml does not say %s" % DIAL)
        with open(self.path("policy.yaml"), "w", encoding="ascii") as f:
            f.write(text.replace(DIAL, "127.0.0.1:%d" % port))

    def command(self, argv, env=None, **more):
        """What it did; its standard error is shown only if it fails."""
        try:
            done = subprocess.run(argv, env=env or self.env, cwd=TOP,
                                  check=False, capture_output=True,
                                  encoding="utf-8", **more)
        except OSError as e:
            raise Wrong("%s: %s" % (argv[0], e.strerror)) from None
        if done.returncode != 0:
            sys.stderr.write(done.stderr)
            raise Wrong("exit status %d of %s" % (done.returncode,
                                                  " ".join(argv[:3])))
        return done

    def exec(self, program, **env):
        """A program of the policy's folder, in a jail."""
        argv = ["exec", "--policy", self.at("policy.yaml"), "--report",
                self.at("report.json"), "--", PYTHON, "/program/" + program]
        print("$ %s exec --policy %s \\\n      --report %s \\\n      -- %s"
              % (self.name(), argv[2], argv[4], " ".join(argv[6:])),
              flush=True)
        return self.command([self.warder, *argv], dict(self.env, **env))


def play(script, name, demonstrate):
    """Run it, as this program's main part; 1 if anything is wrong."""
    private = sys.argv[1:2] == [PRIVATE]
    if os.geteuid() == 0 and not private:
        sys.exit(in_private_places(os.path.abspath(script)))
    args = sys.argv[2:] if private else sys.argv[1:]
    build = os.path.abspath(args[0] if args else os.path.join(TOP, "build"))
    env = dict(os.environ)
    try:
        with tempfile.TemporaryDirectory() as folder, places(env):
            demonstrate(Stage(name, os.path.join(build, "bin/warder"), env,
                              folder))
    except Wrong as e:
        sys.exit("demonstration: %s" % e)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
