"""Stored features of a slide's tiles, batch by batch, for slides that no memory holds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import torch

from .features import TileFeatures, iter_tile_features
from .load_slide_features import features_file
from .tile_index import TileIndex
from .tile_source import SourceBatch, TilePlaces, TileSource

__all__ = ["StreamedFeatures"]


class StreamedFeatures(TileSource):
    """What :class:`LoadSlideFeaturesd` gives, without all features in memory.

    Args:
        folder: of the features.
        tile_pixels: level-0 pixels a side of a tile, for HDF5 that does not tell.
        batch_size: tiles that are held at once.
    """

    def __init__(self, folder: str | os.PathLike[str], tile_pixels: int | None = None, batch_size: int = 8192) -> None:
        self.folder = Path(folder)
        self.tile_pixels = tile_pixels
        self.batch_size = batch_size

    def places(self, path: str | os.PathLike[str]) -> TilePlaces:
        """Where the tiles lie, in the order of the file.

        Args:
            path: of the slide's ``tiles.parquet``.

        Raises:
            ValueError: where there are no features of the slide.
        """
        places = torch.cat([part.position_um for part in self._parts(path)])
        return TilePlaces(torch.arange(len(places)), places)

    def batches(self, path: str | os.PathLike[str]) -> Iterator[SourceBatch]:
        """Read the features.

        Args:
            path: of the slide's ``tiles.parquet``.

        Raises:
            ValueError: where there are no features of the slide.
        """
        start = 0
        for part in self._parts(path):
            yield SourceBatch(*part, torch.arange(start, start + len(part.features)))
            start += len(part.features)

    def check(self, path: str | os.PathLike[str]) -> None:
        """Find out whether there are features of the slide.

        Args:
            path: of the slide's ``tiles.parquet``.

        Raises:
            ValueError: where there are none.
        """
        next(self._parts(path))

    def _parts(self, path: str | os.PathLike[str]) -> Iterator[TileFeatures]:
        index = TileIndex.load(path)
        return iter_tile_features(
            features_file(self.folder, index), index.slide_mpp[0], self.tile_pixels, self.batch_size
        )
