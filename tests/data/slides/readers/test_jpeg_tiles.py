"""JPEG tiles decoded without openslide: the very pixels that it draws, or nothing."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openslide
import pytest
from PIL import Image

from monai_memvit.data.simulate.slides.pyramid import picture_levels
from monai_memvit.data.simulate.slides.pyramid import write_pyramid as write_jpeg_pyramid
from monai_memvit.data.slides import SlideError, open_slide
from monai_memvit.data.slides.readers.jpeg_tiles import JpegTiles


@pytest.fixture
def picture() -> np.ndarray:
    """Clouds of colour, of odd sizes."""
    small = np.random.default_rng(1).integers(0, 256, (18, 25, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((2003, 1435), Image.Resampling.BICUBIC))


@pytest.fixture
def slide(picture: np.ndarray, tmp_path: Path) -> Path:
    path = tmp_path / "slide.tif"
    with open(path, "wb") as file:
        write_jpeg_pyramid(file, picture_levels(picture), 0.5)
    return path


def drawn(path: Path, x: int, y: int, width: int, height: int, level: int) -> np.ndarray:
    with openslide.OpenSlide(path) as slide:
        return np.asarray(slide.read_region((x, y), level, (width, height)))[..., :3]


def tiles(path: Path, reference: Callable[..., np.ndarray] | None = None) -> JpegTiles:
    with openslide.OpenSlide(path) as slide:
        return JpegTiles(path, slide.level_dimensions, reference or (lambda *region: drawn(path, *region)))


REGIONS = [(0, 0, 256, 256), (3, 250, 300, 20), (255, 255, 2, 2), (500, 100, 703, 767), (2002, 1434, 1, 1)]


@pytest.mark.parametrize("region", REGIONS)
def test_regions_are_what_openslide_draws(slide: Path, region: tuple[int, int, int, int]) -> None:
    found = tiles(slide).read(*region, level=0)
    assert found is not None
    np.testing.assert_array_equal(found, drawn(slide, *region, 0))
    np.testing.assert_array_equal(open_slide(slide).read(*region), found)


def test_a_coarser_level_is_not_blurred_by_its_odd_size(slide: Path) -> None:
    """openslide draws between pixels, for it takes the downsample for 2003/501 and 1435/359."""
    stored, reader = drawn(slide, 0, 0, 500, 359, 1), open_slide(slide)
    assert reader.levels[1].downsample == 4
    np.testing.assert_array_equal(reader.read(4 * 401, 4 * 290, 50, 60, 1), stored[290:350, 401:451])


def test_over_the_edge_it_is_left_to_openslide(slide: Path) -> None:
    short = tiles(slide)
    assert short.read(-1, 0, 10, 10, 0) is None and short.read(2000, 0, 10, 10, 0) is None
    region = open_slide(slide).read(1993, 0, 20, 10)
    assert (region[:, 10:] == 255).all()
    np.testing.assert_array_equal(region[:, :10], drawn(slide, 1993, 0, 10, 10, 0))


def test_a_level_that_looks_otherwise_is_left_alone(slide: Path) -> None:
    def other(*region: int) -> np.ndarray:
        return drawn(slide, *region) ^ 1

    def broken(*region: int) -> np.ndarray:
        raise openslide.OpenSlideError("Not a JPEG file")

    for reference in (other, broken):
        assert tiles(slide, reference).read(0, 0, 10, 10, 0) is None


def test_other_compressions_are_left_alone(picture: np.ndarray, write_pyramid: Callable[..., Path]) -> None:
    assert tiles(write_pyramid(picture)).read(0, 0, 10, 10, 0) is None


def test_a_corrupt_tile_is_told_and_the_others_are_read(slide: Path, spoil_tile: Callable[..., None]) -> None:
    whole = drawn(slide, 0, 0, 256, 256, 0)
    spoil_tile(slide, 0, 1)
    reader = open_slide(slide)
    for _ in range(2):
        np.testing.assert_array_equal(reader.read(0, 0, 256, 256), whole)
        with pytest.raises(SlideError, match=r"64x64 pixels of level 0 at \(250, 20\)"):
            reader.read(250, 20, 64, 64)


def test_few_decoded_tiles_are_kept(slide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monai_memvit.data.slides.readers.jpeg_tiles._KEPT", 1)
    opened: list[io.BytesIO] = []
    original = Image.open
    monkeypatch.setattr(Image, "open", lambda file, **kwargs: opened.append(file) or original(file, **kwargs))
    short = tiles(slide)
    short.read(0, 0, 256, 256, 0)
    before = len(opened)
    for _ in range(3):
        for x in (0, 256, 512):
            short.read(x, 0, 256, 256, 0)
    assert len(opened) - before == 2
    short.read(0, 256, 1280, 256, 0)
    short.read(0, 0, 256, 256, 0)
    assert len(opened) - before == 2 + 5 + 1


def test_a_scanners_slide_of_rgb_tiles_without_a_marker(wsi: Path) -> None:
    path = wsi / "cmu_small_region.svs"
    short = tiles(path)
    for region in [(0, 0, 240, 240), (1000, 1500, 333, 444), (2200, 2900, 20, 67)]:
        found = short.read(*region, level=0)
        assert found is not None
        np.testing.assert_array_equal(found, drawn(path, *region, 0))
