"""Means of a picture over many boxes at once, by an integral image."""

from __future__ import annotations

import numpy as np

__all__ = ["box_means"]


def box_means(
    values: np.ndarray, left: np.ndarray, right: np.ndarray, top: np.ndarray, bottom: np.ndarray
) -> np.ndarray:
    """Return the mean over each box; what of it lies outside the picture counts as 0.

    The picture is summed up once (Crow, SIGGRAPH 1984). Edges may lie between pixels: a pixel counts by the part of it
    that is inside.

    Args:
        values: ``(H, W)`` numbers or bool.
        left: ``(N,)`` edges in pixels, 0 the left edge of the first.
        right: ``(N,)``, beyond ``left``.
        top: ``(N,)``.
        bottom: ``(N,)``, beyond ``top``.

    Returns:
        ``(N,)`` float64.
    """
    kind = np.int64 if values.dtype.kind in "bui" else np.float64
    total = np.zeros((values.shape[0] + 1, values.shape[1] + 1), kind)
    np.cumsum(values, axis=0, dtype=kind, out=total[1:, 1:])
    np.cumsum(total[1:, 1:], axis=1, out=total[1:, 1:])
    sums = _sum_to(total, bottom, right) - _sum_to(total, bottom, left)
    sums -= _sum_to(total, top, right) - _sum_to(total, top, left)
    return sums / ((right - left) * (bottom - top))


def _sum_to(total: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """The sum above a row and left of a column; bilinear between whole ones, which is exact."""
    row, column = np.clip(row, 0, total.shape[0] - 1), np.clip(column, 0, total.shape[1] - 1)
    r, c = np.minimum(row.astype(int), total.shape[0] - 2), np.minimum(column.astype(int), total.shape[1] - 2)
    down, right = row - r, column - c
    above = total[r, c] * (1 - right) + total[r, c + 1] * right
    below = total[r + 1, c] * (1 - right) + total[r + 1, c + 1] * right
    return np.asarray(above * (1 - down) + below * down, np.float64)
