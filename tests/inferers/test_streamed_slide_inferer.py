"""Streamed slides in MONAI's evaluator: the figures and heatmaps of the network that holds them whole."""

from __future__ import annotations

import csv
import weakref
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset
from monai.engines import PrepareBatchExtraInput, SupervisedEvaluator
from monai.inferers import Inferer, SimpleInferer
from monai.transforms import Compose

tifffile = pytest.importorskip("tifffile")
pytest.importorskip("openslide")

from monai_memvit.data.slides import (  # noqa: E402
    LoadSlideTilesd,
    LoadTilePlacesd,
    SourceBatch,
    StandardizedTiles,
    TileOptions,
    TilePlaces,
    TileSource,
    collate_bags,
    index_slide,
)
from monai_memvit.handlers import ClassPredictions, SlideHeatmaps  # noqa: E402
from monai_memvit.inferers import StreamedSlideInferer  # noqa: E402
from monai_memvit.networks.blocks import TileFilterEmbedding  # noqa: E402
from monai_memvit.networks.nets import SlideViT  # noqa: E402
from monai_memvit.networks.slide_streaming import streamed_evidence, tile_evidence  # noqa: E402
from monai_memvit.networks.streaming import memory_mapped  # noqa: E402
from monai_memvit.transforms.pathology import StandardizeSlideColoursd  # noqa: E402

CLASSES = ["normal", "tumour"]
EXTRA = {"coordinates": "position_um", "mask": "mask", "sample_ids": "sample_id", "group_ids": "group_id"}
SIZES = {"num_classes": 2, "hidden_size": 12, "mlp_dim": 16, "num_layers": 2, "num_heads": 2}


@pytest.fixture
def cases(tmp_path: Path) -> list[dict[str, Any]]:
    """Two slides of 24 and 30 tiles of something pink, rougher from tile to tile."""
    cases, random = [], np.random.default_rng(0)
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        pixels = np.full((320, 256 + 64 * number, 3), (190.0, 110, 165))
        pixels += random.normal(0, 1, pixels.shape) * np.linspace(2, 30, pixels.shape[1])[:, None]
        pixels[:16] = 240
        options = {"tile": (256, 256), "photometric": "rgb", "metadata": None}
        with tifffile.TiffWriter(folder / "a.tif") as file:
            found = pixels.clip(0, 255).astype(np.uint8)
            file.write(found, resolution=(2e4, 2e4), resolutionunit="CENTIMETER", **options)
        index_slide(folder / "a.tif", TileOptions(mpp_target=1.0, tile=32, min_tissue=0.0))[0].save(
            folder / "tiles.parquet"
        )
        cases.append({"image": str(folder / "tiles.parquet"), "sample_id": 70 + number, "group_id": 7})
    return cases


def build(pool: str, in_features: int = 3, **changes: Any) -> SlideViT:
    torch.manual_seed(0)
    network = SlideViT(in_features, pool=pool, **(SIZES | changes))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network


def evaluate(cases: Any, load: Any, network: SlideViT, inferer: Inferer, evidence: Any, folder: Path) -> list[Any]:
    """Logits, rows of the predictions and of the heatmaps, and the pixels of the heatmaps."""
    logits: list[torch.Tensor] = []
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(Dataset(cases, load), batch_size=1, num_workers=0, collate_fn=collate_bags),
        network=network,
        inferer=inferer,
        prepare_batch=PrepareBatchExtraInput(EXTRA),
        postprocessing=lambda item: logits.append(item["pred"]) or {**item, "pred": item["pred"].softmax(0)},
        val_handlers=[
            ClassPredictions(CLASSES, str(folder)),
            SlideHeatmaps(network, evidence, str(folder), CLASSES, cases, classes=["tumour"]),
        ],
    )
    evaluator.run()
    tables = [list(csv.DictReader((folder / f"{n}.csv").read_text().splitlines())) for n in ("predictions", "heatmaps")]
    images = [torch.from_numpy(tifffile.imread(folder / row["image"])) for row in tables[1]]
    tiles = [list(csv.DictReader((folder / row["tiles"]).read_text().splitlines())) for row in tables[1]]
    return [torch.stack(logits), *tables, images, tiles]


@pytest.mark.parametrize("pool", ["peak", "gated", "cls"])
def test_equals_the_whole_slide_heatmaps_included(cases: list[dict[str, Any]], pool: str, tmp_path: Path) -> None:
    network = build(pool, embedding=partial(TileFilterEmbedding, filters=6, unit_um=32.0))
    load = Compose([LoadSlideTilesd(), StandardizeSlideColoursd("image")])
    whole = evaluate(cases, load, network, SimpleInferer(), tile_evidence, tmp_path / "whole")
    source = StandardizedTiles(batch_size=9, num_workers=2 * (pool == "peak"))
    store = memory_mapped(tmp_path)
    inferer = StreamedSlideInferer(cases, source, partial(streamed_evidence, store=store))
    found = evaluate(cases, LoadTilePlacesd(source), network, inferer, inferer.evidence, tmp_path / "streamed")
    assert (whole[0][0] - whole[0][1]).abs().max() > 1e-3
    torch.testing.assert_close(found[0], whole[0], atol=1e-4, rtol=1e-4)
    assert [row["sample_id"] for row in found[1]] == ["71", "72"] == [row["sample_id"] for row in found[2]]
    for own, other in zip(found[3], whole[3], strict=True):
        assert other.abs().max() > 1e-4
        torch.testing.assert_close(own, other, atol=float(other.abs().max()) * 1e-3, rtol=1e-2)
    for own, other in zip(found[4], whole[4], strict=True):
        assert own[0]["x"] == other[0]["x"] and own[0]["y"] == other[0]["y"] and len(own) == len(other)
        assert sum(float(tile["weight"]) for tile in own) == pytest.approx(1, rel=1e-3)


class Counted(TileSource):
    """Features made as they are asked for; notes how many tensors are alive at once."""

    def __init__(self, batches: int) -> None:
        self.number, self.alive, self.most = batches, weakref.WeakSet[torch.Tensor](), 0

    def places(self, path: Any) -> TilePlaces:
        return TilePlaces(torch.arange(64 * self.number), torch.zeros(64 * self.number, 2).double())

    def batches(self, path: Any) -> Iterator[SourceBatch]:
        for number in reversed(range(self.number)):
            values, tiles = torch.full((64, 5), float(number)), torch.arange(64 * number, 64 * number + 64)
            self.alive |= {values, tiles}
            self.most = max(self.most, len(self.alive))
            yield SourceBatch(values, torch.zeros(64, 2).double(), tiles)
            del values, tiles

    def check(self, path: Any) -> None: ...


def test_no_more_than_a_few_batches_are_held_and_tiles_keep_their_numbers() -> None:
    network, source = build("gated", 5).eval(), Counted(40)
    inferer = StreamedSlideInferer([{"image": "a", "sample_id": 5}], source, streamed_evidence)
    known = {"coordinates": torch.zeros(1, 2560, 2), "sample_ids": torch.tensor([5])}
    order = torch.randperm(2560)[None]
    logits = inferer(order, network, **known)
    contributions, weights = inferer.evidence(network, order, **known)
    assert source.most <= 6 and contributions.shape == (1, 2, 2560) and logits.shape == (1, 2)
    assert weights.sum() == pytest.approx(1, rel=1e-4)
    of_batches = contributions[0, :, order[0].argsort()].unflatten(1, (40, 64))
    torch.testing.assert_close(of_batches, of_batches[..., :1].expand_as(of_batches))
    assert len(of_batches[0, :, 0].unique()) == 40


def test_tiles_that_were_not_read_have_no_evidence() -> None:
    network, wanted = build("gated", 5).eval(), torch.arange(66).flip(0)[None]
    inferer = StreamedSlideInferer([{"image": "a", "sample_id": 5}], Counted(1), streamed_evidence)
    known = {"coordinates": torch.zeros(1, 66, 2), "sample_ids": torch.tensor([5])}
    inferer(wanted, network, **known)
    contributions, weights = inferer.evidence(network, wanted, **known)
    assert contributions.shape == (1, 2, 66) and contributions[..., :2].isnan().all() and weights[:, :2].isnan().all()
    inferer(wanted[:, 2:], network, **known)
    alone, _ = inferer.evidence(network, wanted[:, 2:], **known)
    assert torch.equal(contributions[..., 2:], alone)


def test_batches_that_are_no_slide_are_told() -> None:
    network, source = build("gated", 5).eval(), Counted(1)
    inferer = StreamedSlideInferer([{"image": "a", "sample_id": 5}], source, streamed_evidence)
    tiles, ids, places = torch.arange(64)[None], torch.tensor([5]), torch.zeros(1, 64, 2)
    with pytest.raises(ValueError, match="one slide with its sample_id"):
        inferer(tiles.repeat(2, 1), network, places, sample_ids=ids)
    with pytest.raises(ValueError, match="one slide with its sample_id"):
        inferer(tiles, network, places)
    with pytest.raises(ValueError, match="sample_id 6 is none of the 1 slides"):
        inferer(tiles, network, places, sample_ids=torch.tensor([6]))
    with pytest.raises(ValueError, match="a: 64 tiles were read, not the 63"):
        inferer(tiles[:, 1:], network, places, sample_ids=ids)
    inferer(tiles, network, places, sample_ids=ids)
    with pytest.raises(ValueError, match=r"slide \[6\] is not the one"):
        inferer.evidence(network, tiles, places, torch.tensor([6]))
