"""Reading tiles and finding tissue, timed: ours, a bare loop over openslide, and MONAI's reader."""

from __future__ import annotations

import multiprocessing
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data.wsi_reader import WSIReader
from torch.utils.data import DataLoader

from ...data.slides.overview import read_overview
from ...data.slides.readers.handles import HANDLES
from ...data.slides.readers.needed import needed
from ...data.slides.readers.open_slide import open_slide
from ...data.slides.tile_index import TILES_FORMAT, TileIndex
from ...data.slides.tiles import SlideTiles
from ...data.slides.tissue import tissue_mask
from ..tools.peak_memory import forget_resident_peak, resident_peak
from ..tools.timing import Stopwatch, interleave, paired_ratio

openslide: Any = needed("openslide")

__all__ = ["measure_mask", "measure_reading", "measure_workers", "regions"]

_BATCH = 32


def regions(path: Path, tile: int, most: int, covered: int | None = None) -> TileIndex:
    """Return a grid of tiles in the middle of a slide, whatever they show.

    Args:
        path: of the slide.
        tile: pixels a side.
        most: tiles; whole rows are taken as long as there are fewer.
        covered: level-0 pixels that a tile covers; by default as many as it has.

    Raises:
        ValueError: where the slide is smaller than a tile.
    """
    slide = open_slide(path)
    covered = covered or tile
    columns, rows = (side // covered for side in slide.size)
    if not columns or not rows:
        raise ValueError(
            f"{path} has {slide.size[0]}x{slide.size[1]} pixels, a tile covers {covered}: take smaller ones"
        )
    columns = min(columns, most)
    rows = min(rows, max(most // columns, 1))
    left, top = (slide.size[0] - columns * covered) // 2, (slide.size[1] - rows * covered) // 2
    row, column = np.divmod(np.arange(rows * columns), columns)
    ones, zeros = np.ones(len(row), np.float32), np.zeros(len(row), np.float32)
    table = {"x": left + column * covered, "y": top + row * covered, "row": row, "column": column, "tissue": ones}
    table |= {
        "width": np.full(len(row), covered),
        "height": np.full(len(row), covered),
        "flags": zeros.astype(np.uint8),
    }
    table |= {name: zeros for name in ("background", "pen", "fold", "blur_um")}
    mpp = list(slide.mpp or (0.5, 0.5))
    header = {
        "format": TILES_FORMAT,
        "slide": {"path": str(slide.path), "fingerprint": slide.fingerprint, "mpp": mpp, "tells_mpp": slide.tells_mpp},
        "grid": {"mpp": mpp[0] * covered / tile, "tile": tile, "level": slide.level_for(covered / tile)},
    }
    return TileIndex(header, table)


def measure_reading(path: Path, tile: int, most: int, rounds: int, wall_clock: bool = False) -> dict[str, Any]:
    """Time the same regions of level 0, one thread each, every round with newly opened slides.

    Args:
        path: of the slide.
        tile: pixels a side.
        most: tiles, about.
        rounds: timed calls of each arm, in turns.
        wall_clock: by it, not by the processor's time.

    Returns:
        Tiles, and for every arm its tiles per second and its speed over that of others.
    """
    index = regions(path, tile, most)
    arms: dict[str, Callable[[], object]] = {
        "ours": lambda: _ours(index),
        "openslide, to an array": lambda: _bare(index, as_array=True),
        "openslide, read_region alone": lambda: _bare(index, as_array=False),
        "MONAI WSIReader, openslide": lambda: _monai(index),
        "ours, resampled from twice as fine": _resampled(path, tile, most),
    }
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        times = interleave(arms, rounds, Stopwatch(torch.device("cpu"), processor_time=not wall_clock))
    finally:
        torch.set_num_threads(threads)
    rates = {name: len(index) / statistics.median(seconds) for name, seconds in times.items()}
    speed = {name: paired_ratio(times[name], times["ours"])._asdict() for name in times}
    return {"tiles": len(index), "tile": tile, "per_second": rates, "ours_over": speed}


def _resampled(path: Path, tile: int, most: int) -> Callable[[], object]:
    index = regions(path, tile, most, 2 * tile)
    fine = TileIndex({**index.header, "grid": {**index.header["grid"], "level": 0}}, index.table)
    return lambda: _ours(fine)


def _ours(index: TileIndex) -> None:
    HANDLES.clear()
    for _ in SlideTiles(index, _BATCH):
        pass


def _places(index: TileIndex) -> list[tuple[int, int]]:
    return list(zip(index.table["x"].tolist(), index.table["y"].tolist(), strict=True))


def _bare(index: TileIndex, as_array: bool) -> None:
    with openslide.OpenSlide(index.slide_path) as slide:
        for place in _places(index):
            region = slide.read_region(place, 0, (index.tile, index.tile))
            if as_array:
                np.asarray(region.convert("RGB"))


def _monai(index: TileIndex) -> None:
    reader = WSIReader("openslide", level=0)
    slide = reader.read(str(index.slide_path))
    for x, y in _places(index):
        reader.get_data(slide, location=(y, x), size=(index.tile, index.tile), level=0)
    slide.close()


def measure_workers(path: Path, tile: int, most: int, rounds: int) -> dict[str, Any]:
    """Time a loader of one worker and of two, its start included, by the wall clock.

    Args:
        path: of the slide.
        tile: pixels a side.
        most: tiles, about.
        rounds: timed calls of each, in turns.

    Returns:
        Tiles per second of one and of two workers, and the share of twice the speed that two reach.
    """
    index = regions(path, tile, most)
    arms = {str(n): lambda n=n: _load(index, n) for n in (1, 2)}
    times = interleave(arms, rounds, Stopwatch(torch.device("cpu")))
    rates = {name: len(index) / statistics.median(seconds) for name, seconds in times.items()}
    return {"tiles": len(index), "per_second": rates, "of_linear": paired_ratio(times["1"], times["2"]).median / 2}


def _load(index: TileIndex, workers: int) -> None:
    for _ in DataLoader(SlideTiles(index, _BATCH), batch_size=None, num_workers=workers):
        pass


def measure_mask(path: Path) -> dict[str, Any]:
    """Find the tissue of a slide in a process of its own.

    Args:
        path: of the slide.

    Returns:
        Size, seconds (opening the slide included), bytes resident beyond the loaded libraries, level, and share of
        tissue.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_mask, (path,))


def _mask(path: Path) -> dict[str, Any]:
    torch.set_num_threads(1)
    before = forget_resident_peak()
    found: list[Any] = []

    def work() -> None:
        overview = read_overview(open_slide(path))
        found.extend((overview, tissue_mask(overview)))

    seconds = Stopwatch(torch.device("cpu"))(work)
    overview, mask = found
    return {
        "size": list(open_slide(path).size),
        "seconds": seconds,
        "peak_bytes": resident_peak(),
        "beyond_libraries_bytes": resident_peak() - before,
        "level": overview.level,
        "every": overview.every,
        "tissue": float(mask.tissue.mean()),
    }
