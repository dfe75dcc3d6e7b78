"""The pixels of a slide in standard colours, batch by batch, for slides that no memory holds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from ...transforms.pathology.slide_colours import standardized_colours
from .tile_index import TileIndex
from .tile_source import SourceBatch, TilePlaces, TileSource
from .tiles import SlideTiles, _opened, _row_major

__all__ = ["StandardizedTiles"]


class StandardizedTiles(TileSource):
    """What :class:`LoadSlideTilesd` and :class:`StandardizeSlideColoursd` give, without the slide in memory.

    A slide is read twice: once for its colours, once for its tiles. Tiles that cannot be decoded are left out, each
    with a warning.

    Args:
        leave_out: tiles with one of these flags are left out, see ``FLAGS``.
        batch_size: tiles that are held at once, by each worker.
        num_workers: processes that read.
    """

    def __init__(self, leave_out: Sequence[str] = ("unreadable",), batch_size: int = 128, num_workers: int = 0) -> None:
        self.leave_out = tuple(leave_out)
        self.batch_size = batch_size
        self.num_workers = num_workers

    def places(self, path: str | os.PathLike[str]) -> TilePlaces:
        """Where the tiles lie, row by row.

        Args:
            path: of the slide's ``tiles.parquet``.

        Raises:
            ValueError: where it is no tile index, or no tile is left.
        """
        index = TileIndex.load(path)
        rows = _row_major(index, self.leave_out)
        if not len(rows):
            raise ValueError(f"{path}: no tile is left without {', '.join(self.leave_out)}: leave the slide out")
        return TilePlaces(torch.from_numpy(rows), torch.from_numpy(index.positions_um()[rows]))

    def batches(self, path: str | os.PathLike[str]) -> Iterator[SourceBatch]:
        """Read the tiles.

        Args:
            path: of the slide's ``tiles.parquet``.

        Raises:
            ValueError: naming the file, where it is no tile index, or its slide is gone, has changed or cannot be read.
        """
        tiles = SlideTiles(TileIndex.load(path), self.batch_size, leave_out=self.leave_out, on_error="skip")
        loader = DataLoader(tiles, batch_size=None, num_workers=self.num_workers)
        mean, deviation = _colours((batch["image"] for batch in loader), path)
        for batch in loader:
            values = standardized_colours(batch["image"].float() / 255, mean, deviation)
            yield SourceBatch(values, batch["position_um"], batch["tile"])

    def check(self, path: str | os.PathLike[str]) -> None:
        """Find out whether the slide is there as it was indexed, and has tiles.

        Args:
            path: of the slide's ``tiles.parquet``.

        Raises:
            ValueError: where it is no tile index, no tile is left, or its slide is gone or has changed.
        """
        self.places(path)
        index = TileIndex.load(path)
        _opened(str(index.slide_path), index)


def _colours(images: Iterable[Tensor], path: str | os.PathLike[str]) -> tuple[Tensor, Tensor]:
    """Mean and deviation of the channels of bytes ``(n, C, P, P)``, as shares of 255; exact however they are cut."""
    counts = torch.zeros((), dtype=torch.int64)
    for image in images:
        counts = counts + torch.stack([torch.bincount(own.flatten(), minlength=256) for own in image.unbind(1)])
    if not counts.ndim:
        raise ValueError(f"{path}: none of its tiles can be read: leave the slide out")
    shares, levels = counts.double() / counts.sum(1, keepdim=True), torch.arange(256).double() / 255
    mean = shares @ levels
    deviation = (shares * (levels - mean[:, None]) ** 2).sum(1).sqrt()
    return mean.float(), deviation.float()
