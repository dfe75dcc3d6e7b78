"""Heatmaps of slides that an evaluator runs over, against the network's own logits."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import DataLoader
from monai.engines import PrepareBatchExtraInput, SupervisedEvaluator
from PIL import Image

tifffile = pytest.importorskip("tifffile")
pytest.importorskip("openslide")

from monai_memvit.data.slides import SlideTiles, TileIndex, TileOptions, collate_bags, index_slide  # noqa: E402
from monai_memvit.handlers import SlideHeatmaps  # noqa: E402
from monai_memvit.networks.nets import SlideViT  # noqa: E402
from monai_memvit.networks.slide_streaming import tile_evidence  # noqa: E402

CLASSES = ["normal", "tumour", "other/odd"]
EXTRA = {"coordinates": "position_um", "mask": "mask", "sample_ids": "sample_id", "group_ids": "group_id"}
SIZES = {"num_classes": 3, "hidden_size": 16, "mlp_dim": 16, "num_layers": 2, "num_heads": 2}


@pytest.fixture
def network(seed: int) -> SlideViT:
    """In training mode and with dropout, as a fresh one of a bundle may be."""
    network = SlideViT(in_features=5, pool="gated", dropout_rate=0.2, **SIZES)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return network


@pytest.fixture
def slides(tmp_path: Path, seed: int) -> list[dict[str, Any]]:
    """Three slides of 6 x 5, 7 x 5 and 8 x 5 tiles with features of their tiles; of the last one tile is missing."""
    items = []
    for number in range(3):
        folder = tmp_path / f"slide {number}"
        folder.mkdir()
        pixels = np.full((330, 390 + 64 * number, 3), (190, 110, 165), np.uint8)
        pixels[:40] = 240
        options = {"tile": (256, 256), "photometric": "rgb", "metadata": None}
        with tifffile.TiffWriter(folder / "a.tif") as file:
            file.write(pixels, resolution=(2e4, 2e4), resolutionunit="CENTIMETER", **options)
        index = index_slide(folder / "a.tif", TileOptions(tile=64, min_tissue=0.0))[0]
        index.save(folder / "tiles.parquet")
        order = torch.randperm(len(index))[: len(index) - (number == 2)]
        places = torch.from_numpy(index.positions_um())[order]
        ids = {"sample_id": 700 + number, "group_id": 70 + number}
        items.append(
            {"features": torch.randn(len(order), 5), "position_um": places, "path": folder / "tiles.parquet", **ids}
        )
    return items


def collated(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    batch = collate_bags([{name: value for name, value in item.items() if name != "path"} for item in items])
    return {"image": batch.pop("features"), **batch}


def run(
    items: Sequence[dict[str, Any]], network: Any, folder: Path, evidence: Any = tile_evidence, **options: Any
) -> list[dict[str, str]]:
    queries = [{"sample_id": item["sample_id"], "image": str(item["path"])} for item in items]
    handler = SlideHeatmaps(network, evidence, str(folder), CLASSES, queries, **options)
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(list(items), batch_size=2, num_workers=0, collate_fn=collated),
        network=network,
        prepare_batch=PrepareBatchExtraInput(EXTRA),
        val_handlers=[handler],
    )
    evaluator.run()
    return list(csv.DictReader((folder / "heatmaps.csv").read_text(encoding="utf-8").splitlines()))


def alone(network: SlideViT, item: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits ``(K,)``, and by their definition contributions ``(N, K)``, of one slide in float64."""
    network = network.eval().double()
    with torch.no_grad():
        tokens = network.forward_features(item["features"].double()[None], item["position_um"][None])[0]
        weights = network.pooling.scores(tokens[None])[0].softmax(0)
        parts = weights[:, None] * (tokens @ network.head.weight.T)
        logits = parts.sum(0) + network.head.bias
    network.float()
    return logits, parts


def against_others(values: torch.Tensor, k: int) -> torch.Tensor:
    return values[..., k] - values[..., [j for j in range(3) if j != k]].mean(-1)


def test_the_files_hold_what_the_tiles_contribute(
    slides: list[dict[str, Any]], network: SlideViT, tmp_path: Path
) -> None:
    rows = run(slides, network, tmp_path / "out", classes=["tumour"])
    assert [row["sample_id"] for row in rows] == ["700", "701", "702"]
    for item, row in zip(slides, rows, strict=True):
        logits, parts = alone(network, item)
        expected, index = against_others(parts, 1), TileIndex.load(item["path"])
        assert float(row["probability"]) == pytest.approx(float(logits.softmax(0)[1]), rel=1e-3)
        assert float(row["logit"]) == pytest.approx(float(against_others(logits, 1)), rel=1e-3)
        bias = float(against_others(network.head.bias.detach(), 1))
        assert float(row["sum_of_contributions"]) + bias == pytest.approx(float(row["logit"]), rel=1e-3)
        tiles = list(csv.DictReader((tmp_path / "out" / row["tiles"]).read_text().splitlines()))
        order = expected.argsort(descending=True)
        assert len(tiles) == len(expected) and sum(float(t["weight"]) for t in tiles) == pytest.approx(1, rel=1e-4)
        for tile, i in zip(tiles[:3], order[:3].tolist(), strict=True):
            assert [float(tile["x_um"]), float(tile["y_um"])] == pytest.approx(item["position_um"][i].tolist())
            assert float(tile["contribution"]) == pytest.approx(float(expected[i]), rel=1e-3, abs=1e-5)
            fall = logits.softmax(0)[1] - (logits - parts[i]).softmax(0)[1]
            assert float(tile["probability_share"]) == pytest.approx(float(fall), rel=1e-2, abs=1e-6)
        features = json.loads((tmp_path / "out" / row["geojson"]).read_text())["features"]
        assert len(features) == len(expected)
        image = tifffile.imread(tmp_path / "out" / row["image"])
        best = int(order[0])
        column, line = (item["position_um"][best] // (64 * 0.5)).int().tolist()
        assert image.shape[0] == 4 and image[1, line, column] == pytest.approx(float(expected[best]), rel=1e-3)
        assert np.count_nonzero(image[3]) == len(expected) == len(index) - (item["sample_id"] == 702)
        with Image.open(tmp_path / "out" / row["picture"]) as picture:
            assert picture.mode == "RGB" and picture.width == 768
    assert network.head.weight.grad is None


def test_the_most_probable_class_is_shown_unless_others_are_named(
    slides: list[dict[str, Any]], network: SlideViT, tmp_path: Path
) -> None:
    rows = run(slides, network, tmp_path / "one")
    for item, row in zip(slides, rows, strict=True):
        assert row["class"] == CLASSES[int(alone(network, item)[0].argmax())]
    rows = run(slides, network, tmp_path / "two", classes=["other/odd", "normal"], slides=2)
    assert [(row["sample_id"], row["class"]) for row in rows] == [
        (sample_id, name) for sample_id in ("700", "702") for name in ("other/odd", "normal")
    ]
    assert sorted(path.name for path in (tmp_path / "two").iterdir() if "702" in path.name) == [
        "702.ome.tif",
        *sorted(f"702_{name}.{kind}" for name in ("normal", "other_odd") for kind in ("csv", "geojson", "png")),
    ]
    assert run(slides, network, tmp_path / "none", slides=0) == []
    assert [row["class"] for row in run(slides[:1], network, tmp_path / "word", classes="normal")] == ["normal"]


def test_evidence_is_that_of_the_evaluated_network(
    slides: list[dict[str, Any]], network: SlideViT, tmp_path: Path
) -> None:
    """A fresh network is in training mode, and MONAI's evaluator goes back to it after the forward pass."""
    seen = []

    def watched(network: SlideViT, features: torch.Tensor, **known: Any) -> Any:
        seen.append((network.training, sorted(known), known["sample_ids"].tolist(), known["group_ids"].tolist()))
        return tile_evidence(network, features, **known)

    run(slides, network.train(), tmp_path / "out", evidence=watched, slides=2)
    names = ["coordinates", "group_ids", "mask", "sample_ids"]
    assert seen == [(False, names, [700], [70]), (False, names, [702], [72])]


def test_wrong_input_is_named(slides: list[dict[str, Any]], network: SlideViT, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="class 'cancer' is unknown: take some of normal"):
        run(slides, network, tmp_path, classes=["cancer"])
    with pytest.raises(ValueError, match="two or more"):
        SlideHeatmaps(network, tile_evidence, str(tmp_path), ["tumour"], [])
    with pytest.raises(ValueError, match=r"slide 0.*has no tile of its own .*3\.5 µm"):
        run([{**slides[0], "position_um": slides[0]["position_um"] + torch.tensor([3.5, 0])}], network, tmp_path / "a")
    twice = {name: slides[0][name][[0, 0, 1]] for name in ("features", "position_um")}
    with pytest.raises(ValueError, match="no tile of its own"):
        run([slides[0] | twice], network, tmp_path / "a")
    with pytest.raises(ValueError, match="gone.parquet does not exist"):
        run([{**slides[0], "path": tmp_path / "gone.parquet"}], network, tmp_path / "a")
    assert not (tmp_path / "a").exists()


@pytest.mark.slow
@pytest.mark.parametrize("pool", ["gated", "cls"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cmu_small_region.svs", TileOptions(tile=64, overlap=16, mpp_target=2.0)),
        ("fluorescence_dapi.ndpi", TileOptions(tile=64, mpp_target=2.0, stain="fluorescence")),
        ("dicom_jpeg2000", TileOptions(tile=64, mpp_target=29.0)),
    ],
)
def test_from_a_real_slides_pixels_to_its_heatmap(
    shared_data: Path, tmp_path: Path, seed: int, name: str, options: TileOptions, pool: str
) -> None:
    from functools import partial

    from monai_memvit.networks.blocks import TilePatchEmbedding

    if not (shared_data / "wsi").is_dir():
        pytest.skip(f"no real slides in {shared_data}")
    index = index_slide(shared_data / "wsi" / name, options)[0]
    index.save(tmp_path / "tiles.parquet")
    batches = list(SlideTiles(index))
    tiles, places = (torch.cat([b[key] for b in batches]) for key in ("image", "position_um"))
    embedding = partial(TilePatchEmbedding, patch_size=16, mpp=options.mpp_target)
    network = SlideViT(in_features=3, pool=pool, embedding=embedding, **SIZES)
    item = {"features": tiles, "position_um": places, "path": tmp_path / "tiles.parquet", "sample_id": 1, "group_id": 2}
    (row,) = run([item], network, tmp_path / "out")
    image = tifffile.imread(tmp_path / "out" / row["image"])
    grid, (width, height) = index.header["grid"], index.header["slide"]["size"]
    assert image.shape == (4, -(-height // grid["step_y"]), -(-width // grid["step_x"]))
    assert np.isfinite(image).all() and image[CLASSES.index(row["class"])].any()
    features = json.loads((tmp_path / "out" / row["geojson"]).read_text())["features"]
    corners = np.array([feature["geometry"]["coordinates"][0] for feature in features])
    assert len(features) == len(index) and corners.min() >= 0 and (corners.max((0, 1)) <= (width, height)).all()
    with Image.open(tmp_path / "out" / row["picture"]) as picture:
        assert max(picture.size) >= 768
