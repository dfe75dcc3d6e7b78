"""Flags of tiles whose faults are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from monai_memvit.data.slides import TileIndex, TileOptions, index_slide, quality

GREEN_INK = (20, 140, 90)


@pytest.fixture
def picture() -> np.ndarray:
    """6 x 4 tiles of 256 pixels of 0.5 µm, all tissue."""
    random = np.random.default_rng(0)
    rough = ndimage.gaussian_filter(random.normal(0, 1, (1024, 1536)), 1.5)
    picture = np.array([205.0, 140, 180]) + (rough / rough.std() * 22)[..., None]
    return np.clip(picture, 0, 255).astype(np.uint8)


def index(path: Path, **options: object) -> TileIndex:
    return index_slide(path, TileOptions(**options))[0]  # type: ignore[arg-type]


def tiles(found: TileIndex, flag: str) -> set[tuple[int, int]]:
    flagged = found.flagged(flag)
    return set(zip(found.table["row"][flagged].tolist(), found.table["column"][flagged].tolist(), strict=True))


def test_sound_tissue_has_no_flag(picture: np.ndarray, write_pyramid: Callable[..., Path]) -> None:
    found = index(write_pyramid(picture), check_focus=True)
    assert len(found) == 24
    assert not found.flagged().any()


def test_ink_folds_and_glass(picture: np.ndarray, write_pyramid: Callable[..., Path]) -> None:
    picture[256:512, 256:320] = GREEN_INK  # a quarter of tile (1, 1)
    picture[512:768, 1024:1100] = (90, 25, 75)  # 38 µm broad and thrice as dense: no fold; 0.3 of tile (2, 4)
    picture[768:1024, 0:100] = (90, 25, 75)  # 50 µm: a fold
    found = index(write_pyramid(picture), min_tissue=0)
    assert tiles(found, "pen") == {(1, 1)}
    assert tiles(found, "fold") == {(3, 0)}
    one = (found.table["row"] == 1) & (found.table["column"] == 1)
    assert found.table["pen"][one] == pytest.approx(0.25, abs=0.02)
    fold = (found.table["row"] == 3) & (found.table["column"] == 0)
    assert found.table["fold"][fold] == pytest.approx(100 / 256, abs=0.03)


def test_a_tile_of_glass_is_flagged(picture: np.ndarray, write_pyramid: Callable[..., Path]) -> None:
    picture[:256, 40:256] = (240, 238, 241)
    found = index(write_pyramid(picture), min_tissue=0)
    assert tiles(found, "background") == {(0, 0)}
    assert found.table["background"][0] == pytest.approx(216 / 256, abs=0.02)


def test_blur_is_found_where_it_is(picture: np.ndarray, write_pyramid: Callable[..., Path]) -> None:
    part = picture[256:512, 512:1024].astype(np.float64)
    picture[256:512, 512:1024] = ndimage.gaussian_filter(part, (8, 8, 0))
    path = write_pyramid(picture)
    assert tiles(index(path, check_focus=True), "blur") == {(1, 2), (1, 3)}
    assert np.isnan(index(path).table["blur_um"]).all()


def test_a_corrupt_tile_is_flagged_by_the_focus(
    picture: np.ndarray, write_pyramid: Callable[..., Path], spoil_tile: Callable[..., None]
) -> None:
    path = write_pyramid(picture)
    spoil_tile(path, 0, 8)
    found = index(path, check_focus=True)
    assert tiles(found, "unreadable") == {(1, 2)}
    assert not index(path).flagged().any()  # level 0 is not looked at


def test_a_corrupt_tile_does_not_flag_its_neighbours(
    picture: np.ndarray, write_pyramid: Callable[..., Path], spoil_tile: Callable[..., None]
) -> None:
    picture[256:512, 256:320] = GREEN_INK
    path = write_pyramid(picture, downsamples=(1,))
    spoil_tile(path, 0, 6 + 3)
    found = index(path, min_tissue=0)
    assert tiles(found, "unreadable") == {(1, 3)} and tiles(found, "pen") == {(1, 1)}


def test_runs_of_tiles_do_not_change_the_result(
    picture: np.ndarray, write_pyramid: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    picture[256:512, 256:320] = GREEN_INK
    path = write_pyramid(picture, downsamples=(1, 8))
    together = index(path, overlap=32)
    monkeypatch.setattr(quality, "_STRIP", 1)
    alone = index(path, overlap=32)
    for name in ("pen", "fold", "background"):
        np.testing.assert_allclose(together.table[name], alone.table[name], atol=0.05)
