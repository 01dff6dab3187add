#!/usr/bin/env python3
"""The JSON Schema judges the corpus as the loader does.

The schema sees a tree of JSON values, so each file is read into one the way
the loader reads it: a plain true is a boolean, a plain 12 a number, what is
quoted a string.  A file of reject/ that JSON Schema has no means to refuse
says so in its second line and is counted; it must then be accepted, so that
the mark cannot outlive its reason:

  # schema: accepts      the tree is well-formed, the meaning is not
  # schema: cannot see   the tree loses what is wrong (it need not load)
"""
import json
import os
import pathlib
import re
import subprocess
import sys

try:
    import jsonschema
    import yaml
except ImportError as error:
    print(f"1..0 # SKIP {error.name} of python3-{error.name} is missing")
    sys.exit(0)

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
HERE = TOP / "tests/unit/policy"
CONFIG = TOP / os.environ.get("WARDER_BUILD", "build") / \
    "libexec/warder/warder-config"
WORDS = {"true": True, "false": False, "null": None, "Null": None,
         "NULL": None, "~": None, "": None}


def scalar(node):
    text = node.value
    if node.style is not None:
        return text
    if text in WORDS:
        return WORDS[text]
    if re.fullmatch(r"-?(0|[1-9][0-9]*)", text):
        return int(text)
    if re.fullmatch(r"-?(0|[1-9][0-9]*)\.[0-9]+", text):
        return float(text)
    if re.fullmatch(r"(?i:true|false)", text):
        return text.lower() == "true"
    return text


def value(node):
    if isinstance(node, yaml.MappingNode):
        return {k.value: value(v) for k, v in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [value(v) for v in node.value]
    return scalar(node)


def load(path):
    text = path.read_bytes().decode("utf-8")
    return value(yaml.compose(text, Loader=yaml.BaseLoader))


def mark(path):
    lines = path.read_bytes().split(b"\n", 2)
    found = re.fullmatch(rb"# schema: (accepts|cannot see)\r?",
                         lines[1] if len(lines) > 1 else b"")
    return found.group(1).decode() if found else None


def accepted(validator, wrong):
    count = 0
    for path in sorted((HERE / "accept").iterdir()):
        count += 1
        for error in validator.iter_errors(load(path)):
            wrong.append(f"accept/{path.name}: {error.message[:200]}")
    return count


def refused(validator, wrong):
    counts = {None: 0, "accepts": 0, "cannot see": 0}
    for path in sorted((HERE / "reject").iterdir()):
        marked = mark(path)
        counts[marked] += 1
        if marked == "cannot see":
            continue
        valid = validator.is_valid(load(path))
        if valid and not marked:
            wrong.append(f"reject/{path.name}: the schema accepts it")
        if not valid and marked:
            wrong.append(f"reject/{path.name}: the schema refuses it; "
                         "take the mark away")
    return counts


def report(number, ok, text, lines):
    for line in lines:
        print("#", line)
    print(f"{'ok' if ok else 'not ok'} {number} - {text}")
    return ok


def main():
    schema = json.loads(subprocess.run(
        [CONFIG, "policy", "schema"], check=True,
        capture_output=True).stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    print("1..2")
    wrong = []
    count = accepted(validator, wrong)
    good = report(1, not wrong and count >= 25,
                  f"schema_accepts__corpus__as_the_loader ({count} files)",
                  wrong)
    wrong = []
    counts = refused(validator, wrong)
    good &= report(2, not wrong and counts[None] >= 80,
                   f"schema_refuses__corpus__as_the_loader ({counts[None]} "
                   f"files; beyond its power: {counts['accepts']} by meaning, "
                   f"{counts['cannot see']} by their YAML)", wrong)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
