"""The table of new films."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine

from monai_memvit.handlers import FilmPredictions, OperatingPoints
from monai_memvit.handlers.weights_digest import weights_digest

FINDINGS = ["effusion", "hernia"]
BATCHES = [
    [{"pred": torch.tensor([0.45, 0.5]), "sample_id": 2**62 + 1}, {"pred": torch.tensor([0.1, 0.9]), "sample_id": 7}],
    [{"pred": torch.tensor([0.449, 0.2]), "sample_id": 8}],
]


def table(folder: Path, batches: Any = BATCHES, **options: Any) -> list[dict[str, str]]:
    engine = Engine(lambda engine, batch: [{"pred": item["pred"]} for item in batch])
    FilmPredictions(FINDINGS, str(folder / "out"), **options).attach(engine)
    engine.run(batches)
    return list(csv.DictReader((folder / "out" / "predictions.csv").read_text().splitlines()))


def test_probabilities_and_decisions(tmp_path: Path) -> None:
    torch.save({}, tmp_path / "model.pt")
    thresholds = {"effusion": float(torch.tensor(0.45)), "hernia": None}
    OperatingPoints(thresholds, "given", weights_digest(tmp_path / "model.pt"), 1).save(tmp_path / "points.json")
    rows = table(tmp_path, points=str(tmp_path / "points.json"), checkpoint=str(tmp_path / "model.pt"))
    assert [row["sample_id"] for row in rows] == [str(2**62 + 1), "7", "8"]
    assert [row["decision_effusion"] for row in rows] == ["present", "absent", "absent"]
    assert {row["decision_hernia"] for row in rows} == {""}
    assert [row["probability_hernia"] for row in rows] == ["0.500000", "0.900000", "0.200000"]
    assert len(rows[0]) == 5


def test_without_points_there_are_no_decisions(tmp_path: Path) -> None:
    assert {row["decision_effusion"] for row in table(tmp_path)} == {""}


def test_a_prediction_that_is_no_number_is_not_absent(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 of 2 images are no probabilities"):
        table(tmp_path, [[BATCHES[0][0], {"pred": torch.tensor([0.1, float("nan")]), "sample_id": 7}]])
    assert not (tmp_path / "out").exists()


def test_films_without_ids_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="sample_id"):
        table(tmp_path, [[{"pred": torch.tensor([0.1, 0.2])}]])
