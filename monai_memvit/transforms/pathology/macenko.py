"""Tiles in the colours of one reference slide, by Macenko's method as MONAI has it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.apps.pathology.transforms.stain.array import NormalizeHEStains
from monai.config import KeysCollection
from monai.transforms import MapTransform, Transform
from torch import Tensor

from .rgb_tiles import StainError, like_tile, require_rgb

__all__ = ["MacenkoNormalize", "MacenkoNormalizeD", "MacenkoNormalizeDict", "MacenkoNormalized"]

_ON_WHITE = ("raise", "keep")


class MacenkoNormalize(Transform):
    """Finds the tile's two stains by themselves and replaces them by those of a reference (Macenko et al. 2009).

    MONAI's :class:`NormalizeHEStains` on tiles with the channels first, as they come from a slide; it cannot tell the
    stains of a tile that is nearly white, and then fails deep inside or gives arbitrary colours, so such tiles are
    told, or kept as they are.

    Args:
        least_stained: share of the pixels that must be stained (absorbance above ``beta`` in all channels).
        on_white: what to do with a tile that is less stained: ``raise`` or ``keep``.
        beta: absorbance, by the natural logarithm, below which a pixel is glass.
        **kwargs: ``tli``, ``alpha``, ``target_he`` and ``max_cref`` of MONAI's class.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(self, least_stained: float = 0.01, on_white: str = "raise", beta: float = 0.15, **kwargs: Any) -> None:
        if not 0 <= least_stained <= 1 or on_white not in _ON_WHITE:
            raise ValueError(
                f"least_stained={least_stained}, on_white={on_white!r}: give a share from 0 to 1, and one of "
                f"{', '.join(_ON_WHITE)}"
            )
        self.least_stained = least_stained
        self.on_white = on_white
        self.beta = beta
        self.normalize = NormalizeHEStains(beta=beta, **kwargs)

    def __call__(self, img: Tensor) -> Tensor:
        """Normalize.

        Args:
            img: ``(3, H, W)`` RGB, uint8 or floating point in [0, 1]; it is computed on 256 grey levels.

        Returns:
            the tile, of the same type.

        Raises:
            StainError: for a tile that is nearly white, or of one colour.
            ValueError: where ``img`` is no RGB tile.
        """
        pixels = require_rgb(img)
        eight = pixels if pixels.dtype == torch.uint8 else pixels.mul(255).round().to(torch.uint8)
        array = np.ascontiguousarray(eight.permute(1, 2, 0).cpu().numpy())
        try:
            self._require_stains(array)
            changed = torch.from_numpy(self.normalize(array)).permute(2, 0, 1).to(pixels.device)
        except StainError:
            if self.on_white == "raise":
                raise
            return img
        return like_tile(changed.float().div_(255), img)

    def _require_stains(self, array: np.ndarray) -> None:
        """At least some pixels, and not all of the same colour: else there is no plane of two stains."""
        light = (array.astype(np.float32) + 1) / self.normalize.tli
        stained = (light < np.exp(-self.beta)).all(axis=2)
        if stained.mean() < self.least_stained or stained.sum() < 3:
            raise StainError(
                f"only {stained.mean():.1%} of the tile is stained, too little to tell its stains (least_stained "
                f"{self.least_stained:g}): leave such tiles out by their tissue share, or keep them (on_white='keep')"
            )
        spread = np.linalg.svd(np.log(light[stained]) - np.log(light[stained]).mean(axis=0), compute_uv=False)
        if spread[1] <= 1e-3 * np.sqrt(stained.sum()):
            raise StainError("the tile shows a single colour: its two stains cannot be told apart (on_white='keep')")


class MacenkoNormalized(MapTransform):
    """:class:`MacenkoNormalize` for items.

    Args:
        keys: of the tiles.
        least_stained: share of the pixels that must be stained.
        on_white: what to do with a tile that is less stained: ``raise`` or ``keep``.
        beta: absorbance below which a pixel is glass.
        allow_missing_keys: whether an item may lack a key.
        **kwargs: ``tli``, ``alpha``, ``target_he`` and ``max_cref`` of MONAI's class.
    """

    def __init__(
        self,
        keys: KeysCollection,
        least_stained: float = 0.01,
        on_white: str = "raise",
        beta: float = 0.15,
        allow_missing_keys: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.normalize = MacenkoNormalize(least_stained, on_white, beta, **kwargs)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Normalize.

        Args:
            data: item with tiles ``(3, H, W)``.

        Returns:
            the item with normalized tiles.

        Raises:
            StainError: for a tile that is nearly white.
        """
        done = dict(data)
        for key in self.key_iterator(done):
            done[key] = self.normalize(done[key])
        return done


MacenkoNormalizeD = MacenkoNormalizeDict = MacenkoNormalized
