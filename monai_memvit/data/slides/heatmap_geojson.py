"""A heatmap of tiles as GeoJSON: detections with measurements, for QuPath's measurement maps and its tables."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

from ..atomic import atomic_write
from .geojson import tile_feature
from .heatmap import TileHeatmap

__all__ = ["save_heatmap_geojson"]

_FOR, _AGAINST = (214, 26, 28), (43, 122, 181)  # red, blue


def save_heatmap_geojson(path: str | os.PathLike[str], heatmap: TileHeatmap, top: int = 5) -> None:
    """Write one detection per tile, in level-0 pixels; the strongest are classified as for or against the class.

    Args:
        path: the file; its folder must exist.
        heatmap: tiles that were not seen are left out.
        top: how many tiles are classified on either side, at most; their names tell their rank.
    """
    with atomic_write(path) as file:
        file.write(b'{"type":"FeatureCollection","features":[')
        for number, feature in enumerate(_features(heatmap, top)):
            text = json.dumps(feature, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
            file.write((",\n" if number else "\n").encode() + text.encode("utf-8"))
        file.write(b"\n]}\n")


def _features(heatmap: TileHeatmap, top: int) -> Iterator[dict[str, Any]]:
    speaks_for, against = heatmap.strongest(top)
    marked: dict[int, tuple[str, dict[str, Any]]] = {}
    for rows, word, colour in ((speaks_for, "for", _FOR), (against, "against", _AGAINST)):
        name = f"{word} {heatmap.class_name}"
        marked |= {i: (f"{rank} {name}", {"name": name, "color": colour}) for rank, i in enumerate(rows.tolist(), 1)}
    for i in sorted(heatmap.ranked().tolist()):
        properties: dict[str, Any] = {"objectType": "detection"}
        if i in marked:
            properties |= dict(zip(("name", "classification"), marked[i], strict=True))
        measured = {name: float(f"{values[i]:.6g}") for name, values in heatmap.measurements.items()}
        yield tile_feature(heatmap.index, i, {**properties, "measurements": measured})
