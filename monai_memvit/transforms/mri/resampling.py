"""One volume on another grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from monai.utils import optional_import
from numpy.typing import ArrayLike, NDArray

from .simpleitk_images import from_simpleitk, to_simpleitk, transform_of

sitk, _ = optional_import("SimpleITK", descriptor='this needs SimpleITK: pip install "monai_memvit[mri]"')

__all__ = ["Interpolation", "check_interpolation", "resample_volume"]

Interpolation = Literal["linear", "bspline"]


def check_interpolation(name: str) -> None:
    """Refuse an unknown interpolation.

    Args:
        name: of it.

    Raises:
        ValueError: when it is neither ``linear`` nor ``bspline``.
    """
    if name not in ("linear", "bspline"):
        raise ValueError(f'interpolation must be "linear" or "bspline", got {name!r}.')


def resample_volume(
    volume: torch.Tensor | ArrayLike,
    affine: torch.Tensor | ArrayLike,
    shape: Sequence[int],
    target_affine: torch.Tensor | ArrayLike,
    matrix: torch.Tensor | ArrayLike,
    interpolation: Interpolation = "linear",
) -> NDArray[np.float32]:
    """Sample a volume at the voxels of a grid.

    Args:
        volume: ``(X, Y, Z)``.
        affine: ``(4, 4)`` of the volume, voxel index to RAS mm.
        shape: of the grid, ``(X', Y', Z')``.
        target_affine: ``(4, 4)`` of the grid, voxel index to RAS mm.
        matrix: ``(4, 4)``, maps points of the grid's world to the volume's, RAS mm.
        interpolation: linear, or cubic B-splines cut to the volume's range.

    Returns:
        ``(X', Y', Z')``; 0 outside the volume.
    """
    image = to_simpleitk(volume, affine)
    kind: Any = sitk.sitkLinear if interpolation == "linear" else sitk.sitkBSpline
    grid = to_simpleitk(np.broadcast_to(np.float32(0), tuple(shape)), target_affine)
    moved = sitk.Resample(image, grid, transform_of(matrix), kind, 0.0, sitk.sitkFloat32)
    voxels = from_simpleitk(moved)[0]
    if interpolation == "bspline":
        values = sitk.GetArrayViewFromImage(image)
        np.clip(voxels, min(values.min(), 0), max(values.max(), 0), out=voxels)  # 0: outside
    return voxels
