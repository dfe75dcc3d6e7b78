"""The written pyramid as tifffile and openslide read it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monai_memvit.data.simulate.slides.pyramid import PyramidLevel, jpeg_tile, picture_levels, write_pyramid

openslide = pytest.importorskip("openslide")
tifffile = pytest.importorskip("tifffile")


@pytest.fixture
def picture() -> np.ndarray:
    y, x = np.mgrid[:600, :1100]
    return np.stack([x / 5, y / 3, 255 - x / 5], axis=-1).astype(np.uint8)


def test_levels_tags_and_pixels(picture: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with open(path, "wb") as file:
        write_pyramid(file, picture_levels(picture, 128), 0.4, "about", 128)
    with tifffile.TiffFile(path) as tiff:
        assert tiff.is_bigtiff and [page.shape for page in tiff.pages] == [(600, 1100, 3), (150, 275, 3)]
        assert [page.tags["NewSubfileType"].value for page in tiff.pages] == [0, 1]
        assert tiff.pages[0].description == "about" and tiff.pages[0].is_tiled
    slide = openslide.OpenSlide(path)
    assert slide.level_dimensions == ((1100, 600), (275, 150))
    assert float(slide.properties["openslide.mpp-x"]) == pytest.approx(0.4)
    whole = np.asarray(slide.read_region((0, 0), 0, (1100, 600)).convert("RGB"), int)
    assert np.abs(whole - picture).mean() < 2
    small = np.asarray(slide.read_region((0, 0), 1, (275, 150)).convert("RGB"), int)
    assert np.abs(small - picture.reshape(150, 4, 275, 4, 3).mean(axis=(1, 3))).mean() < 2


def test_equal_tiles_are_stored_once(tmp_path: Path) -> None:
    white, grey = (jpeg_tile(np.full((128, 128, 3), value, np.uint8), 128) for value in (255, 100))
    path = tmp_path / "b.tif"
    with open(path, "wb") as file:
        write_pyramid(file, [PyramidLevel(128 * 50, 128 * 40, [white] * 1999 + [grey])], 0.25, tile=128)
    assert path.stat().st_size < len(white) + len(grey) + 2000 * 16 + 1000
    slide = openslide.OpenSlide(path)
    assert np.asarray(slide.read_region((128 * 49, 128 * 39), 0, (128, 128)))[..., 0].mean() == pytest.approx(
        100, abs=1
    )
    assert np.asarray(slide.read_region((128 * 20, 128 * 30), 0, (128, 128)))[..., 0].mean() == 255
