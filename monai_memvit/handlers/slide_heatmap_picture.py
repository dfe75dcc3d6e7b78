"""A slide with the tiles' contributions laid over it, and below what the colours mean."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ..data.slides.heatmap import TileHeatmap
from ..data.slides.heatmap_cells import heatmap_cells
from .film_heatmaps import contribution_overlay

__all__ = ["heatmap_picture"]

_LEGEND, _MARGIN, _BAR, _TEXT = 96, 16, 260, 20  # pixels: height, left, length of the colour bar, height of letters


def heatmap_picture(slide: NDArray[np.float32], heatmap: TileHeatmap, title: str, top: int = 5) -> Image.Image:
    """Red tiles speak for the class, blue ones against it; the strongest are framed and numbered.

    Args:
        slide: in shades of grey ``(H, W)`` in [0, 1]: the whole of it.
        heatmap: of its tiles, contributions first.
        title: of the picture.
        top: how many of the tiles that speak for the class are framed, at most.
    """
    contributions = _on_pixels(heatmap, slide.shape)
    full_colour = float(np.nanmax(np.abs(heatmap.values), initial=0))
    picture = Image.fromarray(contribution_overlay(slide, contributions, full_colour))
    canvas = Image.new("RGB", (max(picture.width, 768), picture.height + _LEGEND), "white")
    canvas.paste(picture)
    draw = ImageDraw.Draw(canvas)
    _frame(draw, heatmap, picture.size, top)
    _legend(canvas, draw, picture.height, title, full_colour)
    _scale_bar(draw, canvas.width, picture, heatmap)
    return canvas


def _on_pixels(heatmap: TileHeatmap, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The value of the cell in which each pixel's centre lies."""
    means = heatmap_cells(heatmap.index, heatmap.values).means()
    grid, size = heatmap.index.header["grid"], heatmap.index.header["slide"]["size"]
    rows, columns = (
        ((np.arange(pixels) + 0.5) * length / pixels // step).astype(int)
        for pixels, length, step in zip(shape, size[::-1], (grid["step_y"], grid["step_x"]), strict=True)
    )
    return means[np.ix_(rows, columns)]


def _frame(draw: ImageDraw.ImageDraw, heatmap: TileHeatmap, size: tuple[int, int], top: int) -> None:
    """Frames first, then ranks: in the tile, or where it is small at the end of a line."""
    scale = size[0] / heatmap.index.header["slide"]["size"][0]
    rows = heatmap.strongest(top)[0]
    columns = (heatmap.index.table[name][rows] * scale for name in ("x", "y", "width", "height"))
    tiles = [tuple(map(float, tile)) for tile in zip(*columns, strict=True)]
    for x, y, width, height in reversed(tiles):  # the first one lies on top
        draw.rectangle([x - 3, y - 3, x + width + 3, y + height + 3], outline="white", width=4)
        draw.rectangle([x - 2, y - 2, x + width + 2, y + height + 2], outline="black", width=2)
    taken = [(x + width / 2, y + height / 2) for x, y, width, height in tiles]
    font = ImageFont.load_default(size=_TEXT)
    for rank, (x, y, width, height) in enumerate(tiles, 1):
        centre = (x + width / 2, y + height / 2)
        place = centre
        if min(width, height) < 2 * _TEXT:
            place = _free_place(centre, taken, size)
            taken.append(place)
            for colour, thick in (("white", 4), ("black", 2)):
                draw.line([centre, place], fill=colour, width=thick)
        draw.text(place, str(rank), "black", font, "mm", stroke_width=3, stroke_fill="white")


def _free_place(
    centre: tuple[float, float], taken: Sequence[tuple[float, float]], size: tuple[int, int]
) -> tuple[float, float]:
    """The next place around a tile where nothing stands."""
    for radius in range(2, 12):
        for step in range(12):
            x = centre[0] + radius * _TEXT * math.cos(step * math.pi / 6)
            y = centre[1] - radius * _TEXT * math.sin(step * math.pi / 6)
            inside = _TEXT < x < size[0] - _TEXT and _TEXT < y < size[1] - _TEXT
            if inside and all(max(abs(x - other[0]), abs(y - other[1])) > 1.5 * _TEXT for other in taken):
                return x, y
    return centre


def _legend(canvas: Image.Image, draw: ImageDraw.ImageDraw, top: int, title: str, full_colour: float) -> None:
    draw.text((_MARGIN, top + 8), title, fill="black", font=ImageFont.load_default(size=_TEXT))
    ramp = np.linspace(-1, 1, _BAR, dtype=np.float32)[None].repeat(14, 0)
    canvas.paste(Image.fromarray(contribution_overlay(np.ones_like(ramp), ramp, 1.0)), (_MARGIN, top + 40))
    font = ImageFont.load_default(size=_TEXT - 4)
    marks = ((0, f"{-full_colour:.3g}", "la"), (_BAR // 2, "0", "ma"), (_BAR, f"+{full_colour:.3g}", "ra"))
    for x, text, anchor in marks:
        draw.text((_MARGIN + x, top + 58), text, fill="black", font=font, anchor=anchor)
    draw.text((_MARGIN + _BAR + 16, top + 38), "logits per tile: red for, blue against", fill="black", font=font)


def _scale_bar(draw: ImageDraw.ImageDraw, right: int, picture: Image.Image, heatmap: TileHeatmap) -> None:
    """A round length of at most a fifth of the slide."""
    index = heatmap.index
    per_pixel = index.slide_mpp[0] * index.header["slide"]["size"][0] / picture.width
    widest = per_pixel * picture.width / 5
    length = max((n for k in range(-1, 6) for n in (10.0**k, 2 * 10.0**k, 5 * 10.0**k) if n <= widest), default=widest)
    x, y = right - _MARGIN, picture.height + 48
    draw.line([x - length / per_pixel, y, x, y], fill="black", width=3)
    draw.text(
        (x, y + 10), f"{length / 1000:g} mm", fill="black", font=ImageFont.load_default(size=_TEXT - 4), anchor="ra"
    )
