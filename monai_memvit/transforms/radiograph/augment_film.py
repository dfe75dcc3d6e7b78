"""RandAugment for grey films that keep their sides: right stays right, left stays left."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data.meta_obj import get_track_meta
from monai.data.meta_tensor import MetaTensor
from monai.transforms import MapTransform, Randomizable
from monai.transforms.inverse import TraceableTransform
from monai.utils import convert_to_tensor
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from .film_operations import GEOMETRIC, TONAL

__all__ = ["RandFilmAugment", "RandFilmAugmentD", "RandFilmAugmentDict", "RandFilmAugmentd"]

_ROUNDING = 1e-4  # of resizing, beyond 0 and 1
_FULL = 10.0  # magnitude at which every operation goes as far as it may


class RandFilmAugment(Randomizable):
    """Some of several operations on a film, each about as strong as ``magnitude`` says (Cubuk et al. 2020).

    The defaults are those with which vision transformers were fine-tuned on chest films (Xiao et al. 2023: two
    operations of magnitude 6 with standard deviation 0.5, each left out half the time). Of the operations of natural
    images those stay that make sense on a grey film; none mirrors it, since situs and the side of a finding matter.

    At magnitude 10: ``rotate`` by 30°, ``scale`` by 1.5, ``shear_rows`` and ``shear_columns`` by 0.3, ``move_rows`` and
    ``move_columns`` by a fifth of the side; ``contrast``, ``brightness`` and ``sharpness`` by a factor of 0.1 or 1.9,
    ``gamma`` of 0.5 or 2, ``blur`` and ``equalize`` in full, ``noise`` of standard deviation 0.1. The direction is
    drawn. Geometric operations that meet are one resampling, bilinear and black beyond the film; an affine follows it.

    Args:
        num_ops: how many operations are drawn, each once at most.
        magnitude: mean strength of every operation, from 0 (nothing) to 10.
        magnitude_std: standard deviation of the strength, which stays from 0 to 10.
        prob: of each drawn operation to take place.
        operations: names of those that are drawn from; by default all.

    Raises:
        ValueError: for a value outside of what is said above, or an unknown operation.
    """

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: float = 6.0,
        magnitude_std: float = 0.5,
        prob: float = 0.5,
        operations: Sequence[str] = (*GEOMETRIC, *TONAL),
    ) -> None:
        if unknown := [name for name in operations if name not in GEOMETRIC and name not in TONAL] or not operations:
            raise ValueError(f"operations {unknown} are not known: name some of {', '.join([*GEOMETRIC, *TONAL])}")
        if (
            not 0 <= num_ops <= len(operations)
            or not 0 <= magnitude <= _FULL
            or not magnitude_std >= 0
            or not 0 <= prob <= 1
        ):
            raise ValueError(
                f"num_ops={num_ops}, magnitude={magnitude}, magnitude_std={magnitude_std}, prob={prob}: give a number "
                f"from 0 to {len(operations)}, a magnitude from 0 to 10, a deviation from 0, a probability from 0 to 1"
            )
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.magnitude_std = magnitude_std
        self.prob = prob
        self.operations = tuple(operations)
        self.drawn: list[tuple[str, float, int]] = []

    def randomize(self, data: Any = None) -> None:
        """Draw the operations of the next film: name, signed strength in [-1, 1], seed.

        Args:
            data: not looked at.
        """
        self.drawn = []
        for name in self.R.choice(self.operations, self.num_ops, replace=False):
            level = np.clip(self.R.normal(self.magnitude, self.magnitude_std), 0, _FULL) / _FULL
            sign, seed, happens = self.R.choice((-1, 1)), int(self.R.randint(2**31)), self.R.rand() < self.prob
            if happens:
                self.drawn.append((str(name), float(sign * level), seed))

    def __call__(self, img: Tensor, randomize: bool = True) -> Tensor:
        """Augment.

        Args:
            img: film ``(1, H, W)`` of display values in [0, 1].
            randomize: whether to draw anew, or to do again what was drawn last.

        Returns:
            film ``(1, H, W)`` float32 in [0, 1], a MetaTensor with its affine updated where MONAI tracks metadata.

        Raises:
            ValueError: where ``img`` is no ``(1, H, W)``, or has values outside of [0, 1].
        """
        if img.ndim != 3 or img.shape[0] != 1 or not img.numel():
            raise ValueError(f"the film has shape {tuple(img.shape)}, not (1, H, W): load one grey film")
        if randomize:
            self.randomize()
        film = convert_to_tensor(img, track_meta=get_track_meta())
        pixels = convert_to_tensor(film, dtype=torch.float32, track_meta=False)
        low, high = pixels.aminmax()
        if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):
            raise ValueError(f"the film has values from {low:g} to {high:g}: augment display values, then normalise")
        matrix = _composed(self.drawn, pixels.shape[1], pixels.shape[2])
        if matrix is not None:
            pixels = _resampled(pixels, matrix)
        for name, amount, seed in self.drawn:
            if name in TONAL:
                pixels = TONAL[name](pixels, amount, seed).clamp_(0, 1)
        return _tracked(pixels, film, matrix)


def _composed(drawn: Sequence[tuple[str, float, int]], height: int, width: int) -> NDArray[np.float64] | None:
    """From a place in the result to that in the film, (row, column, 1) in pixels from the centre; None: no change."""
    matrix = None
    for name, amount, _ in drawn:
        if name in GEOMETRIC:
            step = GEOMETRIC[name](amount) * [[1, 1, height], [1, 1, width], [1, 1, 1]]
            matrix = step if matrix is None else matrix @ step
    return matrix


def _resampled(film: Tensor, matrix: NDArray[np.float64]) -> Tensor:
    height, width = film.shape[1:]
    sides = np.diag([width / 2, height / 2, 1.0])  # torch has columns first, and half a side for a unit
    columns_first = matrix[[1, 0, 2]][:, [1, 0, 2]]
    theta = np.linalg.inv(sides) @ columns_first @ sides
    grid = affine_grid(torch.as_tensor(theta[None, :2]).to(film), [1, 1, height, width], align_corners=False)
    return grid_sample(film[None], grid, mode="bilinear", padding_mode="zeros", align_corners=False)[0]


def _tracked(pixels: Tensor, film: Tensor, matrix: NDArray[np.float64] | None) -> Tensor:
    if not isinstance(film, MetaTensor):
        return pixels
    if matrix is None:
        return MetaTensor(pixels).copy_meta_from(film)
    centre = np.eye(3)
    centre[:2, 2] = (np.array(pixels.shape[1:]) - 1) / 2
    told = TraceableTransform.track_transform_meta(film, affine=centre @ matrix @ np.linalg.inv(centre))
    return MetaTensor(pixels).copy_meta_from(told)


class RandFilmAugmentd(Randomizable, MapTransform):
    """:class:`RandFilmAugment` for items: the same operations for all films of an item.

    Args:
        keys: of the films.
        num_ops: how many operations are drawn, each once at most.
        magnitude: mean strength of every operation, from 0 (nothing) to 10.
        magnitude_std: standard deviation of the strength.
        prob: of each drawn operation to take place.
        operations: names of those that are drawn from; by default all.
        allow_missing_keys: whether an item may lack a key.
    """

    def __init__(
        self,
        keys: KeysCollection,
        num_ops: int = 2,
        magnitude: float = 6.0,
        magnitude_std: float = 0.5,
        prob: float = 0.5,
        operations: Sequence[str] = (*GEOMETRIC, *TONAL),
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.augment = RandFilmAugment(num_ops, magnitude, magnitude_std, prob, operations)

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> RandFilmAugmentd:
        """Seed what is drawn.

        Args:
            seed: of the generator.
            state: a generator, in place of a seed.

        Returns:
            this transform.
        """
        super().set_random_state(seed, state)
        self.augment.set_random_state(seed, state)
        return self

    def randomize(self, data: Any = None) -> None:
        """Draw the operations of the next item.

        Args:
            data: not looked at.
        """
        self.augment.randomize()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Augment.

        Args:
            data: item with films ``(1, H, W)`` of display values in [0, 1].

        Returns:
            the item with films ``(1, H, W)``.
        """
        done = dict(data)
        self.randomize()
        for key in self.key_iterator(done):
            done[key] = self.augment(done[key], randomize=False)
        return done


RandFilmAugmentD = RandFilmAugmentDict = RandFilmAugmentd
