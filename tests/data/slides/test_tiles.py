"""Batches of tiles against the slide's own pixels: each tile once, at its place, whatever the workers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.transforms import Compose, Lambdad, OneOf, RandGaussianNoised, ScaleIntensityRanged
from torch.utils.data import DataLoader

from monai_memvit.data.slides import SlideError, SlideTiles, TileIndex, TileOptions, index_slide, open_slide

OPTIONS = TileOptions(mpp_target=0.5, tile=64)


def indexed(path: Path, options: TileOptions = OPTIONS) -> TileIndex:
    return index_slide(path, options)[0]


@pytest.fixture
def index(he_slide: Path) -> TileIndex:
    return indexed(he_slide)


def gathered(batches: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    batches = list(batches)
    order = torch.argsort(torch.cat([b["tile"] for b in batches]))
    return tuple(torch.cat([b[name] for b in batches])[order] for name in ("tile", "image", "position_um"))  # type: ignore[return-value]


def test_every_tile_has_its_pixels_and_its_place(index: TileIndex) -> None:
    batches = list(SlideTiles(index, batch_size=7))
    tiles, images, positions = gathered(batches)
    assert tiles.tolist() == list(range(len(index)))
    assert max(len(b["tile"]) for b in batches) == 7 and {b["slide"] for b in batches} == {0}
    assert images.dtype == torch.uint8 and images.shape[1:] == (3, 64, 64)
    slide = open_slide(index.slide_path)
    for i in (0, 5, len(index) - 1):
        x, y = int(index.table["x"][i]), int(index.table["y"][i])
        np.testing.assert_array_equal(images[i].permute(1, 2, 0), slide.read(x, y, 64, 64))
        np.testing.assert_allclose(positions[i], [(x + 32) * 0.5, (y + 32) * 0.5])


def test_tiles_come_row_by_row_even_from_an_index_in_disorder(index: TileIndex) -> None:
    order = np.random.default_rng(0).permutation(len(index))
    shuffled = TileIndex(index.header, {name: column[order] for name, column in index.table.items()})
    rows = np.concatenate([b["tile"].numpy() for b in SlideTiles(shuffled)])
    places = list(zip(shuffled.table["y"][rows].tolist(), shuffled.table["x"][rows].tolist(), strict=True))
    assert places == sorted(places)


def test_tiles_are_resampled_to_the_wanted_scale(he_slide: Path) -> None:
    index = indexed(he_slide, TileOptions(mpp_target=1.0, tile=32))
    images = gathered(SlideTiles(index, dtype=torch.float32))[1]
    assert images.dtype == torch.float32 and images.shape[1:] == (3, 32, 32) and 0 < images.max() <= 1
    slide = open_slide(index.slide_path)
    region = slide.read(int(index.table["x"][9]), int(index.table["y"][9]), 64, 64)
    tensor = torch.as_tensor(region).permute(2, 0, 1)[None].double()
    expected = torch.nn.functional.interpolate(tensor, (32, 32), mode="bilinear", antialias=True)[0] / 255
    assert (images[9] - expected).abs().max() < 1.1 / 255


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_workers_give_each_tile_of_all_slides_once(
    index: TileIndex, write_pyramid: Callable[..., Path], workers: int, tmp_path: Path
) -> None:
    other = indexed(write_pyramid(np.full((512, 512, 3), (190, 110, 165), np.uint8), "b.tif"), TileOptions(tile=64))
    other.save(tmp_path / "b.parquet")
    data = SlideTiles([index, tmp_path / "b.parquet"], batch_size=16)
    batches = list(DataLoader(data, batch_size=None, num_workers=workers))
    found = sorted((b["slide"], tile) for b in batches for tile in b["tile"].tolist())
    assert found == [(0, i) for i in range(len(index))] + [(1, i) for i in range(len(other))]
    alone = [b for b in SlideTiles(index) if b["slide"] == 0]
    for mine, one in zip(gathered(b for b in batches if b["slide"] == 0), gathered(alone), strict=True):
        assert torch.equal(mine, one)


def test_shares_of_several_processes_give_each_tile_once(index: TileIndex) -> None:
    parts = [gathered(SlideTiles(index, share=(rank, 3)))[0].tolist() for rank in range(3)]
    assert sorted(sum(parts, [])) == list(range(len(index)))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert SlideTiles(index, share=(1, 3)).num_tiles == len(index)


def test_a_part_without_tiles_gives_no_batch(index: TileIndex) -> None:
    few = TileIndex(index.header, {name: column[:1] for name, column in index.table.items()})
    assert sum(len(list(SlideTiles(few, share=(rank, 4)))) for rank in range(4)) == 1


def test_monais_transforms_are_applied_tile_by_tile(index: TileIndex) -> None:
    transform = Compose(
        [
            ScaleIntensityRanged("image", 0, 255, 0, 1),
            Lambdad("image", lambda image: image * 2),
        ]
    )
    images = gathered(SlideTiles(index, transform=transform))[1]
    plain = gathered(SlideTiles(index, dtype=torch.float32))[1]
    torch.testing.assert_close(images.as_subclass(torch.Tensor), plain * 2)


def test_random_transforms_depend_on_seed_and_epoch_not_on_workers(index: TileIndex) -> None:
    def noisy(seed: int, epoch: int, workers: int) -> torch.Tensor:
        transform = Compose([RandGaussianNoised("image", prob=1.0, std=0.1)])
        data = SlideTiles(index, transform=transform, dtype=torch.float32, seed=seed)
        data.set_epoch(epoch)
        return gathered(DataLoader(data, batch_size=None, num_workers=workers))[1]

    first = noisy(0, 0, 0)
    assert torch.equal(first, noisy(0, 0, 2))
    assert not torch.equal(first, noisy(0, 1, 0)) and not torch.equal(first, noisy(1, 0, 0))


def test_a_choice_between_transforms_does_not_depend_on_workers_either(index: TileIndex) -> None:
    def chosen(workers: int) -> torch.Tensor:
        transform = OneOf([Lambdad("image", lambda image: image * 0), Lambdad("image", lambda image: image)])
        data = SlideTiles(index, transform=transform)
        return gathered(DataLoader(data, batch_size=None, num_workers=workers))[1]

    assert torch.equal(chosen(0), chosen(2))


@pytest.fixture
def spoilt(he_slide: Path, spoil_tile: Callable[[Path, int, int], None]) -> TileIndex:
    """An index made before a tile of the file was spoilt: 256 pixels, four by four tiles of the index."""
    index = indexed(he_slide)
    spoil_tile(he_slide, 0, 8 * 2 + 4)
    again = open_slide(he_slide).fingerprint
    return TileIndex({**index.header, "slide": {**index.header["slide"], "fingerprint": again}}, index.table)


def test_a_corrupt_tile_is_told_or_left_out(spoilt: TileIndex, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SlideError, match=r"slide\.tif.*cannot be read"):
        list(SlideTiles(spoilt))
    with caplog.at_level(logging.WARNING):
        tiles, images, _ = gathered(SlideTiles(spoilt, on_error="skip"))
    x, y = spoilt.table["x"], spoilt.table["y"]
    lost = (x >= 1024) & (x < 1280) & (y >= 512) & (y < 768)
    assert lost.sum() == 16 and len(images) == len(tiles)
    assert tiles.tolist() == np.flatnonzero(~lost).tolist()
    assert caplog.text.count("left out") == 16


def test_a_slide_that_is_gone_or_another_is_told_or_left_out(
    index: TileIndex, he_slide: Path, write_pyramid: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    he_slide.rename(he_slide.with_name("moved.tif"))
    with pytest.raises(SlideError, match="does not exist"):
        list(SlideTiles(index))
    assert len(gathered(SlideTiles(index, slide_paths=[he_slide.with_name("moved.tif")]))[0]) == len(index)
    write_pyramid(np.zeros((512, 512, 3), np.uint8))
    with pytest.raises(SlideError, match="has changed since: prepare it again"):
        list(SlideTiles(index))
    assert list(SlideTiles(index, on_error="skip")) == []
    assert "prepare it again" in caplog.text


def test_flagged_tiles_are_left_out(index: TileIndex) -> None:
    flags = index.table["flags"].copy()
    flags[:3] = [2, 16, 8]
    flagged = TileIndex(index.header, {**index.table, "flags": flags})
    assert SlideTiles(flagged).num_tiles == len(index) - 1
    assert SlideTiles(flagged, leave_out=("pen", "blur", "unreadable")).num_tiles == len(index) - 3
    assert SlideTiles(flagged, leave_out=()).num_tiles == len(index)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"on_error": "ignore"}, "on_error is 'ignore': take one of raise, skip"),
        ({"dtype": torch.float16}, "dtype is torch.float16"),
        ({"share": (2, 2)}, "share is"),
        ({"slide_paths": []}, "1 tile indices and 0 slide_paths"),
        ({"leave_out": ["dust"]}, "flag 'dust' is unknown"),
    ],
)
def test_wrong_arguments_are_told(index: TileIndex, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        SlideTiles(index, **wrong)


@pytest.mark.parametrize(
    ("name", "stain", "mpp"),
    [
        ("cmu_small_region.svs", "he", 2.0),
        ("tcga-cr-7395.svs", "he", 2.0),
        ("fluorescence_dapi.ndpi", "fluorescence", 2.0),
        ("dicom_jpeg2000", "he", 29.0),
        ("dicom_multi_level_bpaec", "fluorescence", 2.6),
    ],
)
def test_real_slides_are_read(wsi: Path, name: str, stain: str, mpp: float) -> None:
    index = indexed(wsi / name, TileOptions(mpp_target=mpp, tile=64, mpp=0.5, min_tissue=0.1, stain=stain))
    tiles, images, positions = gathered(DataLoader(SlideTiles(index), batch_size=None, num_workers=2))
    assert len(tiles) == len(index) > 0 and images.shape[1:] == (3, 64, 64)
    slide = open_slide(index.slide_path)
    x, y, width, height = (int(index.table[column][0]) for column in ("x", "y", "width", "height"))
    mean = slide.read(x, y, width, height).mean()  # of the same place at level 0
    assert abs(images[0].float().mean() - mean) < 6 and (positions > 0).all()
