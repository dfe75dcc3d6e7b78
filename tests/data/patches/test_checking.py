"""Every image is decoded to its last pixel; what is broken is named, in the order of the source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_memvit.data.fingerprint import array_digest
from monai_memvit.data.patches.checking import check_records, pixels_of
from monai_memvit.data.patches.source import PatchRecord

RGB = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)


def record(image: Path | np.ndarray, key: str = "a") -> PatchRecord:
    """A record around an image."""
    return PatchRecord(key, key, 0, None, image, f"where/{key}")


def cause(image: Path | np.ndarray) -> str:
    """Why an image is refused."""
    sound, broken = check_records([record(image)], 1, progress=False)
    assert not sound
    return broken[0].cause


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
def test_a_sound_file_is_known_by_its_pixels(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(RGB).save(tmp_path / f"a.{suffix}")
    [(_, checked)], broken = check_records([record(tmp_path / f"a.{suffix}")], 1, progress=False)
    assert not broken
    assert (checked.height, checked.width, checked.channels) == (9, 7, 3)
    with Image.open(tmp_path / f"a.{suffix}") as file:
        assert checked.digest == array_digest(np.asarray(file))


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.6, 0.9])
def test_a_truncated_file_is_refused(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert cause(path)


@pytest.mark.parametrize("mode, words", [("RGBA", "4 channel"), ("P", "'P'"), ("1", "'1'"), ("I;16", "'I;16'")])
def test_other_pixel_modes_are_refused(tmp_path: Path, mode: str, words: str) -> None:
    Image.new(mode, (5, 5)).save(tmp_path / "a.png")
    assert words in cause(tmp_path / "a.png")


def test_nan_in_a_file_is_named(tmp_path: Path) -> None:
    Image.fromarray(np.full((5, 5), np.nan, dtype=np.float32)).save(tmp_path / "a.tif")
    assert cause(tmp_path / "a.tif") == "NaN or infinite pixels"


def test_a_missing_file_and_a_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    assert "UnidentifiedImageError" in cause(tmp_path / "a.png")
    assert "FileNotFoundError" in cause(tmp_path / "b.png")


@pytest.mark.parametrize(
    "pixels, words",
    [
        (np.full((4, 4, 3), np.nan), "NaN or infinite"),
        (np.full((4, 4, 3), np.inf, dtype=np.float32), "NaN or infinite"),
        (np.full((4, 4, 3), 0.5), "whole numbers 0 … 255"),
        (np.full((4, 4, 3), 256, dtype=np.int16), "from 256 to 256"),
        (np.full((4, 4), -1), "from -1 to -1"),
        (np.zeros((4, 4, 2), dtype=np.uint8), "2 channels"),
        (np.zeros((4, 4), dtype=np.complex64), "complex64"),
    ],
)
def test_other_rows_of_archives_are_refused(pixels: np.ndarray, words: str) -> None:
    assert words in cause(pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.float32, np.float64])
def test_whole_numbers_of_any_type_are_the_same_picture(dtype: type) -> None:
    assert np.array_equal(pixels_of(RGB.astype(dtype)), RGB)
    assert pixels_of(RGB.astype(dtype)).dtype == np.uint8


def test_one_channel_last_is_gray() -> None:
    assert pixels_of(RGB[..., :1]).shape == (9, 7)


def test_the_odd_channel_count_is_broken() -> None:
    images = [RGB, RGB[..., 0], RGB]
    sound, broken = check_records([record(image, str(i)) for i, image in enumerate(images)], 1, progress=False)
    assert [r.sample_key for r, _ in sound] == ["0", "2"]
    assert [(b.sample_key, b.where) for b in broken] == [("1", "where/1")]
    assert broken[0].cause == "1 channel(s), but most of the set has 3"


def test_the_result_does_not_depend_on_the_number_of_workers() -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (5, 5, 3)) + (1000 if i % 7 == 3 else 0) for i in range(500)]
    records = [record(image, str(i)) for i, image in enumerate(images)]
    results = [check_records(records, workers, progress=False) for workers in (1, 2, 7)]
    assert results[0][1] == results[1][1] == results[2][1]
    assert len({str([(r.sample_key, c) for r, c in sound]) for sound, _ in results}) == 1
    assert [int(b.sample_key) for b in results[0][1]] == list(range(3, 500, 7))
