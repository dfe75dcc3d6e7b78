"""A folder that is there whole or not at all, whatever ends the process in between."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..atomic import sync_folder

__all__ = ["new_folder", "remove_stale", "remove_unfinished"]

_FINISHED = re.compile(r"[0-9a-f]{32}")
_UNFINISHED = re.compile(r"\.[0-9a-f]+\.[0-9a-f]{16}\.tmp")


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder beside ``target``, renamed to it when the block ends without an error, else removed.

    Everything in it is on disk before the name appears. A living writer holds a lock on its folder, so that
    :func:`remove_unfinished` does not take it for the leftover of a killed one. Where another process has finished the
    same ``target`` in the meantime, that one stays.

    Args:
        target: the folder to make; the one it lies in must exist, its name has hexadecimal digits only.

    Yields:
        The empty folder to fill.
    """
    folder, lock = _create_locked(target)
    try:
        yield folder
        for path in [*folder.iterdir(), folder]:
            sync_folder(path)
        try:
            os.rename(folder, target)
        except OSError:
            if not target.is_dir():
                raise
        sync_folder(target.parent)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _create_locked(target: Path) -> tuple[Path, int]:
    while True:
        folder = target.with_name(f".{target.name}.{secrets.token_hex(8)}.tmp")
        folder.mkdir()
        with suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY)
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.is_dir():
                return folder, lock
            os.close(lock)  # another process took it for a leftover, in the moment before it was locked


def remove_unfinished(parent: Path) -> int:
    """Remove what killed writers of :func:`new_folder` left in a folder.

    Args:
        parent: the folder that the finished ones lie in.

    Returns:
        How many were removed.
    """
    return sum(_remove(path) for path in sorted(parent.iterdir()) if _UNFINISHED.fullmatch(path.name))


def remove_stale(parent: Path, kept: Collection[str]) -> None:
    """Remove the cases of an earlier preparation, and nothing that somebody else put beside them.

    A killed writer's processes may outlive it by a moment: what they had begun when the cleaning of the start came by
    goes now.

    Args:
        parent: the folder that the cases lie in: folders of 32 hexadecimal digits that hold ``record.json``.
        kept: names of those that stay.
    """
    for folder in parent.iterdir():
        if _FINISHED.fullmatch(folder.name) and folder.name not in kept and (folder / "record.json").is_file():
            shutil.rmtree(folder, ignore_errors=True)
    remove_unfinished(parent)


def _remove(folder: Path) -> bool:
    try:
        lock = os.open(folder, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
        return True
    except OSError:
        return False
    finally:
        os.close(lock)
