"""Thresholds are chosen on validation, kept with their weights, and refused for others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine

from monai_memvit.handlers import BestModelSaver, ChooseOperatingPoints, OperatingPoints
from monai_memvit.handlers.weights_digest import weights_digest
from monai_memvit.metrics import choose_threshold

FINDINGS = ["effusion", "hernia"]


@pytest.fixture
def batches(seed: int) -> list[list[dict[str, torch.Tensor]]]:
    labels = (torch.rand(30, 2) < 0.4).float()
    labels[:, 1] = 0
    predictions = (torch.randn(30, 2) + labels).sigmoid()
    items = [{"pred": p, "label": y} for p, y in zip(predictions, labels)]
    return [items[:20], items[20:]]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.save({"a": torch.ones(1)}, tmp_path / "model.pt")
    return tmp_path / "model.pt"


def choose(batches: Any, weights: Path, **options: Any) -> dict[str, Any]:
    engine = Engine(lambda engine, batch: batch)
    path = weights.parent / "deep" / "points.json"
    ChooseOperatingPoints(FINDINGS, str(path), str(weights), **options).attach(engine)
    engine.run(batches)
    return json.loads(path.read_text())


@pytest.mark.parametrize("sensitivity", [None, 0.8])
def test_points_of_known_weights(batches: Any, weights: Path, sensitivity: float | None) -> None:
    content = choose(batches, weights, sensitivity=sensitivity)
    items = [item for batch in batches for item in batch]
    said, truth = (torch.stack([item[key] for item in items])[:, 0] for key in ("pred", "label"))
    assert content["thresholds"] == {"effusion": choose_threshold(said, truth, sensitivity), "hernia": None}
    assert content["chosen_on"] == "validation" and content["images"] == 30
    assert content["weights"] == weights_digest(weights)
    assert ("0.8" in content["rule"]) is (sensitivity is not None)
    points = OperatingPoints.load(weights.parent / "deep" / "points.json", FINDINGS, weights)
    assert points.thresholds == content["thresholds"]


def test_while_training_they_follow_the_best_weights(batches: Any, tmp_path: Path) -> None:
    network = torch.nn.Linear(1, 1)
    values = iter([0.7, 0.9, 0.8])
    engine = Engine(lambda engine, batch: [{**item, "pred": item["pred"] / engine.state.epoch} for item in batch])
    engine.add_event_handler("EPOCH_COMPLETED", lambda e: e.state.metrics.update(val_auc=next(values)))
    engine.add_event_handler("EPOCH_STARTED", lambda e: network.bias.data.fill_(e.state.epoch))
    best = BestModelSaver(network, str(tmp_path / "model.pt"), "val_auc")
    best.attach(engine)
    points = tmp_path / "points.json"
    handler = ChooseOperatingPoints(FINDINGS, str(points), str(tmp_path / "model.pt"), best_model=best)
    handler.attach(engine)
    written = []
    engine.add_event_handler("EPOCH_COMPLETED", lambda e: written.append(points.read_text()))
    engine.run(batches, max_epochs=3)
    assert written[0] != written[1] == written[2]
    OperatingPoints.load(points, FINDINGS, tmp_path / "model.pt")
    first, second = (json.loads(text)["thresholds"]["effusion"] for text in written[:2])
    assert second == pytest.approx(first / 2)


def test_a_sensitivity_out_of_range_is_refused(weights: Path) -> None:
    with pytest.raises(ValueError, match="1.5"):
        ChooseOperatingPoints(FINDINGS, "points.json", str(weights), sensitivity=1.5)


def test_names_must_fit(batches: Any, weights: Path) -> None:
    engine = Engine(lambda engine, batch: batch)
    ChooseOperatingPoints(["effusion"], str(weights.parent / "points.json"), str(weights)).attach(engine)
    with pytest.raises(ValueError, match="2 findings"):
        engine.run(batches)


def save(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


GOOD = {"format": "monai_memvit-operating-points/1", "thresholds": {"effusion": 0.5, "hernia": None}, "weights": "0"}


@pytest.mark.parametrize(
    "content, word",
    [
        ("{", "not valid JSON"),
        ([], "no operating points"),
        ({**GOOD, "format": "other"}, "no operating points"),
        ({**GOOD, "thresholds": {"effusion": "high", "hernia": None}}, "0 to 1"),
        ({**GOOD, "thresholds": {"effusion": 1.5, "hernia": None}}, "0 to 1"),
        ({**GOOD, "thresholds": {"hernia": 0.5, "effusion": None}}, "is for"),
        (GOOD, "other weights"),
    ],
)
def test_what_cannot_be_used_is_refused(weights: Path, content: Any, word: str) -> None:
    path = save(weights.parent / "points.json", content)
    with pytest.raises(ValueError) as caught:
        OperatingPoints.load(path, FINDINGS, weights)
    assert word in str(caught.value) and str(path) in str(caught.value) and "operating_points.yaml" in str(caught.value)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nowhere.json does not exist"):
        OperatingPoints.load(tmp_path / "nowhere.json")
