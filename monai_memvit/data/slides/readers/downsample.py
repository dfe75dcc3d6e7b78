"""How much smaller a level of a pyramid is, told from its rounded sizes."""

from __future__ import annotations

import math

__all__ = ["true_downsample"]


def true_downsample(full: tuple[int, int], reduced: tuple[int, int]) -> float:
    """Return level-0 pixels per pixel of a level: a power of two where its sizes can be one's, else a whole number.

    A level of 4 of 46000 x 32914 pixels has 11500 x 8228. The mean of the ratios, 4.0001, which openslide takes, is off
    by 1.4 pixels of the level at the right edge, and by more the longer and narrower the slide.

    Args:
        full: (width, height) of level 0.
        reduced: (width, height) of the level, rounded up or down.

    Returns:
        The mean of the two ratios where no whole number fits both sides.
    """
    mean = sum(a / b for a, b in zip(full, reduced, strict=True)) / 2
    low = max(a / (b + 1) for a, b in zip(full, reduced, strict=True))
    high = min(a / (b - 1) if b > 1 else math.inf for a, b in zip(full, reduced, strict=True))
    power = 2.0 ** round(math.log2(mean))
    return next((float(value) for value in (power, round(mean)) if low < value < high), mean)
