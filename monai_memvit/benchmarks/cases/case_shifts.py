"""How another hospital's images differ: fixed changes of stain, coil and device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

__all__ = ["SHIFTS", "other_coil", "other_device", "other_stain"]

_STAINS = (1.5, 0.6, 1.0)  # haematoxylin, eosin and DAB


def other_stain(image: Tensor) -> Tensor:
    """Half as much haematoxylin again, and little eosin.

    Args:
        image: ``(3, H, W)`` in [0, 1].
    """
    from ...transforms.pathology import RandHedJitter

    jitter = RandHedJitter(sigma=0.0, bias=0.0)
    jitter.factors[:] = _STAINS
    return jitter(torch.as_tensor(image).as_subclass(Tensor), randomize=False)


def other_coil(image: Tensor) -> Tensor:
    """A receive field that falls by a factor of 4 from the front of the head to the back, and a softer picture.

    Args:
        image: ``(C, H, W)``, 0 outside the head.
    """
    plain = torch.as_tensor(image).as_subclass(Tensor)
    field = torch.logspace(0.3, -0.3, plain.shape[1])[:, None]
    blurred = torch.nn.functional.avg_pool2d(plain[None], 3, stride=1, padding=1)[0]
    return torch.where(plain == 0, plain, blurred * field)


def other_device(image: Tensor) -> Tensor:
    """A steeper and darker gradation curve, and detail lost.

    Args:
        image: ``(1, H, W)`` in [0, 1].
    """
    plain = torch.as_tensor(image).as_subclass(Tensor)
    blurred = torch.nn.functional.avg_pool2d(plain[None], 3, stride=1, padding=1)[0]
    return torch.sigmoid(8 * (blurred.clamp(0, 1) ** 1.5 - 0.4))


class _Image:
    """A change of the image of an item."""

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        self.change = change

    def __call__(self, item: Mapping[str, Any]) -> dict[str, Any]:
        return {**item, "image": self.change(item["image"])}


SHIFTS: dict[str, list[Callable[[Mapping[str, Any]], dict[str, Any]]]] = {
    "none": [],
    "stain": [_Image(other_stain)],
    "coil": [_Image(other_coil)],
    "device": [_Image(other_device)],
}
