#!/usr/bin/env python3
"""Checks the versions that pages and headers name against project(VERSION).

scripts/docs/check_versions.py

The output that pages show is of this version, the newest part of the change log too, and nothing in
a public header is from a later one.
"""

import re
import sys
from pathlib import Path

root = Path(__file__).resolve().parents[2]


def numbers(version):
    return tuple(int(part) for part in version.split("."))


def text(path):
    return path.read_text(encoding="utf-8")


version = re.search(r"project\(gibson VERSION ([0-9.]+)", text(root / "CMakeLists.txt"))[1]
wrong, seen = [], {"pages": 0, "changes": 0, "since": 0}

for page in [root / "README.md", *sorted((root / "docs").glob("*.md"))]:
    for shown in re.findall(r"with libgibson ([0-9.]+)", text(page)):
        seen["pages"] += 1
        if shown != version:
            wrong.append(f"{page.name} shows output of {shown}")

for newest in re.findall(r"^## (\d[0-9.]*)", text(root / "CHANGELOG.md"), re.M)[:1]:
    seen["changes"] += 1
    if newest != version:
        wrong.append(f"CHANGELOG.md begins with {newest}")

for header in sorted(root.glob("include/**/*.h*")):
    for since in re.findall(r"\bSince\s+(\d+\.\d+)\.\s", text(header)):
        seen["since"] += 1
        if numbers(since) > numbers(version):
            wrong.append(f"{header.name} has something since {since}")

print(f"version {version}; compared: {seen}")
if wrong or not all(seen.values()):
    sys.exit(f"not of version {version}: {'; '.join(wrong) or seen}")
