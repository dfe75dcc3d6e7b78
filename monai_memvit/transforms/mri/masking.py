"""A mask that fits its image, or an error that says why it does not."""

from __future__ import annotations

from typing import Any

from monai.data.meta_tensor import MetaTensor
from monai.utils import convert_to_tensor
from torch import Tensor

from .geometry import same_grid

__all__ = ["fitting_mask"]


def fitting_mask(mask: Any, image: Tensor, name: str) -> Tensor:
    """Check a mask against its image.

    Args:
        mask: tensor or array ``(1, *spatial)`` or ``(*spatial)``, above 0 inside; where both are MetaTensors of
            volumes, it must lie on the image's grid in space.
        image: ``(C, *spatial)``.
        name: of the image, for the error.

    Returns:
        plain bool tensor ``(1, *spatial)`` on the image's device, with at least one True.

    Raises:
        ValueError: for another shape or grid, NaN, or an empty mask.
    """
    mask = convert_to_tensor(mask, track_meta=isinstance(mask, MetaTensor))
    mask = mask[None] if mask.ndim == image.ndim - 1 else mask
    inside = mask.as_subclass(Tensor).to(image.device)
    if inside.shape != (1, *image.shape[1:]):
        raise ValueError(
            f"{name}: the mask has shape {tuple(inside.shape)}, the image {tuple(image.shape)}: "
            "a mask (1, *spatial) with the image's spatial shape is needed."
        )
    if (
        isinstance(mask, MetaTensor)
        and isinstance(image, MetaTensor)
        and image.ndim == 4
        and not same_grid(mask, image)
    ):
        raise ValueError(f"{name}: the mask lies on another grid in space: resample it to the image first.")
    if inside.is_floating_point() and not inside.isfinite().all():
        raise ValueError(f"{name}: the mask holds NaN or infinity: correct the mask.")
    inside = inside > 0
    if not inside.any():
        raise ValueError(f"{name}: the mask is empty: give another one, or leave the case out.")
    return inside
