"""Other amounts of haematoxylin, eosin and DAB, as other laboratories would have taken."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Randomizable
from torch import Tensor

from .rgb_tiles import like_tile, require_rgb

__all__ = ["RandHedJitter", "RandHedJitterD", "RandHedJitterDict", "RandHedJitterd"]

# Optical density of haematoxylin, eosin and DAB in red, green and blue: Ruifrok and Johnston 2001, as scikit-image's
# rgb_from_hed has it.
_STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
_BLACK = 1e-6  # light that passes at least: density 6


class RandHedJitter(Randomizable):
    """Takes the colours apart into stains, changes the amount of each, and puts them together (Tellez et al. 2018).

    The optical density ``-log10(I)`` of a pixel is ``c @ M``: amounts of haematoxylin, eosin and DAB times Ruifrok and
    Johnston's matrix. Each amount becomes ``c * (1 + a) + b`` with ``a`` drawn evenly from ``-sigma`` to ``sigma`` and
    ``b`` from ``-bias`` to ``bias``, per stain and tile. All of it is one 3 x 3 matrix in optical density; without
    jitter the tile comes back as it was.

    Args:
        sigma: largest relative change of each amount; 0.05 is called light, 0.2 strong (Tellez et al. 2019).
        bias: largest shift of each amount, in units of optical density; it tints the glass, too.
        prob: of a tile to be changed.

    Raises:
        ValueError: for a number out of range.
    """

    def __init__(self, sigma: float = 0.05, bias: float = 0.01, prob: float = 1.0) -> None:
        if not 0 <= sigma < 1 or not 0 <= bias < 1 or not 0 <= prob <= 1:
            raise ValueError(
                f"sigma={sigma}, bias={bias}, prob={prob}: give a sigma and a bias from 0 to below 1, a probability "
                "from 0 to 1"
            )
        self.sigma = sigma
        self.bias = bias
        self.prob = prob
        self.factors, self.shifts = np.ones(3), np.zeros(3)

    def randomize(self, data: Any = None) -> None:
        """Draw factor and shift of haematoxylin, eosin and DAB.

        Args:
            data: not looked at.
        """
        factors = 1 + self.R.uniform(-self.sigma, self.sigma, 3)
        shifts = self.R.uniform(-self.bias, self.bias, 3)
        happens = self.R.rand() < self.prob
        self.factors, self.shifts = (factors, shifts) if happens else (np.ones(3), np.zeros(3))

    def __call__(self, img: Tensor, randomize: bool = True) -> Tensor:
        """Change the stains.

        Args:
            img: ``(3, H, W)`` RGB, uint8 or floating point in [0, 1].
            randomize: whether to draw anew, or to do again what was drawn last.

        Returns:
            the tile, of the same type; computed in float32.

        Raises:
            ValueError: where ``img`` is no such tile.
        """
        pixels = require_rgb(img)
        if randomize:
            self.randomize()
        light = pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels.float()
        matrix, shift = (torch.as_tensor(part, dtype=torch.float32, device=light.device) for part in self._matrices())
        density = light.clamp(min=_BLACK).log10_().flatten(1).neg_()
        changed = torch.addmm(shift[:, None], matrix.T, density)
        return like_tile(changed.neg_().mul_(np.log(10)).exp_().clamp_(0, 1).view_as(light), img)

    def _matrices(self) -> tuple[np.ndarray, np.ndarray]:
        """From optical density to optical density: matrix, to be multiplied from the right, and shift."""
        apart = np.linalg.inv(_STAINS)
        return np.eye(3) + apart @ np.diag(self.factors - 1) @ _STAINS, self.shifts @ _STAINS


class RandHedJitterd(Randomizable, MapTransform):
    """:class:`RandHedJitter` for items: the same change for all tiles of an item.

    Args:
        keys: of the tiles.
        sigma: largest relative change of each amount.
        bias: largest shift of each amount, in units of optical density.
        prob: of an item to be changed.
        allow_missing_keys: whether an item may lack a key.
    """

    def __init__(
        self,
        keys: KeysCollection,
        sigma: float = 0.05,
        bias: float = 0.01,
        prob: float = 1.0,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.jitter = RandHedJitter(sigma, bias, prob)

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> RandHedJitterd:
        """Seed what is drawn.

        Args:
            seed: of the generator.
            state: a generator, in place of a seed.

        Returns:
            this transform.
        """
        super().set_random_state(seed, state)
        self.jitter.set_random_state(seed, state)
        return self

    def randomize(self, data: Any = None) -> None:
        """Draw the change of the next item.

        Args:
            data: not looked at.
        """
        self.jitter.randomize()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Change the stains.

        Args:
            data: item with tiles ``(3, H, W)``.

        Returns:
            the item with changed tiles.
        """
        done = dict(data)
        self.randomize()
        for key in self.key_iterator(done):
            done[key] = self.jitter(done[key], randomize=False)
        return done


RandHedJitterD = RandHedJitterDict = RandHedJitterd
