#!/usr/bin/env python3
"""Checks that the functions, constants and files that comments name are there.

scripts/docs/check_comments.py

A name is a word with an underscore in it, or one that ends as a file does; words in capitals count
if they begin with GIB, as others are the system's. It has to stand in the code of some file,
outside comments, or be that of a file. One that ends in an underscore stands for all that begin so.
"""

import re
import sys
from pathlib import Path

FOLDERS = ("include", "lib", "server", "tools", "tests", "examples", "bench", "python")
COMMENT = re.compile(r"/\*.*?\*/", re.S)
NAME = re.compile(r"\b(?:GIB[A-Z]*_\w+|[a-z][a-z0-9]*_[a-z0-9_]+)\b")
FILE = re.compile(r"\b[\w/-]+\.(?:c|h|md|sh|py)\b")

# What comments name of other libraries, and no code of ours does.
OTHERS = {"event_reinit", "tp_new", "uv_loop_fork"}

root = Path(__file__).resolve().parents[2]
tops = [root / top for top in (*FOLDERS, "server", "scripts", "docs", "cmake")]
paths = [p for p in (*root.glob("*"), *(p for top in tops for p in top.rglob("*"))) if p.is_file()]
texts = {
    path: path.read_text(encoding="utf-8")
    for path in paths
    if path.suffix in (".c", ".h", ".in", ".py", ".pyi", ".sh", ".cmake", ".txt")
}
sources = [path for path in texts if path.suffix in (".c", ".h", ".in")]
known = {word for path in texts for word in re.findall(r"\w+", COMMENT.sub("", texts[path]))}
known |= {path.stem for path in paths if path.stem.endswith("_test")}  # programs
known |= OTHERS
known |= {f"example_{path.stem}" for path in paths if path.parent.name == "examples"}
files = [path.as_posix() for path in paths]


def is_prefix(name):
    return any(word.startswith(name) for word in known)


wrong, seen = [], 0
for source in sources:
    where = source.relative_to(root)
    if where.parts[0] not in FOLDERS:
        continue
    for comment in COMMENT.findall(texts[source]):
        for name in set(NAME.findall(comment)):
            seen += 1
            if name not in known and not (name.endswith("_") and is_prefix(name)):
                wrong.append(f"{where}: {name}")
        for name in set(FILE.findall(comment)):
            seen += 1
            if not any(file.endswith("/" + name) for file in files):
                wrong.append(f"{where}: {name}")

print(f"{seen} names in comments")
if wrong or not seen:
    sys.exit("comments name what is not there:\n" + "\n".join(sorted(wrong)))
