"""Whether a volume can be of a head: wrong units of length show here before they spoil every slice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .sequence_places import affine_of

if TYPE_CHECKING:
    from monai.data.meta_tensor import MetaTensor

__all__ = ["check_head_size"]

_VOXEL_MM = (0.1, 20.0)
_LEAST_MM = 50.0


def check_head_size(volume: MetaTensor, name: str) -> None:
    """Refuse voxels and volumes of a size that no examination of a head has.

    Args:
        volume: ``(1, X, Y, Z)``.
        name: of the sequence and its file, for the error.

    Raises:
        ValueError: where a voxel measures less than 0.1 or more than 20 mm, or where two of the three sides are shorter
            than 50 mm; a slab of few slices may be thin.
    """
    spacing = np.linalg.norm(affine_of(volume)[:3, :3], axis=0)
    sides = spacing * volume.shape[1:]
    wrong = ""
    if spacing.min() < _VOXEL_MM[0] or spacing.max() > _VOXEL_MM[1]:
        wrong = f"has voxels of {_by(spacing)} mm, {_VOXEL_MM[0]:g} to {_VOXEL_MM[1]:g} mm can be"
    elif np.sort(sides)[1] < _LEAST_MM:
        wrong = f"is {_by(sides)} mm large, a head does not fit in"
    if wrong:
        raise ValueError(f"{name} {wrong}: correct unit and voxel size in the file's header, or leave the sequence out")


def _by(sizes: np.ndarray) -> str:
    return " x ".join(f"{size:.3g}" for size in sizes)
