"""Writing the patches of an archive as PNG files with opaque names."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from .checking import pixels_of

__all__ = ["remove_stale_pictures", "write_pictures"]

_CHUNK = 64
_ASIDE = ".images-"


def write_pictures(
    images: Sequence[Path | np.ndarray], names: Sequence[str], folder: Path, workers: int | None = None
) -> None:
    """Write those images that are arrays: first all aside, then each renamed into place.

    What killed writers left aside is removed first.

    Args:
        images: pixels to write; files among them stay where they are.
        names: path per image, relative to ``folder``; a name must not be that of an older picture with other pixels,
            which an older datalist may still need.
        folder: the data set's folder.
        workers: threads; by default one per core, at most 8.
    """
    for leftover in folder.glob(f"{_ASIDE}*"):
        shutil.rmtree(leftover)
    jobs = [(image, name) for image, name in zip(images, names, strict=True) if isinstance(image, np.ndarray)]
    if not jobs:
        return
    with tempfile.TemporaryDirectory(prefix=_ASIDE, dir=folder) as aside:
        staged = [Path(aside) / f"{number}.png" for number in range(len(jobs))]
        with ThreadPoolExecutor(workers or min(8, os.cpu_count() or 1)) as pool:
            images_aside = [(image, path) for (image, _), path in zip(jobs, staged, strict=True)]
            parts = [images_aside[i : i + _CHUNK] for i in range(0, len(jobs), _CHUNK)]
            list(pool.map(_save_all, parts))
        for parent in {(folder / name).parent for _, name in jobs}:
            parent.mkdir(parents=True, exist_ok=True)
        os.sync()  # one for all: a datalist must never name a picture that is not on disk
        for (_, name), path in zip(jobs, staged, strict=True):
            os.replace(path, folder / name)


def _save_all(part: Sequence[tuple[np.ndarray, Path]]) -> None:
    for image, path in part:
        Image.fromarray(pixels_of(image)).save(path)


def remove_stale_pictures(names: Sequence[str], folder: Path) -> None:
    """Remove the pictures of an earlier preparation that ``names`` no longer has.

    Args:
        names: paths relative to ``folder`` that stay.
        folder: the data set's folder.
    """
    current = set(names)
    for path in (folder / "images").glob("[0-9a-f][0-9a-f]/*.png"):
        if path.relative_to(folder).as_posix() not in current:
            path.unlink()
