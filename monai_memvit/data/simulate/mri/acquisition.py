"""What a scanner makes of a head: voxels of its own grid, an uneven coil, and noise."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from .fields import SplineNoise

__all__ = ["Grid", "bias_field", "rician", "sample"]

_COIL_KNOTS = 90.0


@dataclass(frozen=True)
class Grid:
    """Axial slices, stored as DICOM has them: columns to the left, rows to the back, slices to the top.

    Args:
        size: number of columns, rows and slices.
        spacing: distance of voxel centres along them in mm.
        tilt_deg: rotation of the slices about the line between the ears, as planned by the radiographer, in degrees.
    """

    size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    tilt_deg: float = 0.0

    def __post_init__(self) -> None:
        if min(self.size) < 1 or not all(np.isfinite(step) and step > 0.0 for step in self.spacing):
            raise ValueError(f"grid of {self.size} voxels, {self.spacing} mm apart: give positive numbers")

    def affine(self, centre: np.ndarray) -> np.ndarray:
        """Place the grid.

        Args:
            centre: world point (RAS, mm) of its middle, ``(3,)``.

        Returns:
            Voxel index to world, ``(4, 4)``.
        """
        matrix = np.eye(4)
        turn = Rotation.from_euler("x", self.tilt_deg, degrees=True).as_matrix()
        matrix[:3, :3] = turn @ np.diag(np.array([-1.0, -1.0, 1.0]) * self.spacing)
        matrix[:3, 3] = centre - matrix[:3, :3] @ (np.array(self.size) - 1.0) / 2.0
        return matrix


def sample(lattice: np.ndarray, lattice_affine: np.ndarray, grid: Grid, affine: np.ndarray) -> np.ndarray:
    """Average a finely known quantity over the voxels of a grid, so that partial volumes arise as in a scanner.

    Args:
        lattice: the quantity at the nodes of a fine lattice, ``(X, Y, Z)``; 0 outside.
        lattice_affine: node index to world as the grid sees it, ``(4, 4)``.
        grid: the voxels.
        affine: voxel index to world, ``(4, 4)``.

    Returns:
        Mean over each voxel's box, float32 of ``grid.size``.
    """
    to_node = np.linalg.inv(lattice_affine) @ affine
    fineness = float(np.min(np.linalg.norm(lattice_affine[:3, :3], axis=0)))
    counts = [max(1, int(step / fineness)) for step in grid.spacing]
    total = np.zeros(grid.size, dtype=np.float32)
    box = _reached(lattice, to_node, grid.size)
    first, part = np.array([side.start for side in box]), total[box]
    for offset in product(*(((np.arange(count) + 0.5) / count - 0.5).tolist() for count in counts)):
        start = to_node[:3, :3] @ (first + offset) + to_node[:3, 3]
        part += ndimage.affine_transform(
            lattice, to_node[:3, :3], start, part.shape, output=np.float32, order=1, mode="constant"
        )
    return total / np.float32(np.prod(counts))


def _reached(lattice: np.ndarray, to_node: np.ndarray, size: tuple[int, int, int]) -> tuple[slice, slice, slice]:
    """Box of voxels outside of which nothing but zeros is met."""
    filled = [np.flatnonzero(lattice.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    if not len(filled[0]):
        return slice(0, 0), slice(0, 0), slice(0, 0)
    corners = np.array(list(product(*((side[0] - 1.0, side[-1] + 1.0) for side in filled))))
    index = (corners - to_node[:3, 3]) @ np.linalg.inv(to_node[:3, :3]).T
    low = np.clip(np.floor(index.min(axis=0)).astype(int) - 1, 0, size)
    high = np.clip(np.ceil(index.max(axis=0)).astype(int) + 2, low, size)
    x, y, z = (slice(int(start), int(stop)) for start, stop in zip(low, high))
    return x, y, z


def bias_field(grid: Grid, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Draw the sensitivity of a receiver coil: smooth, fixed to the scanner and not to the head.

    Args:
        grid: the voxels.
        strength: largest departure from 1 in the field of view: values lie between ``exp(±strength)``.
        rng: source of chance.

    Returns:
        Factors, float32 of ``grid.size``.
    """
    x, y, z = ((np.arange(n) - (n - 1) / 2) * step for n, step in zip(grid.size, grid.spacing))
    field = SplineNoise(_COIL_KNOTS, max(x[-1], y[-1], z[-1]), rng).on((x, y, z))
    field -= field.mean()
    return np.exp(field * np.float32(strength / max(float(np.abs(field).max()), 1e-6)))


def rician(signal: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Take the magnitude of a signal with Gaussian noise in its real and its imaginary part.

    Args:
        signal: without noise.
        sigma: standard deviation of the noise in each part.
        rng: source of chance.

    Returns:
        Non-negative values, float32: without signal they follow Rayleigh's law.
    """
    real, imaginary = (rng.standard_normal(signal.shape, dtype=np.float32) * np.float32(sigma) for _ in range(2))
    return np.hypot(signal + real, imaginary).astype(np.float32)
