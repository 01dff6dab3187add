#!/usr/bin/env python3
"""Real programs under the strict filter (SC-11); a SIGSYS is a failure.

What the distribution has is used; tools outside /usr are not in the jail
and are shown to it by --ro.
"""

import os
import shutil
import sys

from flow import Skip, check, equal, holds, main, test

USUAL = "/usr/local/bin:/usr/bin:/bin"


def needs(*names):
    """Their paths; a tool that is not below /usr is no tool of the jail."""
    for name in names:
        if shutil.which(name, path=USUAL) is None:
            raise Skip(f"{name} is not installed")


def works(w, script, *flags, out="", **more):
    """sh -e runs it, and it ends without any signal."""
    r, report = w.report(["sh", "-ec", script], *flags, **more)
    equal(report["end"]["kind"], "exited", r.said[-300:])
    if r.status != 0 or out not in r.text:
        r.expect(0)
        holds(r.text, out)
    check("Bad system call" not in r.said, r.said)
    return r


def python(w, code, *flags, out="good\n"):
    needs("python3")
    r, report = w.report(["python3", "-c", code], *flags)
    equal(report["end"]["kind"], "exited", r.said[-300:])
    equal(r.said, "")
    r.expect(0, out)


@test
def python_threads(w):
    python(w, "import threading, queue\nq = queue.Queue()\n"
           "t = [threading.Thread(target=q.put, args=(i,)) for i in "
           "range(60)]\n[x.start() for x in t]\n[x.join() for x in t]\n"
           "assert sorted(q.get() for _ in t) == list(range(60))\n"
           "from concurrent.futures import ThreadPoolExecutor\n"
           "with ThreadPoolExecutor(8) as p: assert sum(p.map(abs, "
           "range(50))) == 1225\nprint('good')")


@test
def python_multiprocessing(w):
    for method in ("fork", "spawn", "forkserver"):
        code = ("import multiprocessing as m\n"
                "def f(x): return x * x\n"
                "if __name__ == '__main__':\n"
                f" m.set_start_method('{method}')\n"
                " with m.Pool(4) as p: assert p.map(f, range(20)) == "
                "[x * x for x in range(20)]\n"
                " v = m.Value('i', 3); q = m.Queue(); l = m.Lock(); "
                "s = m.Semaphore(2)\n"
                " with l, s: q.put(v.value)\n"
                " assert q.get() == 3\n"
                " from multiprocessing import shared_memory\n"
                " s = shared_memory.SharedMemory(create=True, size=4096)\n"
                " s.buf[0] = 1; s.close(); s.unlink()\n"
                " print('good')\n")
        path = w.file("m.py", code)
        r, report = w.report(["python3", "/mnt/m.py"], "--ro",
                             f"{path}:/mnt/m.py")
        equal((r.said, r.text), ("", "good\n"), method)
        equal(report["end"]["kind"], "exited", method)


@test
def python_asyncio(w):
    python(w, "import asyncio, sys\n"
           "async def echo(r, w): w.write(await r.readline()); w.close()\n"
           "async def main():\n"
           " s = await asyncio.start_server(echo, '127.0.0.1', 0)\n"
           " p = s.sockets[0].getsockname()[1]\n"
           " r, w = await asyncio.open_connection('127.0.0.1', p)\n"
           " w.write(b'hello\\n'); assert await r.readline() == b'hello\\n'\n"
           " w.close()\n"
           " x = await asyncio.create_subprocess_exec('echo', 'hi', "
           "stdout=-1)\n"
           " assert (await x.communicate())[0] == b'hi\\n'\n"
           " u = await asyncio.start_unix_server(echo, '/tmp/s')\n"
           " r, w = await asyncio.open_unix_connection('/tmp/s')\n"
           " w.write(b'unix\\n'); assert await r.readline() == b'unix\\n'\n"
           " w.close(); await asyncio.to_thread(sum, [1])\n"
           "asyncio.run(main())\nprint('good')")


@test
def python_subprocess(w):
    python(w, "import subprocess as s, os, tempfile, signal\n"
           "assert s.check_output(['echo', 'x']) == b'x\\n'\n"
           "assert s.run('exit 3', shell=True).returncode == 3\n"
           "p = s.Popen(['sleep', '60']); p.terminate(); "
           "assert p.wait() == -15\n"
           "p = s.Popen(['cat'], stdin=-1, stdout=-1, start_new_session=True,"
           " cwd='/tmp'); assert p.communicate(b'y' * 300000)[0] == "
           "b'y' * 300000\n"
           "try: s.run(['sleep', '60'], timeout=0.1)\n"
           "except s.TimeoutExpired: pass\n"
           "with tempfile.TemporaryDirectory() as d: "
           "open(d + '/f', 'w').write('x')\n"
           "print('good')")


@test
def python_venv(w):
    works(w, "python3 -m venv --without-pip /workspace/v && "
          ". /workspace/v/bin/activate && "
          "python -c 'import sys; assert sys.prefix == \"/workspace/v\"; "
          "print(\"good\")'", out="good\n")


@test
def python_sqlite_and_compression(w):
    python(w, "import sqlite3, zlib, bz2, lzma, hashlib, json, ctypes, ssl, "
           "zoneinfo, mmap, select, resource, socket, uuid, secrets\n"
           "c = sqlite3.connect('/workspace/d')\n"
           "c.execute('pragma journal_mode=wal')\n"
           "c.execute('create table t(x)')\n"
           "with c: c.executemany('insert into t values(?)', [(i,) for i in "
           "range(1000)])\n"
           "assert c.execute('select sum(x) from t').fetchone()[0] == 499500\n"
           "x = b'abc' * 10000\n"
           "for m in zlib, bz2, lzma: assert m.decompress(m.compress(x)) == "
           "x\n"
           "m = mmap.mmap(-1, 4096); m[0] = 1\n"
           "e = select.epoll(); e.close()\n"
           "ssl.create_default_context()\n"
           "socket.getaddrinfo('localhost', 80); uuid.uuid4()\n"
           "ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 3)()\n"
           "print('good')")


@test
def python_http_server_and_curl(w):
    needs("curl")
    works(w, "echo content >index.html; python3 -m http.server 8000 --bind "
          "127.0.0.1 >/dev/null 2>&1 & "
          "for i in $(seq 100); do curl -sf http://127.0.0.1:8000/ && exit; "
          "sleep 0.05; done; exit 1", out="content\n")


@test
def names_resolve_to_loopback(w):
    needs("curl")
    works(w, "python3 -m http.server 8000 --bind 127.0.0.1 >/dev/null 2>&1 & "
          "for i in $(seq 100); do curl -sf http://localhost:8000/ "
          ">/dev/null && echo good && exit; sleep 0.05; done; exit 1",
          out="good\n")


NODE = r"""
const { Worker, isMainThread, parentPort } = require('worker_threads');
if (!isMainThread) { parentPort.postMessage('from worker'); return; }
const fs = require('fs'), cp = require('child_process'), os = require('os');
const crypto = require('crypto'), zlib = require('zlib'), net = require('net');
const say = [];
const step = (name, f) => new Promise((good, bad) => {
  setTimeout(() => bad(new Error(name + ' took too long')), 20000).unref();
  f(good, bad); }).then(() => say.push(name));
(async () => {
  await step('worker', (good, bad) => {
    const w = new Worker(__filename);
    w.on('message', good); w.on('error', bad); });
  await step('watch', (good) => {
    const w = fs.watch('/workspace', () => { w.close(); good(); });
    setTimeout(() => fs.writeFileSync('/workspace/x', 'y'), 50); });
  await step('exec', (good, bad) => cp.exec('echo hi', (e, out) =>
    e || out !== 'hi\n' ? bad(e) : good()));
  await step('fork', (good) => {
    const c = cp.spawn(process.execPath, ['-e', 'process.exit(7)']);
    c.on('exit', (s) => { if (s === 7) good(); }); });
  await step('crypto', (good) => crypto.pbkdf2('a', 'b', 1000, 32, 'sha256',
    good));
  await step('gzip', (good) => zlib.gzip('x'.repeat(100000), good));
  await step('net', (good) => {
    const s = net.createServer((c) => { c.end('x'); s.close(); });
    s.listen(0, '127.0.0.1', () => net.connect(s.address().port, '127.0.0.1')
      .on('data', good)); });
  await fs.promises.readFile(__filename);
  os.cpus(); os.networkInterfaces();
  console.log(say.join(' '));
})();
"""


@test
def node(w):
    needs("node")
    path = w.file("t.js", NODE)
    r, report = w.report(["node", "/mnt/t.js"], "--ro", f"{path}:/mnt/t.js",
                         "--limit", "memory=2GiB")
    equal(report["end"]["kind"], "exited", r.said)
    r.expect(0, "worker watch exec fork crypto gzip net\n")


HELLO_C = r"""
#include <pthread.h>
#include <stdio.h>
static void *run(void *p) { return p; }
int main(void) {
	pthread_t t;
	if (pthread_create(&t, NULL, run, NULL)) return 1;
	pthread_join(t, NULL);
	puts("good");
	return 0;
}
"""


def compiler(w, name, *flags):
    needs(name)
    path = w.file("h.c", HELLO_C)
    for more in ("", "-O2 -flto", "-static", "-g -fPIC -pie"):
        works(w, f"{name} {more} -pthread /mnt/h.c -o h && ./h",
              "--ro", f"{path}:/mnt/h.c", *flags, out="good\n")


@test
def gcc(w):
    compiler(w, "gcc")


@test
def clang(w):
    for name in ("clang", "clang-14", "clang-16", "clang-19"):
        if shutil.which(name, path=USUAL):
            return compiler(w, name)
    raise Skip("clang is not installed")


@test
def make_in_parallel(w):
    needs("make", "gcc")
    works(w, r"""
for i in 1 2 3 4 5 6 7 8; do echo "int f$i(void) { return $i; }" >f$i.c; done
printf '%s\n' 'int f1(void); int main(void) { return f1() - 1; }' >main.c
printf 'O = $(patsubst %%.c,%%.o,$(wildcard *.c))\nall: $(O)\n\tcc $^ -o all\n' \
    >Makefile
make -s -j4 && ./all && echo good""", out="good\n")


@test
def go(w):
    run = shutil.which("go", path=USUAL + ":/usr/local/go/bin")
    if run is None:
        raise Skip("go is not installed")
    path = w.file("main.go", 'package main\nimport ("fmt"; "net"; "os/exec"; '
                  '"sync")\nfunc main() {\n\tvar w sync.WaitGroup\n'
                  '\tfor i := 0; i < 200; i++ { w.Add(1); go w.Done() }\n'
                  '\tw.Wait()\n\tl, e := net.Listen("tcp", "127.0.0.1:0")\n'
                  '\tif e != nil { panic(e) }\n\tl.Close()\n'
                  '\to, e := exec.Command("echo", "good").Output()\n'
                  '\tif e != nil { panic(e) }\n\tfmt.Print(string(o))\n}\n')
    works(w, f"export GOCACHE=/tmp/go GOPATH=/tmp/p GOFLAGS=-mod=mod "
          f"GOTOOLCHAIN=local; cp /mnt/main.go .; {run} mod init x 2>/dev/null"
          f"; {run} build -o x && ./x && {run} run . && {run} vet", "--ro",
          f"{path}:/mnt/main.go", "--limit", "memory=3GiB", "--limit",
          "cpu=2", "--limit", "wall=5m", *policy_tmp(w),
          out="good\ngood\n", seconds=280)


def policy_tmp(w):
    """A /tmp that a compiler's cache fits into."""
    return "--policy", w.file("p.yaml", "policy: 1\nextends: "
                              "[builtin/default]\nfilesystem: {tmpfs: "
                              "[{path: /tmp, size: 1GiB}]}\n")


@test
def rust(w):
    path = w.file("h.rs", 'use std::thread; fn main() { let t: Vec<_> = '
                  '(0..20).map(|i| thread::spawn(move || i)).collect(); let '
                  's: i32 = t.into_iter().map(|t| t.join().unwrap()).sum(); '
                  'assert_eq!(s, 190); println!("good"); }')
    flags, run = [], "rustc"
    if shutil.which("rustc", path=USUAL) is None:
        run, flags = rustup(w)
    works(w, f"{run} -O /mnt/h.rs -o h && ./h", "--ro", f"{path}:/mnt/h.rs",
          "--limit", "memory=2GiB", *flags, out="good\n")


def rustup(w):
    """A tool chain in root's home directory, shown by --ro."""
    if not w.root:
        raise Skip("rustc is not installed where this user can read it")
    base = os.path.expanduser("~/.rustup/toolchains")
    found = sorted(os.listdir(base)) if os.path.isdir(base) else []
    if not found:
        raise Skip("rustc is not installed")
    folder = os.path.join(base, found[0])
    return "/opt/rust/bin/rustc", ["--ro", f"{folder}:/opt/rust"]


@test
def git(w):
    needs("git")
    works(w, """
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a \
    GIT_COMMITTER_EMAIL=a@b
git init -q one && cd one && seq 1000 >f && git add f && git commit -q -m x
git branch side && git worktree add -q ../side side && echo y >>../side/f
git -C ../side commit -q -am y && git merge -q side
cd .. && git clone -q one two && git clone -q --bare file:///workspace/one b
cd two && git log --oneline | wc -l && git gc -q && git fsck && git status -s
git stash list; git diff HEAD~1 --stat | tail -1; git archive HEAD | tar t
echo good""", out="2\n")


@test
def archives(w):
    needs("tar", "xz", "gzip")
    works(w, """
mkdir d; seq 20000 >d/f; ln -s f d/l; ln d/f d/h; mkdir -p d/a/b/c
chmod 750 d/a; touch -d 2020-01-01 d/a
for z in gzip xz bzip2 zstd; do
    command -v $z >/dev/null || continue
    tar -c --$z -f x.tar.$z d && mkdir o$z && tar -xpf x.tar.$z -C o$z
    diff -r d o$z/d
done
xz -T2 -k d/f && gzip -k d/f && gunzip -c d/f.gz | cmp - d/f
command -v unzip >/dev/null && command -v zip >/dev/null && zip -qr x.zip d
echo good""", out="good\n")


@test
def sqlite(w):
    needs("sqlite3")
    works(w, "sqlite3 x.db 'pragma journal_mode=wal; create table t(x); "
          "insert into t values(1),(2); select sum(x) from t; vacuum;'",
          out="3\n")


@test
def shells(w):
    for shell in ("bash", "dash", "sh", "busybox", "zsh"):
        if not shutil.which(shell, path=USUAL):
            continue
        command = [shell, *(["sh"] if shell == "busybox" else []), "-c",
                   'x=$(echo a | cat); for i in 1 2 3; do (exit $i) & done; '
                   'wait; echo $x >/tmp/f; . /dev/null; cat </tmp/f; '
                   'trap "echo bye" EXIT; test -d / && echo "$((3 * 4))"']
        r, report = w.report(command)
        r.expect(0, "a\n12\nbye\n")
        equal(report["end"]["kind"], "exited")
    needs("bash")
    works(w, "bash -c 'mapfile -t a < <(seq 3); echo ${#a[@]}; "
          "coproc cat; echo x >&${COPROC[1]}; read -u ${COPROC[0]} y; "
          "echo $y' & wait", out="3\nx\n")


@test
def busybox(w):
    needs("busybox")
    works(w, "busybox seq 100 | busybox sort -rn | busybox head -1; "
          "busybox find /usr/bin -name 'ls' | busybox wc -l; "
          "busybox sh -c 'busybox ps >/dev/null'; "
          "busybox tar -cf x.tar /etc/passwd 2>/dev/null; "
          "busybox gzip x.tar; busybox awk 'BEGIN { print 6 * 7 }'",
          out="42\n")


@test
def text_tools(w):
    needs("perl", "awk")
    works(w, "perl -MPOSIX -MFile::Temp -e 'my $p = fork; if (!$p) { exit 3 } "
          "waitpid $p, 0; print $? >> 8, \"\\n\"; "
          "open my $h, \"-|\", \"echo pipe\"; print <$h>; "
          "opendir D, \"/\"; print scalar(readdir D) ? \"dir\\n\" : \"\"'",
          out="3\npipe\ndir\n")
    works(w, "seq 10 | awk '{ s += $1 } END { print s }'; "
          "echo a b | sed 's/a/c/'; printf 'b\\na\\n' | sort; "
          "seq 100000 | sort -rn --parallel=2 -S 1M | head -1; "
          "find /usr/share -maxdepth 1 | xargs -P4 -n5 echo >/dev/null; "
          "diff /etc/passwd /etc/group >/dev/null || true; "
          "cp -a /etc /tmp/etc; du -s /tmp >/dev/null; df / >/dev/null; "
          "date >/dev/null; timeout 1 true; nice true; nohup true; "
          "mktemp >/dev/null; flock /tmp/l true; ls -laR /dev >/dev/null; "
          "dd if=/dev/zero of=z bs=1M count=3 conv=fsync 2>/dev/null; "
          "install -m 600 z y; shred -u y; truncate -s 1M z; sync z; stat z "
          ">/dev/null; touch -d yesterday z; ln -sr z q; realpath q; nproc",
          out="/workspace/z\n")


@test
def debuggers_say_that_they_may_not(w):
    """strace is refused by the strict filter, and nothing is killed."""
    needs("strace")
    r, report = w.report(["strace", "true"])
    check(r.status != 0, r.status)
    equal(report["end"]["kind"], "exited")


@test
def java(w):
    needs("java")
    works(w, "java -version", "--limit", "memory=2GiB")


@test
def ruby_and_php(w):
    needs("ruby")
    works(w, "ruby -e 'puts [1, 2].sum; Thread.new { puts 4 }.join'",
          out="3\n4\n")


@test
def libc_locales_and_time(w):
    works(w, "LC_ALL=C.UTF-8 python3 -c 'print(\"\\u00e4\".upper())'; "
          "TZ=Europe/Berlin date +%Z; getent passwd agent; getent hosts "
          "localhost; getent services https", out="agent:x:1000:1000:")


if __name__ == "__main__":
    sys.exit(main())
