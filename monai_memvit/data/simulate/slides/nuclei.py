"""Thousands of nuclei on a slide, from a stock of stamps per class of cells."""

from __future__ import annotations

import numpy as np

from ..cells import CellClass, smooth_noise

__all__ = ["nucleus_stamps", "scatter", "stamp_nuclei"]

_MPP = 0.5  # of the sizes in CellClass


def nucleus_stamps(cell: CellClass, mpp: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw nuclei of a class, each in the middle of its stamp.

    Args:
        cell: the class; its radius, elongation, irregularity, density, granularity, grain and rim are used.
        mpp: micrometres per pixel of the stamps.
        count: n.
        rng: source of chance.

    Returns:
        Haematoxylin, ``(n, side, side)`` float32.
    """
    scale = _MPP / mpp
    half = int(np.ceil(1.3 * cell.radius[1] * cell.elongation[1] ** 0.5 * scale)) + 1
    axis = np.arange(-half, half + 1) / scale
    return np.stack([_stamp(cell, axis, scale, rng) for _ in range(count)]).astype(np.float32)


def _stamp(cell: CellClass, axis: np.ndarray, scale: float, rng: np.random.Generator) -> np.ndarray:
    radius, stretch = rng.uniform(*cell.radius), rng.uniform(*cell.elongation) ** 0.5
    direction = rng.uniform(0, np.pi)
    y, x = axis[:, None], axis[None, :]
    along = (x * np.cos(direction) + y * np.sin(direction)) / (radius * stretch)
    across = (y * np.cos(direction) - x * np.sin(direction)) / (radius / stretch)
    around = np.arctan2(across, along)
    depth = rng.uniform(*cell.irregularity)
    dents = sum(rng.normal(0, depth / n**0.5) * np.cos(n * around + rng.uniform(0, 2 * np.pi)) for n in (2, 3, 4))
    level = np.hypot(along, across) - (1 + 0.6 * dents)
    inside = 1 / (1 + np.exp(np.clip(4 * scale * radius / stretch * level, -30, 30)))
    grains = smooth_noise((len(axis), len(axis)), rng.uniform(*cell.grain) * scale, rng)
    chromatin = 1 + 0.7 * rng.uniform(*cell.granularity) * grains
    rim = rng.uniform(*cell.rim) * np.exp(-(((level + 0.08) / 0.13) ** 2))
    return inside * rng.uniform(*cell.density) * np.clip(chromatin + rim, 0.15, None)


def scatter(where: np.ndarray, spacing: float, rng: np.random.Generator) -> np.ndarray:
    """Draw places about as far from each other as wanted: a grid, each point moved by up to 0.4 of its step.

    Args:
        where: ``(H, W)`` bool, where places may be.
        spacing: pixels from one to the next.
        rng: source of chance.

    Returns:
        ``(N, 2)`` int (row, column).
    """
    height, width = where.shape
    grid = np.stack(np.meshgrid(np.arange(0, height, spacing), np.arange(0, width, spacing), indexing="ij"), axis=-1)
    places = grid.reshape(-1, 2) + rng.uniform(-0.4, 0.4, (grid[..., 0].size, 2)) * spacing
    rows = np.rint(places).astype(int)
    rows = rows[((rows >= 0) & (rows < where.shape)).all(axis=1)]
    return rows[where[rows[:, 0], rows[:, 1]]]


def stamp_nuclei(haematoxylin: np.ndarray, places: np.ndarray, stamps: np.ndarray, rng: np.random.Generator) -> None:
    """Put nuclei on a slide, in place; where they overlap, the denser one shows.

    Args:
        haematoxylin: ``(H, W)`` float32.
        places: ``(N, 2)`` (row, column); those too near to the slide's edge are left out.
        stamps: of :func:`nucleus_stamps`.
        rng: source of chance: which stamp, and how it is turned.
    """
    half = stamps.shape[1] // 2
    limits = np.array(haematoxylin.shape) - half
    kept = places[((places >= half) & (places < limits)).all(axis=1)]
    which, turns = rng.integers(len(stamps), size=len(kept)), rng.integers(4, size=len(kept))
    turned = [[np.ascontiguousarray(np.rot90(stamp, turn)) for turn in range(4)] for stamp in stamps]
    for (row, column), number, turn in zip(kept.tolist(), which.tolist(), turns.tolist(), strict=True):
        target = haematoxylin[row - half : row + half + 1, column - half : column + half + 1]
        np.maximum(target, turned[number][turn], out=target)
