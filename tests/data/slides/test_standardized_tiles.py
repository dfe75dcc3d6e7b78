"""Tiles batch by batch in the colours that the whole slide at once gives, and slides that cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.transforms import Compose

from monai_memvit.data.slides import (
    LoadSlideTilesd,
    LoadTilePlacesd,
    StandardizedTiles,
    TileIndex,
    TileOptions,
    index_slide,
)
from monai_memvit.data.slides.readers.slide import SlideError
from monai_memvit.data.slides.tile_index import FLAGS
from monai_memvit.data.slides.tile_pixels import read_tile
from monai_memvit.transforms.pathology import StandardizeSlideColoursd


@pytest.fixture
def indexed(he_slide: Path) -> Path:
    """The tile index of a small slide, slide.tif, which lies beside it; some of its tiles are flagged."""
    index, _, _ = index_slide(he_slide, TileOptions(mpp_target=1.0, tile=32), he_slide.name)
    index.table["flags"][::5] = FLAGS["pen"]
    index.save(he_slide.with_name("tiles.parquet"))
    return he_slide.with_name("tiles.parquet")


@pytest.mark.parametrize(("batch_size", "num_workers"), [(1000, 0), (50, 2)])
def test_the_tiles_are_those_of_the_whole_slide_at_once(indexed: Path, batch_size: int, num_workers: int) -> None:
    source = StandardizedTiles(["pen"], batch_size, num_workers)
    whole = Compose([LoadSlideTilesd(leave_out=["pen"]), StandardizeSlideColoursd("image")])({"image": indexed})
    places = LoadTilePlacesd(source)({"image": indexed, "label": 1})
    assert torch.equal(places["image"], whole["tile"]) and torch.equal(places["position_um"], whole["position_um"])
    batches = list(source.batches(indexed))
    assert max(len(batch.values) for batch in batches) <= batch_size
    tiles, order = torch.cat([batch.tile for batch in batches]).sort()
    assert torch.equal(tiles, whole["tile"].sort().values)
    at = torch.searchsorted(tiles, whole["tile"])
    values = torch.cat([batch.values for batch in batches])[order][at]
    torch.testing.assert_close(values, whole["image"], atol=1e-5, rtol=1e-5)
    found = torch.cat([batch.position_um for batch in batches])[order][at]
    assert torch.equal(found, whole["position_um"])
    assert np.abs(values.double().mean((0, 2, 3))).max() < 1e-5  # type: ignore[arg-type]


def test_what_cannot_be_read_is_told_without_reading_it(indexed: Path) -> None:
    source, index = StandardizedTiles(["pen"]), TileIndex.load(indexed)
    source.check(indexed)
    with pytest.raises(ValueError, match=r"tiles.parquet: no tile is left without pen, background"):
        none = {**index.table, "flags": np.full(len(index), FLAGS["pen"], np.uint8)}
        TileIndex(index.header, none).save(indexed.with_name("none.tiles.parquet"))
        StandardizedTiles(["pen", "background"]).check(indexed.with_name("none.tiles.parquet"))
    content = indexed.read_bytes()
    for damaged in (content[: len(content) // 2], b"", content[:-1]):
        indexed.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"tiles.parquet is no tile index"):
            source.check(indexed)
    indexed.write_bytes(content)
    slide = indexed.with_name("slide.tif")
    slide.write_bytes(slide.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"slide.tif"):
        source.check(indexed)
    slide.unlink()
    with pytest.raises(ValueError, match=r"slide.tif does not exist"):
        source.check(indexed)


def test_a_corrupt_tile_is_left_out_with_a_warning(
    indexed: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    table = TileIndex.load(indexed).table
    places = list(zip(table["x"].tolist(), table["y"].tolist()))
    corrupt = set(places[1:4])

    def read(reader: Any, x: float, y: float, *wanted: Any) -> np.ndarray:
        if (x, y) in corrupt:
            raise SlideError(f"{reader.path}: the tile at {x}, {y} cannot be decoded")
        return read_tile(reader, x, y, *wanted)

    for room in ("load_slide_tiles", "tiles"):
        monkeypatch.setattr(f"monai_memvit.data.slides.{room}.read_tile", read)
    tiles = LoadSlideTilesd(leave_out=(), cache_dir=tmp_path / "cache")
    whole = Compose([tiles, StandardizeSlideColoursd("image")])({"image": indexed})
    assert sorted(whole["tile"].tolist()) == [0, *range(4, len(places))] and not (tmp_path / "cache").exists()
    assert caplog.text.count("slide.tif: the tile at") == 3
    batches = list(StandardizedTiles((), 50).batches(indexed))
    assert torch.equal(torch.cat([batch.tile for batch in batches]), whole["tile"])
    torch.testing.assert_close(torch.cat([batch.values for batch in batches]), whole["image"], atol=1e-5, rtol=1e-5)
    corrupt.update(places)
    for none in (tiles, lambda item: list(StandardizedTiles(()).batches(item["image"]))):
        with pytest.raises(ValueError, match="none of its"):
            none({"image": indexed})
