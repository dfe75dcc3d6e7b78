"""All files below a folder, links to folders followed once."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["visible_files"]


def visible_files(source: Path) -> list[Path]:
    """Return the files of a folder at any depth, but for hidden ones (``.``, ``__``), in the order of their paths.

    A folder that several paths lead to is read once, by a path without links where there is one: links may point
    above themselves.

    Args:
        source: the folder.
    """
    files: list[Path] = []
    links, seen = [source], set[str]()
    while links:
        links += _walk(links.pop(0), files, seen)
    return sorted(files)


def _walk(top: Path, files: list[Path], seen: set[str]) -> list[Path]:
    """Collect files of folders not seen yet; return the links to folders on the way."""
    links = []
    for folder, folders, names in os.walk(top):
        if (real := os.path.realpath(folder)) in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        links += [path for name in folders if (path := Path(folder, name)).is_symlink()]
        files += [Path(folder, name) for name in names if not name.startswith(".")]
    return links
