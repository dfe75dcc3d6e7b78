"""Scores of films: a network's in the order of the batches, and a linear model's against the shortcut report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from monai_memvit.benchmarks.films.film_scores import FilmScores, load_scores, pixel_scores, score_films
from monai_memvit.benchmarks.studies.slice_predictions import save_predictions
from monai_memvit.data.radiographs.shortcuts import pixel_shortcuts


def _items(folder: Path, count: int, key: str = "labels") -> list[dict]:
    """Films of 64 pixels whose upper left field is brighter with the first finding; the second is in all of them."""
    random, items = np.random.default_rng(count), []
    for number in range(count):
        film = random.integers(60, 140, (64, 64), dtype=np.uint8)
        film[:8, :8] += 12 * (number % 2)
        np.save(folder / f"{count}_{number}.npy", film)
        labels = [float(number % 2), 1.0] if number % 5 else [-1.0, 1.0]
        item = {"image": f"{count}_{number}.npy", "case_id": number, "sample_id": number, "group_id": number // 2}
        items.append(item | ({"labels": labels} if key == "labels" else {"label": 0}))
    return items


@pytest.fixture
def sections(tmp_path, monkeypatch):
    """What ``load_section`` answers: forty training films, twenty to be tested."""
    found = {"training": _items(tmp_path, 40), "test": _items(tmp_path, 20)}
    for item in found["training"] + found["test"]:
        item["image"] = str(tmp_path / item["image"])
    monkeypatch.setattr("monai_memvit.benchmarks.films.film_scores.load_section", lambda path, section: found[section])
    return found


def test_the_linear_model_is_that_of_the_shortcut_report(sections, tmp_path):
    scores = pixel_scores(tmp_path)
    items = sections["training"] + sections["test"]
    films = np.stack([np.load(item["image"]) for item in items]).astype(np.float32) / 255
    small = films.reshape(60, 32, 2, 32, 2).mean(axis=(2, 4))
    labels = np.array([item["labels"] for item in items])
    expected = pixel_shortcuts(small, labels, ["training"] * 40 + ["test"] * 20)
    known = scores.labels[:, 0] >= 0
    found = roc_auc_score(scores.labels[known, 0], scores.probabilities[known, 0])
    assert found == pytest.approx(expected[0]["test"], abs=1e-6) and found > 0.6
    assert scores.probabilities[:, 1].tolist() == [0.5] * 20
    assert scores.groups.tolist() == [item["group_id"] for item in sections["test"]]
    assert scores.labels.tolist() == [item["labels"] for item in sections["test"]]


def test_items_without_findings_are_refused(sections, tmp_path):
    sections["training"] = [{"image": "a.npy", "label": 0}]
    with pytest.raises(ValueError, match="prepare radiographs"):
        pixel_scores(tmp_path)


def test_a_network_is_asked_in_evaluation_mode_and_in_order():
    class Mean(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(2))
            self.dropout = torch.nn.Dropout(0.9)

        def forward(self, x):
            return self.dropout(x.mean((1, 2, 3))[:, None]) * self.scale

    films, labels = torch.randn(5, 1, 4, 4), torch.tensor([[1.0, 0.0]] * 5)
    columns = {"image": films, "labels": labels, "group_id": torch.arange(5)}
    batches = [{name: column[rows] for name, column in columns.items()} for rows in (slice(0, 3), slice(3, 5))]
    scores = score_films(Mean(), batches)
    torch.testing.assert_close(scores.probabilities, films.mean((1, 2, 3)).sigmoid()[:, None].expand(-1, 2))
    assert scores.groups.tolist() == [0, 1, 2, 3, 4] and torch.equal(scores.labels, labels)


def test_scores_come_back_from_their_file(tmp_path):
    scores = FilmScores(torch.rand(3, 2), torch.tensor([[0.0, 1.0], [1.0, -1.0], [0.0, 1.0]]), torch.arange(3))
    save_predictions(tmp_path / "a" / "b.npz", scores)
    found = load_scores(tmp_path / "a" / "b.npz")
    assert all(torch.equal(x, y) and x.dtype == y.dtype for x, y in zip(scores, found))
    assert torch.equal(found.of_both_kinds().probabilities, scores.probabilities[:, :1])
    with pytest.raises(ValueError, match="is missing"):
        load_scores(tmp_path / "c.npz")
