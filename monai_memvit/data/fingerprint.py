"""A fingerprint of a data set's content, equal wherever and however it was prepared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

import numpy as np

__all__ = ["array_digest", "content_fingerprint"]


def array_digest(array: np.ndarray) -> str:
    """Return the hexadecimal BLAKE2b digest of an array's type, shape and values.

    Args:
        array: any array of numbers.
    """
    digest = blake2b(f"{array.dtype.str}{array.shape}".encode("ascii"), digest_size=32)
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def content_fingerprint(
    class_names: Sequence[str], rows: Iterable[tuple[str, str, int | tuple[int, ...], str, str]]
) -> str:
    """Digest what a data set holds: its classes and, per sample, keys, label, section and pixels.

    Args:
        class_names: names of the classes in label order.
        rows: per sample ``(sample_key, group_key, label or labels, section, digest of the image)``, in any order.

    Returns:
        64 hexadecimal digits; they depend neither on the order of the rows nor on paths or identity keys.
    """
    digest = blake2b(repr(tuple(class_names)).encode("utf-8"), digest_size=32)
    for row in sorted(rows):
        digest.update(repr(tuple(row)).encode("utf-8"))
    return digest.hexdigest()
