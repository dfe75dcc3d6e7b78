"""What a slide of any size is read through: where its tiles lie, and the tiles themselves, batch by batch."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor

__all__ = ["SourceBatch", "TilePlaces", "TileSource"]


class TilePlaces(NamedTuple):
    """Which tiles a slide has, and where they lie.

    Args:
        tile: their numbers ``(N,)`` int64, each once.
        position_um: ``(N, 2)`` float64, centres (x, y) in micrometres.
    """

    tile: Tensor
    position_um: Tensor


class SourceBatch(NamedTuple):
    """Some tiles of a slide.

    Args:
        values: ``(n, *tile)`` float32, as the network takes them.
        position_um: ``(n, 2)`` float64, centres (x, y) in micrometres.
        tile: their numbers ``(n,)`` int64.
    """

    values: Tensor
    position_um: Tensor
    tile: Tensor


class TileSource(ABC):
    """Reads slides so that no more than a batch of tiles is ever held."""

    @abstractmethod
    def places(self, path: str | os.PathLike[str]) -> TilePlaces:
        """Where the tiles lie; none is read.

        Args:
            path: of the slide's ``tiles.parquet``.

        Raises:
            ValueError: naming the file, where there are none.
        """

    @abstractmethod
    def batches(self, path: str | os.PathLike[str]) -> Iterator[SourceBatch]:
        """Read a slide once; all batches together have each of its tiles once, in any order.

        Args:
            path: of the slide's ``tiles.parquet``.

        Raises:
            ValueError: naming the file, where something cannot be read.
        """

    @abstractmethod
    def check(self, path: str | os.PathLike[str]) -> None:
        """Find out whether a slide can be read, without reading it.

        Args:
            path: of the slide's ``tiles.parquet``.

        Raises:
            ValueError: naming the file, where it cannot.
        """
