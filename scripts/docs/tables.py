#!/usr/bin/env python3
"""Checks or updates the tables in docs/*.md that are generated from the headers.

Usage: scripts/docs/tables.py check|update PRINT_TABLES

PRINT_TABLES is the program that scripts/docs/print_tables.c is built to. A table stands between two
lines `<!-- table NAME -->` and `<!-- end -->`.
"""

import pathlib
import re
import subprocess
import sys

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
TABLE = re.compile(r"(<!-- table (\w+) -->\n)(.*?)(<!-- end -->)", re.S)


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("check", "update"):
        print(__doc__, file=sys.stderr)
        return 2
    action, program = sys.argv[1:]

    def fresh(match):
        table = subprocess.run([program, match[2]], capture_output=True, text=True, check=True)
        return match[1] + table.stdout + match[4]

    stale, tables = [], 0
    for page in sorted(DOCS.glob("*.md")):
        old = page.read_text(encoding="utf-8")
        new, count = TABLE.subn(fresh, old)
        tables += count
        if new != old:
            stale.append(page.name)
            if action == "update":
                page.write_text(new, encoding="utf-8")
    print(f"{tables} tables, not up to date: {', '.join(stale) or 'none'}")
    return 1 if not tables or (stale and action == "check") else 0


if __name__ == "__main__":
    sys.exit(main())
