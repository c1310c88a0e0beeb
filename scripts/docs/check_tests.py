#!/usr/bin/env python3
"""Checks that every test is found by its label and by its name, as CONTRIBUTING.md says.

scripts/docs/check_tests.py CTEST BUILD [--complete]

A test has one label, the name of a folder of tests/, or docs. It has the name of its program, which
is that of the source: `<module>_test` or, in tests/fuzz, `fuzz_<module>`. Where a program is
several tests, a dot and what is special follow. If the build is complete, every such source has a
test, and its main function is the one of tests/support/suite.h.
"""

import json
import subprocess
import sys
from pathlib import Path

ctest, build, *complete = sys.argv[1:]
root = Path(__file__).resolve().parents[2] / "tests"
labels = {"docs", *(folder.name for folder in root.iterdir() if folder.is_dir())}
sources = [*root.glob("*/*_test.c"), *root.glob("fuzz/fuzz_*.c")]
listing = subprocess.run(
    [ctest, "--test-dir", build, "--show-only=json-v1"], capture_output=True, check=True
)
tests = json.loads(listing.stdout)["tests"]
wrong, programs = [], set()
for test in tests:
    name = test["name"]
    values = {p["name"]: p["value"] for p in test.get("properties", ())}
    own = values.get("LABELS", [])
    if len(own) != 1 or own[0] not in labels:
        wrong.append(f"{name}: its label is not one folder of tests/, or docs: {own}")
    program = name.split(".")[0]
    programs.add(program)
    if own == ["docs"]:
        continue
    command = Path(test.get("command", ["not built"])[0])
    if command.stem != program:
        wrong.append(f"{name}: its program is {command}")
    if not (program.endswith("_test") or own == ["fuzz"]):
        wrong.append(f"{name}: it does not end in _test")
for source in sources if complete else ():
    if source.stem not in programs:
        wrong.append(f"{source.relative_to(root)}: no test runs it")
    if source.stem.endswith("_test") and '"support/suite.h"' not in source.read_text():
        wrong.append(f"{source.relative_to(root)}: it does not use support/suite.h")
print(f"{len(tests)} tests, {len(sources)} sources")
if wrong or not tests:
    sys.exit("\n".join(wrong))
