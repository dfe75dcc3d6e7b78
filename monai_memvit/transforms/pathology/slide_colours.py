"""The colours of a whole slide brought to one scale, so that laboratories and scanners differ less."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from torch import Tensor

__all__ = [
    "StandardizeSlideColoursD",
    "StandardizeSlideColoursDict",
    "StandardizeSlideColoursd",
    "standardized_colours",
]

_DARKEST_SPREAD = 1e-3  # of shares of 255; below, a channel is one colour


class StandardizeSlideColoursd(MapTransform):
    """Subtracts from every colour channel its mean over all tiles of the slide, and divides by its deviation.

    Mean and deviation of a stained section tell the laboratory rather than the disease (Reinhard et al. 2001 move them
    to those of a reference); a small lesion hardly changes them. Tiles keep their differences, which
    :class:`MacenkoNormalize`, tile by tile, partly removes.

    Args:
        keys: of tiles ``(N, C, P, P)``, uint8 or floating point in [0, 1].
        allow_missing_keys: whether an item may lack a key.
    """

    def __init__(self, keys: KeysCollection, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Standardise.

        Args:
            data: item.

        Returns:
            the item with tiles in float32.
        """
        done = dict(data)
        for key in self.key_iterator(done):
            tiles = done[key]
            pixels = tiles.float() / 255 if tiles.dtype == torch.uint8 else tiles.float()
            deviation, mean = torch.std_mean(pixels, (0, 2, 3), correction=0)
            done[key] = standardized_colours(pixels, mean, deviation)
        return done


def standardized_colours(pixels: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Some tiles of a slide whose colours are known.

    Args:
        pixels: of tiles ``(n, C, P, P)``, in [0, 1].
        mean: of the channels over the slide, ``(C,)``.
        deviation: of the channels over the slide, ``(C,)``.

    Returns:
        ``(n, C, P, P)``; mean 0 and deviation 1 over the slide, but for a channel of one colour.
    """
    return (pixels - mean[:, None, None]) / deviation.clamp(min=_DARKEST_SPREAD)[:, None, None]


StandardizeSlideColoursD = StandardizeSlideColoursDict = StandardizeSlideColoursd
