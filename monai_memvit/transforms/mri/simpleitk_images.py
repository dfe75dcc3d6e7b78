"""The border to SimpleITK: RAS mm and (X, Y, Z) on our side, LPS mm and (z, y, x) arrays on the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from monai.utils import optional_import
from numpy.typing import ArrayLike, NDArray

sitk, _ = optional_import("SimpleITK", descriptor='this needs SimpleITK: pip install "monai_memvit[mri]"')

__all__ = ["affine_of", "from_simpleitk", "matrix_of", "to_simpleitk", "transform_of"]

# RAS <-> LPS: x and y turn round (DICOM PS3.3 C.7.6.2.1.1 is LPS, NIfTI-1 is RAS).
_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])


def to_simpleitk(volume: torch.Tensor | ArrayLike, affine: torch.Tensor | ArrayLike) -> Any:
    """An image of SimpleITK with the same voxels at the same places.

    Args:
        volume: ``(X, Y, Z)``; float32 unless it is float64.
        affine: ``(4, 4)``, voxel index to RAS mm.

    Returns:
        a ``SimpleITK.Image``.

    Raises:
        ValueError: when the shapes are others, or the affine is singular or not finite.
    """
    voxels, matrix = _array(volume), _array(affine).astype(np.float64)
    if voxels.ndim != 3 or matrix.shape != (4, 4):
        raise ValueError(f"a volume (X, Y, Z) and an affine (4, 4) are needed, got {voxels.shape} and {matrix.shape}.")
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:3, :3])) < 1e-12:
        raise ValueError(f"the affine is singular or not finite: {matrix.tolist()}.")
    kind = np.float64 if voxels.dtype == np.float64 else np.float32
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels.T, dtype=kind))
    matrix = _FLIP @ matrix
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((matrix[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(matrix[:3, 3].tolist())
    return image


def from_simpleitk(image: Any) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """The way back.

    Args:
        image: a three-dimensional ``SimpleITK.Image`` of scalars.

    Returns:
        voxels ``(X, Y, Z)``, contiguous, and the ``(4, 4)`` affine, voxel index to RAS mm.
    """
    return np.ascontiguousarray(sitk.GetArrayViewFromImage(image).T), affine_of(image)


def affine_of(image: Any) -> NDArray[np.float64]:
    """Where the voxels of an image are.

    Args:
        image: a three-dimensional ``SimpleITK.Image``.

    Returns:
        ``(4, 4)``, voxel index to RAS mm.
    """
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.asarray(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return _FLIP @ affine


def matrix_of(transform: Any) -> NDArray[np.float64]:
    """A linear transform of SimpleITK (rigid, affine, or several in a row) as a matrix.

    Args:
        transform: maps points in LPS mm.

    Returns:
        ``(4, 4)``: maps the same points in RAS mm.
    """
    matrix = np.eye(4)
    matrix[:3, 3] = transform.TransformPoint((0.0, 0.0, 0.0))
    for axis in range(3):
        unit = [float(axis == other) for other in range(3)]
        matrix[:3, axis] = np.subtract(transform.TransformPoint(unit), matrix[:3, 3])
    return _FLIP @ matrix @ _FLIP


def transform_of(matrix: torch.Tensor | ArrayLike) -> Any:
    """A matrix as a transform of SimpleITK.

    Args:
        matrix: ``(4, 4)``, maps points in RAS mm.

    Returns:
        a ``SimpleITK.AffineTransform`` that maps the same points in LPS mm.
    """
    flipped = _FLIP @ _array(matrix).astype(np.float64) @ _FLIP
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(flipped[:3, :3].ravel().tolist())
    transform.SetTranslation(flipped[:3, 3].tolist())
    return transform


def _array(values: torch.Tensor | ArrayLike) -> NDArray[Any]:
    # as_subclass: a MetaTensor's own numpy() walks through its metadata
    return (
        values.detach().as_subclass(torch.Tensor).cpu().numpy()
        if isinstance(values, torch.Tensor)
        else np.asarray(values)
    )
