"""Outlines on a slide: the tissue's, and those of regions in it."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from ..cells import smooth_noise

__all__ = ["inside_polygon", "place_in", "tissue_outline", "uneven_circle"]

_VERTICES = 48


def tissue_outline(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a piece of tissue with an uneven edge and some holes.

    Args:
        width: of the slide in pixels.
        height: of the slide in pixels.
        rng: source of chance.

    Returns:
        ``(height, width)`` float32, 1 in tissue, 0 on glass, the edge between.
    """
    step = 16
    rows, columns = -(-height // step), -(-width // step)
    y, x = (np.linspace(-1, 1, n)[shape] for n, shape in ((rows, np.s_[:, None]), (columns, np.s_[None, :])))
    radius = np.hypot(x / rng.uniform(0.8, 0.92), y / rng.uniform(0.8, 0.92))
    edge = 1 - radius + 0.1 * smooth_noise((rows, columns), rows / 12, rng)
    holes = smooth_noise((rows, columns), 3.0, rng) - 2.1
    depth = np.minimum(edge, -0.25 * holes)
    depth = np.where(_margin(rows, columns), depth, -1.0)
    full = ndimage.zoom(depth.astype(np.float32), step, order=1)[:height, :width]
    return np.clip(0.5 + 60 * full, 0, 1)


def _margin(rows: int, columns: int) -> np.ndarray:
    kept = np.zeros((rows, columns), bool)
    kept[2:-2, 2:-2] = True
    return kept


def uneven_circle(centre: np.ndarray, area: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a region like a circle with an uneven edge.

    Args:
        centre: (x, y).
        area: that it shall have, in pixels.
        rng: source of chance.

    Returns:
        ``(48, 2)`` vertices (x, y).
    """
    angle = 2 * np.pi * np.arange(_VERTICES) / _VERTICES
    radius = np.ones(_VERTICES)
    for wave in (2, 3, 4, 5):
        radius += rng.normal(0, 0.12 / wave) * np.cos(wave * angle + rng.uniform(0, 2 * np.pi))
    shape = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    after = np.roll(shape, -1, axis=0)
    own = 0.5 * abs(float(np.sum(shape[:, 0] * after[:, 1] - after[:, 0] * shape[:, 1])))
    return centre + shape * np.sqrt(area / own)


def inside_polygon(vertices: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return which pixels lie in a polygon, ``(height, width)`` bool.

    Args:
        vertices: ``(N, 2)`` (x, y).
        width: of the picture.
        height: of the picture.
    """
    canvas = Image.new("1", (width, height))
    # Pillow's coordinates are those of pixels' centres, ours begin at the edge of the first.
    ImageDraw.Draw(canvas).polygon([(x - 0.5, y - 0.5) for x, y in vertices.tolist()], fill=1)
    return np.asarray(canvas)


def place_in(tissue: np.ndarray, reach: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a place in the tissue that is far enough from its edge, or as far as there is.

    Args:
        tissue: ``(H, W)`` bool.
        reach: pixels.
        rng: source of chance.

    Returns:
        (x, y) in pixels.
    """
    step = 8
    far = ndimage.distance_transform_edt(np.pad(tissue[::step, ::step], 1))[1:-1, 1:-1] * step
    rows, columns = np.nonzero(far >= min(reach, 0.95 * float(far.max())))
    chosen = int(rng.integers(len(rows)))
    return np.array([columns[chosen], rows[chosen]], float) * step + 0.5
