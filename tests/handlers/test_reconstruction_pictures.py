"""Reconstructions as pictures: which images, which pixels, where they go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from torch import Tensor

from monai_memvit.handlers import ReconstructionPictures, reconstruction_pictures


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    """What is drawn, while it is drawn."""
    seen: list[list[Any]] = []
    draw = reconstruction_pictures.evidence_picture
    monkeypatch.setattr(
        reconstruction_pictures, "evidence_picture", lambda found, caption: seen.extend(found) or draw(found, caption)
    )
    return seen


def evaluator(images: Tensor, hidden: Tensor) -> Engine:
    """Batches of two images; the prediction is 0 everywhere."""

    def step(engine: Engine, part: slice) -> dict[str, object]:
        pred = {"reconstruction": torch.zeros_like(images[part]), "hidden": hidden[part]}
        return {"pred": pred, "label": images[part]}

    engine = Engine(step)
    engine.run_all = lambda: engine.run([slice(n, n + 2) for n in range(0, len(images), 2)])
    return engine


def black(pred: dict[str, Tensor], images: Tensor) -> Tensor:
    """Hidden pixels at the image's own minimum."""
    size = images.shape[-1] // pred["hidden"].shape[-1]
    hidden = pred["hidden"]
    for axis in range(2, images.ndim):
        hidden = hidden.repeat_interleave(size, axis)
    return torch.where(hidden, images.amin(), images)


def test_original_seen_and_completed(tmp_path: Path, rows: list[list[Any]]) -> None:
    images = torch.arange(5 * 64.0).view(5, 1, 8, 8)
    hidden = torch.zeros(5, 1, 2, 2, dtype=torch.bool)
    hidden[:, :, 0, 1] = True
    engine, logged = evaluator(images, hidden), []
    ReconstructionPictures(black, str(tmp_path / "out"), images=3, log=logged.append).attach(engine)
    engine.run_all()
    assert [[panel.title for panel in row] for row in rows] == [
        [f"image {n}", "seen", "completed"] for n in (1, 2, 3)
    ]  # and not of the fourth, though it came in the same batch
    original, seen, completed = (panel.image for panel in rows[0])
    assert original.shape == (8, 8, 3) and original.min() == 0 and original.max() == 1
    np.testing.assert_allclose(original[..., 0], np.arange(64).reshape(8, 8) / 63, atol=1e-6)
    assert (seen[:4, 4:] == 0.5).all() and (completed[:4, 4:] == 0).all()
    for panel in (seen, completed):
        assert (panel[4:] == original[4:]).all() and (panel[:4, :4] == original[:4, :4]).all()
    (path,) = (tmp_path / "out").iterdir()
    assert path.name == "reconstruction_0001.png" and path.read_bytes().startswith(b"\x89PNG")
    assert logged == [str(path)]


def test_channels_have_rows_and_absent_ones_none(tmp_path: Path, rows: list[list[Any]]) -> None:
    images = torch.rand(2, 3, 8, 8)
    images[1, 1] = float("nan")
    hidden = torch.ones(2, 3, 2, 2, dtype=torch.bool)
    hidden[1, 1] = False
    engine = evaluator(images, hidden)
    ReconstructionPictures(black, str(tmp_path)).attach(engine)
    engine.run_all()
    assert [row[0].title for row in rows] == [f"image 1, channel {c}" for c in (1, 2, 3)] + [
        f"image 2, channel {c}" for c in (1, 3)
    ]


def test_the_middle_slice_of_a_volume(tmp_path: Path, rows: list[list[Any]]) -> None:
    images = torch.rand(1, 1, 6, 8, 8)
    hidden = torch.zeros(1, 1, 3, 4, 4, dtype=torch.bool)
    hidden[0, 0, 1, 2, 2] = True
    engine = evaluator(images, hidden)
    ReconstructionPictures(black, str(tmp_path)).attach(engine)
    engine.run_all()
    middle = images[0, 0, 3]
    spread = (middle - middle.min()) / (middle.max() - middle.min())
    np.testing.assert_allclose(rows[0][0].image[..., 1], spread, atol=1e-6)
    assert (rows[0][1].image[4:6, 4:6] == 0.5).all()


def test_another_engines_images_and_every_epoch(tmp_path: Path, rows: list[list[Any]]) -> None:
    images = torch.rand(2, 1, 8, 8)
    engine = evaluator(images, torch.ones(2, 1, 2, 2, dtype=torch.bool))
    trainer = Engine(lambda *_: None)
    ReconstructionPictures(black, str(tmp_path), evaluator=engine).attach(trainer)
    trainer.run([0])
    assert rows == []
    engine.run([slice(0, 2)], max_epochs=2)
    assert len(rows) == 4 and sorted(path.name for path in tmp_path.iterdir()) == [
        "reconstruction_0001.png",
        "reconstruction_0002.png",
    ]


def test_nothing_hidden_is_no_picture(tmp_path: Path) -> None:
    engine = evaluator(torch.rand(2, 1, 8, 8), torch.zeros(2, 1, 2, 2, dtype=torch.bool))
    ReconstructionPictures(black, str(tmp_path / "out")).attach(engine)
    engine.run_all()
    assert not (tmp_path / "out").exists()
    with pytest.raises(ValueError, match="images must be at least 1"):
        ReconstructionPictures(black, str(tmp_path), images=0)
