"""All tiles of a slide at once: equal to region reads, kept on disk, told when the slide is gone."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from monai_memvit.data.simulate.slides import SlideSimulation, simulate_slides
from monai_memvit.data.slides import (
    LoadSlideFeaturesd,
    LoadSlideTilesd,
    TileIndex,
    TileOptions,
    collate_bags,
    index_slide,
    save_tile_features,
)
from monai_memvit.data.slides.tile_index import FLAGS


@pytest.fixture
def indexed(tmp_path: Path) -> Path:
    """The tile index of a small slide, which lies beside it."""
    cohort = simulate_slides(tmp_path / "cohort", 1, options=SlideSimulation(size=(512, 512)))
    shutil.move(cohort / "slides" / "sim-0001-1.tif", tmp_path / "slide.tif")
    index, _, _ = index_slide(tmp_path / "slide.tif", TileOptions(mpp_target=1.0, tile=32), "a/slide.tif")
    index.save(tmp_path / "tiles.parquet")
    return tmp_path / "tiles.parquet"


def test_tiles_are_the_pixels_of_their_places(indexed: Path) -> None:
    item = LoadSlideTilesd()({"image": str(indexed), "label": 1})
    index, level_0 = TileIndex.load(indexed), np.asarray(Image.open(indexed.with_name("slide.tif")))
    assert item["label"] == 1 and item["image"].dtype == torch.uint8 and len(item["image"]) == len(index) > 20
    assert torch.equal(item["position_um"], torch.from_numpy(index.positions_um()[item["tile"].numpy()]))
    for tile, row in zip(item["image"].numpy(), item["tile"].tolist()):
        x, y = int(index.table["x"][row]), int(index.table["y"][row])
        assert np.abs(tile.transpose(1, 2, 0) - level_0[y : y + 32, x : x + 32].astype(int)).max() <= 2  # JPEG decoders


def test_flagged_tiles_are_left_out(indexed: Path) -> None:
    index = TileIndex.load(indexed)
    flags = index.table["flags"].copy()
    flags[3], flags[5] = FLAGS["pen"], FLAGS["blur"]
    TileIndex(index.header, {**index.table, "flags": flags}).save(indexed)
    assert 3 not in LoadSlideTilesd(leave_out=["pen"])({"image": indexed})["tile"]
    assert {3, 5} <= set(LoadSlideTilesd(leave_out=[])({"image": indexed})["tile"].tolist())
    TileIndex(index.header, {**index.table, "flags": np.full_like(flags, FLAGS["pen"])}).save(indexed)
    with pytest.raises(ValueError, match=r"tiles.parquet: no tile is left without pen"):
        LoadSlideTilesd(leave_out=["pen"])({"image": indexed})


def test_pixels_are_kept_for_the_next_run(indexed: Path, tmp_path: Path) -> None:
    load = LoadSlideTilesd(cache_dir=tmp_path / "kept")
    first = load({"image": indexed})["image"]
    (file,) = (tmp_path / "kept").iterdir()
    (tmp_path / "slide.tif").rename(tmp_path / "gone.tif")
    assert torch.equal(load({"image": indexed})["image"], first)
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"slide.tif"):
        load({"image": indexed})
    (tmp_path / "gone.tif").rename(tmp_path / "slide.tif")
    assert torch.equal(load({"image": indexed})["image"], first), "a damaged file is made again"


def test_every_worker_of_a_loader_reads_whole_slides(indexed: Path) -> None:
    class Items(torch.utils.data.Dataset):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return 2

        def __getitem__(self, position: int) -> dict[str, object]:
            return LoadSlideTilesd()({"image": str(indexed), "label": position})

    (batch,) = DataLoader(Items(), batch_size=2, num_workers=2, collate_fn=_collate)
    assert batch["mask"].all() and torch.equal(batch["image"][0], batch["image"][1])
    assert batch["mask"].shape[1] == len(TileIndex.load(indexed))


def _collate(items: list[dict[str, object]]) -> dict[str, object]:
    return next(iter([collate_bags(items)])) if len(items) == 2 else {}


def test_a_batch_of_tiles_is_padded() -> None:
    items = [
        {
            "image": torch.full((n, 3, 4, 4), n, dtype=torch.uint8),
            "position_um": torch.zeros(n, 2),
            "tile": torch.arange(n),
        }
        for n in (2, 3)
    ]
    batch = collate_bags(items)
    assert batch["image"].shape == (2, 3, 3, 4, 4) and batch["image"].dtype == torch.uint8
    assert batch["mask"].tolist() == [[True, True, False], [True] * 3] and batch["tile"].tolist() == [
        [0, 1, 0],
        [0, 1, 2],
    ]


@pytest.mark.parametrize("name", ["a/slide", "a/slide.tif", "slide"])
def test_features_are_found_by_the_name_of_the_slide(indexed: Path, tmp_path: Path, name: str) -> None:
    values, places = torch.randn(7, 5), torch.rand(7, 2, dtype=torch.float64)
    path = tmp_path / "features" / f"{name}.parquet"
    path.parent.mkdir(parents=True)
    save_tile_features(path, values, places)
    item = LoadSlideFeaturesd(tmp_path / "features")({"image": indexed, "label": 0})
    assert torch.equal(item["image"], values) and torch.equal(item["position_um"], places) and item["label"] == 0


def test_missing_features_are_told(indexed: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no features of the slide a/slide.tif \(a/slide.parquet, .h5"):
        LoadSlideFeaturesd(tmp_path)({"image": indexed})
