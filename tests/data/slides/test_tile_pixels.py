"""Tiles against torch's antialiased interpolation in float64, and against the very pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_memvit.data.slides import Level, open_slide
from monai_memvit.data.slides.readers.slide import SlideReader
from monai_memvit.data.slides.tile_pixels import read_tile


class ArraySlide(SlideReader):
    """A slide in memory; level n is the picture's means over squares."""

    files = ()
    properties: dict[str, str] = {}

    def __init__(self, picture: np.ndarray, downsamples: tuple[int, ...] = (1,)) -> None:
        self.pictures = []
        for d in downsamples:
            height, width = picture.shape[0] // d, picture.shape[1] // d
            means = picture.reshape(height, d, width, d, 3).mean(axis=(1, 3))
            self.pictures.append(np.rint(means).astype(np.uint8))
        self.downsamples = downsamples
        super().__init__(Path("memory"))

    def read(self, x: int, y: int, width: int, height: int, level: int = 0) -> np.ndarray:
        left, top = x // self.downsamples[level], y // self.downsamples[level]
        return self.pictures[level][top : top + height, left : left + width].copy()

    def _read_levels(self) -> tuple[Level, ...]:
        sizes = [(picture.shape[1], picture.shape[0]) for picture in self.pictures]
        return tuple(Level(float(d), *size) for d, size in zip(self.downsamples, sizes, strict=True))

    def _read_mpp(self) -> tuple[float, float] | None:
        return (0.5, 0.5)


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)


def test_pixels_of_the_wanted_scale_are_taken_as_they_are(picture: np.ndarray) -> None:
    tile = read_tile(ArraySlide(picture), 16, 48, 64, 64, 0, 64)
    np.testing.assert_array_equal(tile, picture[48:112, 16:80])


@pytest.mark.parametrize("covered", [64, 96, 100, 128])
def test_finer_pixels_are_resampled_as_torch_does(picture: np.ndarray, covered: int) -> None:
    tile = read_tile(ArraySlide(picture), 32, 64, covered, covered, 0, 64)
    region = torch.as_tensor(picture[64 : 64 + covered, 32 : 32 + covered]).permute(2, 0, 1)[None].double()
    expected = torch.nn.functional.interpolate(region, (64, 64), mode="bilinear", antialias=True)[0].permute(1, 2, 0)
    assert np.abs(tile - expected.numpy()).max() <= 1.01


def test_edges_between_pixels_of_the_level_are_kept(picture: np.ndarray) -> None:
    ramp = np.broadcast_to((np.arange(256) // 4 * 4)[None, :, None], (256, 256, 3)).astype(np.uint8)
    tile = read_tile(ArraySlide(ramp, (1, 4)), 6, 8, 128, 128, 1, 32)
    # A ramp keeps its slope: pixel i stands for columns 6 + 4 i to 10 + 4 i, whose mean place is 8 + 4 i.
    expected = 6 + 4 * np.arange(32)  # the level's pixel j holds 4 j, at the place 4 j + 2
    np.testing.assert_allclose(tile[10, 1:-1, 0], expected[1:-1], atol=1)


def test_a_coarser_level_shows_the_same_place(picture: np.ndarray) -> None:
    smooth = np.kron(picture[:16, :16], np.ones((16, 16, 1), np.uint8))
    slide = ArraySlide(smooth, (1, 2))
    fine, coarse = read_tile(slide, 32, 64, 128, 128, 0, 64), read_tile(slide, 32, 64, 128, 128, 1, 64)
    inner = (slice(4, -4), slice(4, -4))
    assert np.abs(fine[inner].astype(int) - coarse[inner]).mean() < 12


def test_a_real_slide_of_the_wanted_scale(wsi: Path, tmp_path: Path) -> None:
    openslide = pytest.importorskip("openslide")
    path = wsi / "cmu_small_region.svs"
    tile = read_tile(open_slide(path), 300, 500, 200, 200, 0, 200)
    expected = np.asarray(openslide.OpenSlide(path).read_region((300, 500), 0, (200, 200)))[..., :3]
    np.testing.assert_array_equal(tile, expected)


def test_what_lies_outside_is_white(write_pyramid: Callable[..., Path]) -> None:
    path = write_pyramid(np.full((256, 256, 3), 90, np.uint8))
    tile = read_tile(open_slide(path), 192, 0, 128, 128, 0, 64)
    assert (tile[:, :30] == 90).all() and (tile[:, 34:] == 255).all()
