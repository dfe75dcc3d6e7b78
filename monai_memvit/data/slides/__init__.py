"""Preparing whole slides: from a folder of slides to tiles of a known scale, each with its place in micrometres."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# name -> module; they need pyarrow, openslide, wsidicom or torch, so they are loaded on first use.
_HOMES = {
    "Level": ".readers.slide",
    "LoadSlideFeaturesd": ".load_slide_features",
    "LoadSlideTilesd": ".load_slide_tiles",
    "LoadTilePlacesd": ".load_tile_places",
    "SlideError": ".readers.slide",
    "SlideIndexReport": ".report",
    "SlideOptions": ".slide_options",
    "SlideProblem": ".report",
    "SlideReader": ".readers.slide",
    "SlideReport": ".report",
    "SlideTiles": ".tiles",
    "SourceBatch": ".tile_source",
    "StandardizedTiles": ".standardized_tiles",
    "StreamedFeatures": ".streamed_features",
    "TileFeatures": ".features",
    "TileGrid": ".grid",
    "TileHeatmap": ".heatmap",
    "TileIndex": ".tile_index",
    "TileOptions": ".slide_options",
    "TilePlaces": ".tile_source",
    "TileSource": ".tile_source",
    "TissueMask": ".tissue",
    "collate_bags": ".features",
    "index_slide": ".indexing",
    "iter_tile_features": ".features",
    "load_new_slides": ".inference",
    "load_tile_features": ".features",
    "load_tile_options": ".inference",
    "open_slide": ".readers.open_slide",
    "prepare_slides": ".prepare",
    "read_tile": ".tile_pixels",
    "save_heatmap_geojson": ".heatmap_geojson",
    "save_heatmap_table": ".heatmap_table",
    "save_heatmap_tiff": ".heatmap_tiff",
    "save_tile_features": ".features",
    "tile_grid": ".grid",
    "tiles_geojson": ".geojson",
    "tiles_picture": ".thumbnail",
    "tissue_mask": ".tissue",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
