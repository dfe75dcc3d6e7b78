"""Values of tiles as a pyramidal OME-TIFF: numbers that QuPath and Bio-Formats read, at the slide's own scale."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import numpy as np

from ..atomic import atomic_write_bytes
from .heatmap_cells import HeatmapCells, heatmap_cells
from .readers.needed import needed
from .tile_index import TileIndex

__all__ = ["save_heatmap_tiff"]

_TILE = 64  # pixels a side of a tile of the file, and of the pyramid's top at most


def save_heatmap_tiff(
    path: str | os.PathLike[str], index: TileIndex, values: np.ndarray, names: Sequence[str], title: str = "heatmap"
) -> None:
    """Write one float32 channel per row of values, whole or not at all; the same values give the same bytes.

    A pixel is a step of the grid of tiles, its physical size that step in micrometres, and the image begins at the
    slide's upper left corner: pixel (column, row) times the step is the place in level-0 pixels. Where tiles overlap
    they are averaged by the area they cover; where there is none the value is 0.

    Args:
        path: the file, ``….ome.tif``; its folder must exist.
        index: the tiles.
        values: ``(K, N)`` or ``(N,)``; NaN where a tile was not seen.
        names: of the K channels.
        title: of the image.

    Raises:
        ValueError: where values, tiles and names differ in number.
        ImportError: without tifffile.
    """
    tifffile: Any = needed("tifffile")
    values = np.atleast_2d(values)
    if values.shape != (len(names), len(index)):
        wanted = f"{len(names)} names, {len(index)} tiles"
        raise ValueError(f"values of a heatmap have shape {values.shape}, for {wanted}: give ({wanted})")
    shapes = list(_shapes(heatmap_cells(index, values[0]).total.shape))
    common = {"tile": (_TILE, _TILE), "compression": "zlib", "photometric": "minisblack", "dtype": np.float32}
    buffer = io.BytesIO()  # tifffile takes no file that was opened by its number, as atomic ones are
    with tifffile.TiffWriter(buffer, ome=True) as tiff:
        for level, shape in enumerate(shapes):
            own = {"subfiletype": 1, "metadata": None} if level else _full(index, values, names, title, len(shapes) - 1)
            tiff.write(_blocks(index, values, level), shape=(len(names), *shape), **common, **own)
    atomic_write_bytes(path, buffer.getvalue())


def _full(index: TileIndex, values: np.ndarray, names: Sequence[str], title: str, halvings: int) -> dict[str, Any]:
    grid, mpp = index.header["grid"], index.slide_mpp
    sides = {"X": grid["step_x"] * mpp[0], "Y": grid["step_y"] * mpp[1]}
    units = {f"PhysicalSize{axis}Unit": "µm" for axis in sides}
    plane = {f"Position{axis}": [0.0] * len(names) for axis in sides}
    plane_units = {f"Position{axis}Unit": ["µm"] * len(names) for axis in sides}
    metadata = {
        "axes": "CYX",
        "Name": title,
        "UUID": _uuid(index, values, names, title),
        "Channel": {"Name": list(names)},
        **{f"PhysicalSize{axis}": side for axis, side in sides.items()},
        **units,
        "Plane": {**plane, **plane_units},
    }
    resolution = (1e4 / sides["X"], 1e4 / sides["Y"])
    return {"subifds": halvings, "metadata": metadata, "resolution": resolution, "resolutionunit": "CENTIMETER"}


def _uuid(index: TileIndex, values: np.ndarray, names: Sequence[str], title: str) -> str:
    """The same for the same content; tifffile would take the time of day."""
    content = blake2b(repr((index.header["key"], title, list(names))).encode("utf-8"), digest_size=16)
    content.update(np.ascontiguousarray(values, np.float64).tobytes())
    return f"urn:uuid:{uuid5(NAMESPACE_OID, content.hexdigest())}"


def _shapes(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    yield shape
    while max(shape) > _TILE:
        shape = tuple(-(-side // 2) for side in shape)
        yield shape


def _blocks(index: TileIndex, values: np.ndarray, level: int) -> Iterator[np.ndarray]:
    """The file's tiles of a level, channel by channel: one channel at a time is in memory."""
    for channel in values:
        cells: HeatmapCells = heatmap_cells(index, channel)
        for _ in range(level):
            cells = cells.halved()
        means = cells.means()
        padded = np.pad(means, [(0, -side % _TILE) for side in means.shape])
        for y in range(0, padded.shape[0], _TILE):
            for x in range(0, padded.shape[1], _TILE):
                yield np.ascontiguousarray(padded[y : y + _TILE, x : x + _TILE])
