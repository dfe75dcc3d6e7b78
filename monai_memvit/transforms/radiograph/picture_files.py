"""PNG and JPEG films: 8 or 16 grey bits, black is zero."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from .attributes import allowed_attributes
from .display import Film
from .errors import DisplayError
from .refusals import MAX_PIXELS
from .spacing import FilmSpacing

__all__ = ["is_picture", "read_picture"]

_BEGINNINGS = {b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG"}
_GREY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B")
_COLOUR_MODES = ("P", "PA", "RGB", "RGBA")


def is_picture(path: Path) -> bool:
    """Tell by its first bytes whether a file is a PNG or JPEG.

    Args:
        path: the file.
    """
    with open(path, "rb") as file:
        return file.read(4).startswith(tuple(_BEGINNINGS))


def read_picture(path: Path) -> Film:
    """Read a film from a PNG or JPEG file.

    Args:
        path: the file.

    Returns:
        the film; 255 or 65535 is white. Colour whose three channels are equal everywhere is grey.

    Raises:
        DisplayError: where it has other colours, 16 bits in more than one channel, or is too large.
        Exception: whatever damaged bytes make Pillow raise.
    """
    with Image.open(path, formats=tuple(_BEGINNINGS.values())) as picture:
        if picture.width * picture.height > MAX_PIXELS:
            raise DisplayError(f"it has {picture.height} × {picture.width} pixels, films have up to {MAX_PIXELS}")
        if not picture.mode.startswith("I") and _has_16_bits(path):
            raise DisplayError("it has 16 bits with colour or alpha, of which 8 could be read: convert it to grey")
        upright = ImageOps.exif_transpose(picture)
        values, bits = _grey(upright)
        notes = [f"{picture.format} of {bits} bits: no DICOM attributes, black is zero"]
        if upright.size != picture.size or picture.getexif().get(0x0112, 1) != 1:
            notes.append("turned as its EXIF orientation says")
    return Film(values, None, FilmSpacing(), allowed_attributes(None), tuple(notes))


def _has_16_bits(path: Path) -> bool:
    """Tell it of a PNG by its header: Pillow keeps 16 bits of plain grey only."""
    with open(path, "rb") as file:
        start = file.read(25)
    return start.startswith(b"\x89PNG") and start[24] == 16


def _grey(picture: Image.Image) -> tuple[NDArray[np.float32], int]:
    if picture.mode in _COLOUR_MODES:
        channels = np.asarray(picture.convert("RGB"))
        if not (channels == channels[..., :1]).all():
            raise DisplayError("it has colours, a film is grey: leave it out")
        return channels[..., 0].astype(np.float32) / np.float32(255), 8
    if picture.mode not in _GREY_MODES:
        raise DisplayError(f"its pixels are {picture.mode}, a film has 8 or 16 grey bits: convert it")
    bits = 16 if picture.mode.startswith("I") else 8
    values = np.asarray(picture if bits == 16 else picture.convert("L"))
    return values.astype(np.float32) / np.float32(2**bits - 1), bits
