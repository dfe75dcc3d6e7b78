"""Tiles as a table, what speaks most for the class first."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator

from ..atomic import atomic_write_text
from .heatmap import TileHeatmap
from .tile_index import FLAGS

__all__ = ["save_heatmap_table"]

_PLACES = ("row", "column", "x", "y", "width", "height")


def save_heatmap_table(path: str | os.PathLike[str], heatmap: TileHeatmap) -> None:
    """Write a CSV: rank, place (level-0 pixels, centres in micrometres), measurements, tissue and flags.

    Args:
        path: the file; its folder must exist.
        heatmap: tiles that were not seen are left out.
    """
    text = io.StringIO(newline="")
    csv.writer(text).writerows(_rows(heatmap))
    atomic_write_text(path, text.getvalue())


def _rows(heatmap: TileHeatmap) -> Iterator[list[object]]:
    table, places = heatmap.index.table, heatmap.index.positions_um()
    yield ["rank", *_PLACES, "x_um", "y_um", *heatmap.measurements, "tissue", "flags"]
    for rank, i in enumerate(heatmap.ranked().tolist(), 1):
        measured = [f"{values[i]:.6g}" for values in heatmap.measurements.values()]
        flags = " ".join(name for name, bit in FLAGS.items() if table["flags"][i] & bit)
        centre = [f"{side:.3f}" for side in places[i]]
        yield [rank, *(int(table[name][i]) for name in _PLACES), *centre, *measured, f"{table['tissue'][i]:.4f}", flags]
