"""Tiles as GeoJSON, as QuPath reads it (drag the file onto the slide)."""

from __future__ import annotations

import json
from typing import Any

from .tile_index import FLAGS, TileIndex

__all__ = ["FLAG_COLOURS", "first_flag", "tile_feature", "tiles_geojson"]

FLAG_COLOURS = {
    "": (34, 139, 34),
    "background": (150, 150, 150),
    "pen": (30, 60, 220),
    "fold": (150, 40, 160),
    "blur": (230, 140, 0),
    "unreadable": (210, 20, 20),
}
_MEASURED = ("tissue", "background", "pen", "fold")


def tiles_geojson(index: TileIndex) -> str:
    """Write the tiles as polygons in level-0 pixels, QuPath's coordinates, classified by what is wrong with them.

    Args:
        index: the tiles.

    Returns:
        A GeoJSON ``FeatureCollection`` (RFC 7946) of QuPath tile objects.
    """
    features = [_feature(index, i) for i in range(len(index))]
    return json.dumps({"type": "FeatureCollection", "features": features}, separators=(",", ":")) + "\n"


def first_flag(flags: int) -> str:
    """Return the gravest of a tile's flags, ``""`` where it has none.

    Args:
        flags: the sum of ``FLAGS``.
    """
    return next((name for name, bit in reversed(FLAGS.items()) if flags & bit), "")


def tile_feature(index: TileIndex, i: int, properties: dict[str, Any]) -> dict[str, Any]:
    """Return a tile as a GeoJSON ``Feature``: its polygon in level-0 pixels.

    Args:
        index: the tiles.
        i: row of the tile.
        properties: as QuPath knows them.
    """
    x, y, width, height = (int(index.table[name][i]) for name in ("x", "y", "width", "height"))
    corners = [[x, y], [x + width, y], [x + width, y + height], [x, y + height], [x, y]]
    return {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [corners]}, "properties": properties}


def _feature(index: TileIndex, i: int) -> dict[str, Any]:
    flag = first_flag(int(index.table["flags"][i]))
    properties = {
        "objectType": "tile",
        "name": f"row {index.table['row'][i]}, column {index.table['column'][i]}",
        "classification": {"name": flag or "tissue", "color": list(FLAG_COLOURS[flag])},
        "measurements": {name: round(float(index.table[name][i]), 4) for name in _MEASURED},
    }
    return tile_feature(index, i, properties)
