"""Smooth random fields and signed distances: what a continuous anatomy is built from."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

__all__ = ["Points", "SplineNoise", "capsule", "cover", "ellipsoid"]

Points = tuple[np.ndarray, np.ndarray, np.ndarray]
Triple = tuple[float, float, float]

# Standard deviation of a cubic B-spline with unit random coefficients: the integral of its square is 151 / 315 an axis.
_SPLINE_DEVIATION = (151.0 / 315.0) ** 1.5


class SplineNoise:
    """Random field of mean 0 and deviation 1: a cubic B-spline with random coefficients, so a function of the point.

    Args:
        knots: distance of the spline's knots in mm; the field varies over about twice as much.
        reach: it is defined where every coordinate is within ± ``reach`` mm.
        rng: source of chance.
    """

    def __init__(self, knots: float, reach: float, rng: np.random.Generator) -> None:
        self.knots = knots
        self.half = int(np.ceil(reach / knots)) + 2
        coefficients = rng.standard_normal((2 * self.half + 1,) * 3) / _SPLINE_DEVIATION
        self.coefficients = coefficients.astype(np.float32)

    def at(self, points: Points) -> np.ndarray:
        """Evaluate the field at any points.

        Args:
            points: x, y and z in mm, broadcast against each other.

        Returns:
            Values, float32, in the broadcast shape.
        """
        index = np.stack(np.broadcast_arrays(*points)) / np.float32(self.knots) + np.float32(self.half)
        return ndimage.map_coordinates(self.coefficients, index, order=3, prefilter=False, mode="nearest")

    def on(self, axes: Points) -> np.ndarray:
        """Evaluate the field on a lattice, which is much faster than point by point.

        Args:
            axes: coordinates along x, y and z in mm, of any shape with one long axis each.

        Returns:
            Values, float32 ``(X, Y, Z)``.
        """
        x, y, z = (self._weights(axis.ravel()) for axis in axes)
        field = np.tensordot(x, self.coefficients, axes=(1, 0))
        field = np.tensordot(field, y, axes=(1, 1)).transpose(0, 2, 1)
        return np.tensordot(field, z, axes=(2, 1))

    def _weights(self, axis: np.ndarray) -> np.ndarray:
        distance = np.abs(axis[:, None] / self.knots + self.half - np.arange(2 * self.half + 1))
        near = 2.0 / 3.0 - distance**2 + distance**3 / 2.0
        return np.where(distance < 1.0, near, np.clip(2.0 - distance, 0.0, None) ** 3 / 6.0).astype(np.float32)


def ellipsoid(points: Points, centre: Triple, axes: Triple) -> np.ndarray:
    """Distance to the surface of an ellipsoid to first order, in mm, positive inside.

    Args:
        points: x, y and z in mm.
        centre: of the ellipsoid.
        axes: its half-axes in mm.
    """
    x, y, z = (np.square((p - c) * (1.0 / a)) for p, c, a in zip(points, centre, axes))
    a, b, c = (1.0 / axis**2 for axis in axes)
    radius, slope = np.sqrt(x + y + z), np.sqrt(x * a + y * b + z * c)
    return (1.0 - radius) * (radius + 1e-3) / (slope + 1e-3 / max(axes))


def capsule(points: Points, ends: tuple[Triple, Triple], radii: tuple[float, float]) -> np.ndarray:
    """Distance to the surface of a rod with round ends, in mm, positive inside.

    Args:
        points: x, y and z in mm.
        ends: the two ends of its axis.
        radii: its radius at each end in mm.
    """
    x, y, z = (p - s for p, s in zip(points, ends[0]))
    a, b, c = (e - s for s, e in zip(*ends))
    share = np.clip((x * a + y * b + z * c) / (a * a + b * b + c * c), 0.0, 1.0)
    off = np.sqrt(np.square(x - share * a) + np.square(y - share * b) + np.square(z - share * c))
    return radii[0] + (radii[1] - radii[0]) * share - off


def cover(distance: np.ndarray, width: float) -> np.ndarray:
    """Share of a small voxel that lies inside, from the distance to the surface: a linear ramp.

    Args:
        distance: signed distance in mm, positive inside.
        width: of the voxel in mm.

    Returns:
        Values from 0 to 1.
    """
    return np.clip(0.5 + distance / width, 0.0, 1.0).astype(np.float32)
