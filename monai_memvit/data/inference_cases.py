"""The cases of an inference run, labelled or new; damaged images are set aside and reported at the end."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .datalist import load_num_channels, load_section
from .identity import IdentityKey
from .patches.checking import pixels_or_cause

__all__ = ["CaseList", "load_inference_cases"]

_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


class CaseList(list[dict[str, Any]]):
    """Items for a MONAI ``Dataset``, and what had to be left out.

    Args:
        items: the sound cases.
        broken: path and cause of the others.
    """

    def __init__(self, items: Iterable[dict[str, Any]], broken: dict[str, str]) -> None:
        super().__init__(items)
        self.broken = broken

    def raise_for_broken(self) -> None:
        """Call it when everything else is done: the exit code then tells.

        Raises:
            ValueError: when images were left out; names each with its cause.
        """
        if self.broken:
            lines = "".join(f"\n  {path}: {cause}" for path, cause in self.broken.items())
            raise ValueError(f"{len(self.broken)} image(s) could not be read; all others are done:{lines}")


def load_inference_cases(
    datalist: str | os.PathLike[str], section: str = "test", images: str | os.PathLike[str] = ""
) -> CaseList:
    """A section of a datalist, or every image below a folder of new cases.

    Every image is decoded once. New cases get opaque ids by the datalist's ``identity.key``; their key is ``new:`` and
    the path below ``images``, so that none is taken for a case of the datalist whose file has the same name.

    Args:
        datalist: the ``datalist.json`` of training.
        section: which of its sections, where ``images`` is empty.
        images: folder of new images, searched through, or one image file.

    Returns:
        items with ``image``, ``sample_id``, ``group_id`` and, of a section, ``label``.

    Raises:
        ValueError: when there is no image at all, or none that can be read.
    """
    # a command line hands over a folder named 815 as a number
    items = _new_cases(Path(str(images)), Path(datalist)) if str(images) else load_section(datalist, section)
    channels = load_num_channels(datalist)
    broken = {item["image"]: cause for item in items if (cause := _defect(Path(item["image"]), channels))}
    for path, cause in broken.items():
        logging.getLogger(__name__).error("left out: %s: %s", path, cause)
    cases = CaseList((item for item in items if item["image"] not in broken), broken)
    if not cases:
        raise ValueError(f"none of the {len(items)} images can be read, the first: {next(iter(broken.items()))}.")
    return cases


def _new_cases(images: Path, datalist: Path) -> list[dict[str, Any]]:
    paths = [images] if images.is_file() else sorted(p for p in images.rglob("*") if p.suffix.lower() in _SUFFIXES)
    if not paths:
        raise ValueError(f"{images}: no image ({', '.join(_SUFFIXES)}) there: name a folder of images, or one image.")
    identity = IdentityKey.load(datalist.parent)
    root = images if images.is_dir() else images.parent
    ids = [identity.identify(f"new:{path.relative_to(root).as_posix()}") for path in paths]
    return [{"image": str(path), "sample_id": i, "group_id": i} for path, i in zip(paths, ids)]


def _defect(path: Path, channels: int) -> str:
    pixels = pixels_or_cause(path)
    if isinstance(pixels, str):
        return pixels
    found = pixels.shape[2] if pixels.ndim == 3 else 1
    return "" if found == channels else f"{found} channel(s), but the network was trained on {channels}"
