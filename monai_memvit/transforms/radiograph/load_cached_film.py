"""A film that was prepared beforehand, in a few milliseconds."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data.meta_obj import get_track_meta
from monai.data.meta_tensor import MetaTensor
from monai.transforms import MapTransform
from torch import Tensor

__all__ = ["LoadCachedFilmD", "LoadCachedFilmDict", "LoadCachedFilmd"]


class LoadCachedFilmd(MapTransform):
    """Replace the path of a prepared film by its display values.

    Args:
        keys: where the item holds the path of an ``.npy`` file ``(H, W)`` uint8 or uint16, and where the film goes.
        allow_missing_keys: whether an item may lack a key.
    """

    def __init__(self, keys: KeysCollection, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Load.

        Args:
            data: item with paths.

        Returns:
            the item with films, float32 ``(1, H, W)`` in [0, 1], 0 black and 1 white: MetaTensors
            (``meta["filename_or_obj"]``) where MONAI tracks metadata, else tensors.

        Raises:
            ValueError: naming the file, when it is missing, cut off, or holds something else.
        """
        done = dict(data)
        for key in self.key_iterator(done):
            done[key] = _film(Path(done[key]))
        return done


def _film(path: Path) -> Tensor:
    stored = _stored(path)
    film = torch.from_numpy(stored).to(torch.float32).div_(float(np.iinfo(stored.dtype).max))[None]
    return MetaTensor(film, meta={"filename_or_obj": str(path)}) if get_track_meta() else film


def _stored(path: Path) -> np.ndarray[Any, Any]:
    try:
        stored = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist: correct the datalist, or prepare the films again.") from None
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path} is no whole .npy file ({type(error).__name__}): prepare the films again.") from error
    if not isinstance(stored, np.ndarray) or stored.ndim != 2 or stored.dtype not in (np.uint8, np.uint16):
        found = f"{stored.dtype} {stored.shape}" if isinstance(stored, np.ndarray) else "an archive"
        raise ValueError(f"{path} holds {found}, not uint8 or uint16 (H, W): prepare the films again.")
    return stored


LoadCachedFilmD = LoadCachedFilmDict = LoadCachedFilmd
