"""Regions inside a picture: where to look for its darkness, and what part of a region lies within."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["inside", "is_dark", "sample_places"]

_WHOLE = 2048  # pixels a side, up to which a picture is looked at as a whole
_WINDOW, _WINDOWS = 256, 5
_DARK = 60  # of 255: glass under transmitted light is far brighter, dark tissue rarely fills half a slide


def sample_places(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """Return where to look at a picture: all of it, or a grid of windows where it is large.

    Args:
        width: pixels.
        height: pixels.

    Returns:
        ``(x, y, width, height)`` of every window.
    """
    if max(width, height) <= _WHOLE:
        return [(0, 0, width, height)]
    return [(x, y, min(_WINDOW, width), min(_WINDOW, height)) for y in _starts(height) for x in _starts(width)]


def _starts(length: int) -> list[int]:
    room = max(length - _WINDOW, 0)
    return [room * (2 * i + 1) // (2 * _WINDOWS) for i in range(_WINDOWS)]


def is_dark(samples: Sequence[np.ndarray]) -> bool:
    """Whether most pixels are dark, as under fluorescence: the brightest channel below 60 of 255.

    Pixels that are black altogether count, unless a scanner filled up with them what it did not scan: then bright
    glass is there too, and the rest is what is judged.

    Args:
        samples: ``(H, W, 3)`` uint8 each.
    """
    brightest = np.concatenate([sample.max(axis=2).ravel() for sample in samples])
    scanned = brightest[brightest > 0]
    glass = float(np.mean(scanned > 180)) if scanned.size else 0.0
    judged = scanned if glass > 0.2 else brightest
    return bool(np.mean(judged < _DARK) > 0.5)


def inside(start: int, length: int, limit: int) -> tuple[int, int]:
    """Return the part of ``start … start + length`` within ``0 … limit``, as start and length (0: none).

    Args:
        start: first pixel.
        length: pixels.
        limit: pixels of the picture.
    """
    first, last = max(start, 0), min(start + length, limit)
    return first, max(last - first, 0)
