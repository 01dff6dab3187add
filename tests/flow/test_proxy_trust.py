#!/usr/bin/env python3
"""Programs of a jail believe the proxy: whole runs with inspected services.

tests/conformance/test_trust.py has the many clients and the bad
certificates; here is that warder exec brings what they need.
"""

import os
import shutil
import ssl
import sys
import time

from driver import policy
from flow import Skip, check, equal, holds, main, test
from upstream import Authority, Web

HOST = "api.example.test"
BUSYBOX = "/bin/busybox"


def inspected(port, authority):
    return [f"to: {HOST}", f"tls: {{ca: {authority.pem}}}",
            f"dial: 127.0.0.1:{port}",
            "allow: [{methods: read, path: /ok/**}]"]


def served(w):
    authority = Authority(w.scratch("authority"))
    return authority, Web(context=authority.context(HOST))


PYTHON = ("python3 -c 'import sys, urllib.request as u; sys.stdout.write("
          "u.urlopen(sys.argv[1]).read().decode())' ")
NODE = ("node -e 'fetch(process.argv[1]).then(r => r.text())"
        ".then(t => process.stdout.write(t))' ")

# Programs that take the proxy from their variables, and those that must be
# captured.
BY_PROXY = (
    ("/usr/bin/curl", "curl -sS "),
    ("/usr/bin/wget", "wget -qO- -t1 "),
    ("/usr/bin/python3", PYTHON),
)
BY_NAME = (
    ("/usr/bin/curl", "env -i curl -sS "),
    ("/usr/bin/wget", "env -i wget -qO- -t1 "),
    ("/usr/bin/python3", "env -i " + PYTHON),
    ("/usr/bin/node", NODE),
)


def succeed(w, clients):
    authority, up = served(w)
    seen = 0
    with up:
        p = policy(w, {"api": inspected(up.port, authority)},
                   "limits: {memory: 2GiB}\n")
        for program, command in clients:
            if not os.path.exists(program):
                continue
            r = w.exec(f"{command} https://{HOST}/ok/a", "--policy", p)
            check(r.status == 0 and r.text.startswith("GET /ok/a"),
                  f"{command}: {r.status} {r.text!r} {r.said[-400:]!r}")
            seen += 1
        check(seen > 0, "no client")
        equal(up.targets(), ["GET /ok/a"] * seen)


@test
def clients_by_proxy(w):
    succeed(w, BY_PROXY)


@test
def clients_captured_by_name(w):
    succeed(w, BY_NAME)


@test
def what_the_proxy_refuses_is_readable_by_the_client(w):
    authority, up = served(w)
    with up:
        r = w.exec(f"curl -sS https://{HOST}/other", "--policy",
                   policy(w, {"api": inspected(up.port, authority)}))
        holds(r.expect(0).text, '"code":"path"', '"service":"api"')
        equal(up.targets(), [])


@test
def another_name_has_no_certificate(w):
    authority, up = served(w)
    with up:
        p = policy(w, {"api": inspected(up.port, authority)})
        r = w.exec(f"curl -sS https://{HOST}/ok/a && "
                   f"curl -sS --connect-to evil.test:443:{HOST}:443 "
                   "https://evil.test/ok/b; echo $?", "--policy", p)
        check(r.text.startswith("GET /ok/a") and
              not r.text.endswith("\n0\n"), f"{r.text!r} {r.said[-300:]!r}")
        equal(up.targets(), ["GET /ok/a"])


@test
def the_authority_ends_with_the_run(w):
    authority, up = served(w)
    with up:
        p = policy(w, {"api": inspected(up.port, authority)},
                   "limits: {wall: 1h}\n")
        r = w.exec(["openssl", "x509", "-in", "/etc/ssl/certs/warder.pem",
                    "-noout", "-dates", "-ext",
                    "nameConstraints,basicConstraints"], "--policy", p)
    lines = dict(line.split("=", 1) for line in r.expect(0).text.splitlines()
                 if "=" in line)
    begin, end = (ssl.cert_time_to_seconds(lines[k])
                  for k in ("notBefore", "notAfter"))
    # an hour, a minute more, and an hour before for clocks that are behind
    check(7200 <= end - begin <= 7200 + 90, f"{lines}")
    check(-5 < end - time.time() - 3600 < 90, f"{lines}")
    holds(r.text, "critical", f"DNS:{HOST}", "pathlen:0",
          "IP:0.0.0.0/0.0.0.0")


@test
def a_policy_s_own_variable_goes_first(w):
    authority, up = served(w)
    with up:
        r = w.exec("env", "--policy", policy(
            w, {"api": inspected(up.port, authority)},
            "process: {env: {SSL_CERT_FILE: /mine}}\n")).expect(0)
        holds(r.text, "SSL_CERT_FILE=/mine\n",
              "NODE_EXTRA_CA_CERTS=/etc/ssl/certs/warder.pem\n")


@test
def no_inspected_service_no_authority(w):
    with Web() as up:
        r = w.exec("env; ls /etc/ssl/certs/warder.pem", "--policy", policy(
            w, {"web": ["to: web.internal:80", "tls: none",
                        f"dial: 127.0.0.1:{up.port}", "allow: any"]}))
        check(r.status != 0, "there is a certificate")
        check("SSL_CERT_FILE" not in r.text, r.text)


@test
def a_given_root_keeps_its_own_bundle(w):
    if not os.path.exists(BUSYBOX):
        raise Skip("no busybox-static")
    root = w.owned("root")
    for folder in ("bin", "etc/ssl/certs", "etc/pki/tls"):
        os.makedirs(os.path.join(root, folder))
    shutil.copy(BUSYBOX, os.path.join(root, "bin", "busybox"))
    for name in ("sh", "cat", "readlink"):
        os.symlink("busybox", os.path.join(root, "bin", name))
    with open(os.path.join(root, "etc/ssl/certs/ca-certificates.crt"), "w",
              encoding="ascii") as f:
        f.write("# theirs\n")
    os.symlink("/nowhere", os.path.join(root, "etc/pki/tls/certs"))
    if os.geteuid() == 0:
        owner = os.stat(w.owned()).st_uid
        for base, dirs, names in os.walk(root):
            for name in dirs + names:
                os.lchown(os.path.join(base, name), owner, owner)
    authority, up = served(w)
    with up:
        r = w.exec(["/bin/sh", "-c",
                    "cat /etc/ssl/certs/ca-certificates.crt "
                    "/etc/pki/tls/certs/ca-bundle.crt"],
                   "--policy", policy(
                       w, {"api": inspected(up.port, authority)},
                       f"filesystem: {{rootfs: {{dir: {root}}}}}\n"))
    r.expect(0)
    equal(r.text.count("BEGIN CERTIFICATE"), 2)
    equal(r.text.count("# theirs"), 2)
    check(r.text.startswith("-----BEGIN"), r.text[:60])


if __name__ == "__main__":
    sys.exit(main())
