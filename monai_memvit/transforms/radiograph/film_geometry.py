"""Where the pixels of a film lie in the square picture made of it, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

__all__ = ["FilmGeometry"]


@dataclass(frozen=True)
class FilmGeometry:
    """A box of a film, scaled with its aspect kept until its longer side fills a square, in whose middle it lies.

    Args:
        rows: of the film, in pixels.
        columns: of the film, in pixels.
        size: rows and columns of the square, in pixels.
        box: first row, first column, row and column after the last, in pixels of the film; None for the whole film.

    Raises:
        ValueError: for sizes below one pixel, or a box that is empty or lies outside of the film.
    """

    rows: int
    columns: int
    size: int
    box: tuple[int, int, int, int] | None = None

    def __post_init__(self) -> None:
        if min(self.rows, self.columns, self.size) < 1:
            raise ValueError(f"a film {self.rows} x {self.columns} in {self.size} pixels: all must be 1 or more")
        top, left, bottom, right = self.kept
        if not (0 <= top < bottom <= self.rows and 0 <= left < right <= self.columns):
            raise ValueError(f"box {self.box} is empty or outside of a film {self.rows} x {self.columns}: correct it")

    @property
    def kept(self) -> tuple[int, int, int, int]:
        """The box, also where it is the whole film."""
        return (0, 0, self.rows, self.columns) if self.box is None else self.box

    @property
    def inner(self) -> tuple[int, int]:
        """Rows and columns that the box has in the square."""
        top, left, bottom, right = self.kept
        height, width = bottom - top, right - left
        scale = self.size / max(height, width)
        return max(1, round(height * scale)), max(1, round(width * scale))

    @property
    def offset(self) -> tuple[int, int]:
        """Row and column of the square at which the box begins; an odd pixel of padding stands after it."""
        height, width = self.inner
        return (self.size - height) // 2, (self.size - width) // 2

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> FilmGeometry:
        """Of a prepared film.

        Args:
            record: with ``original_size`` (rows, columns), ``size`` and ``box``, as beside every prepared film.

        Raises:
            ValueError: where one of them is missing or does not fit.
        """
        try:
            rows, columns = (int(number) for number in record["original_size"])
            top, left, bottom, right = (int(number) for number in record["box"])
            return cls(rows, columns, int(record["size"]), (top, left, bottom, right))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"the record of the film says nothing usable of its size and box: {error!r}") from None

    def to_film(self, values: Tensor) -> Tensor:
        """Bring a map of the square, such as a heatmap, to the film's own pixels (bilinear).

        Args:
            values: ``(C, H, W)`` that covers the whole square; of any size, such as one value a patch.

        Returns:
            ``(C, rows, columns)``, 0 outside of the box.
        """
        square = values.detach().as_subclass(Tensor).to(torch.float32)
        (top, left), (height, width) = self.offset, self.inner
        square = _scaled(square, (self.size, self.size))
        first_row, first_column, bottom, right = self.kept
        box = _scaled(square[:, top : top + height, left : left + width], (bottom - first_row, right - first_column))
        return pad(box, (first_column, self.columns - right, first_row, self.rows - bottom))


def _scaled(values: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(values.shape[1:]) == size:
        return values
    return interpolate(values[None], size=size, mode="bilinear", antialias=True)[0]
