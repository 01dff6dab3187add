#!/usr/bin/env python3
"""What an attacker in a jail can learn of a secret: CR-01 to CR-12.

The secrets are canaries: a jail that has one, in any form, has won.  Their
place is the services' side, where the witness must see them: otherwise the
jail could simply have been refused.
"""

import base64
import gzip
import json
import os
import secrets
import sys
import urllib.parse

from attack import (EXPLICIT, ONCE, Attacker, Way, Witness, connect, head,
                    service, settled, write_policy)
from flow import Skip, check, descendants, equal, main, name_of, test
from upstream import Authority, response

A, B = "a.internal", "b.internal"


def tls_way(host):
    return Way(f"TLS to {host}", host, *connect(host, 443),
               ("tls", host, ""))


PLAIN = Way("absolute form", "c.internal", EXPLICIT, absolute=True)


def forms(secret):
    """Everything that a reader could turn back into the secret."""
    raw = secret.encode()
    found = {raw, raw[::-1], raw.hex().encode(), raw.hex().upper().encode(),
             gzip.compress(raw)[10:-8],
             urllib.parse.quote(secret, safe="").encode(),
             "".join(f"%{b:02x}" for b in raw).encode(),
             "".join(f"%{b:02X}" for b in raw).encode(),
             secret.encode("utf-16-le")}
    for pad in range(3):
        for code in (base64.b64encode, base64.urlsafe_b64encode):
            text = code(b"x" * pad + raw + b"xxx")
            # the characters that the secret alone decides
            found.add(text[-(-pad * 8 // 6):(pad + len(raw)) * 8 // 6])
    return found


def leaked(data, *canaries):
    return [f for c in canaries for f in forms(c) if f in data]


class Scene:
    """Services a (bearer), b (a header), c (basic, plain HTTP), d (none)."""

    def __init__(self, w, answer=None, more_a=(), bytes_=24, **env):
        self.w = w
        authority = Authority(w.scratch("ca"))
        context = authority.context(A, B)
        self.secret = {x: f"canary+/{x}-{secrets.token_urlsafe(bytes_)}=&\""
                       for x in "abc"}
        self.up = {x: Witness(answer, context=context) for x in "ab"}
        self.up.update({x: Witness(answer) for x in "cd"})
        tls = f"{{ca: {authority.pem}}}"
        rule = ("{methods: [GET, HEAD, POST], path: /ok/**}",)
        port = {x: u.port for x, u in self.up.items()}
        self.policy = write_policy(w, {
            "a": service(f"{A}:443", port["a"], *rule, tls=tls),
            "b": service(f"{B}:443", port["b"], *rule, tls=tls),
            "c": service("c.internal:80", port["c"], *rule),
            "d": service("d.internal:80", port["d"], *rule),
            "raw": ["to: raw.internal:99", "protocol: tcp", "allow: any",
                    f"dial: 127.0.0.1:{port['d']}"]},
            {"of_a": ["source: {env: SECRET_A}",
                      "placeholder: {env: TOKEN_A, shape: github_pat}",
                      "inject: [{service: a, as: bearer}]", *more_a],
             "of_b": ["source: {env: SECRET_B}",
                      "placeholder: {env: TOKEN_B, shape: opaque}",
                      'inject: [{service: b, as: {header: x-key, '
                      'format: "key {}"}}]'],
             "of_c": ["source: {env: SECRET_C}",
                      "placeholder: {env: TOKEN_C, shape: opaque}",
                      "inject: [{service: c, as: {basic: me}}]"]})
        env = {f"SECRET_{k.upper()}": v for k, v in self.secret.items()}
        self.attacker = Attacker(w, self.policy, env=w.environment(**env))
        self.seen = []  # everything that the jail got

    def __enter__(self):
        self.attacker.__enter__()
        r = self.play(*[("env", f"TOKEN_{x}") for x in "ABC"])
        self.token = dict(zip("abc", [x.decode() for x in r.said]))
        for x in "abc":
            check(len(self.token[x]) >= 16, f"no placeholder {x}: {r}")
        return self

    def __exit__(self, kind, *rest):
        self.attacker.__exit__(kind, *rest)
        for up in self.up.values():
            up.close()

    def play(self, *steps):
        r = self.attacker.play(*steps)
        self.seen += [*r.said, r.note.encode()]
        return r

    def get(self, way, *fields, path="/ok/a"):
        return self.play(*way.steps(head(*fields), path))

    def control(self):
        """In their slots all three are filled in."""
        basic = base64.b64encode(f"me:{self.token['c']}".encode()).decode()
        for way, field, value, key in [
                (tls_way(A), f"Authorization: Bearer {self.token['a']}",
                 f"Bearer {self.secret['a']}", "a"),
                (tls_way(B), f"X-Key: key {self.token['b']}",
                 f"key {self.secret['b']}", "b"),
                (PLAIN, f"Authorization: Basic {basic}", "Basic " +
                 base64.b64encode(f"me:{self.secret['c']}".encode()).decode(),
                 "c")]:
            r = self.get(way, field, path="/ok/control")
            equal(r.status, 200, f"control {r}")
            last = self.up[key].heads[-1]
            equal((last.target, last.get(field.split(":")[0].lower())),
                  ("/ok/control", value))

    def none_leaked(self):
        equal(leaked(b"\0".join(self.seen), *self.secret.values()), [],
              "the jail has seen")

    def only_where_it_belongs(self):
        for key, up in self.up.items():
            settled(up)
            others = [v for k, v in self.secret.items() if k != key]
            equal(leaked(up.received, *others), [], f"service {key} has")


# ---- CR-02, CR-04: placeholders in the wrong place ---------------------------

def places(token, way, slot):
    """Requests that carry a placeholder elsewhere: name, bytes.

    Those with a body have it in its slot too: they would go otherwise.
    """
    b64 = base64.b64encode(token.encode()).decode()
    at1 = base64.b64encode(b"x" + token.encode()).decode()
    at2 = base64.b64encode(b"xx:" + token.encode()).decode()
    percent = "".join(f"%{ord(c):02x}" for c in token)
    form = (f"--b\r\nContent-Disposition: form-data; name=\"{token}\"; "
            f"filename=\"x\"\r\n\r\nx\r\n--b--\r\n")
    upload = (f"--b\r\nContent-Disposition: form-data; name=\"x\"; "
              f"filename=\"{token}.txt\"\r\n\r\nx\r\n--b--\r\n")

    def body(text, *fields):
        return "POST {T} HTTP/1.1\r\nHost: {H}\r\n" + "".join(
            f"{x}\r\n" for x in (*slot, *fields)) + \
            f"Content-Length: {len(text)}\r\n\r\n{text}"

    def chunked(text, size):
        cut = [text[i:i + size] for i in range(0, len(text), size)]
        return "POST {T} HTTP/1.1\r\nHost: {H}\r\n" + "".join(
            f"{x}\r\n" for x in slot) + \
            "Transfer-Encoding: chunked\r\n\r\n" + "".join(
                f"{len(x):x}\r\n{x}\r\n" for x in cut) + "0\r\n\r\n"

    def at(path):
        return "GET " + way.target(path) + " HTTP/1.1\r\nHost: {H}\r\n\r\n"

    hidden = f"{token[:3]}%{ord(token[3]):02x}{token[4:]}"
    return {
        "the path": at(f"/ok/{token}"),
        "the path, a character encoded": at(f"/ok/{hidden}"),
        "the query, a character encoded": at(f"/ok/a?t={hidden}"),
        "the query": at(f"/ok/a?t={token}"),
        "a name in the query": at(f"/ok/a?{token}=t"),
        "the query, percent-encoded": at(f"/ok/a?t={percent}"),
        "the query, base64": at("/ok/a?t=" + b64.rstrip("=")),
        "another field": head(f"X-Other: {token}"),
        "Cookie": head(f"Cookie: a={token}"),
        "User-Agent": head(f"User-Agent: curl/{token}"),
        "Referer": head(f"Referer: http://x/{token}"),
        "a field, base64": head(f"X-Other: {b64}"),
        "a field, base64 shifted by 1": head(f"X-Other: {at1}"),
        "a field, base64 shifted by 3": head(f"X-Other: {at2}"),
        "a field, percent-encoded": head(f"X-Other: {percent}"),
        "a field, hexadecimal": head(f"X-Other: {token.encode().hex()}"),
        "a field's name": head(f"X-{token}: a"),
        "Authorization with more": head(f"Authorization: Bearer {token}x"),
        "Authorization twice in one":
            head(f"Authorization: Bearer {token}, Bearer {token}"),
        "another scheme": head(f"Authorization: Negotiate {token}"),
        "Proxy-Authorization": head(f"Proxy-Authorization: Bearer {token}"),
        "a nominated field": head("Connection: X-Other",
                                  f"X-Other: {token}"),
        "the body": body(token),
        "the middle of a body": body("x" * 30000 + token + "x" * 30000),
        "the body, base64": body(b64),
        "the body, JSON": body(json.dumps({"t": token})),
        "a form's name": body(form, "Content-Type: multipart/form-data; "
                              "boundary=b"),
        "a file's name": body(upload, "Content-Type: multipart/form-data; "
                              "boundary=b"),
        "chunks of one byte": chunked("x" + token, 1),
        "chunks of seven bytes": chunked("xx" + token, 7),
        "a trailer": chunked("x", 1)[:-2] + f"X-Other: {token}\r\n\r\n",
    }


@test(modes=ONCE)
def a_placeholder_elsewhere_goes_nowhere(w):
    """CR-04: 403 (or the connection cut), no whole request, no secret."""
    with Scene(w) as scene:
        scene.control()
        wrong = []
        basic = base64.b64encode(f"me:{scene.token['c']}".encode()).decode()
        for key, token, way, slot in [
                ("a", "a", tls_way(A),
                 [f"Authorization: Bearer {scene.token['a']}"]),
                ("b", "b", tls_way(B), [f"X-Key: key {scene.token['b']}"]),
                ("c", "c", PLAIN, [f"Authorization: Basic {basic}"]),
                ("d", "a", Way("d", "d.internal", EXPLICIT, absolute=True),
                 [])]:
            up = scene.up[key]
            token = scene.token[token]
            for name, text in places(token, way, slot).items():
                before = len(settled(up, 0.02)), len(up.requests)
                r = scene.play(*way.steps(text, "/ok/else"))
                sent = settled(up, 0.02)[before[0]:]
                gone = name in ("Proxy-Authorization",
                                "a nominated field") and r.status == 200
                if gone and token.encode() not in sent:
                    continue  # it was for the proxy, and ended there
                if r.status != 403 or r.code != "credential_elsewhere" or \
                        len(up.requests) != before[1] or \
                        token.encode() in sent:
                    wrong.append(f"{key}: {name}: {r} {sent!r:.300}")
                if text.startswith("GET") and sent:
                    wrong.append(f"{key}: {name}: {len(sent)} bytes sent")
        scene.control()
        scene.none_leaked()
        scene.only_where_it_belongs()
        equal(wrong, [])


@test(modes=ONCE)
def a_placeholder_of_another_service(w):
    """CR-02: refused before a byte; and never the value."""
    with Scene(w) as scene:
        scene.control()
        t = scene.token
        basic = base64.b64encode(f"me:{t['a']}".encode()).decode()
        d = Way("d", "d.internal", EXPLICIT, absolute=True)
        for way, field, key in [
                (tls_way(B), f"Authorization: Bearer {t['a']}", "b"),
                (tls_way(B), f"X-Key: key {t['a']}", "b"),
                (tls_way(A), f"Authorization: Bearer {t['b']}", "a"),
                (tls_way(A), f"X-Key: key {t['b']}", "a"),
                (PLAIN, f"Authorization: Basic {basic}", "c"),
                (PLAIN, f"Authorization: Bearer {t['a']}", "c"),
                (PLAIN, f"Authorization: Bearer {t['c']}", "c"),
                (d, f"Authorization: Bearer {t['a']}", "d"),
                (d, f"X-Key: key {t['b']}", "d")]:
            before = len(settled(scene.up[key], 0.02))
            r = scene.get(way, field)
            equal((r.status, r.code), (403, "credential_elsewhere"),
                  f"{way.name} {field}: {r}")
            equal(settled(scene.up[key])[before:], b"", "sent")
        # other port, path and method of the right host
        field = f"Authorization: Bearer {t['a']}"
        before = len(settled(scene.up["a"]))
        for text, path, code in [
                (head(field), "/no", "path"),
                (head(field).replace("GET", "DELETE", 1), "/ok/a", "method")]:
            r = scene.play(*tls_way(A).steps(text, path))
            equal((r.status, r.code), (403, code))
        r = scene.play(EXPLICIT, ("send", b"GET http://a.internal/ok/a "
                                  b"HTTP/1.1\r\nHost: a.internal\r\n" +
                                  field.encode() + b"\r\n\r\n"),
                       ("response",))
        equal((r.status, r.code), (403, "tls"))
        equal(settled(scene.up["a"])[before:], b"", "sent")
        # a stream that nobody looks into carries inert text
        r = scene.play(*connect("raw.internal", 99),
                       ("send", f"GET /raw HTTP/1.1\r\nHost: x\r\n{field}"
                        "\r\n\r\n".encode()), ("response",))
        equal(r.status, 200)
        equal(scene.up["d"].heads[-1].get("authorization"),
              f"Bearer {t['a']}")
        scene.none_leaked()
        scene.only_where_it_belongs()


@test
def a_placeholder_of_another_run(w):
    """CR-02: it is no key: another jail's is text."""
    with Scene(w) as first, Scene(w) as second:
        first.control()
        for x in "abc":
            check(first.token[x] != second.token[x], "the same placeholder")
        r = second.get(tls_way(A), f"Authorization: Bearer {first.token['a']}")
        check(r.status in (200, 403, 502), f"{r}")
        settled(second.up["a"])
        for scene in (first, second):
            scene.none_leaked()
            equal(leaked(second.up["a"].received, first.secret["a"]), [])
            equal(leaked(first.up["a"].received, second.secret["a"]), [])


@test(modes=ONCE)
def slots_filled_once(w):
    """CR-04: twice in a head is not twice the secret; splits are nothing."""
    with Scene(w) as scene:
        t = scene.token["a"]
        way = tls_way(A)
        for text in (head(f"Authorization: Bearer {t}",
                          f"Authorization: Bearer {t}"),
                     head(f"Authorization: Bearer {t}",
                          "Authorization: Bearer mine"),
                     head("Authorization: Bearer mine",
                          f"Authorization: Bearer {t}"),
                     head(f"authorization: bearer {t}"),
                     head(f"Authorization: Bearer {t}",
                          "Connection: Authorization"),
                     head("Connection: Authorization, close",
                          f"AUTHORIZATION: BEARER {t}")):
            before = len(scene.up["a"].heads)
            r = scene.play(*way.steps(text, "/ok/slot"))
            for x in scene.up["a"].heads[before:]:
                equal(x.get("authorization"), f"Bearer {scene.secret['a']}",
                      f"{text!r}")
            check(r.status in (200, 400, 403, 502), f"{text!r} {r}")
        text = way.bytes(head(f"Authorization: Bearer {t}"), "/ok/slow")
        r = scene.play(*way.before, ("send", text, 1, 0.0005), ("response",))
        equal(r.status, 200)
        equal(scene.up["a"].heads[-1].get("authorization"),
              f"Bearer {scene.secret['a']}")
        # a fold around it makes no field
        r = scene.get(way, "Authorization: Bearer", f" {t}")
        equal(r.status, 400)
        scene.none_leaked()


@test(modes=ONCE)
def without_the_placeholder_no_request(w):
    """required: nothing goes bare, nothing with the client's own."""
    with Scene(w) as scene:
        scene.control()
        before = len(settled(scene.up["a"]))
        for fields in ([], ["Authorization: Bearer mine"],
                       ["Authorization: Basic bWU6bWluZQ=="]):
            r = scene.get(tls_way(A), *fields)
            check(r.status in (403, 502) and r.code == "credential_missing",
                  f"{fields} {r}")
        equal(settled(scene.up["a"])[before:], b"", "sent")


OWN = ["Authorization: Bearer mine", "Cookie: session=mine",
       "X-Api-Key: mine", "Api-Key: mine", "X-Auth-Token: mine",
       "Private-Token: mine", "X_API_KEY: mine", "X-Vendor-Access_Token: mine"]
OWN_QUERY = ["access_token=mine", "key=mine", "Api%2DKey=mine",
             "X-Amz-Signature=mine", "key[]=mine"]


@test(modes=ONCE)
def what_the_client_brought_itself(w):
    """from_client: taken out on credentialed services, or refused."""
    with Scene(w) as scene:
        token = scene.token["b"]
        r = scene.get(tls_way(B), f"X-Key: key {token}", *OWN)
        equal(r.status, 200)
        raw = scene.up["b"].heads[-1].raw
        check(b"mine" not in raw, f"{raw!r}")
        check(scene.secret["b"].encode() in raw, "the control")
        query = "&".join(["page_token=1", *OWN_QUERY, "monkey=2"])
        r = scene.get(tls_way(B), f"X-Key: key {token}",
                      path=f"/ok/a?{query}")
        equal(r.status, 200)
        raw = scene.up["b"].heads[-1].raw
        check(raw.startswith(b"GET /ok/a?page_token=1&monkey=2 "), f"{raw!r}")
        # a service without a credential gets what was said
        r = scene.get(Way("absolute form", "d.internal", EXPLICIT,
                          absolute=True), "X_API_KEY: mine",
                      path="/ok/a?key=mine")
        equal(r.status, 200)
        equal(scene.up["d"].heads[-1].raw.count(b"mine"), 2)
    with Scene(w, more_a=["from_client: refuse"]) as scene:
        before = len(settled(scene.up["a"]))
        for field in OWN[1:]:
            r = scene.get(tls_way(A), field,
                          f"Authorization: Bearer {scene.token['a']}")
            equal((r.status, r.code), (403, "credential_from_client"), field)
        for pair in OWN_QUERY:
            r = scene.get(tls_way(A),
                          f"Authorization: Bearer {scene.token['a']}",
                          path=f"/ok/a?x=1&{pair}")
            equal((r.status, r.code), (403, "credential_from_client"), pair)
        equal(settled(scene.up["a"])[before:], b"", "sent")


def readable(pid):
    """All memory of a process that root can read."""
    found = []
    with open(f"/proc/{pid}/maps", encoding="ascii") as f:
        maps = [line.split()[:2] for line in f]
    with open(f"/proc/{pid}/mem", "rb", 0) as f:
        for area, mode in maps:
            start, end = (int(x, 16) for x in area.split("-"))
            if "w" not in mode:
                continue
            try:
                f.seek(start)
                found.append(f.read(end - start))
            except OSError:
                continue  # memfd_secret(2): nobody reads it
    return b"\0".join(found)


@test(modes=("root",))
def a_secret_that_was_used_is_nowhere_in_memory(w):
    """Of proxy and libraries alike, once its request is over."""
    if "address" in os.environ.get("WARDER_BUILD", ""):
        raise Skip("a sanitizer keeps what was freed, and its shadow has "
                   "terabytes")
    # long ones: what is written over what was freed cannot hide all of it
    with Scene(w, bytes_=1500) as scene:
        token = scene.token["b"]
        for _ in range(3):
            equal(scene.get(tls_way(B), f"X-Key: key {token}").status, 200)
        proxy, = [x for x in descendants(os.getpid())
                  if name_of(x) == "warder-proxy"]
        memory = readable(proxy)
        check(token.encode() in memory, "the control: what is no secret")
        secret = scene.secret["b"].encode()
        left = [i for i in range(0, len(secret) - 32, 16)
                if secret[i:i + 32] in memory]
        equal(left, [], "pieces of it")


# ---- CR-12, scrub ------------------------------------------------------------

def reflect(request):
    """Everything that came, back, as the path says."""
    words = request.target.split("/")
    kind = words[2] if len(words) > 2 else ""
    value = (request.get("authorization") or request.get("x-key") or "none")
    value = value if isinstance(value, str) else ",".join(value)
    secret = value.rpartition(" ")[2]
    raw = secret.encode()
    if kind == "split":
        at, size = int(words[3]), int(words[4])
        return pieces(b"<" * at + raw + b">", size)
    if kind == "field":
        return response(b"x", X_Echo=value, Set_Cookie=f"t={secret}",
                        Location=f"/?t={urllib.parse.quote(secret)}",
                        WWW_Authenticate=f'Bearer realm="{secret}"')
    if kind == "name":
        # only the hexadecimal form of this one can be a name
        return b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX-" + \
            raw.hex().encode() + b": 1\r\n\r\nx"
    if kind == "reason":
        return response(b"x", status=f"200 {secret}")
    if kind == "trailer":
        return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" \
            b"Trailer: X-Echo\r\n\r\n1\r\nx\r\n0\r\nX-Echo: " + raw + \
            b"\r\n\r\n"
    if kind == "extension":
        return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" \
            b'1;e="' + raw.replace(b'"', b"") + b'"\r\nx\r\n0\r\n\r\n'
    if kind == "form":
        return response(sorted(forms(secret))[int(words[3])])
    if kind == "json":
        return response(json.dumps({"headers": dict(request.fields)})
                        .encode())
    if kind == "gzip":
        return response(gzip.compress(raw * 3), Content_Encoding="gzip")
    if kind == "deflate":
        return response(raw, Content_Encoding="x-unknown")
    if kind == "doubled":
        return response(gzip.compress(raw * 3)).replace(
            b"\r\n\r\n", b"\r\nContent-Encoding: identity\r\n"
            b"Content-Encoding: gzip\r\n\r\n", 1)
    if kind == "range":
        return response(raw[:20], status="206 Partial Content",
                        Content_Range=f"bytes 0-19/{len(raw)}")
    if kind == "ranges":
        body = b"--b\r\n\r\n" + raw[:20] + b"\r\n--b\r\n\r\n" + raw[20:]
        return response(body + b"\r\n--b--\r\n", status="206 Partial",
                        Content_Type="multipart/byteranges; boundary=b")
    if kind == "error":
        return response(request.raw, status="401 No")
    if kind == "hints":
        return b"HTTP/1.1 103 H\r\nLink: <" + raw + b">\r\n\r\n" + \
            response(b"x")
    if kind == "ranged":  # honours Range, if it is asked
        asked = request.get("range")
        if asked:
            first, last = [int(x) for x in asked[6:].split("-")]
            return response(raw[first:last + 1])
        return response(raw)
    return response(request.raw)


def pieces(data, size):
    out = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]
    for i in range(0, len(data), size):
        part = data[i:i + size]
        out.append(b"%x\r\n%b\r\n" % (len(part), part))
    return [b"".join(out) + b"0\r\n\r\n"]


@test(modes=ONCE)
def what_is_echoed_is_not_the_secret(w):
    """Every border of a chunk, every form, every place of a response."""
    with Scene(w, answer=reflect) as scene:
        field = f"Authorization: Bearer {scene.token['a']}"
        way = tls_way(A)
        length = len(scene.secret["a"])
        paths = [f"/ok/split/{at}/{size}" for size in range(1, 17)
                 for at in range(0, size)]
        paths += [f"/ok/split/1/{size}" for size in range(17, length + 3)]
        paths += [f"/ok/split/{at}/16384" for at in
                  range(16384 - length, 16386, 7)]
        plays = [way.steps(head(field), p) for p in paths]
        for path, r in zip(paths, scene.attacker.plays(plays)):
            scene.seen += r.said
            equal(r.status, 200, path)
            check(scene.token["a"].encode() in r.last, f"{path} {r}")
        settled(scene.up["a"])
        # what the witness had sent did hold it
        check(len(scene.up["a"].heads) == len(paths), "the control")
        scene.none_leaked()


@test(modes=ONCE)
def every_other_part_of_a_response(w):
    """CR-12: fields, trailers, encodings, ranges: replaced, or 502."""
    with Scene(w, answer=reflect) as scene:
        for key, way, field in [
                ("a", tls_way(A),
                 f"Authorization: Bearer {scene.token['a']}"),
                ("b", tls_way(B), f"X-Key: key {scene.token['b']}")]:
            for path in ["field", "name", "reason", "trailer", "extension",
                         "json", "error", "hints", "all"]:
                r = scene.get(way, field, "TE: trailers", "Connection: TE",
                              path=f"/ok/{path}")
                check(r.status in (200, 401, 502), f"{path}: {r}")
                if path == "trailer":
                    check(b"\r\nX-Echo: " in r.last, f"{r.last!r}")
                equal(leaked(b"".join(r.said), scene.secret[key]), [],
                      f"{key} {path}")
            for path in ["gzip", "deflate", "doubled", "range", "ranges"]:
                r = scene.get(way, field, path=f"/ok/{path}")
                equal((r.status, r.code), (502, "unavailable"), path)
            for number in range(len(forms(scene.secret[key]))):
                r = scene.get(way, field, path=f"/ok/form/{number}")
                form = sorted(forms(scene.secret[key]))[number]
                known = form not in (scene.secret[key].encode()[::-1],
                                     scene.secret[key].encode("utf-16-le"),
                                     gzip.compress(
                                         scene.secret[key].encode())[10:-8])
                check(not known or form not in r.last,
                      f"{key} came back as {form}")
                scene.seen = [x for x in scene.seen if x != r.last]
            r = scene.get(way, field, "Accept-Encoding: gzip, br",
                          "Range: bytes=0-9", "If-Range: x",
                          path="/ok/asked")
            raw = scene.up[key].heads[-1].raw.lower()
            check(b"range" not in raw and b"gzip" not in raw, f"{raw!r}")
            check(b"accept-encoding: identity" in raw, f"{raw!r}")
        scene.none_leaked()


@test(modes=ONCE)
def a_secret_in_parts(w):
    """CR-12: no two answers together hold it."""
    with Scene(w, answer=reflect) as scene:
        field = f"Authorization: Bearer {scene.token['a']}"
        got = b""
        for at in range(0, len(scene.secret["a"]), 8):
            r = scene.get(tls_way(A), field, f"Range: bytes={at}-{at + 7}",
                          path="/ok/ranged")
            got += r.last.partition(b"\r\n\r\n")[2]
        equal(leaked(got, scene.secret["a"]), [])
        check(scene.token["a"].encode() in got, f"the control: {got!r}")
        scene.none_leaked()


# ---- CR-01: everything that a jail can read ----------------------------------

# Hands out everything that it can read: who searches is outside, so that
# what is searched for is nowhere in the jail.
GATHER = r"""
import os, stat, sys
def give(where, data):
    sys.stdout.buffer.write(b"\n@@ " + os.fsencode(where) + b"\n" + data)
def read(path, most=4 << 20):
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return
    data = b""
    try:
        while len(data) < most:
            more = os.read(fd, 65536)
            if not more:
                break
            data += more
    except OSError:
        pass
    os.close(fd)
    give(path, data)
give("environ", b"\0".join(k + b"=" + v for k, v in os.environb.items()))
for top, folders, names in os.walk("/"):
    if top == "/":
        folders[:] = [x for x in folders if x not in ("usr", "sys", "proc")]
    for name in names:
        path = os.path.join(top, name)
        try:
            s = os.lstat(path)
            if stat.S_ISREG(s.st_mode):
                read(path)
            elif stat.S_ISLNK(s.st_mode):
                give(path, os.fsencode(os.readlink(path)))
        except OSError:
            pass
for top, folders, names in os.walk("/proc"):
    folders[:] = [x for x in folders if top != "/proc" or x.isdigit() or
                  x in ("sys", "net", "self")]
    for name in names:
        path = os.path.join(top, name)
        if name not in ("mem", "kmsg", "pagemap", "clear_refs"):
            read(path)
# what this process itself was given: stack, heap, inherited pages
with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb") as mem:
    for line in maps.readlines():
        span, mode = line.split()[:2]
        if not mode.startswith("rw") or "[v" in line:
            continue
        a, b = [int(x, 16) for x in span.split("-")]
        try:
            mem.seek(a)
            give("memory " + span, mem.read(min(b - a, 8 << 20)))
        except (OSError, ValueError, OverflowError):
            pass
"""


@test
def nothing_in_a_jail_is_a_secret(w):
    """CR-01: environment, arguments, files, /proc, memory, report, logs."""
    with Scene(w) as scene:
        scene.control()
        env = w.environment(**{f"SECRET_{k.upper()}": v
                               for k, v in scene.secret.items()})
        report = os.path.join(w.scratch("report"), "report.json")
        keep = os.path.join(w.scratch("keep"), "kept")
        mark = "marked+/" + secrets.token_urlsafe(24)
        r = w.exec(["python3", "-c", GATHER], "--policy", scene.policy,
                   "--report", report, "--env", f"SEEN={mark}",
                   "--limit", "output=256MiB", "--keep", keep,
                   env=env).expect(0)
        # the same search finds what is there: in the environment, /proc
        # and memory
        places = [x.partition(b"\n")[0] for x in r.out.split(b"\n@@ ")
                  if mark.encode() in x]
        check(b"environ" in places and
              any(x.startswith(b"/proc/") and x.endswith(b"/environ")
                  for x in places) and
              any(x.startswith(b"memory") for x in places), f"{places}")
        check(r.out.count(b"\n@@ ") > 500, "looked at too little")
        equal([x.partition(b"\n")[0] for x in r.out.split(b"\n@@ ")
               if leaked(x, *scene.secret.values())], [])
        with open(report, "rb") as f:
            outside = f.read()
        for folder, _, names in os.walk(keep):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    with open(path, "rb") as f:
                        outside += f.read()
        outside += r.err + w.verb("ps").out
        outside += w.verb("policy", "show", scene.policy, "--resolved",
                          env=env).out
        outside += w.exec(["true"], "--policy", scene.policy,
                          "--print-policy", env=env).out
        scene.seen.append(outside)
        result = scene.attacker.finish()
        scene.seen += [result.out, result.err]
        scene.none_leaked()


# ---- CR-06, CR-11 ------------------------------------------------------------

@test(modes=ONCE)
def a_secret_that_would_make_a_header(w):
    """CR-06: refused before anything starts."""
    with Witness() as up:
        policy = write_policy(w, {"a": service("a.internal:80", up.port,
                                               "{path: /**}")},
                              {"t": ["source: {env: SECRET}",
                                     "inject: [{service: a, as: bearer}]"]})
        for bad in ("secret-\r\nX-Evil: 1", "secret-\n", "secret-\r",
                    "secret-\t", "secret-\x7f", "secret-\x01",
                    "secret-\u00e9", "secret-\u2028"):
            r = w.exec(["echo", "ran"], "--policy", policy,
                       env=w.environment(SECRET=bad))
            r.refused("SECRET" if "SECRET" in r.said else "t")
            check("secret-" not in r.said, f"said: {r.said}")
        w.exec(["echo", "ran"], "--policy", policy,
               env=w.environment(SECRET="secret-good")).expect(0, "ran\n")
        equal(up.connections, 0)


@test(modes=ONCE)
def ordinary_text_is_not_a_placeholder(w):
    """CR-11: a diff that speaks of tokens is uploaded as it is."""
    with Scene(w) as scene:
        token = scene.token["a"]
        text = f"+ export TOKEN={token[:-1]}\n- ghp_{'x' * 36}\n" \
            f"+ github_pat_{'1' * 20}\n# {token[:8]} {token[-8:]}\n" * 50
        r = scene.play(*tls_way(A).steps(
            "POST {T} HTTP/1.1\r\nHost: {H}\r\nAuthorization: Bearer "
            f"{token}\r\nContent-Length: {len(text)}\r\n\r\n{text}",
            "/ok/diff"))
        equal(r.status, 200)
        equal(scene.up["a"].requests[-1].body, text.encode())


@test
def a_credential_where_nobody_looks_inside(w):
    """Nothing starts: by a name's own word, by a protocol, by a rule."""
    with Witness() as up:
        here = [f"dial: 127.0.0.1:{up.port}", "allow: any"]
        blind = {"spliced": ["to: a.internal", "tls: splice", *here],
                 "tcp": ["to: a.internal:5432", "protocol: tcp", *here]}
        sight = service("a.internal:80", up.port, "{path: /**}")
        token = {"t": ["source: {env: SECRET}",
                       "inject: [{service: a, as: bearer}]"]}
        env = w.environment(SECRET="secret-good")
        for what, lines in blind.items():
            r = w.exec(["echo", "ran"], "--policy",
                       write_policy(w, {"a": lines}, token), env=env)
            r.refused("is not looked into, so no credential can be put in")
            equal(r.text, "", what)
            # the control: the same way out, and nothing to put in
            w.exec(["echo", "ran"], "--policy",
                   write_policy(w, {"a": lines}), env=env).expect(0, "ran\n")
        w.exec(["echo", "ran"], "--policy",
               write_policy(w, {"a": sight}, token), env=env).expect(
                   0, "ran\n")
        equal((up.connections, up.received), (0, b""))


@test
def a_missing_secret_is_no_request(w):
    """No variable, an empty one, or a short one: closed, not bare."""
    with Witness() as up:
        policy = write_policy(w, {"a": service("a.internal:80", up.port,
                                               "{path: /**}")},
                              {"t": ["source: {env: SECRET}",
                                     "inject: [{service: a, as: bearer}]"]})
        way = "curl -s -m 5 -o /dev/null -w '%{http_code}' http://a.internal/"
        for env in ({}, {"SECRET": ""}):
            r = w.exec(way, "--policy", policy, env=w.environment(**env))
            check(r.status == 125 or r.text in ("502", "403"),
                  f"{env} {r.status} {r.text} {r.said}")
        equal((up.connections, up.received), (0, b""))
        r = w.exec(way, "--policy", policy,
                   env=w.environment(SECRET="secret-good")).expect(0, "200")
        equal(up.heads[-1].get("authorization"), "Bearer secret-good")


if __name__ == "__main__":
    sys.exit(main())
