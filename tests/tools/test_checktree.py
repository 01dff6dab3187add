#!/usr/bin/env python3
"""tools/checktree: each rule finds what is planted, and nothing in a clean tree."""

import os
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))

CLEAN = {
    "include/a.h": '#ifndef A_H\n#define A_H\nint a_one(void);\n#endif\n',
    "base/a.c": '#include "a.h"\n\n/* strcpy( in a comment */\n'
                'int\na_one(void)\n{\n\treturn sizeof("system(1)") > 0;\n}\n',
    "policy/b.h": '#ifndef B_H\n#define B_H\n#include "a.h"\n#endif\n',
    "jail/c.c": '#include "policy/b.h"\n#include "a.h"\n'
                'static int my_system(int x) { return x; }\n'
                'int c_two(void) { return my_system(1); }\nint jail_c;\n',
}

# rule, file, what is added to it, what is said
ROWS = (
    ("calls", "base/a.c", "void a_x(char *p) { strcpy(p, p); }\n",
     "strcpy is banned"),
    ("calls", "jail/c.c", "int c_x(char *p) { return atoi (p); }\n",
     "atoi is banned"),
    ("notes", "base/a.c", "/* TO" "DO: later */\n", "TO" "DO"),
    ("includes", "base/a.c", '#include "policy/b.h"\n',
     "must not include policy/b.h"),
    ("includes", "include/a.h", '#include "../policy/b.h"\n',
     "must not include policy/b.h"),
    ("includes", "supervisor/cli/d.c", '#include "../config/e.h"\n',
     "must not include supervisor/config/e.h"),
    ("includes", "supervisor/control/api/f.c", '#include "jail/s.h"\n',
     "must not include jail/s.h"),
    ("includes", "supervisor/warderd/g.c", '#include "../control/h.h"\n',
     "must not include supervisor/control/h.h"),
    ("includes", "supervisor/client/i.c", '#include "policy/b.h"\n',
     "must not include policy/b.h"),
    ("includes", "policy/p.c", '#include "jail/s.h"\n',
     "must not include jail/s.h"),
    ("includes", "jail/c.c", '#include "nowhere.h"\n',
     "nowhere.h is not there"),
    ("headers", "policy/b.h", "struct b { uint32_t n; };\n",
     "does not compile alone"),
    ("exports", "jail/c.c", "int other(void) { return 0; }\n",
     "other does not begin with c_"),
    ("exports", "base/a.c", "int b_number;\n",
     "b_number does not begin with a_"),
)


def plant(folder, extra):
    tree = dict(CLEAN)
    tree["supervisor/config/e.h"] = "int e;\n"
    tree["jail/s.h"] = "int s;\n"
    tree["supervisor/control/h.h"] = "int h;\n"
    tree["supervisor/warderd/j.c"] = '#include "jail/s.h"\n'
    for path, text in extra.items():
        tree[path] = tree.get(path, "") + text
    for path, text in tree.items():
        full = os.path.join(folder, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="ascii") as f:
            f.write(text)


def objects(folder, sources):
    for path in sources:
        out = os.path.join(folder, "build", path[:-2] + ".o")
        os.makedirs(os.path.dirname(out), exist_ok=True)
        subprocess.run(["gcc", "-iquote", "include", "-I.", "-c", path, "-o",
                        out], cwd=folder, check=True)
        yield out


def run(rule, extra):
    with tempfile.TemporaryDirectory() as folder:
        plant(folder, extra)
        command = [os.path.join(TOP, "tools", "checktree"), "--tree", folder,
                   "--cc", "gcc -iquote include -I. -Wall", "--rules", rule]
        if rule == "exports":
            command += ["--objects", *objects(folder, ["base/a.c", "jail/c.c"])]
        done = subprocess.run(command, capture_output=True, text=True,
                              check=False)
    return done.returncode, done.stdout + done.stderr


def cases():
    for rule in ("calls", "notes", "includes", "headers", "exports"):
        yield f"{rule}__clean_tree__silent", run(rule, {}), 0, ""
    for rule, path, text, says in ROWS:
        name = f"{rule}__{os.path.basename(path)}__{says.replace(' ', '_')}"
        yield name, run(rule, {path: text}), 1, says


def main():
    print(f"1..{5 + len(ROWS)}")
    bad = 0
    for i, (name, (status, output), want, says) in enumerate(cases(), 1):
        good = status == want and says in output and \
            (want == 1 or output == "")
        bad += not good
        print(f"{'ok' if good else 'not ok'} {i} - {name}")
        if not good:
            print(f"# exit {status}: {output}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
