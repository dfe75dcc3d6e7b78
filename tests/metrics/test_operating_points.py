"""Thresholds against a search over all of them, and what decisions are worth against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix

from monai_memvit.metrics import choose_threshold, threshold_figures


@pytest.fixture
def columns(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Eighty images, some of unknown label, with ties."""
    labels = (torch.rand(80) < 0.3).float()
    probabilities = ((torch.randn(80) + 1.5 * labels).sigmoid() * 25).round() / 25
    labels[::7] = -1
    return probabilities, labels


def rates(columns: tuple[torch.Tensor, torch.Tensor], threshold: float) -> tuple[float, float]:
    probabilities, labels = (column[columns[1] >= 0].double().numpy() for column in columns)
    passed, wrong, missed, found = confusion_matrix(labels, probabilities >= threshold).ravel()
    return found / (found + missed), passed / (passed + wrong)


def candidates(columns: tuple[torch.Tensor, torch.Tensor]) -> list[float]:
    return sorted(set(columns[0][columns[1] >= 0].double().tolist()), reverse=True)


def test_youden_is_the_best_of_all_thresholds(columns: tuple[torch.Tensor, torch.Tensor]) -> None:
    best = max(sum(rates(columns, t)) for t in candidates(columns))
    assert sum(rates(columns, choose_threshold(*columns))) == pytest.approx(best)


@pytest.mark.parametrize("wanted", [0.1, 0.5, 0.8, 0.95, 1.0])
def test_the_highest_threshold_that_is_sensitive_enough(
    columns: tuple[torch.Tensor, torch.Tensor], wanted: float
) -> None:
    highest = next(t for t in candidates(columns) if rates(columns, t)[0] >= wanted)
    chosen = choose_threshold(*columns, sensitivity=wanted)
    assert rates(columns, chosen) == rates(columns, highest)
    assert chosen < highest, "rounding must not move the image that it is taken from"


def test_nineteen_of_twenty_are_95_percent() -> None:
    probabilities = torch.cat([torch.linspace(0.1, 0.9, 20), torch.tensor([0.05])])
    labels = torch.cat([torch.ones(20), torch.zeros(1)])
    chosen = choose_threshold(probabilities, labels, sensitivity=0.95)
    assert 0.1 < chosen < float(probabilities[1])


def test_certain_images_are_found() -> None:
    chosen = choose_threshold(torch.tensor([1.0, 1.0, 0.0]), torch.tensor([1, 1, 0]))
    assert chosen == 0.5


@pytest.mark.parametrize("labels", [[1, 1, -1], [0, 0, 0], [-1, -1, -1]])
def test_one_value_has_no_threshold(labels: list[int]) -> None:
    chosen = choose_threshold(torch.tensor([0.2, 0.4, 0.9]), torch.tensor(labels))
    assert math.isnan(chosen)
    assert all(math.isnan(v) for v in threshold_figures(torch.rand(3), torch.tensor(labels), chosen).values())


@pytest.mark.parametrize("wanted", [0.0, 1.2, -1.0])
def test_an_impossible_sensitivity_is_refused(wanted: float) -> None:
    with pytest.raises(ValueError, match=str(wanted)):
        choose_threshold(torch.rand(3), torch.tensor([0, 1, 1]), wanted)


@pytest.mark.parametrize("strange", [float("nan"), -2.0, 3.0])
def test_logits_and_nan_are_refused(strange: float) -> None:
    columns = torch.tensor([0.2, 0.4, strange]), torch.tensor([0, 1, 1])
    for figure in (choose_threshold, lambda *known: threshold_figures(*known, 0.5)):
        with pytest.raises(ValueError, match="from 0 to 1"):
            figure(*columns)


def test_worth_of_decisions(columns: tuple[torch.Tensor, torch.Tensor]) -> None:
    probabilities, labels = (column[columns[1] >= 0].numpy() for column in columns)
    passed, wrong, missed, found = confusion_matrix(labels, probabilities >= np.float32(0.48)).ravel()
    expected = {
        "sensitivity": found / (found + missed),
        "specificity": passed / (passed + wrong),
        "ppv": found / (found + wrong),
        "npv": passed / (passed + missed),
    }
    assert threshold_figures(*columns, float(np.float32(0.48))) == pytest.approx(expected)


def test_nothing_found_has_no_predictive_value() -> None:
    figures = threshold_figures(torch.tensor([0.1, 0.2]), torch.tensor([0, 1]), 0.9)
    assert math.isnan(figures["ppv"]) and figures["npv"] == 0.5 and figures["sensitivity"] == 0
