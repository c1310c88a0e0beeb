#!/usr/bin/env python3
"""Checks that the session is closed: outside lib/session nobody touches a member of gib_session.

scripts/docs/check_session.py [ROOT]

A session is always called `session`, so its members stand behind `session.` or `session->`.
"""

import re
import sys
from pathlib import Path

MEMBER = re.compile(r"\bsession(?:\.(?!h\b)|->)[a-z]\w*")
COMMENT = re.compile(r"/\*.*?\*/", re.S)

root = Path(sys.argv[1] if len(sys.argv) > 1 else __file__).resolve()
root = root if root.is_dir() else root.parents[2]
sources = [path for folder in ("lib", "python") for path in (root / folder).rglob("*.[ch]")]
inside = [path for path in sources if path.parent == root / "lib/session"]
assert any(MEMBER.search(path.read_text(encoding="utf-8")) for path in inside)
found = [
    f"{path.relative_to(root)}: {match[0]}"
    for path in sources
    if path not in inside
    for match in MEMBER.finditer(COMMENT.sub("", path.read_text(encoding="utf-8")))
]
print(*found, sep="\n", end="\n" if found else "")
print(f"{len(sources) - len(inside)} files outside lib/session, {len(found)} uses of its members")
sys.exit(bool(found))
