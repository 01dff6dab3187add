"""The rows of the proxy: one request through it, through others, and direct.

Upstream is an nginx of ours with TLS on loopback; it answers only to who
brings the right Authorization, so a proxy that does not set it fails here.
One client, the program load, asks through every side in turn, round after
round: outside for all peers, in a jail of `warder exec --policy` for Warder.
Every side has started, and has its connections, before it is measured.
"""

import collections
import contextlib
import glob
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from common import Failed, Skip, first_line, need, output, quantile

TOKEN = "swordfish-swordfish-swordfish"
HOSTS = ("api.internal", "scrub.internal", "splice.internal")
KIB, MIB = 1024, 1024 * 1024
PATHS = {KIB: "/1k", MIB: "/1m", 10 * MIB: "/10m"}
START_SECONDS = 20
SQUID_HELPER = "/usr/lib/squid/security_file_certgen"
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"

POLICY = """policy: 1
name: bench
network:
  services:
    api: {{to: api.internal, {way}, allow: [{{methods: read, path: /**}}]}}
    scrub: {{to: scrub.internal, {way}, allow: [{{methods: read, path: /**}}]}}
    splice: {{to: splice.internal, tls: splice, dial: 127.0.0.1:{port},
      allow: any}}
credentials:
  plain: {{source: {{env: BENCH_TOKEN}}, scrub_response: false,
    inject: [{{service: api, as: bearer}}]}}
  searched: {{source: {{env: BENCH_TOKEN}}, scrub_response: true,
    inject: [{{service: scrub, as: bearer}}]}}
"""

NGINX = """daemon off;
worker_processes {workers};
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log {log};
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    sendfile on;
    tcp_nopush on;
    ssl_certificate {cert};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.3;
    ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
    {http}
    server {{
        listen 127.0.0.1:{port} ssl backlog=4096;
        {server}
    }}
}}
"""

UPSTREAM = """root {folder}/www;
        default_type application/json;
        open_file_cache max=16;
        if ($http_authorization != "Bearer {token}") {{ return 401; }}"""

NGINX_POOL = """upstream up {{
        server 127.0.0.1:{up};
        keepalive 128;
        keepalive_requests 1000000000;
    }}"""

NGINX_PROXY = """location / {{
            proxy_pass https://up;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host api.internal;
            proxy_set_header Authorization "Bearer {token}";
            proxy_ssl_name api.internal;
            proxy_ssl_server_name on;
            proxy_ssl_verify on;
            proxy_ssl_protocols TLSv1.3;
            proxy_ssl_trusted_certificate {ca};
            proxy_max_temp_file_size 0;
        }}"""

HAPROXY = """global
    nbthread 1
    maxconn 4096
    tune.ssl.default-dh-param 2048
defaults
    mode http
    timeout connect 10s
    timeout client 600s
    timeout server 600s
frontend in
    bind 127.0.0.1:{port} ssl crt {pem} ssl-min-ver TLSv1.3
    http-request set-header Authorization "Bearer {token}"
    default_backend up
backend up
    http-reuse always
    server up 127.0.0.1:{up} ssl verify required ca-file {ca} \
sni str(api.internal) verifyhost api.internal
"""

SQUID = """http_port 127.0.0.1:{port} ssl-bump tls-cert={folder}/ca.pem \
tls-key={folder}/ca.key generate-host-certificates=on \
dynamic_cert_mem_cache_size=4MB
sslcrtd_program {helper} -s {folder}/ssl_db -M 4MB
acl first at_step SslBump1
ssl_bump peek first
ssl_bump bump all
http_access allow all
cache deny all
request_header_access Authorization deny all
request_header_add Authorization "Bearer {token}" all
tls_outgoing_options cafile={ca}
hosts_file {folder}/hosts
access_log stdio:{folder}/access.log
cache_log {folder}/cache.log
pid_filename {folder}/squid.pid
coredump_dir {folder}
client_lifetime 1 day
shutdown_lifetime 0 seconds
"""


# ---- processes ----

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def certificate(folder, name, hosts=(), *more):
    """A certificate that is its own authority: paths of it and its key."""
    names = ",".join("DNS:" + h for h in hosts)
    paths = [os.path.join(folder, name + end) for end in (".pem", ".key")]
    output("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
           "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
           "/CN=bench " + name, *more, "-keyout", paths[1], "-out", paths[0],
           *(["-addext", "subjectAltName=" + names] if hosts else []))
    os.chmod(paths[0], 0o644)
    return paths


def signed(folder, name, hosts, ca):
    """A certificate of that authority: paths of it and its key."""
    paths = [os.path.join(folder, name + end) for end in (".pem", ".key")]
    names = ",".join("DNS:" + h for h in hosts)
    ext = write(os.path.join(folder, name + ".ext"),
                f"subjectAltName={names}\n")
    output("openssl", "req", "-newkey", "ec", "-pkeyopt",
           "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=bench " + name,
           "-keyout", paths[1], "-out", paths[0] + ".csr")
    output("openssl", "x509", "-req", "-in", paths[0] + ".csr", "-CA", ca[0],
           "-CAkey", ca[1], "-CAcreateserial", "-days", "2", "-extfile", ext,
           "-out", paths[0])
    os.chmod(paths[0], 0o644)
    return paths


def stop(process):
    """The process and what it has started; they share a group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def serve(stack, port, command, **more):
    """A server of ours, once it takes connections."""
    p = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                         start_new_session=True, **more)
    stack.callback(p.stderr.close)
    stack.callback(stop, p)
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if p.poll() is not None:
            said = p.stderr.read().decode(errors="replace").strip()
            raise Failed(f"{command[0]}: status {p.returncode}: {said[:400]}")
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return p
        time.sleep(0.05)
    raise Failed(f"{command[0]}: does not listen")


def family(pid):
    """It, and all that it has started."""
    found = [pid]
    with contextlib.suppress(OSError):
        for path in glob.glob(f"/proc/{pid}/task/*/children"):
            with open(path, encoding="ascii") as f:
                for child in f.read().split():
                    found += family(int(child))
    return found


def cpu_ns(pids):
    total = 0
    for pid in pids:
        for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
            with contextlib.suppress(OSError), \
                    open(path, encoding="ascii") as f:
                total += int(f.read().split()[0])
    return total


def private_kb(pids):
    """What they have written: programs and libraries are others' too."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
            total += sum(map(int, re.findall(r"^Private_Dirty:\s+(\d+)",
                                             f.read(), re.M)))
    return total


class Client:
    """A load that waits for measurements on its stdin."""

    def __init__(self, stack, command, **more):
        self.command = command
        self.said = stack.enter_context(tempfile.TemporaryFile("w+"))
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.said, text=True, start_new_session=True, **more)
        stack.callback(self.close)

    def close(self):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            stop(self.process)
        self.process.stdout.close()

    def measure(self, **words):
        line = " ".join(f"{k}={v}" for k, v in words.items() if v)
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except OSError:
            answer = ""
        if not answer:
            status = self.process.wait()
            self.said.seek(0)
            raise Failed(f"load {line}: status {status}: "
                         f"{self.said.read()[:400].strip()}")
        return json.loads(answer)


# ---- the sides ----

class Side(collections.namedtuple("Side", "client words pids server",
                                  defaults=("",))):
    """A way to the upstream: who asks, with which words for load, and the
    proxy's processes and command line."""

    def said(self):
        words = " ".join(f"{k}={v}" for k, v in self.words.items())
        return {"client": shlex.join(self.client.command), "words": words,
                "proxy": self.server}


class Bed:
    """The upstream, and the sides that were asked for; all end with it."""

    def __init__(self, b, stack):
        self.b = b
        self.stack = stack
        self.sides = {}
        self.left_out = {}
        self.folder = tempfile.mkdtemp(prefix="proxy-", dir=b.scratch)
        os.chmod(self.folder, 0o755)
        os.mkdir(self.folder + "/www")
        for size, path in PATHS.items():
            write(self.folder + "/www" + path, content(size))
        # every client verifies two signatures, whoever it asks
        authority = certificate(self.folder, "ca")
        self.ca = authority[0]
        self.cert, self.key = signed(self.folder, "up", HOSTS, authority)
        self.port, self.upstream = self.nginx(
            "upstream", "auto", "", UPSTREAM.format(
                folder=self.folder, token=TOKEN), "off")
        self.load = [b.program("load")]
        self.outside = Client(self.stack, self.load)
        self.jail = None

    def place(self, name):
        folder = os.path.join(self.folder, name)
        os.makedirs(folder)
        return folder

    def nginx(self, name, workers, http, server, log):
        need("nginx")
        folder, port = self.place(name), free_port()
        conf = write(folder + "/conf", NGINX.format(
            workers=workers, folder=folder, cert=self.cert, key=self.key,
            port=port, http=http, server=server,
            log=log or folder + "/access.log"))
        # its workers lose root, and have to read below the scratch directory
        p = serve(self.stack, port, ["nginx", "-c", conf, "-p", folder, "-e",
                                     folder + "/error.log"])
        return port, p

    def client_words(self, port, **more):
        return dict(to=f"127.0.0.1:{port}", host="api.internal", ca=self.ca,
                    **more)

    def jailed(self):
        """The load in a jail, and the proxy of that jail."""
        if self.jail is not None:
            return self.jail
        folder = self.place("warder")
        shutil.copy(self.ca, folder)
        way = (f"dial: 127.0.0.1:{self.port}, "
               f"tls: {{ca: {os.path.join(folder, 'ca.pem')}}}")
        policy = write(folder + "/policy.yaml", POLICY.format(
            way=way, port=self.port))
        report = folder + "/report.json"
        command = [self.b.warder, "exec", "-i", "--policy", policy, "--report",
                   report, "--limit", f"cpu={os.cpu_count()}", "--limit",
                   "wall=6h", "--ro", f"{self.b.programs}:/opt/bench", "--ro",
                   f"{self.ca}:/opt/ca.pem", "--", "/opt/bench/load"]
        self.stack.callback(drop_audit, report)
        client = Client(self.stack, command,
                        env={**os.environ, "BENCH_TOKEN": TOKEN})
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and client.process.poll() is None:
            found = [p for p in family(client.process.pid)
                     if comm(p) == "warder-proxy"]
            if found:
                self.jail = client, found
                return self.jail
            time.sleep(0.01)
        raise Failed("warder exec: there is no warder-proxy")

    def get(self, name):
        """A side by its name, started when it is first wanted."""
        if name in self.left_out:
            raise Skip(self.left_out[name])
        if name not in self.sides:
            try:
                side = MAKERS[name](self)
                side.client.measure(**side.words, path="/1k", bytes=KIB)
                # what it has started has started by now
                self.sides[name] = side._replace(
                    pids=sorted({x for p in side.pids for x in family(p)}))
            except Skip as e:
                self.left_out[name] = str(e)
                raise
        return self.sides[name]

    def have(self, names):
        """Those that can be had here; why the others cannot."""
        found, missing = {}, {}
        for name in names:
            try:
                found[name] = self.get(name)
            except Skip as e:
                missing[name] = str(e)
        return found, missing


def content(size):
    """JSON of that many bytes, of which none are the secret."""
    words = '{"id": 1234567, "title": "something that was said", "n": [1, 2]}'
    text = "[" + ",\n".join([words] * (size // (len(words) + 2)))
    return text + " " * (size - len(text) - 1) + "]"


def comm(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="ascii") as f:
            return f.read().strip()
    except OSError:
        return None


def drop_audit(report):
    """The run's audit log is not kept: hundreds of thousands of requests."""
    with contextlib.suppress(FileNotFoundError):
        with open(report, encoding="utf-8") as f:
            os.unlink(json.load(f)["network"]["audit"]["file"])


def side_direct(bed):
    return Side(bed.outside, bed.client_words(bed.port, bearer=TOKEN), [])


def warder_words(host, **more):
    return dict(to=f"{host}:443", host=host, ca=BUNDLE, **more)


def side_warder(bed):
    client, pids = bed.jailed()
    return Side(client, warder_words("api.internal"), pids)


def side_scrubbing(bed):
    client, pids = bed.jailed()
    return Side(client, warder_words("scrub.internal"), pids)


def side_explicit(bed):
    """By CONNECT, as squid is used."""
    client, pids = bed.jailed()
    return Side(client, dict(to="127.0.0.1:3128", tunnel="api.internal:443",
                             host="api.internal", ca=BUNDLE), pids)


def side_spliced(bed):
    client, pids = bed.jailed()
    return Side(client, dict(to="splice.internal:443", host="splice.internal",
                             ca="/opt/ca.pem", bearer=TOKEN), pids)


def side_nginx(bed):
    port, p = bed.nginx("nginx", 1, NGINX_POOL.format(up=bed.port),
                        NGINX_PROXY.format(token=TOKEN, ca=bed.ca), "")
    return Side(bed.outside, bed.client_words(port), family(p.pid),
                shlex.join(p.args))


def side_haproxy(bed):
    need("haproxy")
    folder, port = bed.place("haproxy"), free_port()
    pem = folder + "/both.pem"
    for path in (bed.cert, bed.key):
        with open(path, encoding="ascii") as f, \
                open(pem, "a", encoding="ascii") as to:
            to.write(f.read())
    conf = write(folder + "/conf", HAPROXY.format(
        port=port, up=bed.port, pem=pem, ca=bed.ca, token=TOKEN))
    p = serve(bed.stack, port, ["haproxy", "-db", "-f", conf])
    return Side(bed.outside, bed.client_words(port), family(p.pid),
                shlex.join(p.args))


def side_squid(bed):
    need("squid")
    if not os.path.exists(SQUID_HELPER):
        raise Skip("squid: built without OpenSSL")
    folder, port = bed.place("squid"), free_port()
    ca = certificate(folder, "ca")[0]
    write(folder + "/hosts", f"127.0.0.1 {HOSTS[0]}\n")
    output(SQUID_HELPER, "-c", "-s", folder + "/ssl_db", "-M", "4MB")
    conf = write(folder + "/conf", SQUID.format(
        port=port, folder=folder, helper=SQUID_HELPER, ca=bed.ca,
        token=TOKEN))
    if bed.b.root:
        output("chown", "-R", "proxy:proxy", folder)
    p = serve(bed.stack, port, ["squid", "-N", "-f", conf])
    return Side(bed.outside, dict(
        to=f"127.0.0.1:{port}", tunnel=f"api.internal:{bed.port}",
        host="api.internal", authority=f"api.internal:{bed.port}", ca=ca),
                family(p.pid), shlex.join(p.args))


def side_mitmproxy(bed):
    need("mitmdump")
    folder, port = bed.place("mitmproxy"), free_port()
    p = serve(bed.stack, port, [
        "mitmdump", "-q", "--listen-host", "127.0.0.1", "-p", str(port),
        "--set", "confdir=" + folder, "--set",
        "ssl_verify_upstream_trusted_ca=" + bed.ca, "--modify-headers",
        f"/~q/Authorization/Bearer {TOKEN}"], env={**os.environ,
                                                   "HOME": folder})
    return Side(bed.outside, dict(
        to=f"127.0.0.1:{port}", tunnel=f"127.0.0.1:{bed.port}",
        host="api.internal", ca=folder + "/mitmproxy-ca-cert.pem"),
                family(p.pid), shlex.join(p.args))


MAKERS = {"direct": side_direct, "warder": side_warder,
          "warder, scrubbing": side_scrubbing,
          "warder, CONNECT": side_explicit, "warder, spliced": side_spliced,
          "nginx": side_nginx, "haproxy": side_haproxy, "squid": side_squid,
          "mitmproxy": side_mitmproxy}
SLOW = {"squid": 2, "mitmproxy": 20}  # so many times fewer requests

PEERS = ("nginx", "haproxy", "squid", "mitmproxy")


def need_root(b):
    if not b.root:
        raise Skip("needs root: capture, and another uid's memory")


def bed_of(b):
    need_root(b)
    if not hasattr(b, "bed"):
        b.bed = Bed(b, b.stack)
    return b.bed


# ---- rounds ----

def once(side, requests, **words):
    """One measurement, with the processor time of the side's processes."""
    before = cpu_ns(side.pids)
    r = side.client.measure(**side.words, **words, requests=requests,
                            warm=max(words["connections"], requests // 10))
    # of the warm-up too
    all_of = requests + max(words["connections"], requests // 10)
    if side.pids:
        r["proxy_cpu_us"] = (cpu_ns(side.pids) - before) / all_of / 1e3
    return r


@contextlib.contextmanager
def one_processor(bed, sides):
    """Clients, proxies and upstream share one meanwhile.  Otherwise the
    scheduler decides for each round whether a request wakes another processor
    four times or none, and that is more than any proxy here adds."""
    pids = {pid for p in [bed.upstream, *(s.client.process for s in
                                          sides.values())]
            for pid in family(p.pid)}
    pids |= {pid for s in sides.values() for pid in s.pids}
    every = os.sched_getaffinity(0)

    def bind(processors):
        for pid in pids:
            for task in glob.glob(f"/proc/{pid}/task/*"):
                with contextlib.suppress(ProcessLookupError):
                    os.sched_setaffinity(int(os.path.basename(task)),
                                         processors)
    bind({min(every)})
    try:
        yield
    finally:
        bind(every)


def rounds(b, sides, requests, size=KIB, **words):
    """The sides in turn; of each the medians over the rounds."""
    words = dict(words, path=PATHS[size], bytes=size)
    found = {name: [] for name in sides}
    for _ in range(3 if b.quick else 7):
        for name, side in sides.items():
            n = requests // (10 if b.quick else 1) // SLOW.get(name, 1)
            n = max(n, 2 * words["connections"] if size == KIB else 5)
            found[name].append(once(side, n, **words))
    return {name: {key: round(quantile([r[key] for r in rows], .5), 1)
                   for key, value in rows[0].items()
                   if isinstance(value, (int, float))} | {
                       "tls": rows[0]["tls"]}
            for name, rows in found.items()}


def shown(side):
    """What the table has of a side."""
    keys = ("p50_us", "p99_us", "per_s", "bytes_per_s", "proxy_cpu_us")
    r = {k: side[k] for k in keys if k in side}
    if "bytes_per_s" in r:
        r["mb_per_s"] = round(r.pop("bytes_per_s") / 1e6, 1)
    return r


def ratio(sides, key, ours, theirs):
    return round(sides[ours][key] / sides[theirs][key], 3)


def judged(sides, goals, key="per_s"):
    """goals: (our side, their side, at least); the first is the row's."""
    others = {}
    for ours, theirs, goal in goals:
        if ours in sides and theirs in sides:
            others[f"{ours} : {theirs}"] = {
                "ratio": ratio(sides, key, ours, theirs), "goal": goal}
    met = all(o["ratio"] >= o["goal"] for o in others.values())
    first = others.pop("{} : {}".format(*goals[0]))
    return {**first, "at_least": True, "others": others,
            "verdict": "met" if met else "missed"}


def row(sides, missing, judgement, bed):
    commands = {name: bed.get(name).said() for name in sides
                if name in MAKERS}
    r = {"sides": {n: shown(s) for n, s in sides.items()},
         "all": sides, **judgement, "commands": commands}
    if missing:
        r["left_out"] = missing
    return r


def added(sides):
    """What each side's median is above the direct one's."""
    base = sides["direct"]["p50_us"]
    for side in sides.values():
        side["added_us"] = round(side["p50_us"] - base, 1)
    return sides


def row_proxy_keep(b):
    """injected, one connection: added p50"""
    bed = bed_of(b)
    have, missing = bed.have(("direct", "warder", "warder, scrubbing", *PEERS))
    with one_processor(bed, have):
        sides = added(rounds(b, have, 5000, connections=1))
    free = added(rounds(b, {n: have[n] for n in ("direct", "warder", "nginx")
                            if n in have}, 5000, connections=1))
    sides |= {name + ", any processor": s for name, s in free.items()}
    ours = sides["warder"]["added_us"]
    r = row(sides, missing, {"ratio": ours, "goal": 60, "verdict":
                             "met" if ours <= 60 else "missed"}, bed)
    for name, side in r["sides"].items():
        side["added_us"] = sides[name]["added_us"]
    return r


def rate(b, connections):
    bed = bed_of(b)
    have, missing = bed.have(("direct", "warder", "warder, scrubbing", *PEERS))
    sides = rounds(b, have, 10000, connections=connections)
    return row(sides, missing, judged(sides, (
        ("warder", "nginx", 0.8), ("warder", "squid", 2),
        ("warder", "mitmproxy", 35))), bed)


def row_proxy_rate16(b):
    """injected, 16 connections: requests/s"""
    return rate(b, 16)


def row_proxy_rate64(b):
    """injected, 64 connections: requests/s"""
    return rate(b, 64)


def row_proxy_body(b):
    """bodies of 10 MiB: bytes/s"""
    bed = bed_of(b)
    have, missing = bed.have(("direct", "warder", "warder, scrubbing", *PEERS))
    sides = rounds(b, have, 40, 10 * MIB, connections=1)
    before = private_kb(have["warder"].pids)
    middle = rounds(b, have, 200, MIB, connections=1)
    again = rounds(b, {"warder": have["warder"]}, 40, 10 * MIB, connections=16)
    grown = private_kb(have["warder"].pids) - before
    judgement = judged(sides, (("warder", "nginx", 0.8),
                               ("warder, scrubbing", "nginx", 0.6)),
                       "bytes_per_s")
    # sixteen bodies at a time that were held would be 160 MiB
    judgement["others"]["warder: KiB each of 16 took"] = {
        "ratio": round(grown / 16, 1), "goal": 256, "at_most": True}
    if grown / 16 > 256:
        judgement["verdict"] = "missed"
    sides |= {name + ", 1 MiB": s for name, s in middle.items()}
    sides["warder, 16 at once"] = again["warder"]
    return row(sides, missing, judgement, bed)


def row_proxy_splice(b):
    """spliced TLS against direct"""
    bed = bed_of(b)
    have, missing = bed.have(("direct", "warder, spliced"))
    sides = rounds(b, have, 40, 10 * MIB, connections=1)
    judgement = judged(sides, (("warder, spliced", "direct", 0.9),),
                       "bytes_per_s")
    small = rounds(b, have, 20000, connections=16)
    judgement["others"]["1 KiB, 16 connections, per s"] = {
        "ratio": ratio(small, "per_s", "warder, spliced", "direct"),
        "goal": 0.9}
    if judgement["others"]["1 KiB, 16 connections, per s"]["ratio"] < 0.9:
        judgement["verdict"] = "missed"
    sides |= {name + ", 1 KiB": s for name, s in small.items()}
    return row(sides, missing, judgement, bed)


def fresh(b, connections, requests):
    bed = bed_of(b)
    have, missing = bed.have(("direct", "warder", "warder, CONNECT", *PEERS))
    sides = rounds(b, have, requests, connections=connections, fresh=1)
    return row(sides, missing, judged(sides, (
        ("warder", "nginx", 0.9), ("warder", "squid", 1.6))), bed)


def row_proxy_fresh(b):
    """a connection each, one at a time"""
    return fresh(b, 1, 500)


def row_proxy_fresh16(b):
    """a connection each, 16 at a time"""
    return fresh(b, 16, 2000)


def held_kb(side, n):
    """Memory before, and while n connections wait."""
    words = dict(side.words, path="/1k", bytes=KIB)
    side.client.measure(**words, connections=1, requests=1000)
    before = private_kb(side.pids)
    side.client.measure(**words, connections=n, requests=n, hold=1)
    time.sleep(1)
    held = private_kb(side.pids)
    # lets them go
    side.client.measure(**words, connections=1, requests=1)
    return before, held


def row_proxy_idle(b):
    """memory of an idle connection"""
    need_root(b)
    n, sides = 200, {}
    with contextlib.ExitStack() as stack:
        # of their own: what others have freed would be used first
        bed = Bed(b, stack)
        have, missing = bed.have(("warder", "nginx", "haproxy", "squid"))
        for name, side in have.items():
            before, held = held_kb(side, n)
            sides[name] = {"kb_each": round((held - before) / n, 1),
                           "kb_before": before}
        ours = sides["warder"]["kb_each"]
        if ours <= 0:
            raise Failed(f"{n} connections need {ours} KiB each")
        r = row(sides, missing, {
            "ratio": ours, "goal": 40, "connections": n,
            "verdict": "met" if ours <= 40 else "missed"}, bed)
    r["sides"] = sides
    return r


def row_proxy_jails(b):
    """memory of a jail without traffic"""
    need_root(b)
    n = 64
    proxy = os.path.join(b.build, "libexec/warder/warder-proxy")
    argv = [b.program("ways"), proxy, str(n)]
    kb = []
    p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         text=True)
    for _ in range(2):
        line = p.stdout.readline().split()
        if len(line) != 2:
            raise Failed(f"ways: status {p.wait()}")
        time.sleep(0.5)
        kb.append((int(line[0]), private_kb([int(line[1])])))
        p.stdin.write("\n")
        p.stdin.flush()
    p.communicate()
    each = round((kb[1][1] - kb[0][1]) / (kb[1][0] - kb[0][0]), 1)
    return {"sides": {"warder-proxy": {
        f"kb_with_{jails}": size for jails, size in kb}},
            "ratio": each, "goal": 64,
            "verdict": "met" if each <= 64 else "missed",
            "commands": {"ways": " ".join(argv)}}


class Two:
    """One warder-proxy with two jails; the second one's load."""

    def __init__(self, b, bed, stack):
        self.ca = os.path.join(bed.place("two"), "ca.pem")
        proxy = os.path.join(b.build, "libexec/warder/warder-proxy")
        self.argv = [b.program("ways"), proxy, "2", str(bed.port), bed.ca,
                     self.ca]
        p = subprocess.Popen(self.argv, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
        stack.callback(p.wait)
        stack.callback(p.stdin.close)
        self.ports = []
        for jails in (1, 2):
            port, line = p.stdout.readline().split(), p.stdout.readline()
            if len(port) != 2 or len(line.split()) != 2:
                raise Failed(f"ways: status {p.wait()}")
            self.ports.append(int(port[1]))
            self.pid = int(line.split()[1])
            if jails == 1:
                p.stdin.write("\n")
                p.stdin.flush()
        self.client = Client(stack, [b.program("load")])
        self.words = dict(to=f"127.0.0.1:{self.ports[1]}", host="api.internal",
                          tunnel="api.internal:443", ca=self.ca, path="/1k",
                          bytes=KIB, connections=16)

    def measure(self, requests):
        return self.client.measure(**self.words, requests=requests,
                                   warm=requests // 10)


CROWD_EACH = 14000  # connections of a process: below the limit of most hosts


@contextlib.contextmanager
def crowd(b, port, n):
    """So many connections to a jail's proxy, as long as it lasts."""
    parts = -(-n // CROWD_EACH)
    running = [subprocess.Popen(
        [b.program("crowd"), str(port), str(n // parts)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
               for _ in range(parts)]
    try:
        lines = [p.stdout.readline().split() for p in running]
        # the control: all are there, and the jail's share of them is served
        if any(len(x) != 2 for x in lines) or \
                sum(int(x[1]) for x in lines) < 100:
            raise Failed(f"crowd: {lines}")
        yield
        for p in running:
            said, _ = p.communicate("\n")
            if not said.startswith("answered"):
                raise Failed(f"crowd: status {p.returncode}")
    finally:
        for p in running:
            p.kill()
            p.wait()


def row_proxy_crowd(b):
    """28,000 connections of one jail: another's p99"""
    need_root(b)
    n, requests = 28000, 5000 if b.quick else 20000
    alone, beside = [], []
    with contextlib.ExitStack() as stack:
        bed = Bed(b, stack)
        two = Two(b, bed, stack)
        two.measure(requests)
        for _ in range(2 if b.quick else 5):
            alone.append(two.measure(requests))
            with crowd(b, two.ports[0], n):
                beside.append(two.measure(requests))
        argv = two.argv
    sides = {name: {key: round(quantile([r[key] for r in rows], .5), 1)
                    for key in ("p50_us", "p99_us", "per_s")}
             for name, rows in (("alone", alone), ("beside", beside))}
    found = ratio(sides, "p99_us", "beside", "alone")
    return {"sides": sides, "ratio": found, "goal": 2, "connections": n,
            "verdict": "met" if found <= 2 else "missed",
            "commands": {"ways": " ".join(argv),
                         "crowd": f"crowd PORT {n}"}}


ROWS = (row_proxy_keep, row_proxy_rate16, row_proxy_rate64, row_proxy_body,
        row_proxy_splice, row_proxy_fresh, row_proxy_fresh16, row_proxy_idle,
        row_proxy_jails, row_proxy_crowd)


def versions():
    nginx = subprocess.run(["nginx", "-v"], stderr=subprocess.PIPE, text=True,
                           check=False).stderr.strip() \
        if shutil.which("nginx") else None
    return {"nginx": nginx, "haproxy": first_line("haproxy", "-v"),
            "squid": first_line("squid", "-v"),
            "mitmproxy": first_line("mitmdump", "--version"),
            "openssl": first_line("openssl", "version")}
