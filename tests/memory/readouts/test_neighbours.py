"""The vote of similar cases, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from monai_memvit.memory.case_rows import CaseRows
from monai_memvit.memory.class_moments import ClassMoments
from monai_memvit.memory.readouts import NeighbourReadout


def _rows(count: int = 50) -> CaseRows:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % 3
    features = torch.eye(4)[labels] + torch.randn(count, 4, generator=generator)
    owners = torch.randint(9, (count,), generator=generator)
    learned = torch.zeros(count, dtype=torch.bool)
    return CaseRows(torch.arange(count), owners, labels, learned, features, torch.zeros(count, 3))


def _vote(rows: CaseRows, kept: np.ndarray, asked: np.ndarray, k: int, temperature: float) -> np.ndarray:
    def weigh(distances: np.ndarray) -> np.ndarray:  # of unit vectors: cosine = 1 - distance
        return np.exp((1 - distances) / temperature)

    model = KNeighborsClassifier(k, metric="cosine", algorithm="brute", weights=weigh)
    model.fit(rows.features.double().numpy()[kept], rows.labels.numpy()[kept])
    return 0.99 * model.predict_proba(asked) + 0.01 / 3


def _fit(rows: CaseRows, judged: torch.Tensor, k: int = 7, temperature: float = 0.1):
    readout = NeighbourReadout([k], [temperature])
    return readout.fit(rows, ClassMoments.of(rows.features, rows.labels, 3), judged)


def test_the_vote_is_that_of_scikit_learn():
    rows, asked = _rows(), torch.randn(300, 4)
    found = _fit(rows, torch.arange(5)).read(asked, torch.zeros(300, 3))
    np.testing.assert_allclose(found, _vote(rows, np.arange(50), asked.double().numpy(), 7, 0.1), atol=1e-5)


def test_judged_cases_find_no_case_of_their_own_group():
    rows, judged = _rows(), torch.arange(0, 50, 3)
    fitted = _fit(rows, judged)
    for place, row in enumerate(judged.tolist()):
        others = np.flatnonzero((rows.groups != rows.groups[row]).numpy())
        wanted = _vote(rows, others, rows.features[row : row + 1].double().numpy(), 7, 0.1)
        np.testing.assert_allclose(fitted.held_out[place : place + 1], wanted, atol=1e-5)


def test_k_and_temperature_are_those_of_the_least_loss():
    rows, judged = _rows(), torch.arange(50)
    losses = {(k, t): _fit(rows, judged, k, t).choices["log_loss"] for k in (1, 20) for t in (0.01, 1.0)}
    choices = (
        NeighbourReadout([1, 20], [0.01, 1.0]).fit(rows, ClassMoments.of(rows.features, rows.labels, 3), judged).choices
    )
    assert (choices["neighbours"], choices["temperature"]) == min(losses, key=losses.get)


def test_who_finds_nobody_knows_nothing():
    rows = _rows(4)
    rows.groups.fill_(1)
    fitted = _fit(rows, torch.arange(4))
    torch.testing.assert_close(fitted.held_out, torch.full((4, 3), 1 / 3, dtype=torch.float64))


@pytest.mark.parametrize(
    "arguments", [{"neighbours": []}, {"neighbours": [0]}, {"temperatures": [-1.0]}, {"smoothing": 0.0}]
)
def test_values_must_be_positive(arguments):
    with pytest.raises(ValueError, match="positive"):
        NeighbourReadout(**arguments)
