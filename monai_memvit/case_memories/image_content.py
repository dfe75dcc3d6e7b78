"""Whether two cases are the same image, whatever file it lies in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from ..data import array_digest
from ..data.patches.checking import pixels_of

__all__ = ["image_content", "known_contents", "repeated_images"]

_PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


def image_content(item: Mapping[str, Any]) -> str:
    """Digest of a case's pixels, or of its slice; of any other file than pictures and arrays, of its bytes.

    Args:
        item: of a datalist.

    Returns:
        hexadecimal digits; nothing where the file cannot be read.
    """
    path = Path(item["image"])
    try:
        if path.suffix.lower() in _PICTURES:
            return array_digest(pixels_of(path))
        if path.suffix.lower() == ".npy":
            stack = np.load(path, mmap_mode="r", allow_pickle=False)
            return array_digest(stack[item["slice"]] if "slice" in item else stack)
        return blake2b(path.read_bytes(), digest_size=32).hexdigest()
    except Exception:  # whoever loads the image tells what is wrong with it
        return ""


def known_contents(parts: Iterable[tuple[str, Sequence[Mapping[str, Any]]]]) -> dict[str, str]:
    """Contents of images, and where they stand.

    Args:
        parts: what the images are, for people, and their items; the first part that has an image names it.

    Returns:
        names by digest.
    """
    found: dict[str, str] = {}
    for name, items in parts:
        for content in _contents(items):
            found.setdefault(content, name)
    return found


def repeated_images(items: Sequence[Mapping[str, Any]], known: Mapping[str, str]) -> dict[int, str]:
    """Cases whose image is a known one, or that of a case before.

    Args:
        items: cases to look through.
        known: names by digest (see :func:`known_contents`).

    Returns:
        what the image is, by sample id.
    """
    found: dict[int, str] = {}
    seen = dict(known)
    for item, content in zip(items, _contents(items)):
        if content and content in seen:
            found[int(item["sample_id"])] = seen[content]
        elif content:
            seen[content] = "an image given twice"
    return found


def _contents(items: Sequence[Mapping[str, Any]]) -> list[str]:
    with ThreadPoolExecutor(4) as pool:  # decoding and digesting release Python's lock
        return list(pool.map(image_content, items))
