"""What goes wrong on real slides: strokes of a pen, and regions out of focus."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from .shapes import inside_polygon, place_in, uneven_circle

__all__ = ["blur_region", "draw_pen"]

_INKS = ((25, 110, 60), (35, 60, 160), (25, 25, 30))  # green, blue, black
_COVER = 0.85
_PEN_UM = (50.0, 90.0)
_BLUR_UM = (3.0, 5.0)


def draw_pen(pixels: np.ndarray, spared: np.ndarray, mpp: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a curved stroke of a pen, in place, on any part of the slide.

    Args:
        pixels: ``(H, W, 3)`` uint8 RGB.
        spared: ``(H, W)`` bool, where no ink may go.
        mpp: micrometres per pixel.
        rng: source of chance.

    Returns:
        ``(N, 2)`` vertices (x, y) of the stroke's outline.
    """
    height, width = spared.shape
    ink, breadth = _INKS[int(rng.integers(len(_INKS)))], rng.uniform(*_PEN_UM) / mpp
    middle = _stroke(width, height, rng)
    for _ in range(20):
        if not (_drawn(middle, breadth, width, height) & spared).any():
            break
        middle = _stroke(width, height, rng)
    inked = _drawn(middle, breadth, width, height) & ~spared
    pixels[inked] = np.rint((1 - _COVER) * pixels[inked] + _COVER * np.array(ink)).astype(np.uint8)
    return _outline(middle, breadth)


def _stroke(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    ends = rng.uniform(0.08, 0.92, (2, 2)) * (width, height)
    bend = rng.normal(0, 0.1, 2) * (width, height)
    t = np.linspace(0, 1, 24)[:, None]
    return ends[0] * (1 - t) + ends[1] * t + bend * np.sin(np.pi * t)


def _drawn(middle: np.ndarray, breadth: float, width: int, height: int) -> np.ndarray:
    canvas = Image.new("1", (width, height))
    draw = ImageDraw.Draw(canvas)
    draw.line([tuple(point) for point in middle.tolist()], fill=1, width=max(round(breadth), 1), joint="curve")
    return np.asarray(canvas)


def _outline(middle: np.ndarray, breadth: float) -> np.ndarray:
    along = np.gradient(middle, axis=0)
    across = along[:, ::-1] * (-1, 1) / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    return np.concatenate([middle + breadth / 2 * across, (middle - breadth / 2 * across)[::-1]])


def blur_region(pixels: np.ndarray, where: np.ndarray, mpp: float, rng: np.random.Generator) -> np.ndarray:
    """Put a region out of focus, in place.

    Args:
        pixels: ``(H, W, 3)`` uint8 RGB.
        where: ``(H, W)`` bool, in which the region lies; elsewhere the picture stays sharp.
        mpp: micrometres per pixel.
        rng: source of chance.

    Returns:
        ``(N, 2)`` vertices (x, y) of the region.
    """
    height, width = where.shape
    radius = 0.12 * min(width, height)
    vertices = uneven_circle(place_in(where, radius, rng), np.pi * radius**2, rng)
    sigma = rng.uniform(*_BLUR_UM) / mpp
    low = np.clip(np.floor(vertices.min(axis=0)), 0, None).astype(int)
    high = np.ceil(vertices.max(axis=0)).astype(int) + 1
    window = np.s_[low[1] : high[1], low[0] : high[0]]
    blurred = inside_polygon(vertices, width, height)[window] & where[window]
    view = pixels[window]
    soft = ndimage.gaussian_filter(view.astype(np.float32), (sigma, sigma, 0))
    view[blurred] = np.rint(soft[blurred]).astype(np.uint8)
    return vertices
