"""Where the tiles of a slide lie, for slides whose tiles are read later."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from monai.transforms import Transform

from .tile_source import TileSource

__all__ = ["LoadTilePlacesD", "LoadTilePlacesDict", "LoadTilePlacesd"]


class LoadTilePlacesd(Transform):
    """Replace the path of a tile index by the numbers of the tiles, and where they lie; no tile is read.

    :class:`StreamedSlideInferer` reads the tiles themselves.

    Args:
        source: of the tiles.
        image_key: where the item holds the path of a ``tiles.parquet``, and where the numbers go.
    """

    def __init__(self, source: TileSource, image_key: str = "image") -> None:
        self.source = source
        self.image_key = image_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Load.

        Args:
            data: item with the path.

        Returns:
            the item with the tiles' numbers ``(N,)`` int64, and ``position_um`` ``(N, 2)`` float64, their centres
            (x, y) in micrometres.

        Raises:
            ValueError: naming the file, where it has none.
        """
        found = self.source.places(data[self.image_key])
        return {**data, self.image_key: found.tile, "position_um": found.position_um}


LoadTilePlacesD = LoadTilePlacesDict = LoadTilePlacesd
