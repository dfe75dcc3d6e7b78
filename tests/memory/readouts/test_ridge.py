"""The closed-form head against scikit-learn, and its leaving-out against refits."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from monai_memvit.memory.case_rows import CaseRows
from monai_memvit.memory.class_moments import ClassMoments
from monai_memvit.memory.readouts import RidgeReadout


def _rows(count: int, width: int, groups: int, seed: int = 0) -> CaseRows:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (count,), generator=generator)
    labels[:3] = torch.arange(3)
    features = torch.eye(width)[labels] + torch.randn(count, width, generator=generator)
    owners = torch.randint(groups, (count,), generator=generator)
    logits, learned = torch.zeros(count, 3), torch.zeros(count, dtype=torch.bool)
    return CaseRows(torch.arange(count), owners, labels, learned, features, logits)


def _sklearn_scores(rows: CaseRows, fitted: np.ndarray, asked: np.ndarray, penalty: float) -> np.ndarray:
    """One-hot ridge with the classes' weights and the penalty's unit taken from all rows."""
    x, y = rows.features.double().numpy(), rows.labels.numpy()
    weights = (len(y) / (3 * np.bincount(y, minlength=3)))[y]
    mean = np.average(x, axis=0, weights=weights)
    variance = np.average((x - mean) ** 2, axis=0, weights=weights).mean()
    model = Ridge(alpha=penalty * variance * weights.sum(), solver="cholesky", tol=1e-12)
    model.fit(x[fitted], np.eye(3)[y[fitted]], sample_weight=weights[fitted])
    return model.predict(asked)


def _same_scores(probabilities: torch.Tensor, scores: np.ndarray, scale: float) -> None:
    """Log probabilities are the scores but for scale, offsets of the classes, and a constant per case."""
    told = probabilities.log().numpy() / scale
    odds, wanted = told - told[:, :1], scores - scores[:, :1]
    offsets = (odds - wanted).mean(0)
    np.testing.assert_allclose(odds, wanted + offsets, atol=1e-5)


def _fit(rows: CaseRows, penalty: float, judged: torch.Tensor):
    return RidgeReadout([penalty]).fit(rows, ClassMoments.of(rows.features, rows.labels, 3), judged)


@pytest.mark.parametrize("penalty", [0.1, 10.0])
def test_scores_are_those_of_scikit_learn(penalty):
    rows, asked = _rows(60, 5, 12), torch.randn(9, 5)
    fitted = _fit(rows, penalty, torch.arange(60))
    wanted = _sklearn_scores(rows, np.arange(60), asked.double().numpy(), penalty)
    found = fitted.read(asked, torch.zeros(9, 3))
    _same_scores(found, wanted, fitted.choices["scale"])


@pytest.mark.parametrize(
    ("width", "groups"), [(40, 12), (4, 3)], ids=["small groups", "groups of more cases than features"]
)
def test_held_out_cases_are_scored_by_refits_without_their_group(width, groups):
    rows, judged = _rows(60, width, groups), torch.arange(0, 60, 2)
    fitted = _fit(rows, 1.0, judged)
    wanted = []
    for row in judged.tolist():
        others = (rows.groups != rows.groups[row]).numpy()
        asked = rows.features[row : row + 1].double().numpy()
        wanted.append(_sklearn_scores(rows, np.flatnonzero(others), asked, 1.0)[0])
    _same_scores(fitted.held_out, np.stack(wanted), fitted.choices["scale"])


def test_the_penalty_is_that_of_the_least_held_out_loss():
    rows, judged = _rows(80, 30, 20), torch.arange(80)
    losses = {p: _fit(rows, p, judged).choices["log_loss"] for p in (0.001, 1.0, 1000.0)}
    moments = ClassMoments.of(rows.features, rows.labels, 3)
    assert RidgeReadout([*losses]).fit(rows, moments, judged).choices["penalty"] == min(losses, key=losses.get)


@pytest.mark.parametrize(("learned", "usual"), [(False, 1.0), (True, 0.05)])
def test_without_a_judge_the_usual_penalty_is_taken(learned, usual):
    rows = _rows(20, 5, 4)
    rows = rows._replace(learned=torch.full((20,), learned))
    moments = ClassMoments.of(rows.features, rows.labels, 3)
    found = RidgeReadout([1e-4, 0.05, 1.0, 1e4]).fit(rows, moments, torch.empty(0, dtype=torch.int64))
    assert found.choices["penalty"] == usual


@pytest.mark.parametrize("penalties", [[], [1.0, 0.0]])
def test_penalties_must_be_positive(penalties):
    with pytest.raises(ValueError, match="positive"):
        RidgeReadout(penalties)


@pytest.mark.parametrize(("marked", "usual", "caution"), [(True, 0.05, 0.3), (False, 1.0, 1.0)])
def test_few_judges_keep_to_the_usual_penalty(marked, usual, caution):
    cases = _rows(240, 6, 40)
    judged = (cases.groups < 4).nonzero()[:, 0]
    learned = (cases.groups >= 4) & marked
    penalties = (1e-5, 0.05, 1.0, 1e3)
    moments = ClassMoments.of(cases.features, cases.labels, 3)
    alone = {p: RidgeReadout([p]).fit(cases, moments, judged).choices["log_loss"] for p in penalties}
    found = RidgeReadout(penalties).fit(cases._replace(learned=learned), moments, judged).choices["penalty"]
    weight = caution * (float(learned.double().mean()) if marked else 1) / 4
    assert found == min(penalties, key=lambda p: alone[p] + weight * math.log10(p / usual) ** 2) == usual
