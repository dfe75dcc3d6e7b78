"""From sequences by name to the channels of one image, and the truth about which of them are there."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.data.meta_obj import get_track_meta
from monai.data.meta_tensor import MetaTensor
from monai.transforms import Transform
from torch import Tensor

from .geometry import check_volume, same_grid
from .items import name_of

__all__ = ["StackSequencesD", "StackSequencesDict", "StackSequencesd"]


class StackSequencesd(Transform):
    """Stack the volumes under the keys of ``sequences`` to channels, in exactly that order.

    A sequence that is missing, or None, becomes zeros **and** False in the channel mask; a volume that is there but
    holds one value everywhere is an error, so that no zero is silent. Neither file names nor the item's order matter.

    Args:
        sequences: names of the channels, in their order; keys of the item.
        required: those that may not be missing.
        reference: the sequence whose affine and file name the image takes, if it is there; else the first that is.
        image_key: where the image goes.
        channel_mask_key: where the channel mask goes.
    """

    def __init__(
        self,
        sequences: Sequence[str],
        required: Sequence[str] = (),
        reference: str | None = None,
        image_key: str = "image",
        channel_mask_key: str = "channel_mask",
    ) -> None:
        self.sequences = (sequences,) if isinstance(sequences, str) else tuple(sequences)
        self.required = (required,) if isinstance(required, str) else tuple(required)
        self.reference = reference
        self.image_key = image_key
        self.channel_mask_key = channel_mask_key
        if not self.sequences or len({*self.sequences}) < len(self.sequences):
            raise ValueError(f"sequences={self.sequences}: one name or more is needed, each of them once.")
        if strange := {*self.required, *([reference] if reference is not None else [])} - {*self.sequences}:
            raise ValueError(f"required or reference names {sorted(strange)}, which are not in {self.sequences}.")

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Stack.

        Args:
            data: item with MetaTensors ``(1, X, Y, Z)`` on one grid.

        Returns:
            the item, sequences included, with the image, float32 ``(C, X, Y, Z)``, whose ``meta["channel_names"]`` are
            the sequences, and the channel mask, bool ``(C,)``.

        Raises:
            ValueError: naming the sequence and file, when a required sequence or all of them are missing, a volume is
                no MetaTensor ``(1, X, Y, Z)``, is constant or has NaN, or lies on another grid than the reference.
        """
        volumes = {name: data[name] for name in self.sequences if data.get(name) is not None}
        if absent := [name for name in self.required if name not in volumes]:
            raise ValueError(f"the item lacks the required sequences {absent}; it has {[*volumes]}: add them.")
        if not volumes:
            raise ValueError(f"the item has none of the sequences {[*self.sequences]}: there is nothing to stack.")
        first = self.reference if self.reference in volumes else next(iter(volumes))
        self._check(volumes, first)
        grid = volumes[first]
        image = torch.zeros((len(self.sequences), *grid.shape[1:]), dtype=torch.float32, device=grid.device)
        for channel, name in enumerate(self.sequences):
            if name in volumes:
                image[channel] = volumes[name].as_subclass(Tensor)[0]
        mask = torch.tensor([name in volumes for name in self.sequences])
        return {**data, self.image_key: self._described(image, grid), self.channel_mask_key: mask}

    def _check(self, volumes: Mapping[str, MetaTensor], first: str) -> None:
        for name, volume in volumes.items():
            check_volume(volume, name_of(volume, name))
            if not same_grid(volume, volumes[first]):
                raise ValueError(
                    f"{name_of(volume, name)} lies on another grid, {tuple(volume.shape[1:])}, than "
                    f"{name_of(volumes[first], first)}, {tuple(volumes[first].shape[1:])}: run CoRegisterd before."
                )

    def _described(self, image: Tensor, grid: MetaTensor) -> Tensor:
        if not get_track_meta():
            return image
        meta: dict[str, Any] = {"channel_names": list(self.sequences)}
        if "filename_or_obj" in grid.meta:
            meta["filename_or_obj"] = grid.meta["filename_or_obj"]
        return MetaTensor(image, affine=grid.affine, meta=meta)


StackSequencesD = StackSequencesDict = StackSequencesd
