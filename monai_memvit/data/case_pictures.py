"""The image of a case as a picture to look at: a file of pixels as it is, a slice of several channels as a montage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["case_picture"]

# Fixed, so that pictures of one channel compare: from the darkest to the brightest percent of what is not background.
_WINDOW = (1.0, 99.0)


def case_picture(image: Path, slice: int | None = None, channel: int | None = None) -> NDArray[np.uint8]:
    """Read the picture of a case.

    PNG, JPEG and whatever else Pillow reads is given as it is. The channels of a ``.npy`` array are scaled to gray one
    by one, from their 1st to their 99th percentile outside of the background, which is 0 and drawn black. Up to three
    stand side by side, four in a square, more in rows of three. A prepared film, ``(H, W)`` of unsigned whole numbers,
    holds display values already and is given by its upper 8 bits. A slide's tile index stands for the thumbnail beside.

    Args:
        image: a picture, or an array ``(S, C, H, W)`` of slices, ``(C, H, W)``, or ``(H, W)`` of a film.
        slice: number in the stack; by default its middle one.
        channel: the one to show; by default all.

    Returns:
        ``(rows, columns)``, or with colours ``(rows, columns, 3)``.

    Raises:
        ValueError: when the array is of another shape, or has no such slice or channel.
    """
    if image.name == "tiles.parquet":
        image = image.with_name("thumbnail.png")
    if image.suffix.lower() != ".npy":
        with Image.open(image) as file:
            return np.asarray(file)
    array = np.load(image, mmap_mode="r", allow_pickle=False)
    if array.ndim == 2 and array.dtype.kind == "u":
        return np.asarray(array >> (8 * (array.itemsize - 1))).astype(np.uint8)
    channels = _read_slice(image, array, slice)
    if channel is not None:
        if not 0 <= channel < len(channels):
            raise ValueError(f"{image} has no channel {channel}: there are {len(channels)}, counted from 0")
        channels = channels[channel : channel + 1]
    return _montage([_gray(values) for values in channels])


def _read_slice(path: Path, array: NDArray[Any], number: int | None) -> NDArray[np.float32]:
    if array.ndim == 3:
        array = array[None]
    if array.ndim != 4 or 0 in array.shape:
        raise ValueError(f"{path} has shape {array.shape}: give slices (S, C, H, W), or one image (C, H, W)")
    number = len(array) // 2 if number is None else number
    if not 0 <= number < len(array):
        raise ValueError(f"{path} has no slice {number}: there are {len(array)}, counted from 0")
    return np.asarray(array[number], dtype=np.float32)


def _gray(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    shown = values[values != 0]
    if not len(shown):
        return np.zeros(values.shape, dtype=np.uint8)
    low, high = np.percentile(shown, _WINDOW)
    scaled = np.clip((values - low) / max(high - low, np.finfo(np.float32).tiny), 0, 1) * 255
    return np.where(values != 0, scaled, 0).round().astype(np.uint8)


def _montage(pictures: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    columns = 2 if len(pictures) == 4 else min(len(pictures), 3)
    empty = [np.zeros_like(pictures[0])] * (-len(pictures) % columns)
    rows = [[*pictures, *empty][start : start + columns] for start in range(0, len(pictures), columns)]
    return np.block(rows)
