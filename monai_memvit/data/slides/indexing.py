"""One slide into its tile index: scale, tissue, grid, quality."""

from __future__ import annotations

import os
from hashlib import blake2b
from importlib.metadata import version
from json import dumps
from typing import Any

import numpy as np

from .grid import TileGrid, tile_grid
from .overview import Overview, read_overview
from .quality import QUALITY_THRESHOLDS, tile_quality
from .readers.bounds import is_dark
from .readers.open_slide import open_slide
from .readers.slide import SlideError, SlideReader
from .slide_options import TileOptions
from .tile_index import TILES_FORMAT, TileIndex
from .tissue import TissueMask, tissue_mask

__all__ = ["index_slide", "slide_key"]

_DEFAULT = TileOptions()
_METHOD = 2  # of finding tissue and judging tiles: another number, other results
_DIGITS = 4  # of shares: the rest is noise


def slide_key(reader: SlideReader, name: str, options: TileOptions) -> str:
    """Digest what an index depends on: the slide and where it lies, its name, the parameters, and our method.

    Args:
        reader: the slide.
        name: it goes by.
        options: how it is cut.

    Returns:
        32 hexadecimal digits.
    """
    parts = [_METHOD, reader.fingerprint, str(reader.path), name, options.as_dict(), QUALITY_THRESHOLDS]
    return blake2b(dumps(parts, sort_keys=True).encode("utf-8"), digest_size=16).hexdigest()


def index_slide(
    path: str | os.PathLike[str], options: TileOptions = _DEFAULT, name: str | None = None
) -> tuple[TileIndex, Overview, TissueMask]:
    """Find the tiles of a slide that show tissue, and judge them.

    Args:
        path: see :func:`monai_memvit.data.slides.open_slide`.
        options: how to cut the slide.
        name: of the slide in the index; by default that of its file.

    Returns:
        The tiles, the picture of the slide they were found on, and its tissue.

    Raises:
        SlideError: where the slide cannot be used, naming it and the remedy.
    """
    reader = open_slide(path, options.mpp)
    name = name or reader.path.name
    reader.known_mpp  # noqa: B018 (without a scale nothing below means anything)
    reader.check_whole()
    grid = _grid(reader, options)
    overview = read_overview(reader)
    _check_stain(reader, overview, options)
    mask = tissue_mask(overview, options.stain)
    table = _tiles(grid, mask, options, reader)
    level = reader.level_for(options.mpp_target / max(reader.known_mpp))
    focus = (level, max(reader.known_mpp) * reader.levels[level].downsample) if options.check_focus else None
    quality = tile_quality(reader, overview, mask, table, options.stain, focus)
    for column in ("background", "pen", "fold", "blur_um"):
        table[column] = np.round(getattr(quality, column), _DIGITS).astype(np.float32)
    table["flags"] = quality.flags
    return TileIndex(_header(reader, name, options, grid, level, overview, mask), table), overview, mask


def _check_stain(reader: SlideReader, overview: Overview, options: TileOptions) -> None:
    dark = reader.tells_fluorescence or is_dark([overview.pixels])
    if dark and options.stain != "fluorescence":
        raise SlideError(
            f"{reader.path} is a fluorescence slide (dark background), of no use to a model of stain "
            f"{options.stain!r}: leave it out, or prepare such slides with --stain fluorescence"
        )
    if not dark and options.stain == "fluorescence":
        raise SlideError(f"{reader.path} has a bright background: it is no fluorescence slide, give its own stain")


def _grid(reader: SlideReader, options: TileOptions) -> TileGrid:
    try:
        return tile_grid(
            reader.size, reader.known_mpp, options.mpp_target, options.tile, options.overlap, options.partial
        )
    except SlideError:
        raise
    except ValueError as error:
        raise SlideError(f"{reader.path}: {error}") from None


def _tiles(grid: TileGrid, mask: TissueMask, options: TileOptions, reader: SlideReader) -> dict[str, np.ndarray]:
    row, column = grid.positions()
    x, y = column.astype(np.int64) * grid.step_x, row.astype(np.int64) * grid.step_y
    share = np.round(mask.share(x, y, grid.width, grid.height), _DIGITS)
    kept = share >= options.min_tissue
    if options.min_tissue and not mask.tissue.any():
        raise SlideError(f"{reader.path} shows no tissue: look at it, or give its stain (--stain)")
    if not kept.any():
        raise SlideError(
            f"{reader.path}: the fullest of {len(kept)} tiles has a tissue share of {share.max():.2f}, less than "
            f"{options.min_tissue:g}: lower --min-tissue"
        )
    table = {"x": x, "y": y, "row": row, "column": column, "tissue": share.astype(np.float32)}
    table |= {"width": np.full(len(x), grid.width, np.int32), "height": np.full(len(x), grid.height, np.int32)}
    return {name: values[kept] for name, values in table.items()}


def _header(
    reader: SlideReader,
    name: str,
    options: TileOptions,
    grid: TileGrid,
    level: int,
    overview: Overview,
    mask: TissueMask,
) -> dict[str, Any]:
    return {
        "format": TILES_FORMAT,
        "key": slide_key(reader, name, options),
        "slide": {
            "name": name,
            "path": str(reader.path),
            "fingerprint": reader.fingerprint,
            "size": list(reader.size),
            "mpp": list(reader.known_mpp),
            "tells_mpp": reader.tells_mpp,
            "properties": dict(reader.properties),
            "notes": reader.notes,
        },
        "grid": {
            "mpp": options.mpp_target,
            "tile": options.tile,
            "overlap": options.overlap,
            "level": level,
            "width": grid.width,
            "height": grid.height,
            "step_x": grid.step_x,
            "step_y": grid.step_y,
            "columns": grid.columns,
            "rows": grid.rows,
        },
        "tissue": {
            "area_mm2": round(mask.area_mm2, _DIGITS),
            "mpp": list(mask.mpp),
            "level": overview.level,
            "every": overview.every,
            "unread": round(overview.unread, _DIGITS),
        },
        "parameters": options.as_dict() | {"thresholds": QUALITY_THRESHOLDS, "method": _METHOD},
        "versions": {package: version(package) for package in ("numpy", "scipy", "pyarrow")} | {"memvit": _own()},
    }


def _own() -> str:
    from monai_memvit import __version__

    return __version__
