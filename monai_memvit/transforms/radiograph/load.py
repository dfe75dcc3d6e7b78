"""Loading chest films, array and dictionary transforms."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from os import PathLike
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data.meta_obj import get_track_meta
from monai.data.meta_tensor import MetaTensor
from monai.transforms import MapTransform, Transform
from monai.utils import ensure_tuple
from torch import Tensor

from .film_files import check_window, read_film
from .reader import film_meta
from .refusals import RADIOGRAPH_MODALITIES

__all__ = ["LoadRadiograph", "LoadRadiographD", "LoadRadiographDict", "LoadRadiographd"]


class LoadRadiograph(Transform):
    r"""Load a chest film as a radiologist's display shows it; DICOM, PNG and JPEG.

    The metadata holds ``affine`` (mm on the film, row and column; 1.0 where unknown), ``spacing_kind`` (``detector``,
    ``calibrated``, ``imager``, ``none``), ``patient_orientation`` (of a row and a column, as ``L\F``), ``attributes``
    (those in ``ALLOWED_ATTRIBUTES``; no identifiers), and ``notes``, a line each, on what was unusual.

    Args:
        window: which VOI LUT or window, see :class:`~monai_memvit.transforms.radiograph.RadiographReader`.
        modalities: DICOM modality or modalities to take; "" takes files that state none, None takes all.

    Raises:
        ValueError: for a ``window`` that no film could have.
    """

    def __init__(self, window: int | str = 0, modalities: str | Collection[str] | None = RADIOGRAPH_MODALITIES) -> None:
        check_window(window)
        self.window = window
        self.modalities = None if modalities is None else ensure_tuple(modalities)

    def __call__(self, path: str | PathLike[str]) -> Tensor:
        """Load.

        Args:
            path: the file.

        Returns:
            float32 ``(1, rows, columns)`` in [0, 1], 0 black and 1 white: a MetaTensor where MONAI tracks metadata,
            else a tensor.

        Raises:
            DisplayError: naming the file, the reason and the remedy.
        """
        film = read_film(path, self.window, self.modalities)
        image = torch.from_numpy(film.values)[None]
        if not get_track_meta():
            return image
        meta = film_meta(film, path)
        meta["original_channel_dim"] = 0
        return MetaTensor(image, meta=meta)


class LoadRadiographd(MapTransform):
    """Replace the paths of chest films by the films, see :class:`LoadRadiograph`.

    Args:
        keys: where the item holds paths, and where the films go.
        window: which VOI LUT or window, see :class:`~monai_memvit.transforms.radiograph.RadiographReader`.
        modalities: DICOM modality or modalities to take; "" takes files that state none, None takes all.
        allow_missing_keys: whether keys may be absent.

    Raises:
        ValueError: for a ``window`` that no film could have.
    """

    def __init__(
        self,
        keys: KeysCollection,
        window: int | str = 0,
        modalities: str | Collection[str] | None = RADIOGRAPH_MODALITIES,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.load = LoadRadiograph(window, modalities)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Load.

        Args:
            data: item with paths.

        Returns:
            the item with films, float32 ``(1, rows, columns)``.

        Raises:
            DisplayError: naming the file, the reason and the remedy.
        """
        return {**data, **{key: self.load(data[key]) for key in self.key_iterator(dict(data))}}


LoadRadiographD = LoadRadiographDict = LoadRadiographd
