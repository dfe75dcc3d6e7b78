"""Pixels, scale and failures of slides read through openslide."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openslide
import pytest

from monai_memvit.data.slides import SlideError, SlideReader, open_slide


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 255, (700, 900, 3), dtype=np.uint8)


def test_pixels_are_those_of_the_file(picture: np.ndarray, write_pyramid: Callable[..., Path]) -> None:
    reader = open_slide(write_pyramid(picture))
    assert reader.size == (900, 700)
    assert [(level.downsample, level.width, level.height) for level in reader.levels] == [(1, 900, 700), (4, 225, 175)]
    np.testing.assert_array_equal(reader.read(130, 70, 300, 200), picture[70:270, 130:430])
    np.testing.assert_array_equal(reader.read(40, 80, 50, 60, level=1), picture[::4, ::4][20:80, 10:60])


@pytest.mark.parametrize("downsample", [2, 4, 16])
def test_a_level_shows_the_same_place_as_level_0_up_to_the_far_edge(
    write_pyramid: Callable[..., Path], downsample: int
) -> None:
    """openslide alone, by the mean ratio of rounded sizes, is off by many pixels on a long narrow slide."""
    width, height = 6015, 335
    ramp = np.broadcast_to(((np.arange(width) % 960) // 4)[None, :, None], (height, width, 3)).astype(np.uint8)
    path = write_pyramid(ramp, downsamples=(1, downsample), floor=True)
    reader = open_slide(path)
    assert reader.levels[1].downsample == downsample
    for x in (320, 3200, 5824):
        coarse = reader.read(x, 0, 64 // downsample, 4, 1)[0, :, 0]
        expected = ramp[0, x : x + 64 : downsample, 0].astype(int)
        assert np.abs(coarse - expected).max() <= 2


def test_outside_the_slide_is_white(picture: np.ndarray, write_pyramid: Callable[..., Path]) -> None:
    reader = open_slide(write_pyramid(picture))
    region = reader.read(850, -10, 100, 60)
    np.testing.assert_array_equal(region[10:, :50], picture[:50, 850:])
    assert (region[:10] == 255).all() and (region[:, 50:] == 255).all()


def test_a_slide_keeps_its_own_scale_and_others_get_the_given_one(
    picture: np.ndarray, write_pyramid: Callable[..., Path]
) -> None:
    told, untold = write_pyramid(picture, "told.tif", mpp=0.25), write_pyramid(picture, "untold.tif", mpp=None)
    assert open_slide(told, mpp=0.5).mpp == pytest.approx((0.25, 0.25))
    assert open_slide(untold).mpp is None
    assert open_slide(untold, mpp=0.5).mpp == (0.5, 0.5)
    with pytest.raises(SlideError, match="untold.tif.*--mpp"):
        _ = open_slide(untold).known_mpp
    with pytest.raises(ValueError, match="mpp is -1"):
        open_slide(untold, mpp=-1)


def test_72_dots_per_inch_are_no_scale(picture: np.ndarray, write_pyramid: Callable[..., Path]) -> None:
    assert open_slide(write_pyramid(picture, mpp=25400 / 72)).mpp is None


@pytest.mark.parametrize(("downsample", "level"), [(0.5, 0), (1, 0), (3.9, 0), (3.97, 1), (4, 1), (100, 1)])
def test_the_level_just_finer_is_taken(
    picture: np.ndarray, write_pyramid: Callable[..., Path], downsample: float, level: int
) -> None:
    assert open_slide(write_pyramid(picture)).level_for(downsample) == level


def test_a_corrupt_tile_costs_its_region_only(
    picture: np.ndarray, write_pyramid: Callable[..., Path], spoil_tile: Callable[[Path, int, int], None]
) -> None:
    path = write_pyramid(picture)
    spoil_tile(path, 0, 1)
    reader = open_slide(path)
    for _ in range(2):
        with pytest.raises(SlideError, match=r"slide.tif: 10x10 pixels of level 0 at \(300, 20\)"):
            reader.read(300, 20, 10, 10)
        np.testing.assert_array_equal(reader.read(10, 10, 100, 100), picture[10:110, 10:110])


def test_a_file_cut_off_is_told(picture: np.ndarray, write_pyramid: Callable[..., Path]) -> None:
    path = write_pyramid(picture, downsamples=(1,))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(SlideError, match="slide.tif.*cut off"):
        open_slide(path).check_whole()


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "is empty"), (b"no slide" * 100, "is of a format"), (None, "does not exist")]
)
def test_what_is_no_slide_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "x.svs"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SlideError, match=f"x.svs {message}"):
        open_slide(path)


def _read(reader: SlideReader) -> int:
    return int(reader.read(100, 100, 64, 64).sum())


def test_readers_work_after_a_fork_and_in_a_new_process(
    picture: np.ndarray, write_pyramid: Callable[..., Path]
) -> None:
    reader = open_slide(write_pyramid(picture))
    expected = int(picture[100:164, 100:164].sum())
    assert _read(reader) == expected
    assert _read(pickle.loads(pickle.dumps(reader))) == expected
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(_read, [reader] * 4) == [expected] * 4


def test_the_fingerprint_is_of_the_content(picture: np.ndarray, write_pyramid: Callable[..., Path]) -> None:
    first, twin = write_pyramid(picture, "a.tif"), write_pyramid(picture, "b.tif")
    other = write_pyramid(255 - picture, "c.tif")
    assert open_slide(first).fingerprint == open_slide(twin).fingerprint != open_slide(other).fingerprint


def test_a_file_that_was_replaced_is_opened_anew(picture: np.ndarray, write_pyramid: Callable[..., Path]) -> None:
    open_slide(write_pyramid(picture)).read(0, 0, 10, 10)
    reader = open_slide(write_pyramid(255 - picture))
    np.testing.assert_array_equal(reader.read(0, 0, 10, 10), 255 - picture[:10, :10])


def test_a_link_is_a_slide_under_its_own_name(
    picture: np.ndarray, write_pyramid: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As stores that keep files under their digests make them; a MIRAX slide's pixels lie beside the link."""
    store = write_pyramid(picture, "0a1b2c")
    (tmp_path / "slide.tif").symlink_to(store)
    monkeypatch.chdir(tmp_path)
    reader = open_slide("slide.tif")
    assert reader.path == tmp_path / "slide.tif" and reader.size == (900, 700)


def test_a_name_that_is_no_text_is_told(picture: np.ndarray, write_pyramid: Callable[..., Path]) -> None:
    path = write_pyramid(picture)
    try:
        odd = path.rename(path.with_name("caf\udce9.tif"))
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    with pytest.raises(SlideError, match=r"caf\\xe9.tif: .* not UTF-8: rename it"):
        open_slide(odd)


@pytest.mark.parametrize("name", ["cmu_small_region.svs", "tcga-cr-7395.svs", "fluorescence_dapi.ndpi"])
def test_real_slides_read_as_openslide_reads_them(wsi: Path, name: str) -> None:
    reader, plain = open_slide(wsi / name), openslide.OpenSlide(wsi / name)
    level = len(reader.levels) - 1
    region = reader.read(-40, 300, 200, 150, level)
    rgba = np.asarray(plain.read_region((-40, 300), level, (200, 150))).astype(np.float64)
    white = np.round(rgba[..., :3] * rgba[..., 3:] / 255 + 255 - rgba[..., 3:])
    assert np.abs(region - white).max() <= 1
    assert reader.fluorescence == name.endswith("ndpi")
    reader.check_whole()
