"""Pictures of cases: files as they are, slices of stacks in gray."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_memvit.data.case_pictures import case_picture


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """Three slices of two sequences, the second missing; zeros around."""
    array = np.zeros((3, 2, 6, 5), np.float16)
    array[:, 0, 1:5, 1:4] = np.random.default_rng(0).standard_normal((3, 4, 3))
    np.save(tmp_path / "image.npy", array)
    return tmp_path / "image.npy"


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_a_picture_is_given_as_it_is(tmp_path: Path, mode: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, len(mode)), dtype=np.uint8).squeeze()
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert np.array_equal(case_picture(tmp_path / "a.png"), pixels)


def test_channels_are_scaled_from_percentile_to_percentile(stack: Path) -> None:
    picture = case_picture(stack, 1)
    values = np.load(stack)[1, 0].astype(np.float32)
    low, high = np.percentile(values[values != 0], [1, 99])
    expected = np.where(values != 0, np.interp(values, [low, high], [0, 255]).round(), 0)
    assert picture.dtype == np.uint8 and picture.shape == (6, 10)
    assert np.abs(picture[:, :5] - expected).max() <= 1 and picture.max() == 255
    assert (picture[:, 5:] == 0).all()


def test_one_channel_of_the_middle_slice(stack: Path) -> None:
    assert np.array_equal(case_picture(stack, channel=0), case_picture(stack, 1)[:, :5])
    np.save(stack.with_name("one.npy"), np.load(stack)[1])
    assert np.array_equal(case_picture(stack.with_name("one.npy")), case_picture(stack, 1))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_prepared_film_is_given_as_it_is(tmp_path: Path, dtype: type) -> None:
    film = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.save(tmp_path / "a.npy", film.astype(dtype) * dtype(np.iinfo(dtype).max // 255))
    picture = case_picture(tmp_path / "a.npy")
    assert picture.dtype == np.uint8 and np.array_equal(picture, film)


@pytest.mark.parametrize(("channels", "rows", "columns"), [(1, 1, 1), (3, 1, 3), (4, 2, 2), (5, 2, 3), (7, 3, 3)])
def test_many_channels_stand_in_rows(tmp_path: Path, channels: int, rows: int, columns: int) -> None:
    array = np.zeros((channels, 4, 4), np.float32)
    for channel in range(channels):
        array[channel, :2] = [-1, 1, -1, 1]
    np.save(tmp_path / "a.npy", array)
    picture = case_picture(tmp_path / "a.npy")
    assert picture.shape == (4 * rows, 4 * columns)
    assert (picture == 255).sum() == 4 * channels


def test_one_value_gives_no_number_that_is_none(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((1, 3, 3), np.float32))
    assert (case_picture(tmp_path / "a.npy") == 0).all()


def test_what_is_not_there_is_named(stack: Path) -> None:
    for number, channel, message in ((3, None, "no slice 3: there are 3"), (0, 2, "no channel 2: there are 2")):
        with pytest.raises(ValueError, match=message):
            case_picture(stack, number, channel)
    np.save(stack, np.zeros((4, 4)))
    with pytest.raises(ValueError, match=r"shape \(4, 4\)"):
        case_picture(stack)
