"""Prints a folder as a tree, without trawler's own hidden folder.

Usage: python hack/demo/tree.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

WIDTH = 88
"""Columns before the sizes."""


def size(count: int) -> str:
    """Bytes for people."""
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def show(folder: Path, indent: str = "  ") -> None:
    """Print what is in the folder, folders first, and the same of each folder in it."""
    for path in sorted(folder.iterdir(), key=lambda p: (p.is_file(), p.name)):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            print(f"{indent}{path.name}/")
            show(path, indent + "  ")
        else:
            print(f"{indent + path.name:<{WIDTH}} {size(path.stat().st_size):>8}")


if __name__ == "__main__":
    show(Path(sys.argv[1]))
