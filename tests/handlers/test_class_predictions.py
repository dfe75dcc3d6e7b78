"""The table of predictions: every case once, labels where known."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ignite.engine import Engine

from monai_memvit.handlers import ClassPredictions


def run(handler: ClassPredictions, batches: list[list[dict[str, object]]]) -> None:
    def step(engine: Engine, batch: list[dict[str, object]]) -> list[dict[str, object]]:
        return [{"pred": item["pred"], "label": None} for item in batch]

    engine = Engine(step)
    handler.attach(engine)
    engine.run(batches)


def test_every_case_has_its_row(tmp_path: Path) -> None:
    handler = ClassPredictions(["normal", "tumour"], str(tmp_path / "out"))
    cases = [
        {"sample_id": torch.tensor(2**62 + 1), "pred": torch.tensor([0.25, 0.75]), "label": torch.tensor(0)},
        {"sample_id": 7, "pred": torch.tensor([0.9, 0.1]), "label": 1},
        {"sample_id": 8, "pred": torch.tensor([0.5, 0.5])},
    ]
    for _ in range(2):  # a second run starts anew
        run(handler, [cases[:2], cases[2:]])
    assert (tmp_path / "out" / "predictions.csv").read_text().splitlines() == [
        "sample_id,probability_normal,probability_tumour,predicted,label",
        "4611686018427387905,0.250000,0.750000,tumour,normal",
        "7,0.900000,0.100000,normal,tumour",
        "8,0.500000,0.500000,normal,",
    ]


def test_cases_without_an_id_are_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without a sample_id"):
        run(ClassPredictions(["a", "b"], str(tmp_path)), [[{"pred": torch.tensor([1.0, 0.0])}]])
