"""A film without the black or white frame that a scanner, a shutter or the collimator left around it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data.meta_tensor import MetaTensor
from monai.transforms import Crop, InvertibleTransform, MapTransform
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["CropFilmBorder", "CropFilmBorderD", "CropFilmBorderDict", "CropFilmBorderd"]

_Lines = NDArray[np.float32]
_SAMPLES = 512  # of a line, at most: its spread needs no more, and sorting is what takes the time
_STRAY = 0.02  # share of a line that may differ at either end of its values: dust, a corner of a letter
_ROUNDS = 4  # a white frame around black blades needs two, each of rows and columns


class CropFilmBorder(InvertibleTransform):
    """Cut off lines at the sides of a film that hold nothing but black or white.

    From every side inwards, a row or column is border while all but 2 % of its pixels at either end of their values lie
    within ``tolerance`` of the line's median, and that median within ``tolerance`` of the darkest or brightest of the
    film (its 1st and 99th percentile): frames of scanners and picture archives, shutters, and the blades of the
    collimator where they run along the film. The first other line ends the search, so that skin, lung or a marker
    stays with all that lies behind it. Rows and columns take turns, each seen within what the other left.

    A film that would lose more than ``max_share`` of its rows or columns at one side is not understood, and left as it
    is, whole; so is a film of one value. The inverse fills the border with black.

    Args:
        tolerance: how far display values of a border may differ, of the film's range [0, 1].
        max_share: of the rows or columns that one side may lose, below 0.5.
    """

    def __init__(self, tolerance: float = 0.03, max_share: float = 0.25) -> None:
        if not 0 <= tolerance < 0.5:
            raise ValueError(f"tolerance is {tolerance}: give a difference of display values, from 0 to 0.5")
        if not 0 <= max_share < 0.5:
            raise ValueError(f"max share is {max_share}: give a share of the film per side, from 0 to 0.5")
        self.tolerance = tolerance
        self.max_share = max_share
        self.crop = Crop()

    def __call__(self, img: Tensor) -> Tensor:
        """Crop.

        Args:
            img: film ``(1, H, W)`` of display values in [0, 1].

        Returns:
            film ``(1, h, w)``; a MetaTensor says ``meta["film_box"]``: first row, first column, row and column after
            the last, in pixels of the film that was given.

        Raises:
            ValueError: where ``img`` is no ``(1, H, W)``.
        """
        top, left, bottom, right = box = self.find(img)
        done = self.crop(img, (slice(top, bottom), slice(left, right)))
        if isinstance(done, MetaTensor):
            done.meta["film_box"] = list(box)
        return done

    def find(self, img: Tensor) -> tuple[int, int, int, int]:
        """Say what would be kept.

        Args:
            img: film ``(1, H, W)`` of display values in [0, 1].

        Returns:
            first row, first column, row and column after the last.

        Raises:
            ValueError: where ``img`` is no ``(1, H, W)``.
        """
        if img.ndim != 3 or img.shape[0] != 1 or not img.numel():
            raise ValueError(f"the film has shape {tuple(img.shape)}, not (1, H, W): load one grey film")
        film = img.detach().as_subclass(Tensor)[0].to(torch.float32).numpy(force=True)
        dark, bright = _extremes(film)
        height, width = film.shape
        if bright - dark <= self.tolerance:
            return 0, 0, height, width
        rows, columns = (0, height), (0, width)
        for _ in range(_ROUNDS):
            before = rows, columns
            rows = self._kept(film[:, slice(*columns)], rows, dark, bright)
            columns = self._kept(film[slice(*rows)].T, columns, dark, bright)
            if (rows, columns) == before:
                break
        if not (self._allowed(height, rows) and self._allowed(width, columns)):
            return 0, 0, height, width
        return rows[0], columns[0], rows[1], columns[1]

    def _kept(self, lines: _Lines, kept: tuple[int, int], dark: float, bright: float) -> tuple[int, int]:
        """Ends of ``kept`` moved inwards over border, seen in the first rows and the last of ``lines``."""
        count, first, last = len(lines), *kept
        reach = min(int(self.max_share * count) + 1, count // 2)  # one more than allowed, to see that it is too much
        begin = self._border(lines[first:reach], dark, bright)
        end = self._border(lines[count - reach : last][::-1], dark, bright)
        return first + begin, last - end

    def _border(self, lines: _Lines, dark: float, bright: float) -> int:
        """How many of the first lines are border."""
        if not len(lines):
            return 0
        step = max(1, lines.shape[1] // _SAMPLES)
        values = np.sort(lines[:, step // 2 :: step], axis=1)
        count = values.shape[1]
        stray = int(_STRAY * count)
        middle = values[:, count // 2]
        even = (values[:, count - 1 - stray] - middle <= self.tolerance) & (middle - values[:, stray] <= self.tolerance)
        extreme = (middle <= dark + self.tolerance) | (middle >= bright - self.tolerance)
        border = even & extreme
        return len(lines) if border.all() else int(border.argmin())

    def _allowed(self, length: int, kept: tuple[int, int]) -> bool:
        most = int(self.max_share * length)
        return kept[0] <= most and length - kept[1] <= most

    def inverse(self, data: Tensor) -> Tensor:
        """The way back.

        Args:
            data: MetaTensor ``(C, h, w)`` that carries the trace of this transform.

        Returns:
            ``(C, H, W)`` as the film was before, 0 where the border was.
        """
        return self.crop.inverse(data)


def _extremes(film: _Lines) -> tuple[float, float]:
    """1st and 99th percentile, of a regular part of the pixels."""
    rows, columns = (max(1, number // _SAMPLES) for number in film.shape)
    values = np.sort(film[::rows, ::columns], axis=None)
    last = len(values) - 1
    return float(values[round(0.01 * last)]), float(values[round(0.99 * last)])


class CropFilmBorderd(MapTransform, InvertibleTransform):
    """:class:`CropFilmBorder` for items; every film is cut by itself.

    Args:
        keys: of the films.
        tolerance: how far display values of a border may differ, of the film's range [0, 1].
        max_share: of the rows or columns that one side may lose, below 0.5.
        allow_missing_keys: whether an item may lack a key.
    """

    def __init__(
        self, keys: KeysCollection, tolerance: float = 0.03, max_share: float = 0.25, allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.border = CropFilmBorder(tolerance, max_share)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Crop.

        Args:
            data: item with films ``(1, H, W)``.

        Returns:
            the item with films ``(1, h, w)``.
        """
        done = dict(data)
        for key in self.key_iterator(done):
            done[key] = self.border(done[key])
        return done

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The way back.

        Args:
            data: item with MetaTensors ``(C, h, w)`` that carry the trace.

        Returns:
            the item with maps ``(C, H, W)``.
        """
        done = dict(data)
        for key in self.key_iterator(done):
            done[key] = self.border.inverse(done[key])
        return done


CropFilmBorderD = CropFilmBorderDict = CropFilmBorderd
