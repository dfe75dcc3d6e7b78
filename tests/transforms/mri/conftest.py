"""A head by formula, which can be scanned on any grid in any pose: the truth is known to the last digit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import torch
from monai.data.meta_tensor import MetaTensor
from scipy import ndimage
from scipy.spatial.transform import Rotation

# grey values of air, scalp, skull, fluid, grey matter, white matter, lesion
_CONTRAST = {
    "t1gd": (0.0, 0.8, 0.1, 0.2, 0.5, 0.7, 1.0),
    "t1": (0.0, 0.8, 0.1, 0.2, 0.5, 0.7, 0.4),
    "t2": (0.0, 0.4, 0.1, 1.0, 0.6, 0.4, 0.8),
    "flair": (0.0, 0.4, 0.1, 0.1, 0.6, 0.5, 0.9),
}
_STEP_MM = 2.0
_LATTICE = np.stack([np.arange(-110.0, 110.1, _STEP_MM)] * 3)  # along x, y and z


@dataclass(frozen=True)
class Head:
    """One head; its centre is the world's."""

    def volume(
        self,
        sequence: str = "t1gd",
        spacing: tuple[float, float, float] = (3.0, 3.0, 3.0),
        pose: np.ndarray | None = None,
        noise: float = 0.03,
        seed: int = 0,
        centre: tuple[float, float, float] = (0.0, 0.0, 0.0),
        turned: tuple[float, float, float] = (0.0, 0.0, 0.0),
    ) -> MetaTensor:
        """Scan; ``pose`` maps the head's points to the world's; the field of view lies about ``centre``, ``turned``."""
        shape = tuple(round(side / size) for side, size in zip((192, 216, 180), spacing))
        affine = np.eye(4)
        affine[:3, :3] = Rotation.from_euler("xyz", turned, degrees=True).as_matrix() * np.asarray(spacing)
        affine[:3, 3] = np.asarray(centre) - affine[:3, :3] @ ((np.asarray(shape) - 1) / 2)
        index = np.stack([*np.indices(shape), np.ones(shape)], axis=-1).reshape(-1, 4)
        to_head = (np.eye(4) if pose is None else np.linalg.inv(pose)) @ affine
        places = (index @ to_head.T)[:, :3]
        voxel = (places - _LATTICE[:, 0, None].T) / _STEP_MM
        clean = ndimage.map_coordinates(_contrast(sequence), voxel.T, order=1, prefilter=False)
        rng = np.random.default_rng(seed)
        shaded = clean * (1 + 0.002 * places[:, 0])
        real, imaginary = noise * rng.standard_normal((2, len(index)))
        voxels = 1000 * np.hypot(shaded + real, imaginary).reshape(1, *shape)
        return MetaTensor(torch.from_numpy(voxels.astype(np.float32)), affine=torch.from_numpy(affine))

    def points(self) -> np.ndarray:
        """Homogeneous points in the brain, (N, 4)."""
        axis = np.arange(-60.0, 61.0, 12.0)
        points = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)
        points = points[tissue(points) >= 3]
        return np.c_[points, np.ones(len(points))]

    def error_mm(self, found: object, truth: np.ndarray) -> np.ndarray:
        """Target registration error at the points of the brain."""
        return np.linalg.norm((self.points() @ (np.asarray(found) - truth).T)[:, :3], axis=1)


def tissue(points: np.ndarray) -> np.ndarray:
    """Which tissue there is at points (N, 3)."""

    def inside(radii: tuple[float, ...], at: tuple[float, ...] = (0, 0, 0)) -> np.ndarray:
        return (((points - at) / radii) ** 2).sum(1)

    x, y, z = points.T
    folds = np.sin(x / 5) * np.sin(y / 6 + 1) * np.sin(z / 6 + 2)
    label = np.zeros(len(points), dtype=int)
    for value, radii in ((1, (72, 94, 80)), (2, (67, 89, 75)), (3, (63, 85, 71)), (4, (60, 82, 68))):
        label[inside(radii) < 1] = value
    label[inside((52, 73, 60)) + 0.3 * folds < 0.9] = 5
    rng = np.random.default_rng(8)
    for value in [3, 4] * 25:
        nucleus = inside(rng.uniform(5, 14, 3), rng.uniform(-1, 1, 3) * (38, 55, 44)) < 1
        label[nucleus & (label == 5)] = value
    label[inside((16, 14, 15), (32, 30, 14)) < 1] = 6
    label[inside((14, 40, 18), (0, 60, -66)) < 1] = 1  # a face: a head is no ball
    return label


@cache
def _labels() -> np.ndarray:
    points = np.stack(np.meshgrid(*_LATTICE, indexing="ij"), axis=-1)
    return tissue(points.reshape(-1, 3)).reshape(points.shape[:3])


@cache
def _contrast(sequence: str) -> np.ndarray:
    return ndimage.gaussian_filter(np.array(_CONTRAST[sequence])[_labels()], 0.5)


@pytest.fixture(scope="session")
def head() -> Head:
    """The one head."""
    return Head()


@pytest.fixture(scope="session")
def rigid() -> Callable[..., np.ndarray]:
    """Make a 4 x 4 matrix of Euler angles in degrees and a shift in mm."""

    def make(angles: tuple[float, float, float], shift: tuple[float, float, float]) -> np.ndarray:
        matrix = np.eye(4)
        matrix[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
        matrix[:3, 3] = shift
        return matrix

    return make
