"""One slice of a case that was prepared beforehand, without reading the rest of it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from operator import index
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data.meta_obj import get_track_meta
from monai.data.meta_tensor import MetaTensor
from monai.transforms import Transform
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["LoadSliceD", "LoadSliceDict", "LoadSliced"]


class LoadSliced(Transform):
    """Replace the path of a prepared case by one of its slices.

    The file is mapped into memory, so that only the slice's own bytes are read. Channels that the channel mask calls
    missing are not read at all: they are zero whatever the file holds there.

    Args:
        image_key: where the item holds the path of an ``.npy`` file ``(S, C, H, W)``, and where the slice goes.
        slice_key: where the item holds the number of the slice, from 0.
        channel_mask_key: where the item may hold C truth values; without them all channels are there.
        num_channels: C that the file must have; None takes any.
    """

    def __init__(
        self,
        image_key: str = "image",
        slice_key: str = "slice",
        channel_mask_key: str = "channel_mask",
        num_channels: int | None = None,
    ) -> None:
        self.image_key = image_key
        self.slice_key = slice_key
        self.channel_mask_key = channel_mask_key
        self.num_channels = num_channels

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Load.

        Args:
            data: item with path, slice number and, as the case may be, channel mask.

        Returns:
            the item with the image, float32 ``(C, H, W)``, as a MetaTensor (``meta["filename_or_obj"]``,
            ``meta["slice"]``) where MONAI tracks metadata, else a tensor; and the channel mask, bool ``(C,)``.

        Raises:
            ValueError: naming the file, when it is missing, is no array ``(S, C, H, W)`` of numbers, or has another
                number of channels; when there is no such slice; when the slice holds NaN or infinity in a channel that
                is there, or no channel is there.
        """
        path = Path(data[self.image_key])
        volume = _mapped(path)
        number = self._number(data, len(volume), path)
        present = self._present(data, volume.shape[1], path)
        image = np.zeros(volume.shape[1:], dtype=np.float32)
        for channel in np.flatnonzero(present):
            image[channel] = volume[number, channel]
        if not np.isfinite(image).all():
            raise ValueError(f"{path}: slice {number} holds NaN or infinity: prepare the case again.")
        return {**data, self.image_key: _tracked(image, path, number), self.channel_mask_key: torch.from_numpy(present)}

    def _number(self, data: Mapping[Hashable, Any], slices: int, path: Path) -> int:
        if data.get(self.slice_key) is None:
            raise ValueError(f"{path}: the item has no {self.slice_key!r}: give the number of the slice, from 0.")
        try:
            number = index(data[self.slice_key])
        except TypeError:
            raise ValueError(f"{path}: slice {data[self.slice_key]!r} is no whole number: correct it.") from None
        if not 0 <= number < slices:
            raise ValueError(f"{path}: there is no slice {number}, they are 0 to {slices - 1}: correct the datalist.")
        return number

    def _present(self, data: Mapping[Hashable, Any], channels: int, path: Path) -> NDArray[np.bool_]:
        if self.num_channels is not None and channels != self.num_channels:
            raise ValueError(f"{path} has {channels} channels, not {self.num_channels}: prepare for these sequences.")
        if data.get(self.channel_mask_key) is None:
            return np.ones(channels, dtype=bool)
        present = np.array(data[self.channel_mask_key], dtype=bool)
        if present.shape != (channels,):
            raise ValueError(
                f"{path} has {channels} channels, but {self.channel_mask_key!r} has shape {present.shape}: correct the "
                "datalist, or prepare the case again."
            )
        if not present.any():
            raise ValueError(f"{path}: {self.channel_mask_key!r} says that no channel is there: leave the case out.")
        return present


def _mapped(path: Path) -> NDArray[Any]:
    if not path.is_file():
        raise ValueError(f"{path} does not exist: correct the datalist, or prepare the case again.")
    try:
        volume = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path} is no whole .npy file ({type(error).__name__}): prepare the case again.") from error
    if not isinstance(volume, np.ndarray) or volume.ndim != 4 or volume.dtype.kind not in "fiub":
        found = f"{volume.dtype} {volume.shape}" if isinstance(volume, np.ndarray) else "an archive"
        raise ValueError(f"{path} holds {found}, not numbers (S, C, H, W): prepare the case again.")
    return volume


def _tracked(image: NDArray[np.float32], path: Path, number: int) -> Tensor:
    tensor = torch.from_numpy(image)
    return MetaTensor(tensor, meta={"filename_or_obj": str(path), "slice": number}) if get_track_meta() else tensor


LoadSliceD = LoadSliceDict = LoadSliced
