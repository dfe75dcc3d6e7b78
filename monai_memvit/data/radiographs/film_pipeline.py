"""What is done to every film, as values that can be stored, compared and done again."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..fingerprint import array_digest

if TYPE_CHECKING:
    from ...transforms.radiograph.display import Film

__all__ = ["FilmPipeline"]

_FORMAT = 1  # counts on when prepared films change though no parameter does


@dataclass(frozen=True)
class FilmPipeline:
    """From a film's file to a square of its display values.

    Args:
        size: rows and columns of the square, in pixels; the film keeps its aspect, the rest is black.
        crop_border: whether black and white frames are cut off before
            (:class:`monai_memvit.transforms.radiograph.CropFilmBorder`).
        bits: 8 or 16, of a stored value.
        window: which VOI LUT or window is taken (:class:`monai_memvit.transforms.radiograph.RadiographReader`).
        modalities: of DICOM files that are taken; ``""`` takes those that state none.

    Raises:
        ValueError: for a value outside what is said above.
    """

    size: int = 1024
    crop_border: bool = True
    bits: Literal[8, 16] = 8
    window: int | str = 0
    modalities: tuple[str, ...] = ("CR", "DX", "RG")

    def __post_init__(self) -> None:
        object.__setattr__(self, "modalities", tuple(self.modalities))  # JSON knows lists only
        if self.size < 1:
            raise ValueError(f"size is {self.size}: give rows and columns in pixels, at least 1")
        if self.bits not in (8, 16):
            raise ValueError(f"bits is {self.bits}: take 8 or 16")
        if not self.modalities:
            raise ValueError("there are no modalities: name one at least")

    @property
    def bytes_per_film(self) -> int:
        """How much the values of a film take on disk, in bytes."""
        return self.size**2 * self.bits // 8

    def digest(self) -> str:
        """Hexadecimal digits that differ where any parameter does, whichever version of the package asks."""
        text = json.dumps([_FORMAT, asdict(self)], sort_keys=True)
        return blake2b(text.encode("utf-8"), digest_size=16).hexdigest()

    def prepare(self, path: str | os.PathLike[str]) -> tuple[NDArray[np.uint8 | np.uint16], dict[str, Any]]:
        """Read a film and bring it to its square.

        Args:
            path: DICOM, PNG or JPEG.

        Returns:
            Display values ``(size, size)``, ``round(value * (2**bits - 1))``, 0 black; and a record of plain JSON
            types: ``original_size`` (rows, columns), ``box`` (what was kept: first row, first column, row and column
            after the last), ``size``, ``bits``, ``spacing_mm`` (row, column, of the original) and ``spacing_kind``,
            ``attributes`` (those on the allow-list), ``notes``, ``pixel_hash`` (of the whole film's display values in
            16 bits: equal for a film however it was compressed without loss) and ``image_digest`` (of the result).

        Raises:
            ValueError: naming the file and what is wrong with it.
        """
        import torch

        from ...transforms.radiograph.crop_border import CropFilmBorder
        from ...transforms.radiograph.film_files import read_film
        from ...transforms.radiograph.resize_film import ResizeFilm

        film = read_film(path, self.window, self.modalities)
        values = torch.from_numpy(film.values)[None]
        rows, columns = values.shape[1:]
        box = CropFilmBorder().find(values) if self.crop_border else (0, 0, rows, columns)
        top, left, bottom, right = box
        square = ResizeFilm(self.size)(values[:, top:bottom, left:right])
        image = _stored(np.asarray(square)[0], self.bits)
        places = {"original_size": [rows, columns], "box": list(box), "size": self.size, "bits": self.bits}
        digests = {"pixel_hash": array_digest(_stored(film.values, 16)), "image_digest": array_digest(image)}
        return image, places | _told(film) | digests


def _stored(values: NDArray[np.float32], bits: int) -> NDArray[Any]:
    full = np.float32(2**bits - 1)
    kind = np.uint8 if bits == 8 else np.uint16
    return np.rint(np.clip(values, 0, 1) * full).astype(kind)


def _told(film: Film) -> dict[str, Any]:
    spacing = film.spacing
    return {
        "spacing_mm": [float(spacing.row_mm), float(spacing.column_mm)],
        "spacing_kind": spacing.kind,
        "attributes": dict(film.attributes),
        "notes": list(film.notes),
    }
