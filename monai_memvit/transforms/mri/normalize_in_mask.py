"""Intensities in units of their own spread inside a mask."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data.meta_obj import get_track_meta
from monai.data.meta_tensor import MetaTensor
from monai.transforms import InvertibleTransform, MapTransform
from monai.utils import TraceKeys, convert_to_tensor
from torch import Tensor

from .items import name_of, present_keys
from .masking import fitting_mask

__all__ = ["NormalizeInMask", "NormalizeInMaskD", "NormalizeInMaskDict", "NormalizeInMaskd"]


class NormalizeInMask(InvertibleTransform):
    """Z-score: subtract the mean inside a mask, divide by the standard deviation (of the population) inside it.

    Args:
        outside: what stands outside the mask afterwards.
        percentiles: lower and upper percentile inside the mask, 0 to 100, to which intensities are clipped before mean
            and standard deviation are taken; None clips nothing.
    """

    def __init__(self, outside: float = 0.0, percentiles: tuple[float, float] | None = None) -> None:
        if percentiles is not None and not 0 <= percentiles[0] < percentiles[1] <= 100:
            raise ValueError(f"percentiles={percentiles}: a lower and a higher one between 0 and 100 are needed.")
        self.outside = float(outside)
        self.percentiles = percentiles

    def __call__(self, image: Tensor, mask: Any, name: str = "") -> Tensor:
        """Return the normalised image.

        Args:
            image: ``(1, *spatial)``.
            mask: ``(1, *spatial)``, above 0 inside.
            name: of the sequence, for errors.

        Returns:
            float32 image with the same affine; ``meta["normalization"]`` holds ``mean``, ``std`` and ``voxels`` (their
            number), and with ``percentiles`` also the bounds ``clipped_below`` and ``clipped_above``.

        Raises:
            ValueError: naming the file, for several channels, an empty or unfitting mask, and intensities inside it
                that are NaN, infinite or all the same.
        """
        name = name_of(image, name)
        volume = convert_to_tensor(image, track_meta=get_track_meta())
        if volume.ndim < 2 or volume.shape[0] != 1:
            raise ValueError(f"{name}: one channel is needed, got {tuple(volume.shape)}: normalise before stacking.")
        inside = fitting_mask(mask, image, name)
        plain = volume.as_subclass(Tensor)
        values = _usable(plain[inside].double(), name)
        record: dict[str, float] = {}
        if self.percentiles is not None:
            low, high = (_percentile(values, percent) for percent in self.percentiles)
            values = _usable(values.clamp(low, high), name)
            record = {"clipped_below": low, "clipped_above": high}
        mean, std = float(values.mean()), float(values.std(correction=0))
        record = {"mean": mean, "std": std, "voxels": len(values), **record}
        result = torch.full(plain.shape, self.outside, dtype=torch.float32, device=plain.device)
        result[inside] = ((values - mean) / std).float()
        if not isinstance(volume, MetaTensor):
            return result
        normalized = MetaTensor(result).copy_meta_from(volume)
        normalized.meta["normalization"] = record
        self.push_transform(normalized, extra_info={"mean": mean, "std": std})
        return normalized

    def inverse(self, image: MetaTensor, mask: Any = None, name: str = "") -> MetaTensor:
        """Return to input intensities.

        Args:
            image: normalised by this object.
            mask: the same mask: outside, where nothing is left to return to, 0 is written. Without one the whole image
                is scaled back, so that ``outside=0`` becomes the mean.
            name: of the sequence, for errors.

        Returns:
            float32 image, as before inside the mask but for rounding and clipping.
        """
        record = self.pop_transform(image)[TraceKeys.EXTRA_INFO]
        plain = image.as_subclass(Tensor)
        restored = (plain.double() * record["std"] + record["mean"]).float()
        if mask is not None:
            restored = restored * fitting_mask(mask, image, name_of(image, name))
        result = MetaTensor(restored).copy_meta_from(image)
        result.meta.pop("normalization", None)
        return result


def _usable(values: Tensor, name: str) -> Tensor:
    if not values.isfinite().all():
        raise ValueError(f"{name}: there are NaN or infinite voxels inside the mask: replace them first.")
    if values.min() == values.max():
        raise ValueError(
            f"{name}: all {len(values)} voxels inside the mask are {float(values[0]):g}, nothing can be normalised: "
            "check image and mask, or leave the sequence out."
        )
    return values


def _percentile(values: Tensor, percent: float) -> float:
    # torch.quantile refuses more than 16 million values, and sorts them all
    position = percent / 100 * (len(values) - 1)
    below = int(position)
    lower = values.kthvalue(below + 1).values
    upper = values.kthvalue(min(below + 2, len(values))).values
    return float(lower + (upper - lower) * (position - below))


class NormalizeInMaskd(MapTransform, InvertibleTransform):
    """Dictionary version of :class:`NormalizeInMask`: every sequence by its own mean and standard deviation.

    Args:
        keys: sequences to normalise.
        mask_key: the mask on the grid of every one of them.
        outside: as in :class:`NormalizeInMask`.
        percentiles: as in :class:`NormalizeInMask`.
        allow_missing_keys: pass over sequences that are missing or None.
    """

    def __init__(
        self,
        keys: KeysCollection,
        mask_key: str = "brain_mask",
        outside: float = 0.0,
        percentiles: tuple[float, float] | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.mask_key = mask_key
        self.normalizer = NormalizeInMask(outside, percentiles)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Normalise each sequence.

        Args:
            data: item with the sequences and the mask.

        Returns:
            the item with normalised sequences.
        """
        if data.get(self.mask_key) is None:
            raise ValueError(f"the item has no mask {self.mask_key!r}: make one with BrainMaskd first.")
        mask = data[self.mask_key]
        done: dict[Hashable, Any] = {key: self.normalizer(data[key], mask, key) for key in present_keys(self, data)}
        return {**data, **done}

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return each sequence to input intensities.

        Args:
            data: what this object returned; where the mask is gone, nothing is masked.

        Returns:
            the item with the sequences as before.
        """
        mask = data.get(self.mask_key)
        done: dict[Hashable, Any] = {
            key: self.normalizer.inverse(data[key], mask, key) for key in present_keys(self, data)
        }
        return {**data, **done}


NormalizeInMaskD = NormalizeInMaskDict = NormalizeInMaskd
