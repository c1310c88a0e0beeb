#!/usr/bin/env python3
"""Checks the #includes of the sources against the picture of the layers in docs/architecture.md.

scripts/docs/check_layers.py [ROOT]

The picture is the block of code below the heading "Layers". A line of it is a chain of folders,
`lib/base <- lib/wire`: a folder may include what is to its left, in any line. Fails over an include
that goes to the right or aside, a source that is in no folder of the picture, an arrow that no
include is behind, and folders that may include each other.
"""

import re
import sys
from pathlib import Path, PurePosixPath

SOURCES = ("include", "lib", "server", "tools", "python", "examples")
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.M)


def read_picture(page):
    """Returns the chains of the picture, as lists of folders."""
    block = re.search(r"^## Layers\n(?:(?! {4}|#).*\n)*((?: {4}.*\n)+)", page, re.M)
    lines = block[1].splitlines() if block else []
    return [[folder.strip() for folder in line.split("<-")] for line in lines]


def folder_of(path, layers):
    """Returns the layer that a file is in, the innermost if they are nested, or None."""
    return next((str(above) for above in path.parents if str(above) in layers), None)


def resolve(root, path, name, layers):
    """Returns the file that an include names, or None if it is none of ours."""
    places = [path.parent, *(PurePosixPath(layer).parent for layer in layers)]
    for place in places:
        for ending in ("", ".in"):
            if (root / place / (name + ending)).is_file():
                return place / name
    return None


def check(root):
    chains = read_picture((root / "docs/architecture.md").read_text(encoding="utf-8"))
    layers = sorted({layer for chain in chains for layer in chain})
    allowed = {(b, a) for chain in chains for i, b in enumerate(chain) for a in chain[:i]}
    wrong = [
        f"{a} and {b} may include each other" for b, a in allowed if (a, b) in allowed and a < b
    ]
    used = set()
    for source in sorted(p for top in SOURCES for p in (root / top).rglob("*.[ch]")):
        path = PurePosixPath(source.relative_to(root).as_posix())
        layer = folder_of(path, layers)
        if not layer:
            wrong.append(f"{path} is in no layer")
            continue
        for quote, name in INCLUDE.findall(source.read_text(encoding="utf-8")):
            target = resolve(root, path, name, layers)
            if not target and quote == '"':
                wrong.append(f"{path} includes {name}, which is nowhere")
            below = folder_of(target, layers) if target else layer
            if below == layer:
                continue
            used.add((layer, below))
            if (layer, below) not in allowed:
                wrong.append(f"{path} includes {target}: {layer} may not include {below}")
    arrows = {(b, a) for chain in chains for a, b in zip(chain, chain[1:])}
    wrong += [f"{b} includes nothing of {a}" for b, a in sorted(arrows - used)]
    return layers, used, wrong


def main():
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]
    layers, used, wrong = check(root)
    print(f"{len(layers)} layers, {len(used)} pairs of them with includes")
    if wrong or not used:
        sys.exit("\n".join(wrong) or "no layers were found")


if __name__ == "__main__":
    main()
