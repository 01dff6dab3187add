#!/usr/bin/env python3
"""What the completion scripts offer, in bash and in zsh."""

import os
import shutil
import subprocess
import sys

from flow import Skip, Terminal, check, equal, holds, main, test

# COMP_WORDS as bash makes them: --option=VALUE is three words.
BASH = """
source <("$1" completion bash)
COMP_WORDS=("$@")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_warder
if ((${#COMPREPLY[@]})); then printf '%s\\n' "${COMPREPLY[@]}"; fi
"""

# A key that prints the line and empties it.
ZSH = """
PROMPT='%% '; PROMPT2=; unsetopt zle_bracketed_paste prompt_cr
autoload -U compinit; compinit -u -D
source <({program} completion zsh)
show() {{ print -r -- "<$BUFFER>"; BUFFER= }}
zle -N show; bindkey '^G' show; bindkey '^I' complete-word
path=({folder} $path); print ready:zsh
"""


def offers(w, *words, folder=None):
    """What bash is offered for the last word."""
    done = w.popen(["bash", "-c", BASH, "bash", *words],
                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                   stderr=subprocess.PIPE, cwd=folder or w.folder,
                   env=w.environment(DEMO_NAME="x")).finish()
    equal(done.said, "", "stderr")
    return done.expect(0).text.split("\n")[:-1]


def folder_with_files(w):
    folder = w.scratch("files")
    for name in ("box.yaml", "box.csv"):
        w.file(name, "policy: 1\n", folder)
    w.make(os.path.join(folder, "boxes"), 0o755)
    return folder


def verbs(w):
    """As the help shows them."""
    text = w.verb("--help").expect(0).text.split("verbs:\n")[1]
    return [line.split()[0] for line in text.splitlines()
            if line.startswith("  ")]


@test(modes=("root",))
def bash_offers_every_verb(w):
    found = offers(w, w.program, "")
    equal(sorted(found), sorted([*verbs(w), "--help", "--version"]))
    equal(offers(w, w.program, "ex"), ["exec"])


@test(modes=("root",))
def bash_offers_every_option(w):
    for verb in verbs(w):
        text = w.verb(verb, "--help").expect(0).text
        shown = {word.rstrip(",") for line in text.splitlines()
                 for word in line.split()[:2]
                 if line.startswith("  ") and word.startswith("--")}
        if verb in ("policy", "audit", "credential", "run", "runs", "threads",
                    "logs", "agents", "keys"):
            continue  # another program has the options
        check(verb in ("kill", "completion") or shown, f"{verb}: no option")
        for option in shown:
            holds(offers(w, w.program, verb, option[:4]), option)


@test(modes=("root",))
def bash_offers_values_of_their_kind(w):
    folder = folder_with_files(w)

    def at(*words):
        return offers(w, w.program, "exec", *words, folder=folder)
    equal(at("--policy", "bo"), ["box.yaml", "boxes"])
    equal(at("--policy", "=", "bo"), ["box.yaml", "boxes"])
    equal(at("--report", "bo"), ["box.csv", "box.yaml", "boxes"])
    equal(at("--ro", "box."), ["box.csv", "box.yaml"])
    equal(at("--env", "DEMO_"), ["DEMO_NAME"])
    holds(at("--limit", ""), "memory=", "pids=")
    equal(at("--report-fd", ""), [])


@test(modes=("root",))
def bash_knows_where_the_command_begins(w):
    folder = folder_with_files(w)

    def at(*words):
        return offers(w, w.program, "exec", *words, folder=folder)
    holds(at("--", "mkd"), "mkdir")
    holds(at("--policy", "box.yaml", "-i", "mkd"), "mkdir")
    equal(at("--", "cat", "--pol"), [])
    equal(at("cat", "boxe"), ["boxes"])


@test
def bash_offers_running_jails(w):
    _, begin = w.running()
    for verb in ("enter", "kill"):
        names = [n for n in offers(w, w.program, verb, "")
                 if n.startswith(begin)]
        check(len(names) == 1, f"{verb}: {names}")
    name = names[0]
    holds(offers(w, w.program, "enter", name, "--", "mkd"), "mkdir")
    holds(offers(w, w.program, "enter", name, "mkd"), "mkdir")
    for words in (("reload",), ("why", "--live")):
        equal([n for n in offers(w, w.program, "policy", *words, "")
               if n.startswith(begin)], [name])
    folder = folder_with_files(w)
    equal(offers(w, w.program, "policy", "reload", "--policy", "bo",
                 folder=folder), ["box.yaml", "boxes"])
    holds(offers(w, w.program, "policy", "reload", "--"), "--policy")


@test(modes=("root",))
def bash_asks_policy_for_its_verbs(w):
    holds(offers(w, w.program, "policy", ""), "check", "show", "schema")
    holds(offers(w, w.program, "policy", "show", "--"), "--resolved")
    holds(offers(w, w.program, "audit", ""), "verify")
    holds(offers(w, w.program, "audit", "verify", "--"), "--head")
    folder = folder_with_files(w)
    equal(offers(w, w.program, "policy", "check", "bo", folder=folder),
          ["box.yaml", "boxes"])


@test(modes=("root",))
def bash_says_nothing_of_an_unknown_verb(w):
    equal(offers(w, w.program, "nosuch", ""), [])


class Zsh:
    def __init__(self, w, folder):
        if not shutil.which("zsh"):
            raise Skip("zsh is not installed")
        start = w.file("start", ZSH.format(
            program=w.program, folder=os.path.dirname(w.program)))
        # zsh -f: no file of the user's or the host's
        self.terminal = Terminal(w, ["sh", "-c", f"cd {folder} && exec "
                                     "zsh -f -i"], cols=200)
        self.terminal.type(f"source {start}\n")
        self.terminal.expect("ready:zsh")

    def line(self, typed):
        """The line after a tabulator."""
        self.terminal.type(typed + "\t\x07")
        self.terminal.expect("<")
        return self.terminal.expect(">")


@test
def zsh_completes(w):
    folder = folder_with_files(w)
    _, begin = w.running()
    z = Zsh(w, folder)
    cases = (
        ("warder exe", "warder exec "),
        ("warder comp", "warder completion "),
        ("warder exec --print", "warder exec --print-policy "),
        ("warder exec --policy box", "warder exec --policy box"),
        ("warder exec --policy box.", "warder exec --policy box.yaml "),
        ("warder exec --policy=box.", "warder exec --policy=box.yaml "),
        ("warder exec --limit mem", "warder exec --limit memory="),
        ("warder exec -i -- mkdi", "warder exec -i -- mkdir "),
        ("warder exec cat box.c", "warder exec cat box.csv "),
        ("warder enter --tt", "warder enter --tty "),
        ("warder completion z", "warder completion zsh "),
        ("warder policy sch", "warder policy schema "),
        ("warder audit v", "warder audit verify "),
        ("warder policy show --res", "warder policy show --resolved "),
        ("warder policy show box.", "warder policy show box.yaml "),
    )
    for typed, expected in cases:
        equal(z.line(typed), expected, typed)
    for verb in ("kill", "enter", "policy reload", "policy why --live"):
        line = z.line(f"warder {verb} {begin}")
        check(line.startswith(f"warder {verb} {begin}") and
              line.endswith(" "), line)
    z.terminal.type("exit\n")
    z.terminal.finish()
    z.terminal.close()


@test(modes=("root",))
def other_shells_are_refused(w):
    w.verb("completion").refused("which shell?", "bash", "zsh")
    w.verb("completion", "fish").refused("which shell?")
    w.verb("completion", "bash", "zsh").refused("which shell?")


if __name__ == "__main__":
    sys.exit(main())
