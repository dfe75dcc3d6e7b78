"""Stored features batch by batch: those of the whole file, and what is told of files that hold none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("pyarrow")

from monai_memvit.data.slides import LoadSlideFeaturesd, StreamedFeatures, save_tile_features  # noqa: E402


@pytest.fixture
def indexed(make_index: Any, tmp_path: Path) -> Path:
    """The index of the slide none.tif, and its features in the folder features."""
    make_index().save(tmp_path / "tiles.parquet")
    (tmp_path / "features").mkdir()
    save_tile_features(tmp_path / "features" / "none.parquet", torch.randn(300, 5), torch.rand(300, 2) * 1000)
    return tmp_path / "tiles.parquet"


@pytest.mark.parametrize("batch_size", [300, 77])
def test_the_features_are_those_of_the_whole_file(indexed: Path, batch_size: int) -> None:
    source = StreamedFeatures(indexed.with_name("features"), batch_size=batch_size)
    whole = LoadSlideFeaturesd(indexed.with_name("features"))({"image": indexed})
    places, batches = source.places(indexed), list(source.batches(indexed))
    assert torch.equal(places.position_um, whole["position_um"]) and places.tile.tolist() == list(range(300))
    assert torch.equal(torch.cat([batch.tile for batch in batches]), places.tile)
    assert torch.equal(torch.cat([batch.values for batch in batches]), whole["image"])
    assert torch.equal(torch.cat([batch.position_um for batch in batches]), whole["position_um"])
    assert max(len(batch.values) for batch in batches) <= batch_size
    source.check(indexed)


def test_missing_and_empty_features_are_told(indexed: Path) -> None:
    source = StreamedFeatures(indexed.with_name("features"))
    save_tile_features(indexed.parent / "features" / "none.parquet", torch.zeros(0, 5), torch.zeros(0, 2))
    with pytest.raises(ValueError, match="none.parquet holds no tile"):
        source.check(indexed)
    (indexed.parent / "features" / "none.parquet").unlink()
    with pytest.raises(ValueError, match="holds no features of the slide none.tif"):
        source.check(indexed)
