"""What the stain transforms take for a tile, and how they give it back."""

from __future__ import annotations

import torch
from monai.data.meta_tensor import MetaTensor
from monai.utils import convert_to_tensor
from torch import Tensor

__all__ = ["StainError", "like_tile", "require_rgb"]


class StainError(ValueError):
    """A tile whose stains cannot be told; the message says why."""


def require_rgb(img: Tensor) -> Tensor:
    """Return the plain pixels of a tile.

    Args:
        img: ``(3, H, W)`` RGB, uint8 or floating point in [0, 1].

    Raises:
        ValueError: where it is none.
    """
    pixels: Tensor = convert_to_tensor(img, track_meta=False)
    if pixels.ndim != 3 or pixels.shape[0] != 3 or not pixels.numel():
        raise ValueError(f"the tile has shape {tuple(pixels.shape)}, not (3, H, W): give one RGB tile, channels first")
    if pixels.dtype == torch.uint8:
        return pixels
    if not pixels.is_floating_point():
        raise ValueError(f"the tile holds {pixels.dtype}: give uint8, or floating point in [0, 1]")
    low, high = (float(value) for value in torch.aminmax(pixels))
    if not (low >= 0 and high <= 1):
        raise ValueError(f"the tile holds values from {low:g} to {high:g}: give uint8, or floating point in [0, 1]")
    return pixels


def like_tile(values: Tensor, img: Tensor) -> Tensor:
    """Return values in [0, 1] as the tile was: its type, and its metadata where it has some.

    Args:
        values: ``(3, H, W)`` in [0, 1].
        img: the tile.
    """
    same = values.mul(255).round_().to(torch.uint8) if img.dtype == torch.uint8 else values.to(img.dtype)
    return MetaTensor(same).copy_meta_from(img) if isinstance(img, MetaTensor) else same
