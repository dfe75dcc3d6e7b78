"""The grid of the pictures: slices of the reference, upright, with square pixels of a given size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["SliceGrid", "map_points", "onto_slices", "slice_grid", "within"]

# World axis (right, front, top) that slices are counted along -> world direction of rows going down, of columns going
# right: sagittal pictures look front to left, coronal and axial ones show the patient's right on the left.
_DOWN = {0: (2, -1.0), 1: (2, -1.0), 2: (1, -1.0)}
_RIGHTWARDS = {0: (1, -1.0), 1: (0, -1.0), 2: (0, -1.0)}


@dataclass(frozen=True)
class SliceGrid:
    """Where every pixel of every slice lies.

    Args:
        affine: ``(4, 4)``, index (slice, row, column) to RAS mm.
        shape: slices, rows, columns.
    """

    affine: NDArray[np.float64]
    shape: tuple[int, int, int]

    @property
    def spacing(self) -> NDArray[np.float64]:
        """Distance of slices, rows and columns in mm, ``(3,)``."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)

    def only(self, number: int) -> SliceGrid:
        """Return the grid of one slice.

        Args:
            number: of the slice.
        """
        affine = self.affine.copy()
        affine[:3, 3] += number * affine[:3, 0]
        return SliceGrid(affine, (1, *self.shape[1:]))


def slice_grid(affine: NDArray[np.float64], shape: tuple[int, ...], size: int, spacing_mm: float) -> SliceGrid:
    """Lay the grid of the pictures over a reference volume.

    Slices are those of the reference, across its axis of largest spacing; where two axes come within 1 % of that (an
    isotropic volume), the one nearest to the body's axis, so that pictures are axial. Axial slices count from the feet
    up, coronal ones from the back to the front, sagittal ones from the patient's left to the right; 0 is the first. In
    a picture front (or top) is up, and the patient's right (in sagittal ones the front) is left. A pixel
    lies on the central voxel of the reference, so that a reference of the same spacing is cropped, not interpolated.

    Args:
        affine: ``(4, 4)`` of the reference, voxel index to RAS mm.
        shape: its voxels along X, Y, Z.
        size: rows and columns of a picture.
        spacing_mm: of its pixels.

    Returns:
        The grid.
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    towards = _nearest_world_axes(affine[:3, :3] / spacing)
    thick = [axis for axis in range(3) if spacing[axis] >= 0.99 * spacing.max()]
    across = max(thick, key=lambda axis: towards[axis])
    world = towards[across]
    order = [across, towards.index(_DOWN[world][0]), towards.index(_RIGHTWARDS[world][0])]
    steps = [spacing[across], spacing_mm, spacing_mm]
    signs = [1.0, _DOWN[world][1], _RIGHTWARDS[world][1]]

    grid_shape = (int(shape[across]), size, size)
    grid, middle = np.eye(4), np.zeros(3)
    for column, (axis, step, sign) in enumerate(zip(order, steps, signs)):
        forward = np.sign(affine[towards[axis], axis]) * sign
        grid[:3, column] = forward * affine[:3, axis] / spacing[axis] * step
        middle[axis] = shape[axis] // 2 if forward > 0 else shape[axis] - 1 - shape[axis] // 2
    grid[:3, 3] = map_points(middle, affine) - grid[:3, :3] @ [length // 2 for length in grid_shape]
    return SliceGrid(grid, grid_shape)


def _nearest_world_axes(directions: NDArray[np.float64]) -> list[int]:
    """For each array axis the world axis that it is nearest to, each taken once."""
    from scipy.optimize import linear_sum_assignment

    world, axes = linear_sum_assignment(-np.abs(directions))
    return [int(world[list(axes).index(axis)]) for axis in range(3)]


def onto_slices(
    volume: NDArray[np.float32], affine: NDArray[np.float64], grid: SliceGrid, matrix: NDArray[np.float64] | None = None
) -> NDArray[np.float32]:
    """Sample a volume at the pixels of a grid, once.

    Where pixels are larger than voxels the volume is smoothed first, as ``skimage.transform.resize`` does, with a
    deviation of half the excess of one over the other; outside it is 0.

    Args:
        volume: ``(X, Y, Z)``.
        affine: ``(4, 4)``, voxel index to RAS mm.
        grid: of the pictures.
        matrix: ``(4, 4)``, maps a point of the grid's world to the same point in the volume's; by default they agree.

    Returns:
        ``(S, H, W)`` float32.
    """
    from ....transforms.mri.resampling import resample_volume

    matrix = np.eye(4) if matrix is None else matrix
    step_in_voxels = np.abs(np.linalg.solve(affine, matrix @ grid.affine)[:3, :3]).max(axis=1)
    smoothed = ndimage.gaussian_filter(volume, np.maximum(0.0, (step_in_voxels - 1.0) / 2.0), mode="nearest")
    return resample_volume(smoothed, affine, grid.shape, grid.affine, matrix)


def map_points(points: NDArray[Any], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Apply a matrix of homogeneous coordinates.

    Args:
        points: ``(N, 3)``.
        matrix: ``(4, 4)``.

    Returns:
        ``(N, 3)``.
    """
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def within(index: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Whether voxel indices lie in a volume, its outermost voxels in full.

    Args:
        index: ``(N, 3)``.
        shape: voxels along X, Y, Z.

    Returns:
        ``(N,)``.
    """
    # the tolerance is that of rounding: pixels may lie on the very border
    return np.asarray(((index > -0.5 - 1e-6) & (index < np.array(shape) - 0.5 + 1e-6)).all(axis=1))
