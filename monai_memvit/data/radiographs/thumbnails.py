"""A film in 32 x 32 pixels, and how bright its rim is: enough to find copies of it, and to see shortcuts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

__all__ = ["THUMBNAIL", "FilmLook", "film_looks"]

THUMBNAIL = 32
_RIM = 0.1
_DARK, _BRIGHT = 0.02, 0.98


@dataclass(frozen=True)
class FilmLook:
    """How a prepared film looks from far.

    Args:
        thumbnail: mean display values in [0, 1] of 32 x 32 fields, float32 ``(32, 32)``.
        mean: of the display values.
        deviation: standard deviation of the display values.
        dark_rim: share of black pixels among the outer tenth on every side: collimation, borders and padding.
        bright_rim: share of white pixels there: letters and markers.
    """

    thumbnail: np.ndarray
    mean: float
    deviation: float
    dark_rim: float
    bright_rim: float


def film_looks(files: Sequence[Path], workers: int | None = None, progress: bool = True) -> list[FilmLook]:
    """Look at every prepared film.

    Args:
        files: ``.npy`` of uint8 or uint16 display values ``(H, W)``.
        workers: threads; by default one per core, at most 8. The result does not depend on them.
        progress: whether to show a bar on stderr.

    Returns:
        One look per file, in order.
    """
    with ThreadPoolExecutor(workers or min(8, os.cpu_count() or 1)) as pool:
        looks = pool.map(_look, files)
        return list(tqdm(looks, total=len(files), desc="look at films", unit="film", disable=not progress))


def _look(path: Path) -> FilmLook:
    stored = np.load(path, allow_pickle=False)
    film = stored.astype(np.float32) / np.float32(np.iinfo(stored.dtype).max)
    rim = _rim(film)
    small = Image.fromarray(film).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return FilmLook(
        thumbnail=np.asarray(small, dtype=np.float32),
        mean=float(film.mean(dtype=np.float64)),
        deviation=float(film.std(dtype=np.float64)),
        dark_rim=float((rim <= _DARK).mean()),
        bright_rim=float((rim >= _BRIGHT).mean()),
    )


def _rim(film: np.ndarray) -> np.ndarray:
    """The pixels of the outer tenth on every side."""
    rows, columns = (max(1, round(_RIM * length)) for length in film.shape)
    middle = film[rows:-rows]
    parts = film[:rows], film[-rows:], middle[:, :columns], middle[:, -columns:]
    return np.concatenate([part.ravel() for part in parts])
