"""Densities in closed form; ink told from tissue on real tiles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_memvit.data.slides.overview import block_means
from monai_memvit.data.slides.stain_colours import glass_colour, optical_density, pen_pixels, stained_pixels


def test_density_is_lambert_and_beers() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    glass = np.array([240, 235, 250], np.float32)
    expected = np.maximum(np.log10((glass.astype(np.float64) + 1) / (pixels + 1.0)), 0)
    np.testing.assert_allclose(optical_density(pixels, glass), np.moveaxis(expected, 2, 0), atol=1e-6)


def test_glass_is_the_median_of_what_is_bright_and_grey() -> None:
    picture = np.full((10, 10, 3), 255, np.uint8)
    picture[:5] = (238, 236, 240)
    picture[5] = (180, 90, 150)
    np.testing.assert_array_equal(glass_colour(picture), [238, 236, 240])
    np.testing.assert_array_equal(glass_colour(np.full((4, 4, 3), (180, 90, 150), np.uint8)), [255] * 3)


@pytest.mark.parametrize(
    ("name", "colour", "stained", "ink"),
    [
        ("glass", (236, 235, 238), False, False),
        ("dust", (150, 150, 152), False, False),
        ("eosin", (225, 150, 190), True, False),
        ("haematoxylin", (110, 80, 150), True, False),
        ("blood", (200, 70, 90), True, False),
        ("green pen", (20, 140, 90), True, True),
        ("blue pen", (40, 40, 130), True, True),
        ("red pen", (210, 25, 25), True, True),
        ("black pen", (15, 15, 17), False, True),
        ("filling", (0, 0, 0), False, True),
    ],
)
def test_colours(name: str, colour: tuple[int, int, int], stained: bool, ink: bool) -> None:
    density = optical_density(np.array([[colour]], np.uint8), np.array([240, 240, 240], np.float32))
    assert bool(stained_pixels(density)[0, 0]) == stained
    assert bool(pen_pixels(density)[0, 0]) == ink


def test_red_ink_is_not_told_from_a_brown_stain() -> None:
    density = optical_density(np.array([[(210, 25, 25)]], np.uint8), np.full(3, 240, np.float32))
    assert not pen_pixels(density, "ihc").any()


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("medium-nuclei-score-green-pen-level1.png", 0.15, 0.7),
        ("tcga-green-pen.png", 0.08, 0.4),
        ("tcga-red-pen.png", 0.1, 0.3),
        ("high-nuclei-score-level0.png", 0, 0.005),
        ("medium-nuclei-score-level0.png", 0, 0.005),
        ("tissue-level2-1784-6289-5880-10386.png", 0, 0.005),
        ("almost-white-2.png", 0, 0.001),
    ],
)
def test_ink_on_real_tiles(wsi: Path, name: str, least: float, most: float) -> None:
    tile = np.array(Image.open(wsi / "qc_tiles" / name).convert("RGB"))
    tile = block_means(tile[: len(tile) // 4 * 4, : tile.shape[1] // 4 * 4], 4)
    assert least <= pen_pixels(optical_density(tile, glass_colour(tile))).mean() <= most
