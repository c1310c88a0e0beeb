#!/usr/bin/env python3
"""Checks that the tests which docs/reliability.md names exist.

scripts/docs/check_reliability.py
"""

import re
import sys
from pathlib import Path

root = Path(__file__).resolve().parents[2]
rows = [line.split("|") for line in (root / "docs/reliability.md").read_text().splitlines()]
named = {name for row in rows if len(row) == 6 for name in re.findall(r"`(\w+)`", row[3])}
sources = "".join(
    path.read_text()
    for pattern in ("tests/*/*_test.c", "tests/python/test_*.py")
    for path in root.glob(pattern)
)
missing = named - set(re.findall(r"(?:START_TEST\(|^def )(\w+)\(?", sources, re.M))
print(f"{len(named)} tests are named")
if missing or not named:
    sys.exit(f"there is no test of these names: {', '.join(sorted(missing))}")
