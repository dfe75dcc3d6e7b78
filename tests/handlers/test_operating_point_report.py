"""What decisions are worth on other images, at thresholds that were given."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine

from monai_memvit.handlers import OperatingPointReport, OperatingPoints
from monai_memvit.handlers.weights_digest import weights_digest
from monai_memvit.metrics import bootstrap_intervals, threshold_figures

FINDINGS = ["effusion", "mass", "hernia"]


@pytest.fixture
def batches(seed: int) -> list[list[dict[str, torch.Tensor]]]:
    labels = (torch.rand(30, 3) < 0.4).float()
    predictions = (torch.randn(30, 3) + labels).sigmoid()
    labels[torch.rand(30, 3) < 0.2] = -1
    items = [
        {"pred": p, "label": y, "group_id": torch.tensor(i // 3)} for i, (p, y) in enumerate(zip(predictions, labels))
    ]
    return [items[:20], items[20:]]


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    torch.save({"a": torch.ones(1)}, tmp_path / "model.pt")
    thresholds = {"effusion": 0.45, "mass": 0.999999, "hernia": None}
    points = OperatingPoints(thresholds, "given", weights_digest(tmp_path / "model.pt"), 7)
    points.save(tmp_path / "points.json")
    return str(tmp_path / "points.json"), str(tmp_path / "model.pt")


def run(batches: Any, files: tuple[str, str], **options: Any) -> dict[str, float]:
    engine = Engine(lambda engine, batch: [{k: item[k] for k in ("pred", "label")} for item in batch])
    OperatingPointReport(files[0], FINDINGS, files[1], **options).attach(engine)
    engine.run(batches)
    return engine.state.metrics


def test_figures_with_intervals(batches: Any, files: tuple[str, str], tmp_path: Path) -> None:
    metrics = run(batches, files, output_dir=str(tmp_path / "out"), bootstrap=20, group_key="group_id")
    items = [item for batch in batches for item in batch]
    said, truth = (torch.stack([item[key] for item in items])[:, 0] for key in ("pred", "label"))
    expected = threshold_figures(said, truth, 0.45)
    assert {name: metrics[f"test_{name}_effusion"] for name in expected} == pytest.approx(expected)
    assert "test_ppv_mass" not in metrics and metrics["test_sensitivity_mass"] == 0
    assert not any("hernia" in name for name in metrics)
    rows = list(csv.DictReader((tmp_path / "out" / "operating_points.csv").read_text().splitlines()))
    assert [row["threshold"] for row in rows] == ["0.450000", "0.999999", ""]
    intervals = bootstrap_intervals(
        lambda *drawn: threshold_figures(*drawn, 0.45), (said, truth), torch.arange(30) // 3, 20
    )
    for name, (low, high) in intervals.items():
        assert [rows[0][f"{name}{part}"] for part in ("_low", "_high")] == [f"{low:.4f}", f"{high:.4f}"]
    assert set(rows[2].values()) == {"hernia", ""}


def test_points_of_other_weights_are_refused(batches: Any, files: tuple[str, str], tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match="other weights"):
        run(batches, (files[0], str(tmp_path / "other.pt")))
