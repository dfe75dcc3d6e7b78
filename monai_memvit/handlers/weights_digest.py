"""The digest of a file of weights."""

from __future__ import annotations

import os
from hashlib import blake2b

__all__ = ["weights_digest"]


def weights_digest(path: str | os.PathLike[str]) -> str:
    """The same as ``b2sum -l 256`` prints.

    Args:
        path: of the file.

    Returns:
        64 hexadecimal digits.
    """
    digest = blake2b(digest_size=32)
    with open(path, "rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()
