"""Shapes on the plane of a film, in mm: what a simulated chest is drawn with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["Plane", "Point", "add_rod", "enlarge", "rise", "smooth_noise"]

Point = tuple[float, float]


@dataclass(frozen=True)
class Plane:
    """Pixel centres of a film; x goes to the right of the film (the patient's left), y down, 0 is the middle.

    Args:
        rows: number of rows.
        columns: number of columns.
        spacing: of pixels in mm.
    """

    rows: int
    columns: int
    spacing: float

    @cached_property
    def x(self) -> np.ndarray:
        """Float32 (1, columns), in mm."""
        return self._axis(self.columns)[None, :]

    @cached_property
    def y(self) -> np.ndarray:
        """Float32 (rows, 1), in mm."""
        return self._axis(self.rows)[:, None]

    def _axis(self, count: int) -> np.ndarray:
        return ((np.arange(count) - (count - 1) / 2) * self.spacing).astype(np.float32)

    def coarser(self, spacing: float) -> Plane:
        """The same field in pixels of at least ``spacing`` mm.

        Args:
            spacing: in mm.
        """
        if spacing <= self.spacing:
            return self
        factor = self.spacing / spacing
        rows, columns = (max(2, round(count * factor)) for count in (self.rows, self.columns))
        return Plane(rows, columns, self.rows * self.spacing / rows)

    def window(self, low: Point, high: Point) -> tuple[slice, slice]:
        """Rows and columns of a box.

        Args:
            low: its least x and y in mm.
            high: its greatest.
        """
        return self._range(self.y, low[1], high[1]), self._range(self.x, low[0], high[0])

    def _range(self, axis: np.ndarray, low: float, high: float) -> slice:
        first, last = np.searchsorted(axis.ravel(), (low, high))
        return slice(int(first), int(last))


def rise(distance: np.ndarray, width: float) -> np.ndarray:
    """A soft edge: 0 outside, and towards 1 with the distance inside.

    Args:
        distance: to the edge in mm, positive inside.
        width: over which it rises by 63 %, in mm.
    """
    return 1.0 - np.exp(-np.maximum(distance, 0.0) / width)


def add_rod(image: np.ndarray, plane: Plane, ends: tuple[Point, Point], radius: float, strength: float) -> None:
    """Add the shadow of a rod with round ends, in place.

    Args:
        image: float32, on ``plane``.
        plane: of the image.
        ends: its ends in mm.
        radius: in mm.
        strength: of its middle line.
    """
    (x0, y0), (x1, y1) = ends
    reach = radius + plane.spacing
    rows, columns = plane.window((min(x0, x1) - reach, min(y0, y1) - reach), (max(x0, x1) + reach, max(y0, y1) + reach))
    x, y = plane.x[:, columns] - x0, plane.y[rows] - y0
    length = max((x1 - x0) ** 2 + (y1 - y0) ** 2, 1e-6)
    along = np.clip((x * (x1 - x0) + y * (y1 - y0)) / length, 0.0, 1.0)
    off = np.square(x - along * (x1 - x0)) + np.square(y - along * (y1 - y0))
    image[rows, columns] += strength * np.sqrt(np.maximum(1.0 - off / radius**2, 0.0))


def smooth_noise(plane: Plane, scale: float, rng: np.random.Generator) -> np.ndarray:
    """A random field of mean 0 and deviation about 1 that varies over ``scale`` mm, linear between its knots.

    Args:
        plane: where.
        scale: distance of the knots in mm.
        rng: source of chance.
    """
    shape = [int(count * plane.spacing / scale) + 2 for count in (plane.rows, plane.columns)]
    return enlarge(rng.standard_normal(shape).astype(np.float32), plane.rows, plane.columns) * np.float32(1.5)


def enlarge(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Interpolate linearly; pixels are areas, so the outer edges of both images fall together.

    Args:
        image: float32 ``(h, w)``.
        rows: wanted.
        columns: wanted.

    Returns:
        float32 ``(rows, columns)``.
    """
    return _stretch(_stretch(image, rows).T, columns).T


def _stretch(image: np.ndarray, count: int) -> np.ndarray:
    if len(image) == count:
        return image
    place = np.clip((np.arange(count) + 0.5) * len(image) / count - 0.5, 0, len(image) - 1)
    low = np.minimum(place.astype(int), max(len(image) - 2, 0))
    share = (place - low).astype(np.float32)[:, None]
    return image[low] * (1 - share) + image[np.minimum(low + 1, len(image) - 1)] * share
