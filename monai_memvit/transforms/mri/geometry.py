"""Is this one three-dimensional volume that has a place in space, and do two of them share a grid?"""

from __future__ import annotations

import torch
from monai.data.meta_tensor import MetaTensor

__all__ = ["check_volume", "same_grid"]


def same_grid(a: MetaTensor, b: MetaTensor, tolerance_mm: float = 1e-3) -> bool:
    """Whether voxel (i, j, k) is at the same place in both.

    Args:
        a: ``(C, X, Y, Z)`` with an affine in mm.
        b: another.
        tolerance_mm: how far apart equal corners may be, for rounding in headers.

    Returns:
        True when the spatial shapes agree and no corner is further off.
    """
    if a.shape[1:] != b.shape[1:]:
        return False
    last = [float(n - 1) for n in a.shape[1:]]
    corners = torch.cartesian_prod(*(torch.tensor([0.0, n], dtype=torch.float64) for n in last))
    corners = torch.cat([corners, torch.ones(len(corners), 1, dtype=torch.float64)], dim=1)
    apart = corners @ (_affine(a) - _affine(b)).T
    return bool(apart.norm(dim=1).max() <= tolerance_mm)


def check_volume(volume: MetaTensor, name: str) -> None:
    """Refuse what is not one usable three-dimensional volume.

    Args:
        volume: what was loaded, channel first.
        name: of the sequence or file, for the error.

    Raises:
        ValueError: when it is not ``(1, X, Y, Z)``, has no affine, a singular or non-finite one, NaN or infinite
            voxels, or the same value everywhere.
    """
    if not isinstance(volume, MetaTensor):
        raise ValueError(f"{name} has no affine (it is a {type(volume).__name__}): load it as a MetaTensor.")
    _check_shape(tuple(volume.shape), name)
    affine = _affine(volume)
    if affine.shape != (4, 4) or not affine.isfinite().all():
        raise ValueError(
            f"{name}: the affine {affine.tolist()} is not a finite 4 x 4 matrix: correct the file's header."
        )
    columns = affine[:3, :3].norm(dim=0)
    if columns.min() <= 0 or torch.linalg.det(affine[:3, :3] / columns).abs() < 1e-3:
        raise ValueError(f"{name}: the affine {affine.tolist()} is singular: correct the file's header.")
    voxels = volume.as_tensor()
    if broken := int((~torch.isfinite(voxels)).sum()):
        raise ValueError(f"{name}: {broken} voxels are NaN or infinite: replace them, or leave the sequence out.")
    if voxels.min() == voxels.max():
        raise ValueError(f"{name}: all voxels are {float(voxels.min()):g}, there is no image: leave the sequence out.")


def _check_shape(shape: tuple[int, ...], name: str) -> None:
    if len(shape) == 4 and shape[0] == 1 and min(shape) > 0:
        return
    if len(shape) >= 4 and min(shape) > 0:
        remedy = f"it holds {shape[0]} volumes or more (4-D): extract the one that is meant into a file of its own"
    else:
        remedy = "load it with a channel axis in front (EnsureChannelFirst)"
    raise ValueError(f"{name}: one volume (1, X, Y, Z) is needed, got shape {shape}: {remedy}.")


def _affine(volume: MetaTensor) -> torch.Tensor:
    return volume.affine.as_subclass(torch.Tensor).to("cpu", torch.float64)
