#!/usr/bin/env python3
"""Checks that every test is found by its label, as CONTRIBUTING.md says.

scripts/docs/check_labels.py CTEST BUILD

A test has one label: the name of a folder of tests/, or docs.
"""

import json
import subprocess
import sys
from pathlib import Path

ctest, build = sys.argv[1:]
folders = (Path(__file__).resolve().parents[2] / "tests").iterdir()
labels = {"docs", *(folder.name for folder in folders if folder.is_dir())}
listing = subprocess.run(
    [ctest, "--test-dir", build, "--show-only=json-v1"], capture_output=True, check=True
)
tests = json.loads(listing.stdout)["tests"]
wrong = []
for test in tests:
    values = {p["name"]: p["value"] for p in test.get("properties", ())}
    own = values.get("LABELS", [])
    if len(own) != 1 or own[0] not in labels:
        wrong.append(f"{test['name']}: {', '.join(own) or 'no label'}")
print(f"{len(tests)} tests")
if wrong or not tests:
    sys.exit("not labelled by one folder of tests/, or docs:\n" + "\n".join(wrong))
