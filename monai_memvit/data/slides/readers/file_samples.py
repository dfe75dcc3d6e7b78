"""A digest of large files that reads little of them."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

__all__ = ["sampled_digest"]

_ENDS = 64 * 1024
_SAMPLE, _SAMPLES = 4 * 1024, 16


def sampled_digest(files: Sequence[Path]) -> str:
    """Digest the size, the head, the tail and sixteen places between of every file; names and dates do not count.

    Args:
        files: in any order; about 200 KiB of each are read.

    Returns:
        32 hexadecimal digits.

    Raises:
        OSError: for a file that cannot be read.
    """
    parts = sorted(_digest(path) for path in files)
    return blake2b(b"".join(parts), digest_size=16).hexdigest()


def _digest(path: Path) -> bytes:
    size = path.stat().st_size
    digest = blake2b(str(size).encode("ascii"), digest_size=32)
    with open(path, "rb") as file:
        digest.update(file.read(_ENDS))
        for number in range(1, _SAMPLES + 1):
            file.seek(size * number // (_SAMPLES + 1))
            digest.update(file.read(_SAMPLE))
        file.seek(max(size - _ENDS, 0))
        digest.update(file.read(_ENDS))
    return digest.digest()
