#!/usr/bin/env python3
"""Other people's programs in a jail believe the jail's authority, no more.

Rows PX-15 and PX-17 of the battery.

Each runs in a real jail whose connections are captured, with the files and
variables that jail/trust makes.  The test plays the proxy's part: it answers
DNS, and minted (beside this file) terminates TLS with leaves that proxy/mint
signs, or that a thief of the authority's key could have signed.

A client is one row; so is a certificate.  Every client must succeed with the
good one, before any refusal of it counts.
"""

import glob
import os
import select
import shutil
import socket
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "flow"))

from flow import (TOP, Failed, Skip, check, equal, holds,  # noqa: E402
                  main, test)
from test_capture import Captured  # noqa: E402
from flow import TESTS  # noqa: E402

TESTS.clear()  # those of test_capture

BUILD = os.path.join(TOP, os.environ.get("WARDER_BUILD", "build"))
TOOLS = os.path.join(BUILD, "conformance", "tools")  # /tools in the jail
HOST = "api.example.test"
PYTHON = "/usr/bin/python3"

POLICY = """policy: 1
name: trust
extends: [builtin/default]
filesystem: {read: [%s]}
limits: {memory: 3GiB, pids: 512}
network: {services: {any: {to: %s, allow: any}}}
"""



def shown():
    """What the jails see besides: the tools, and where Debian's Java has its
    configuration (without which no JVM of it knows any algorithm)."""
    places = [(TOOLS, "/tools")] + [(p, p) for p in glob.glob("/etc/java-*")]
    return ", ".join(f"{{from: {a}, path: {b}}}" for a, b in places)


URLLIB = ("import sys, urllib.request as u; "
          "sys.stdout.write(u.urlopen(sys.argv[1], timeout=20).read().decode())")
REQUESTS = ("import sys, requests; "
            "sys.stdout.write(requests.get(sys.argv[1], timeout=20).text)")
HTTPX = ("import sys, httpx; "
         "sys.stdout.write(httpx.get(sys.argv[1], timeout=20).text)")
FETCH = ("fetch(process.argv[1]).then(r => r.text())"
         ".then(t => process.stdout.write(t))"
         ".catch(e => { console.error(e.cause || e); process.exit(1); })")
HTTPS = ("require('https').get(process.argv[1], r => r.pipe(process.stdout))"
         ".on('error', e => { console.error(e); process.exit(1); })")

# The shell's variables of each command: u the URL, h the host, p the port.
# name; what must be there; command; URL's path; what its output has then.
CLIENTS = (
    ("curl (OpenSSL)", ["/usr/bin/curl"], 'curl -sS "$u"', "/", "hello"),
    ("curl without variables", ["/usr/bin/curl"],
     'env -i curl -sS "$u"', "/", "hello"),
    ("openssl s_client, hashed directory", ["/usr/bin/openssl"],
     'printf "GET / HTTP/1.1\\r\\n\\r\\n" | env -i openssl s_client -quiet '
     '-verify_return_error -verify_hostname "$h" -servername "$h" '
     '-no-CAfile -CApath /etc/ssl/certs -connect "$h:$p"', "/", "hello"),
    ("wget (GnuTLS)", ["/usr/bin/wget"], 'wget -qO- -t1 "$u"', "/", "hello"),
    ("gnutls-cli", ["/usr/bin/gnutls-cli"],
     'printf "GET / HTTP/1.1\\r\\n\\r\\n" | env -i gnutls-cli -p "$p" "$h"',
     "/", "hello"),
    ("git (GnuTLS)", ["/usr/bin/git"], 'git ls-remote "$u"', "/x.git",
     "heads/hello"),
    ("git (OpenSSL)", ["/usr/bin/git", "git-openssl"],
     'LD_LIBRARY_PATH=/tools/git-openssl git ls-remote "$u"', "/x.git",
     "heads/hello"),
    ("apt", ["/usr/lib/apt/apt-helper"],
     '/usr/lib/apt/apt-helper -o APT::Sandbox::User= '
     'download-file "$u" /tmp/x >/dev/null && cat /tmp/x', "/", "hello"),
    ("Python ssl", [PYTHON], f'{PYTHON} -c "$URLLIB" "$u"', "/", "hello"),
    ("Python ssl without variables", [PYTHON],
     f'env -i {PYTHON} -c "$URLLIB" "$u"', "/", "hello"),
    ("Python requests", [PYTHON, "/usr/lib/python3/dist-packages/requests"],
     f'{PYTHON} -c "$REQUESTS" "$u"', "/", "hello"),
    ("Python httpx", [PYTHON, "/usr/lib/python3/dist-packages/httpx"],
     f'{PYTHON} -c "$HTTPX" "$u"', "/", "hello"),
    ("pip", [PYTHON, "/usr/lib/python3/dist-packages/pip"],
     f'{PYTHON} -m pip --disable-pip-version-check --retries 0 index '
     '--index-url "$u" versions hello', "/simple/", "hello (1.0)"),
    ("Node fetch", ["/usr/bin/node"], 'node -e "$FETCH" "$u"', "/", "hello"),
    ("Node https", ["/usr/bin/node"], 'node -e "$HTTPS" "$u"', "/", "hello"),
    ("npm", ["/usr/bin/npm"],
     'npm --fetch-retries=0 --registry "$u" view hello description',
     "/npm/", "hello"),
    ("Go", ["go"], '"/tools/get-go" "$u"', "/", "hello"),
    ("Go without variables", ["go"], 'env -i "/tools/get-go" "$u"', "/",
     "hello"),
    ("Rust rustls", ["rust"], '"/tools/get-rust" rustls "$u"', "/", "hello"),
    ("Rust native-tls", ["rust"], '"/tools/get-rust" native-tls "$u"', "/",
     "hello"),
    ("Java", ["/usr/bin/java"], 'java -cp /tools/java Get "$u"', "/",
     "hello"),
    ("keytool", ["/usr/bin/java"],
     'curl -s "$u"; keytool -list -cacerts -storepass changeit | '
     'grep -c trustedCertEntry', "/", "hello"),
)

# name; which authority the jail trusts; the host asked for; the port.
CERTIFICATES = (
    ("an IPv4 literal", "jail", "192.0.2.7", 4002),
    ("an IPv6 literal", "jail", "[2001:db8::7]", 4003),
    ("a sibling name", "jail", "evil.test", 4001),
    ("an e-mail beside the host", "jail", HOST, 4004),
    ("a URI beside the host", "jail", HOST, 4005),
    ("another jail's leaf", "jail", HOST, 4006),
    ("after the run's end", "over", HOST, 4007),
    ("an authority below", "jail", HOST, 4008),
    ("a sibling by an authority below", "jail", "evil.test", 4011),
    ("a common name alone", "jail", "evil.test", 4009),
)

ANCHOR = ("Java takes a trust anchor's name and key and none of its "
          "constraints (RFC 5280, 6.1.1 leaves that open)")

# What a client does not refuse, and why.  It is tried all the same.
LENIENT = {
    ("Rust rustls", "an authority below"):
        "webpki takes a trust anchor's name, key and name constraints, not "
        "its path length; the constraints hold for what is below",
    ("Java", "a common name alone"):
        "Java takes the common name where there is no other; " + ANCHOR,
}
LENIENT.update({("Java", name): ANCHOR for name in (
    "an IPv4 literal", "an IPv6 literal", "a sibling name",
    "an e-mail beside the host", "a URI beside the host",
    "an authority below", "a sibling by an authority below")})


def build_go():
    go = shutil.which("go") or "/usr/local/go/bin/go"
    to = os.path.join(TOOLS, "get-go")
    if not os.path.exists(go):
        raise Skip("no Go compiler")
    subprocess.run([go, "build", "-o", to, os.path.join(HERE, "get.go")],
                   check=True, env=dict(os.environ, CGO_ENABLED="0"))


def build_rust():
    cargo = shutil.which("cargo")
    if cargo is None:
        raise Skip("no cargo")
    done = subprocess.run(
        [cargo, "build", "--release", "--locked", "--quiet"],
        cwd=os.path.join(HERE, "rust"), capture_output=True, text=True,
        env=dict(os.environ, CARGO_TARGET_DIR=os.path.join(BUILD, "conformance", "rust")),
        check=False)
    if done.returncode != 0:
        raise Skip(f"the crates cannot be had: {done.stderr[-200:]!r}")
    shutil.copy(os.path.join(BUILD, "conformance", "rust", "release",
                             "get"),
                os.path.join(TOOLS, "get-rust"))


def build_java():
    subprocess.run(["javac", "-d", os.path.join(TOOLS, "java"),
                    os.path.join(HERE, "Get.java")], check=True)


def build_git():
    """Debian's own git, with the libcurl over OpenSSL in place of its own."""
    folder = os.path.join(TOOLS, "git-openssl")
    os.makedirs(folder, exist_ok=True)
    if os.uname().machine != "x86_64":
        raise Skip("it is a few lines of another machine's assembler")
    script = os.path.join(folder, "version")
    with open(script, "w", encoding="ascii") as f:
        f.write("CURL_GNUTLS_3 { curl_*; };\n")
    subprocess.run(
        ["gcc", "-O1", "-Wall", "-Wextra", "-Werror", "-fcf-protection=none",
         "-shared", "-fPIC", "-Wl,--version-script=" + script,
         "-Wl,-soname,libcurl-gnutls.so.4",
         "-o", os.path.join(folder, "libcurl-gnutls.so.4"),
         os.path.join(HERE, "git_openssl.c")], check=True)


BUILDERS = {"go": build_go, "rust": build_rust, "/usr/bin/java": build_java,
            "git-openssl": build_git}
built = {}


def need(what):
    """Raises Skip when the client is not here."""
    if what.startswith("/") and not os.path.exists(what):
        raise Skip(f"no {what}")
    if what not in BUILDERS:
        return
    if what not in built:
        try:
            BUILDERS[what]()
            built[what] = None
        except (OSError, subprocess.SubprocessError) as e:
            built[what] = str(e)
        except Skip as e:
            built[what] = str(e)
    if built[what]:
        raise Skip(built[what])


class Trusting(Captured):
    """A captured jail that trusts an authority of minted's."""

    def __init__(self, w, script, trusts="jail", **variables):
        folder = w.scratch("minted")
        os.makedirs(TOOLS, exist_ok=True)
        self.minted = None
        self.start_minted(folder, [])
        self.stop_minted()
        with open(os.path.join(folder, trusts + ".hash"),
                  encoding="ascii") as f:
            digest = f.read()
        trust = f"{digest} {os.path.join(folder, trusts + '.pem')}"
        exports = "".join(f"export {k}='{v}'\n" for k, v in variables.items())
        super().__init__(w, ["/bin/sh", "-c", exports + script],
                         policy=POLICY % (shown(), HOST),
                         env=w.environment(CAPTURED_TRUST=trust))
        # tcp: where minted accepts; the test answers the rest
        self.start_minted(folder, [s for k, s in self.listeners
                                   if k == "tcp"])
        self.listeners = [(k, s) for k, s in self.listeners if k == "dns-udp"]

    def start_minted(self, folder, listeners):
        fds = [s.fileno() for s in listeners]
        self.minted = subprocess.Popen(
            [os.path.join(BUILD, "tests", "conformance", "minted"), folder,
             *map(str, fds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, pass_fds=fds)
        check(self.minted.stdout.readline() == "ready\n", "minted")

    def stop_minted(self):
        """What it saw: "port N: …" for each connection and its end."""
        return self.minted.communicate()[1]

    def datagram(self, kind, s):
        query, extra, _, peer = s.recvmsg(4096, 256)
        s.sendmsg([self.answer(query)], extra, 0, peer)

    @staticmethod
    def answer(query):
        """A has an address for every name, other types have nothing."""
        end = 12
        while query[end]:
            end += query[end] + 1
        end += 1
        kind = struct.unpack(">H", query[end:end + 2])[0]
        record = (b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" +
                  socket.inet_aton("198.18.0.9") if kind == 1 else b"")
        return (query[:2] + b"\x81\x80\0\1" +
                struct.pack(">H", 1 if record else 0) + b"\0\0\0\0" +
                query[12:end + 4] + record)

    def finish(self, seconds=90):
        end = time.monotonic() + seconds
        while self.process.popen.poll() is None and time.monotonic() < end:
            ready = select.select([s for _, s in self.listeners], [], [],
                                  0.05)[0]
            for kind, s in self.listeners:
                if s in ready:
                    self.datagram(kind, s)
        try:
            result = self.process.finish(1)
        finally:
            self.close()
            self.seen = self.stop_minted()
        return result


def fetch(w, client, host=HOST, port=443, trusts="jail"):
    _, needs, command, path, _ = client
    for what in needs:
        need(what)
    where = host if port == 443 else f"{host}:{port}"
    jail = Trusting(
        w, "cd /tmp && " + command, trusts, u=f"https://{where}{path}",
        h=host.strip("[]"), p=port, URLLIB=URLLIB,
        REQUESTS=REQUESTS, HTTPX=HTTPX,
        FETCH=FETCH.replace("'", "'\\''"), HTTPS=HTTPS.replace("'", "'\\''"))
    r = jail.finish()
    holds(jail.seen, f"port {port}: a client")
    return r


accepted = set()
FORGED_WELL = 4010  # signed as the bad ones are, with nothing bad in it


def accepts(w, client, port=443):
    r = fetch(w, client, port=port)
    check(r.status == 0 and client[4] in r.text,
          f"status {r.status}: {r.text[-300:]!r} {r.said[-700:]!r}")


def refuses(w, client, certificate):
    """The good leaf (once), then the bad one; both go as they should."""
    name, trusts, host, port = certificate
    if client[0] not in accepted:
        accepts(w, client)
        accepts(w, client, FORGED_WELL)
        accepted.add(client[0])
    r = fetch(w, client, host, port, trusts)
    if (client[0], name) in LENIENT:
        check(r.status == 0, f"{client[0]} has learned: strike it from LENIENT")
        raise Skip(LENIENT[client[0], name])
    check(r.status != 0 and client[4] not in r.text,
          f"status {r.status}: {r.text[-300:]!r} {r.said[-300:]!r}")
    if os.environ.get("VERBOSE"):
        print(f"# {client[0]}, {name}: {r.said[-300:]!r}", flush=True)


def word(text):
    return "_".join("".join(c if c.isalnum() else " " for c in text).split())


def register(name, function):
    function.__name__ = name
    test(function, modes=("root",))


for one in CLIENTS:
    register(f"accepts__{word(one[0])}",
             lambda w, one=one: accepts(w, one))

# One client for each library that checks certificates.
STRICT = ("curl (OpenSSL)", "git (OpenSSL)", "wget (GnuTLS)", "gnutls-cli",
          "Python ssl", "Node fetch", "Go", "Rust rustls", "Java")

for one in CLIENTS:
    for bad in CERTIFICATES:
        if one[0] in STRICT:
            register(f"refuses__{word(bad[0])}__{word(one[0])}",
                     lambda w, one=one, bad=bad: refuses(w, one, bad))


# ---- the files themselves ----

@test
def files_are_there_and_cannot_be_changed(w):
    jail = Trusting(w, """
        cd /etc/ssl/certs
        ls *.0 >/dev/null && echo hashed
        cmp warder.pem "$(grep -l BEGIN $(ls -t *.0) | while read -r f; do
            [ "$(readlink "$f")" = warder.pem ] && echo "$f"; done)" &&
            echo linked
        head -c "$(stat -c %s warder.pem)" ca-certificates.crt |
            cmp - warder.pem && echo merged
        cmp /etc/pki/tls/certs/ca-bundle.crt ca-certificates.crt && echo same
        cmp "$SSL_CERT_FILE" ca-certificates.crt && echo variable
        for f in warder.pem ca-certificates.crt new; do
            (echo x >>"$f") 2>/dev/null && echo "wrote $f"
            rm -f "$f" 2>/dev/null && [ "$f" != new ] && echo "removed $f"
        done
        ls /proc/certs 2>/dev/null && echo shown
        grep -c "BEGIN CERT" ca-certificates.crt
    """)
    r = jail.finish().expect(0)
    with open("/etc/ssl/certs/ca-certificates.crt", encoding="ascii") as f:
        had = f.read().count("BEGIN CERT")
    equal(r.text.split(), ["hashed", "linked", "merged", "same", "variable",
                           str(had + 1)])


@test
def variables_are_set(w):
    r = Trusting(w, "env").finish().expect(0)
    holds(r.text, "NODE_EXTRA_CA_CERTS=/etc/ssl/certs/warder.pem",
          "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt")
    check("JAVA_TOOL_OPTIONS" not in r.text or
          not os.path.exists("/etc/ssl/certs/java/cacerts"), r.text)


if __name__ == "__main__":
    sys.exit(main())
