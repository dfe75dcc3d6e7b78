"""The figures of a masked auto-encoder over batches of unequal size."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from ignite.engine import Engine
from torch import Tensor

from monai_memvit.handlers import ReconstructionReport
from monai_memvit.losses import MaskedPatchLoss


def run(loss: torch.nn.Module, images: Tensor, guesses: Tensor, folder: Path | None = None) -> Engine:
    """An evaluator over batches of 3 and 2; the left half of every image is hidden."""
    hidden = torch.zeros(len(images), 1, 2, 2, dtype=torch.bool)
    hidden[..., 0] = True
    pred = {"reconstruction": guesses, "hidden": hidden}

    def step(engine: Engine, part: slice) -> dict[str, object]:
        return {"pred": {name: value[part] for name, value in pred.items()}, "label": images[part]}

    engine = Engine(step)
    ReconstructionReport(loss, output_dir=None if folder is None else str(folder)).attach(engine)
    engine.run([slice(0, 3), slice(3, 5)])
    return engine


def test_figures_are_means_over_images(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    images, guesses = (torch.randn(5, 1, 8, 8, generator=generator) for _ in range(2))
    figures = run(MaskedPatchLoss(normalize=False), images, guesses, tmp_path / "out").state.metrics
    left = images[..., :4].double(), guesses[..., :4].double()
    error, whole = (left[0] - left[1]).square().mean(), left[0].square().mean()
    assert figures["val_loss"] == pytest.approx(float(error), rel=1e-5)
    assert figures["val_explained"] == pytest.approx(float(1 - error / whole), rel=1e-5)
    written = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert written == {"loss": figures["val_loss"], "explained": figures["val_explained"], "images": 5}


def test_the_scale_of_explained() -> None:
    images = torch.rand(5, 1, 8, 8)
    patches = images.unfold(2, 4, 4).unfold(3, 4, 4)
    mean, deviation = patches.mean((4, 5), keepdim=True), patches.var((4, 5), correction=0, keepdim=True).sqrt()
    perfect = ((patches - mean) / deviation).transpose(3, 4).reshape(images.shape)
    assert run(MaskedPatchLoss(), images, perfect).state.metrics["val_explained"] == pytest.approx(1, abs=1e-4)
    assert run(MaskedPatchLoss(), images, torch.zeros_like(images)).state.metrics["val_explained"] == 0


def test_figures_are_means_over_hidden_pixels_however_images_are_batched() -> None:
    images, guesses = torch.rand(2, 5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    hidden = torch.ones(5, 1, 2, 2, dtype=torch.bool)
    hidden[3:, :, 1] = False  # as where channels are absent
    pred, found = {"reconstruction": guesses, "hidden": hidden}, []
    for parts in ([slice(0, 5)], [slice(0, 4), slice(4, 5)]):
        engine = Engine(lambda _, part: {"pred": {n: v[part] for n, v in pred.items()}, "label": images[part]})
        ReconstructionReport(MaskedPatchLoss()).attach(engine)
        engine.run(parts)
        found.append(engine.state.metrics)
    assert found[1] == pytest.approx(found[0], rel=1e-5)
    assert found[0]["val_loss"] == pytest.approx(float(MaskedPatchLoss()(pred, images)), rel=1e-5)


def test_a_second_run_begins_anew(tmp_path: Path) -> None:
    images = torch.rand(5, 1, 8, 8)
    engine = run(MaskedPatchLoss(), images, torch.zeros_like(images), tmp_path)
    first = dict(engine.state.metrics)
    engine.run([slice(0, 3), slice(3, 5)])
    assert engine.state.metrics == first
    assert json.loads((tmp_path / "metrics.json").read_text())["images"] == 5


def test_plain_images_leave_nothing_to_explain(tmp_path: Path) -> None:
    images = torch.ones(5, 1, 8, 8)
    figures = run(MaskedPatchLoss(), images, images, tmp_path).state.metrics
    assert figures["val_explained"] != figures["val_explained"]
    assert json.loads((tmp_path / "metrics.json").read_text())["explained"] is None
