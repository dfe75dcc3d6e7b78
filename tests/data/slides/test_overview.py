"""The small picture of a slide against plain means of its pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from monai_memvit.data.slides import SlideError, open_slide, overview
from monai_memvit.data.slides.overview import block_means, read_overview


def plain_means(picture: np.ndarray, factor: int) -> np.ndarray:
    """Means over squares, the slide filled up with white."""
    height, width = (-(-side // factor) * factor for side in picture.shape[:2])
    full = np.full((height, width, 3), 255.0)
    full[: picture.shape[0], : picture.shape[1]] = picture
    return full.reshape(height // factor, factor, width // factor, factor, 3).mean(axis=(1, 3))


@pytest.fixture
def picture() -> np.ndarray:
    random = np.random.default_rng(5)
    return np.clip(random.normal(200, 10, (1, 1, 3)) + random.normal(0, 20, (1500, 2100, 3)), 0, 255).astype(np.uint8)


def test_means_are_means() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)
    assert np.abs(block_means(pixels, 8) - plain_means(pixels, 8)).max() <= 0.5


@pytest.mark.parametrize(("mpp", "level", "factor"), [(0.5, 1, 4), (0.25, 1, 8), (5.0, 0, 2), (1.0, 1, 2), (4, 1, 1)])
def test_the_smallest_level_that_is_fine_enough_is_read(
    picture: np.ndarray, write_pyramid: Callable[..., Path], mpp: float, level: int, factor: int
) -> None:
    found = read_overview(open_slide(write_pyramid(picture, mpp=mpp)))
    step = (1, 4)[level]
    assert (found.level, found.scale, found.every) == (level, step * factor, 1)
    assert found.mpp == pytest.approx((mpp * step * factor,) * 2)
    assert np.abs(found.pixels - plain_means(picture[::step, ::step], factor)).max() <= 0.5


def test_strips_make_the_same_picture(
    picture: np.ndarray, write_pyramid: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = open_slide(write_pyramid(picture))
    whole = read_overview(reader).pixels
    monkeypatch.setattr(overview, "_STRIP", 70_000)
    np.testing.assert_array_equal(read_overview(reader).pixels, whole)


def test_without_a_small_level_blocks_stand_for_their_neighbours(
    write_pyramid: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = np.zeros((2048, 2600, 3), np.uint8)
    picture[:] = (np.arange(2048) // 512 * 20 + 100)[:, None, None] + (np.arange(2600) // 512)[None, :, None]
    monkeypatch.setattr(overview, "_READ_ALL", picture.size // 3 // 4)
    found = read_overview(open_slide(write_pyramid(picture, downsamples=(1,))))
    assert (found.level, found.every) == (0, 2)
    np.testing.assert_array_equal(found.pixels, picture[::16, ::16])


def test_a_little_damage_is_white_and_told(
    picture: np.ndarray,
    write_pyramid: Callable[..., Path],
    spoil_tile: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(overview, "_STRIP", 256 * 256)
    path = write_pyramid(picture, downsamples=(1,))
    spoil_tile(path, 0, 10)
    found = read_overview(open_slide(path))
    assert 0 < found.unread < 0.05
    white = (found.pixels == 255).all(axis=2)
    assert white.mean() == pytest.approx(found.unread, rel=0.1)


@pytest.mark.parametrize("mpp", [0.5, 3.0])
def test_a_corrupt_tile_costs_itself_only_however_large_the_strips(
    picture: np.ndarray, write_pyramid: Callable[..., Path], spoil_tile: Callable[..., None], mpp: float
) -> None:
    path = write_pyramid(picture, downsamples=(1,), mpp=mpp)
    whole = read_overview(open_slide(path))
    spoil_tile(path, 0, 9 + 4)  # the second row has nine, too
    found = read_overview(open_slide(path))
    side = round(256 / found.scale)
    expected = whole.pixels.copy()
    expected[side : 2 * side, 4 * side : 5 * side] = 255
    np.testing.assert_array_equal(found.pixels, expected)
    assert found.unread == pytest.approx(side**2 * 3 / expected.size)


def test_much_damage_is_an_error(
    picture: np.ndarray, write_pyramid: Callable[..., Path], spoil_tile: Callable[..., None]
) -> None:
    path = write_pyramid(picture, downsamples=(1,))
    for tile in range(4):
        spoil_tile(path, 0, tile)
    with pytest.raises(SlideError, match="slide.tif: more than 5% of the slide cannot be read"):
        read_overview(open_slide(path))
