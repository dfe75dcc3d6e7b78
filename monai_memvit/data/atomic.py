"""Writing a file whole or not at all, whatever ends the process in between."""

from __future__ import annotations

import fcntl
import glob
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

__all__ = [
    "atomic_write",
    "atomic_write_bytes",
    "atomic_write_json",
    "atomic_write_text",
    "sync_folder",
    "temporary_beside",
]


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Make the names of the files in ``folder`` durable (fsync of the folder itself).

    Args:
        folder: an existing folder.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def temporary_beside(target: Path, mode: int) -> Iterator[tuple[Path, BinaryIO]]:
    """Open a temporary file in the folder of ``target``, gone afterwards unless it was renamed.

    What killed writers of the same target left behind is removed first. A living writer holds a lock on its file, so
    that nobody takes it for such a leftover; on file systems without locks leftovers stay.

    Args:
        target: the file that is to be written.
        mode: permission bits of the temporary file, lessened by the process's umask.

    Yields:
        Its path, and the writable, seekable binary file.
    """
    _remove_leftovers(target)
    temporary, descriptor = _create_locked(target, mode)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield temporary, file
    finally:
        temporary.unlink(missing_ok=True)


def _create_locked(target: Path, mode: int) -> tuple[Path, int]:
    while True:
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}.tmp")
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return temporary, descriptor
        os.close(descriptor)  # another writer took it for a leftover, in the moment before it was locked


def _remove_leftovers(target: Path) -> None:
    for path in target.parent.glob(f".{glob.escape(target.name)}.{'[0-9a-f]' * 16}.tmp"):
        with suppress(OSError), open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


@contextmanager
def atomic_write(path: str | os.PathLike[str], mode: int = 0o666) -> Iterator[BinaryIO]:
    """Open a binary file that appears under ``path`` only once it is complete and on disk.

    The bytes go to a temporary file in the same folder, which is flushed, synced and renamed over ``path`` when the
    ``with`` block ends. An error inside the block removes the temporary file and leaves an older ``path`` as it was.

    Args:
        path: the file to write; its folder must exist.
        mode: permission bits of the new file, lessened by the process's umask.

    Yields:
        The writable, seekable binary file.
    """
    target = Path(path)
    with temporary_beside(target, mode) as (temporary, file):
        yield file
        file.flush()
        os.fsync(file.fileno())
        os.replace(temporary, target)
    sync_folder(target.parent)


def atomic_write_bytes(path: str | os.PathLike[str], content: bytes, mode: int = 0o666) -> None:
    """Write ``content`` to ``path``, whole or not at all.

    Args:
        path: the file to write.
        content: what it shall hold.
        mode: permission bits of the new file, lessened by the umask.
    """
    with atomic_write(path, mode) as file:
        file.write(content)


def atomic_write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8, whole or not at all.

    Args:
        path: the file to write.
        text: what it shall hold.
    """
    atomic_write_bytes(path, text.encode("utf-8"))


def atomic_write_json(path: str | os.PathLike[str], content: Any) -> None:
    """Write ``content`` to ``path`` as indented JSON (no NaN, no infinity), whole or not at all.

    Args:
        path: the file to write.
        content: plain JSON types.

    Raises:
        ValueError: where ``content`` holds NaN or infinity, which JSON does not have.
    """
    atomic_write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
