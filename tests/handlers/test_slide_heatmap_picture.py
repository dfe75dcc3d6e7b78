"""Pictures of heatmaps: colours where the tiles lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

tifffile = pytest.importorskip("tifffile")
pytest.importorskip("openslide")

from monai_memvit.data.slides import TileHeatmap, TileIndex, TileOptions, index_slide  # noqa: E402
from monai_memvit.handlers.slide_heatmap_picture import _free_place, heatmap_picture  # noqa: E402


@pytest.fixture
def index(tmp_path: Path) -> TileIndex:
    """10 x 8 tiles of 100 level-0 pixels, all of them."""
    with tifffile.TiffWriter(tmp_path / "slide.tif") as file:
        tissue = np.full((800, 1000, 3), (190, 110, 165), np.uint8)
        tissue[:50] = 240
        options = {"tile": (256, 256), "photometric": "rgb", "metadata": None}
        file.write(tissue, resolution=(2e4, 2e4), resolutionunit="CENTIMETER", **options)
    return index_slide(tmp_path / "slide.tif", TileOptions(tile=100, min_tissue=0.0))[0]


def test_tiles_have_the_colour_of_their_contribution(index: TileIndex) -> None:
    values = np.zeros(len(index))
    places = {(int(r), int(c)): i for i, (r, c) in enumerate(zip(index.table["row"], index.table["column"]))}
    values[places[2, 3]], values[places[5, 7]], values[places[6, 1]] = 2, -2, np.nan
    grey = np.full((400, 500), 0.8, np.float32)
    picture = np.asarray(heatmap_picture(grey, TileHeatmap(index, "tumour", {"contribution": values}), "815", top=0))
    assert picture.shape == (496, 768, 3)
    red, blue, grey_level = [214, 26, 28], [43, 122, 181], 0.8 * 255
    for part, colour in ((picture[100:150, 150:200], red), (picture[250:300, 350:400], blue)):
        assert np.abs(part - (0.4 * grey_level + 0.6 * np.array(colour))).max() < 1.5
    rest = picture[:400, :500].copy()
    rest[100:150, 150:200] = rest[250:300, 350:400] = 204
    assert (rest == 204).all()
    assert (picture[400:, :, 0] < 100).any(), "a legend"


def test_the_strongest_are_framed(index: TileIndex) -> None:
    values = np.linspace(-1, 1, len(index))
    heatmap = TileHeatmap(index, "tumour", {"contribution": values})
    grey = np.full((400, 500), 0.8, np.float32)
    plain, framed = (np.asarray(heatmap_picture(grey, heatmap, "815", top)).astype(int) for top in (0, 1))
    rows, columns = np.nonzero((plain != framed).any(2))
    assert rows.min() >= 350 - 4 and columns.min() >= 450 - 4  # the last tile of the last row, and its frame


def test_nothing_to_tell_is_no_colour(index: TileIndex) -> None:
    heatmap = TileHeatmap(index, "tumour", {"contribution": np.zeros(len(index))})
    picture = np.asarray(heatmap_picture(np.full((80, 100), 0.5, np.float32), heatmap, "815"))
    assert (picture[:80, :100] == 128).all()


def test_ranks_of_small_tiles_keep_apart_and_inside() -> None:
    size, taken = (600, 400), [(5.0, 5.0), (8.0, 5.0), (11.0, 5.0), (300.0, 398.0)]
    placed = list(taken)
    for centre in taken:
        x, y = _free_place(centre, placed, size)
        assert 20 < x < 580 and 20 < y < 380 and abs(x - centre[0]) + abs(y - centre[1]) < 200
        assert all(max(abs(x - a), abs(y - b)) > 30 for a, b in placed)
        placed.append((x, y))
