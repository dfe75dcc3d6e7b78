"""The figures of several findings per image, epoch by epoch."""

from __future__ import annotations

import csv
import json
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score

from monai_memvit.handlers import MultiLabelReport
from monai_memvit.metrics import bootstrap_intervals, finding_calibration, multi_label_summary

FINDINGS = ["effusion", "pleural thickening", "hernia"]
Batches = list[list[dict[str, Any]]]


def run(batches: Batches, epochs: int = 1, **options: Any) -> Engine:
    engine = Engine(lambda engine, batch: [{k: v for k, v in item.items() if k != "group_id"} for item in batch])
    MultiLabelReport(FINDINGS, **options).attach(engine)
    engine.run(batches, max_epochs=epochs)
    return engine


@pytest.fixture
def batches(seed: int) -> Batches:
    """Forty images of twenty patients; nobody has a hernia; some labels are unknown."""
    labels = (torch.rand(40, 3) < 0.4).float()
    predictions = (torch.randn(40, 3) + labels).sigmoid()
    labels[:, 2] = 0
    labels[torch.rand(40, 3) < 0.15] = -1
    items = [
        {"pred": p, "label": y, "group_id": torch.tensor(i // 2)} for i, (p, y) in enumerate(zip(predictions, labels))
    ]
    return [items[:16], items[16:32], items[32:]]


def columns(batches: Batches) -> tuple[torch.Tensor, torch.Tensor]:
    items = [item for batch in batches for item in batch]
    return torch.stack([item["pred"] for item in items]), torch.stack([item["label"] for item in items])


def test_metrics_are_those_of_all_batches_together(batches: Batches) -> None:
    metrics = run(batches, prefix="test_").state.metrics
    probabilities, labels = columns(batches)
    for k, name in enumerate(FINDINGS[:2]):
        known = labels[:, k] >= 0
        truth, said = labels[known, k], probabilities[known, k]
        assert metrics[f"test_auc_{name}"] == pytest.approx(roc_auc_score(truth, said), abs=1e-6)
        assert metrics[f"test_auprc_{name}"] == pytest.approx(average_precision_score(truth, said), abs=1e-6)
    assert metrics["test_auc"] == pytest.approx(
        (metrics[f"test_auc_{FINDINGS[0]}"] + metrics[f"test_auc_{FINDINGS[1]}"]) / 2
    )
    errors = [finding_calibration(probabilities[:, k], labels[:, k]).error for k in range(3)]
    assert metrics["test_calibration_error"] == pytest.approx(sum(errors) / 3)
    assert "test_auc_hernia" not in metrics and metrics["test_calibration_error_hernia"] == pytest.approx(errors[2])


def test_every_epoch_is_counted_anew(batches: Batches, tmp_path: Any) -> None:
    once, twice = run(batches).state.metrics, run(batches, epochs=2, output_dir=str(tmp_path)).state.metrics
    assert once == twice
    assert json.loads((tmp_path / "metrics.json").read_text())["cases"] == 40


def test_intervals_of_whole_patients(batches: Batches, tmp_path: Any) -> None:
    options = {"bootstrap": 30, "group_key": "group_id", "output_dir": str(tmp_path / "deep" / "out")}
    metrics = run(batches, **options).state.metrics
    required = torch.tensor([True, True, False])

    def figures(*drawn: torch.Tensor) -> dict[str, float]:
        return multi_label_summary(*drawn, FINDINGS, required)

    expected = bootstrap_intervals(figures, columns(batches), torch.arange(40) // 2, 30)
    report = json.loads((tmp_path / "deep" / "out" / "metrics.json").read_text())
    for name in ("auc", "auprc", "auc_effusion"):
        bounds = [metrics[f"val_{name}_interval_{side}"] for side in ("low", "high")]
        assert bounds == report["intervals"][name] == pytest.approx(expected[name])
    assert report["intervals"]["auc_hernia"] == [None, None] and report["auc_hernia"] is None
    assert not any("hernia_interval" in name for name in metrics)
    assert report["patients"] == 20 and report["class_names"] == FINDINGS


def test_table_and_picture(batches: Batches, tmp_path: Any) -> None:
    run(batches, output_dir=str(tmp_path), bootstrap=5)
    rows = list(csv.DictReader((tmp_path / "findings.csv").read_text().splitlines()))
    _, labels = columns(batches)
    assert [row["finding"] for row in rows] == FINDINGS
    assert [int(row["known"]) for row in rows] == (labels >= 0).sum(0).tolist()
    assert [int(row["positive"]) for row in rows] == (labels == 1).sum(0).tolist()
    assert rows[2]["auc"] == rows[2]["auc_low"] == "" and float(rows[0]["auc_low"]) <= float(rows[0]["auc"])
    with Image.open(tmp_path / "curves.png") as picture:
        picture.load()


def test_nothing_known_is_no_error(batches: Batches, tmp_path: Any) -> None:
    blank = [[{**item, "label": torch.full((3,), -1.0)} for item in batch] for batch in batches]
    metrics = run(blank, output_dir=str(tmp_path), bootstrap=2).state.metrics
    assert metrics["val_auc"] != metrics["val_auc"] and len(metrics) == 3


def test_images_without_labels_are_unknown(batches: Batches) -> None:
    bare = [[{"pred": item["pred"], "group_id": 0} for item in batch] for batch in batches]
    assert run(bare).state.metrics.keys() == {"val_auc", "val_auprc", "val_calibration_error"}


def test_names_must_fit(batches: Batches) -> None:
    engine = Engine(lambda engine, batch: batch)
    MultiLabelReport(["effusion"]).attach(engine)
    with pytest.raises(ValueError, match="3 findings"):
        engine.run(batches)
