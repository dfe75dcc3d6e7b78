"""What is wrong with each tile: glass, ink, folds and blur, by thresholds in physical units."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .box_means import box_means
from .focus import blur_um
from .overview import Overview, block_means
from .readers.slide import SlideError, SlideReader
from .stain_colours import channel_range, optical_density, pen_pixels, stained_pixels
from .tile_index import FLAGS
from .tissue import TissueMask

__all__ = ["QUALITY_THRESHOLDS", "TileQuality", "tile_quality"]

# Shares of a tile from which on it is flagged, and the width of blur in µm.
QUALITY_THRESHOLDS = {"background": 0.75, "pen": 0.05, "fold": 0.2, "blur_um": 1.25}
_QUALITY_MPP = 4.0  # µm per pixel of what is looked at
_GLASS = 0.1  # optical density
_FOLD, _FOLD_LEAST, _FOLD_UM = 2.2, 1.5, 40.0  # times the slide's median density, density, thinnest fold
_STRIP = 4_000_000  # pixels read at a time


@dataclass(frozen=True)
class TileQuality:
    """What was measured of N tiles; see :class:`monai_memvit.data.slides.TileIndex`.

    Args:
        background: ``(N,)`` share of glass.
        pen: ``(N,)`` share of ink.
        fold: ``(N,)`` share of folds.
        blur_um: ``(N,)``, NaN where not measured.
        unreadable: ``(N,)`` bool.
    """

    background: np.ndarray
    pen: np.ndarray
    fold: np.ndarray
    blur_um: np.ndarray
    unreadable: np.ndarray

    @property
    def flags(self) -> np.ndarray:
        """The sum of ``FLAGS`` of each tile, ``(N,)`` uint8."""
        sums = self.unreadable * np.uint8(FLAGS["unreadable"])
        for name, threshold in QUALITY_THRESHOLDS.items():
            with np.errstate(invalid="ignore"):
                above = getattr(self, name) > threshold
            sums += above * np.uint8(FLAGS[name.removesuffix("_um")])
        return np.asarray(sums, np.uint8)


@dataclass(frozen=True)
class _Run:
    """Neighbouring tiles of one row."""

    tiles: slice
    x: int
    y: int
    width: int
    height: int


def tile_quality(
    reader: SlideReader,
    overview: Overview,
    mask: TissueMask,
    table: dict[str, np.ndarray],
    stain: str = "he",
    focus: tuple[int, float] | None = None,
) -> TileQuality:
    """Look at every tile at about 4 µm per pixel, the slide permitting; for the focus also near its own scale.

    Of a pyramid with a level of 2 to 4 µm the first costs seconds for a whole slide; of a slide that has only fine
    levels it reads all tissue once, as the focus always does.

    Args:
        reader: the slide.
        overview: of it, for what density is usual.
        mask: of its tissue.
        table: ``x``, ``y``, ``width``, ``height``, ``row`` and ``column`` of the tiles, row by row.
        stain: one of ``he``, ``ihc``, ``fluorescence``; of the last only the focus is measured.
        focus: level to read and its micrometres per pixel, where the blur is to be measured.
    """
    count = len(table["x"])
    shares = {name: np.zeros(count) for name in ("background", "pen", "fold")}
    blur, unreadable = np.full(count, np.nan), np.zeros(count, bool)
    fold_density = _fold_density(overview, mask) if stain != "fluorescence" else math.inf
    number = reader.level_for(_QUALITY_MPP / max(reader.known_mpp))
    runs = [] if stain == "fluorescence" else list(_runs(table, reader.levels[number].downsample))
    while runs:
        run = runs.pop()
        try:
            found = _measure(reader, number, run, table, mask.glass, fold_density, stain)
        except SlideError:
            halves = _halves(table, run)
            unreadable[run.tiles] = not halves
            runs += halves
            continue
        for name, values in found.items():
            shares[name][run.tiles] = values
    if focus is not None:
        for i in range(count):
            try:
                blur[i] = _blur(reader, table, i, *focus)
            except SlideError:
                unreadable[i] = True
    return TileQuality(**shares, blur_um=blur, unreadable=unreadable)


def _fold_density(overview: Overview, mask: TissueMask) -> float:
    density = optical_density(overview.pixels[mask.tissue], mask.glass).sum(axis=0)
    return max(_FOLD * float(np.median(density)), _FOLD_LEAST) if density.size else math.inf


def _runs(table: dict[str, np.ndarray], downsample: float) -> Iterator[_Run]:
    """Tiles side by side in a row, as many as are read together."""
    x, width, height = (table[name] for name in ("x", "width", "height"))
    row, column = table["row"], table["column"]
    start, count = 0, len(x)
    for i in range(1, count + 1):
        ends = i == count or row[i] != row[start] or column[i] != column[i - 1] + 1
        if ends or (x[i] + width[i] - x[start]) * height[start] > _STRIP * downsample**2:
            yield _run(table, start, i)
            start = i


def _halves(table: dict[str, np.ndarray], run: _Run) -> list[_Run]:
    """A run that cannot be read in two, so that damage is told of its own tiles only."""
    start, stop = run.tiles.start, run.tiles.stop
    middle = (start + stop) // 2
    return [] if stop - start == 1 else [_run(table, start, middle), _run(table, middle, stop)]


def _run(table: dict[str, np.ndarray], start: int, stop: int) -> _Run:
    x, y = int(table["x"][start]), int(table["y"][start])
    width = int(table["x"][stop - 1] + table["width"][stop - 1]) - x
    return _Run(slice(start, stop), x, y, width, int(table["height"][start]))


def _measure(
    reader: SlideReader,
    number: int,
    run: _Run,
    table: dict[str, np.ndarray],
    glass: np.ndarray,
    fold_density: float,
    stain: str,
) -> dict[str, np.ndarray]:
    downsample = reader.levels[number].downsample
    mpp = max(reader.known_mpp) * downsample
    factor = 2 ** max(0, round(math.log2(_QUALITY_MPP / mpp)))
    scale = downsample * factor
    size = [math.ceil(side / scale) * factor for side in (run.width, run.height)]
    pixels = block_means(reader.read(run.x, run.y, size[0], size[1], number), factor)
    left = (table["x"][run.tiles] - run.x) / scale
    right, bottom = left + table["width"][run.tiles] / scale, np.full(len(left), run.height / scale)
    maps = _maps(pixels, glass, fold_density, stain, mpp * factor)
    return {
        name: np.clip(box_means(values, left, right, np.zeros(len(left)), bottom), 0, 1)
        for name, values in maps.items()
    }


def _maps(pixels: np.ndarray, glass: np.ndarray, fold_density: float, stain: str, mpp: float) -> dict[str, np.ndarray]:
    density = optical_density(pixels, glass)
    pen = pen_pixels(density, stain)
    clear = ~stained_pixels(density) & (channel_range(density)[1] < _GLASS)
    dense = (density.sum(axis=0) > fold_density) & ~pen
    reach = max(round(_FOLD_UM / 2 / mpp), 0)
    fold = ndimage.grey_opening(dense.view(np.uint8), (2 * reach + 1, 2 * reach + 1))
    return {"background": clear, "pen": pen, "fold": fold}


def _blur(reader: SlideReader, table: dict[str, np.ndarray], i: int, level: int, mpp: float) -> float:
    downsample = reader.levels[level].downsample
    width, height = (math.ceil(int(table[name][i]) / downsample) for name in ("width", "height"))
    return blur_um(reader.read(int(table["x"][i]), int(table["y"][i]), width, height, level), mpp)
