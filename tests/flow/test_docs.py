#!/usr/bin/env python3
"""The documents say what the programs do: options, verbs, members, links."""

import glob
import os
import re
import sys

from flow import TOP, check, equal, main, test

MAN = os.path.join(TOP, "docs/man")


def read(*path):
    with open(os.path.join(TOP, *path), encoding="utf-8") as f:
        return f.read()


def verbs(w):
    text = w.verb("--help").expect(0).text.split("verbs:\n")[1]
    return [line.split()[0] for line in text.splitlines()
            if line.startswith("  ")]


def options(w, *verb):
    text = w.verb(*verb, "--help").expect(0).text
    found = re.findall(r"^ +(?:-\w, )?--([a-z-]+)", text, re.M)
    if len(verb) == 1:  # it may have verbs of its own
        for inner in re.findall(r"^  ([a-z][a-z-]*) ", text, re.M):
            found += options(w, *verb, inner)
    return found


@test(modes=("root",))
def every_verb_is_in_the_manual(w):
    page = read(MAN, "warder.1")
    for verb in verbs(w):
        check(f".It Cm {verb}" in page, f"warder.1: no {verb}")
        if verb != "completion":
            check(os.path.exists(os.path.join(MAN, f"warder-{verb}.1")),
                  f"no page warder-{verb}.1")


@test(modes=("root",))
def every_option_is_in_its_page(w):
    for verb in verbs(w):
        if verb in ("policy", "completion"):
            continue
        page = read(MAN, f"warder-{verb}.1")
        found = set(re.findall(r"Fl Fl ([a-z-]+)", page))
        equal(set(options(w, verb)) - found, set(), f"{verb}: not in its page")
        equal(found - set(options(w, verb)), set(), f"{verb}: no such option")


def members(value, found):
    for name, v in value.items():
        found.add(name)
        if isinstance(v, dict):
            members(v, found)
    return found


@test
def every_member_of_a_report_is_documented(w):
    _, killed = w.report("kill $$")
    _, missing = w.report(["no-such-command"])
    found = members(killed, set()) | members(missing, set())
    found |= {k.lower() for k in re.findall(
        r"^\tX\(([A-Z_]+),", read("include/run_end.h"), re.M)}
    check({"signal", "error", "cpu_time"} <= found, f"too few: {found}")
    markdown = set(re.findall(r"\b[a-z_]+\b", read("docs/report.md")))
    page = set(re.findall(r"\b[a-z_]+\b", read(MAN, "warder-report.5")))
    equal(found - markdown, set(), "not in docs/report.md")
    equal(found - page, set(), "not in warder-report.5")


@test(modes=("root",))
def links_lead_somewhere(w):
    pages = glob.glob(TOP + "/*.md") + glob.glob(TOP + "/docs/**/*.md",
                                                 recursive=True)
    check(len(pages) > 10, f"too few: {pages}")
    for page in pages:
        for link in re.findall(r"\]\(([^)#:]+)\)", read(page)):
            check(os.path.exists(os.path.join(os.path.dirname(page), link)),
                  f"{os.path.relpath(page, TOP)}: {link}")


@test
def the_readme_policy_runs(w):
    text = re.search(r"```yaml\n(.*?)```", read("README.md"), re.S).group(1)
    folder = w.owned("readme")
    for name in ("data", "out"):
        path = os.path.join(folder, name)
        w.make(path, 0o755)
        os.chown(path, os.stat(folder).st_uid, -1)
    file = w.file("box.yaml", text, folder)
    w.verb("policy", "check", file).expect(0)
    r, report = w.report("echo hi >/out/x; ls /data", "--policy", file)
    r.expect(0)
    equal(report["limits"]["pids"], 64)
    check(os.path.exists(os.path.join(folder, "out/x")), "nothing written")


if __name__ == "__main__":
    sys.exit(main())
