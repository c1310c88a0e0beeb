#!/usr/bin/env python3
"""Checks that lib/session and lib/connection never wait and read no clock: drivers do.

scripts/docs/check_waiting.py [ROOT]
"""

import re
import sys
from pathlib import Path

CALL = re.compile(
    r"\b(gib_now_ns|clock_gettime|time|poll|ppoll|select|epoll_\w+|gib_wait\w*|nanosleep|usleep|sleep"
    r"|fcntl|setsockopt|sem_wait|pthread_cond_\w+)\s*\("
)
COMMENT = re.compile(r"/\*.*?\*/", re.S)

root = Path(sys.argv[1] if len(sys.argv) > 1 else __file__).resolve()
root = root if root.is_dir() else root.parents[2]


def calls(folder):
    """The calls of a folder that wait, or ask what time it is."""
    for path in sorted((root / folder).rglob("*.[ch]")):
        for match in CALL.finditer(COMMENT.sub("", path.read_text(encoding="utf-8"))):
            yield f"{path.relative_to(root)}: {match[0]})"


assert any(calls("lib/client")), "the driver of the blocking client waits"
found = [*calls("lib/session"), *calls("lib/connection")]
print(*found, sep="\n", end="\n" if found else "")
print(f"{len(found)} calls that wait or read a clock")
sys.exit(bool(found))
