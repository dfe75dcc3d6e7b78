"""A film of any size in a square, its aspect kept and nothing aliased."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data.meta_obj import get_track_meta
from monai.data.meta_tensor import MetaTensor
from monai.transforms import InvertibleTransform, MapTransform
from monai.transforms.utils import create_translate, scale_affine
from monai.utils import TraceKeys, convert_to_tensor
from torch import Tensor
from torch.nn.functional import interpolate, pad

from .film_geometry import FilmGeometry

__all__ = ["ResizeFilm", "ResizeFilmD", "ResizeFilmDict", "ResizeFilmd"]


class ResizeFilm(InvertibleTransform):
    """Scale a film until its longer side has ``size`` pixels, and pad the shorter to a square, the film in its middle.

    It is bilinear with a triangle filter as wide as the step between pixels of the result (``antialias`` of torch,
    ``BILINEAR`` of Pillow), so that ribs, grids and noise leave no moiré. :class:`monai.transforms.Resize` filters
    with a Gaussian, or averages over whole pixels, and so is many times slower or uneven. Pixels count as square.

    The inverse brings a map of the square, such as a heatmap, to the rows and columns that the film had.

    Args:
        size: rows and columns of the result, in pixels.
        value: of the padding; 0 is black.
    """

    def __init__(self, size: int, value: float = 0.0) -> None:
        if size < 1:
            raise ValueError(f"size is {size}: give rows and columns in pixels, at least 1")
        self.size = size
        self.value = value

    def __call__(self, img: Tensor) -> Tensor:
        """Resize.

        Args:
            img: film ``(C, H, W)``.

        Returns:
            film ``(C, size, size)`` float32, a MetaTensor with its affine updated where MONAI tracks metadata.

        Raises:
            ValueError: where ``img`` is no ``(C, H, W)`` or has no pixels.
        """
        if img.ndim != 3 or not img.numel():
            raise ValueError(f"the film has shape {tuple(img.shape)}, not (C, H, W): load it channel first")
        film = convert_to_tensor(img, track_meta=get_track_meta())
        before = (int(film.shape[1]), int(film.shape[2]))
        place = FilmGeometry(*before, self.size)
        pixels = convert_to_tensor(film, dtype=torch.float32, track_meta=False)
        if place.inner != before:
            pixels = interpolate(pixels[None], size=place.inner, mode="bilinear", antialias=True)[0]
        (top, left), (height, width) = place.offset, place.inner
        margins = (left, self.size - width - left, top, self.size - height - top)
        return self._tracked(pad(pixels, margins, value=self.value), film, place)

    def _tracked(self, pixels: Tensor, film: Tensor, place: FilmGeometry) -> Tensor:
        if not isinstance(film, MetaTensor):
            return pixels
        before = (place.rows, place.columns)
        shift = create_translate(2, [-number for number in place.offset])
        told = self.track_transform_meta(
            film,
            sp_size=(self.size, self.size),
            affine=scale_affine(before, place.inner) @ shift,
            orig_size=before,
            transform_info=self.get_transform_info(),
        )
        return MetaTensor(pixels).copy_meta_from(told)

    def inverse(self, data: Tensor) -> Tensor:
        """The way back.

        Args:
            data: MetaTensor ``(C, size, size)`` that carries the trace of this transform.

        Returns:
            ``(C, H, W)`` as the film was before.
        """
        transform = self.pop_transform(data)
        rows, columns = transform[TraceKeys.ORIG_SIZE]
        place = FilmGeometry(int(rows), int(columns), self.size)
        shift = create_translate(2, list(place.offset))
        back = shift @ scale_affine(place.inner, (place.rows, place.columns))
        told = self.track_transform_meta(data, affine=back, transform_info=None)
        return MetaTensor(place.to_film(data)).copy_meta_from(told)


class ResizeFilmd(MapTransform, InvertibleTransform):
    """:class:`ResizeFilm` for items.

    Args:
        keys: of the films.
        size: rows and columns of the result, in pixels.
        value: of the padding; 0 is black.
        allow_missing_keys: whether an item may lack a key.
    """

    def __init__(self, keys: KeysCollection, size: int, value: float = 0.0, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.resize = ResizeFilm(size, value)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Resize.

        Args:
            data: item with films ``(C, H, W)``.

        Returns:
            the item with films ``(C, size, size)``.
        """
        done = dict(data)
        for key in self.key_iterator(done):
            done[key] = self.resize(done[key])
        return done

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The way back.

        Args:
            data: item with MetaTensors ``(C, size, size)`` that carry the trace.

        Returns:
            the item with maps ``(C, H, W)`` of the films' own size.
        """
        done = dict(data)
        for key in self.key_iterator(done):
            done[key] = self.resize.inverse(done[key])
        return done


ResizeFilmD = ResizeFilmDict = ResizeFilmd
