"""Checking every image to its last pixel, in parallel, with results in the order of the source."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from ..fingerprint import array_digest
from .report import BrokenImage
from .source import PatchRecord

__all__ = ["CheckedImage", "check_records", "pixels_of", "pixels_or_cause"]

_CHUNK = 64
_CHANNELS = {"L": 1, "RGB": 3}


@dataclass(frozen=True)
class CheckedImage:
    """What is known of a sound image.

    Args:
        height: in pixels.
        width: in pixels.
        channels: 1 or 3.
        digest: of its pixels.
    """

    height: int
    width: int
    channels: int
    digest: str


def check_records(
    records: Sequence[PatchRecord], workers: int | None = None, progress: bool = True
) -> tuple[list[tuple[PatchRecord, CheckedImage]], list[BrokenImage]]:
    """Decode every image fully.

    Args:
        records: the patches; images are files or pixel arrays.
        workers: threads (decoding releases Python's lock); by default one per core, at most 8. The result does not
            depend on it.
        progress: whether to show a bar on stderr.

    Returns:
        The sound patches with what is known of them, and the broken ones with the cause, both in source order. Images
        whose channel count is not that of most are broken too.
    """
    workers = min(8, os.cpu_count() or 1) if workers is None else workers
    chunks = [records[i : i + _CHUNK] for i in range(0, len(records), _CHUNK)]
    results: list[CheckedImage | str] = []
    with (
        ThreadPoolExecutor(workers) as pool,
        tqdm(total=len(records), desc="check images", unit="image", disable=not progress) as bar,
    ):
        for chunk in pool.map(lambda part: [_check(record) for record in part], chunks):
            results.extend(chunk)
            bar.update(len(chunk))
    sound, broken = [], []
    expected = _usual_channels(results)
    for record, result in zip(records, results, strict=True):
        if isinstance(result, CheckedImage) and result.channels != expected:
            result = f"{result.channels} channel(s), but most of the set has {expected}"
        if isinstance(result, CheckedImage):
            sound.append((record, result))
        else:
            broken.append(BrokenImage(record.sample_key, record.where, result))
    return sound, broken


def _usual_channels(results: Sequence[CheckedImage | str]) -> int:
    counts = Counter(result.channels for result in results if isinstance(result, CheckedImage))
    return max(counts, key=lambda channels: (counts[channels], channels), default=0)


def _check(record: PatchRecord) -> CheckedImage | str:
    pixels = pixels_or_cause(record.image)
    if isinstance(pixels, str):
        return pixels
    height, width = pixels.shape[:2]
    return CheckedImage(height, width, pixels.shape[2] if pixels.ndim == 3 else 1, array_digest(pixels))


def pixels_or_cause(image: Path | np.ndarray) -> np.ndarray | str:
    """Return the pixels of an image, or why it has none that can be used.

    Args:
        image: a file, or a row of an archive.
    """
    try:
        return pixels_of(image)
    except Exception as error:  # decoders raise all kinds on damaged files, and one bad file must not end the job
        return f"{type(error).__name__}: {error}" if not isinstance(error, ValueError) else str(error)


def pixels_of(image: Path | np.ndarray) -> np.ndarray:
    """Return the pixels of a file or an array row: uint8, ``(H, W)`` gray or ``(H, W, 3)`` colour.

    Args:
        image: a file, or a row of an archive.

    Raises:
        ValueError: for pixels that are not whole numbers from 0 to 255, or another number of channels.
        OSError: for a truncated or otherwise unreadable file.
    """
    if isinstance(image, Path):
        with Image.open(image) as file:
            file.load()
            if file.mode not in _CHANNELS:
                raise ValueError(_why_not(file))
            return np.asarray(file)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.ndim == 3 and image.shape[2] != 3:
        raise ValueError(f"{image.shape[2]} channels: 1 or 3 are read")
    return image if image.dtype == np.uint8 else _as_uint8(image)


def _why_not(file: Image.Image) -> str:
    if file.mode == "F" and not np.isfinite(np.asarray(file)).all():
        return "NaN or infinite pixels"
    bands = len(file.getbands())
    return f"pixel mode {file.mode!r} with {bands} channel(s): save it as 8-bit gray (L) or colour (RGB)"


def _as_uint8(image: np.ndarray) -> np.ndarray:
    """Convert other types without loss, or say why that cannot be done."""
    if image.dtype.kind not in "iuf":
        raise ValueError(f"{image.dtype} pixels: 8-bit pixels (uint8) are read")
    if not np.isfinite(image).all():
        raise ValueError("NaN or infinite pixels")
    converted = np.clip(image, 0, 255).astype(np.uint8)
    if not np.array_equal(converted, image):
        raise ValueError(f"{image.dtype} pixels from {image.min()} to {image.max()}: whole numbers 0 … 255 are read")
    return converted
