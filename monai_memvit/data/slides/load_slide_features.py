"""The stored features of a slide's tiles, found by the name of the slide."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from monai.transforms import Transform

from .features import load_tile_features
from .tile_index import TileIndex

__all__ = ["LoadSlideFeaturesD", "LoadSlideFeaturesDict", "LoadSlideFeaturesd", "features_file"]

_SUFFIXES = (".parquet", ".h5", ".hdf5")


class LoadSlideFeaturesd(Transform):
    """Replace the path of a tile index by the features of the slide's tiles, as any encoder has made them.

    The file of ``a/slide1.svs`` is ``a/slide1.parquet`` in the folder of the features, or ``.h5`` or ``.hdf5`` as
    TRIDENT and CLAM write them, or without ``a/``. Their tiles need not be those of the index, which tells the scale.

    Args:
        folder: of the features.
        image_key: where the item holds the path of a ``tiles.parquet``, and where the features go.
        tile_pixels: level-0 pixels a side of a tile, for HDF5 that does not tell.
    """

    def __init__(
        self, folder: str | os.PathLike[str], image_key: str = "image", tile_pixels: int | None = None
    ) -> None:
        self.folder = Path(folder)
        self.image_key = image_key
        self.tile_pixels = tile_pixels

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Load.

        Args:
            data: item with the path.

        Returns:
            the item with the features ``(N, F)`` float32, and ``position_um`` ``(N, 2)`` float64, the tiles' centres.

        Raises:
            ValueError: where there is no such file, or it holds no features.
        """
        index = TileIndex.load(data[self.image_key])
        path = features_file(self.folder, index)
        features, places = load_tile_features(path, index.slide_mpp[0], self.tile_pixels)
        return {**data, self.image_key: features, "position_um": places}


def features_file(folder: Path, index: TileIndex) -> Path:
    """Find the features of a slide.

    Args:
        folder: of the features.
        index: of the slide.

    Returns:
        the file, see :class:`LoadSlideFeaturesd`.

    Raises:
        ValueError: where there is none.
    """
    slide = index.header["slide"]["name"]
    stem = os.path.splitext(slide)[0]
    stems = dict.fromkeys([slide, stem, slide.rpartition("/")[2], stem.rpartition("/")[2]])
    for name in stems:
        for suffix in _SUFFIXES:
            if (path := folder / f"{name}{suffix}").is_file():
                return path
    raise ValueError(
        f"{folder} holds no features of the slide {slide} ({stem}.parquet, .h5 or .hdf5): make them, or correct the "
        "folder"
    )


LoadSlideFeaturesD = LoadSlideFeaturesDict = LoadSlideFeaturesd
