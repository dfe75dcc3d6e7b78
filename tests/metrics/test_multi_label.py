"""Figures of several findings per image against scikit-learn, over the images where each is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from monai_memvit.metrics import bootstrap_intervals, finding_calibration, multi_label_areas, multi_label_summary

NAMES = ["effusion", "nodule", "mass"]


@pytest.fixture
def columns(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Sixty images of three findings, a fifth of the labels unknown, some probabilities equal."""
    labels = (torch.rand(60, 3) < 0.4).float()
    probabilities = ((torch.randn(60, 3) + labels).sigmoid() * 20).round() / 20
    labels[torch.rand(60, 3) < 0.2] = -1
    return probabilities, labels


def known(columns: tuple[torch.Tensor, torch.Tensor], k: int) -> tuple[np.ndarray, np.ndarray]:
    rows = columns[1][:, k] >= 0
    return columns[1][rows, k].numpy(), columns[0][rows, k].numpy()


def test_areas_over_what_is_known(columns: tuple[torch.Tensor, torch.Tensor]) -> None:
    auc, average = multi_label_areas(*columns)
    assert auc.tolist() == pytest.approx([roc_auc_score(*known(columns, k)) for k in range(3)], abs=1e-6)
    assert average.tolist() == pytest.approx([average_precision_score(*known(columns, k)) for k in range(3)], abs=1e-6)


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0])
def test_a_class_of_one_value_has_no_area_and_leaves_the_means(
    columns: tuple[torch.Tensor, torch.Tensor], value: float
) -> None:
    probabilities, labels = columns
    labels[:, 1] = torch.where(labels[:, 1] < 0, labels[:, 1], value)
    summary = multi_label_summary(probabilities, labels, NAMES)
    assert math.isnan(summary["auc_nodule"]) and math.isnan(summary["auprc_nodule"])
    assert summary["auc"] == pytest.approx((summary["auc_effusion"] + summary["auc_mass"]) / 2)
    everywhere = multi_label_summary(probabilities, labels, NAMES, torch.tensor([True, True, True]))
    assert math.isnan(everywhere["auc"]) and math.isnan(everywhere["auprc"])


def test_without_any_class_of_both_values_the_means_are_no_numbers() -> None:
    summary = multi_label_summary(torch.rand(4, 3), torch.zeros(4, 3), NAMES)
    assert all(math.isnan(value) for value in summary.values())


def test_bootstrap_of_the_mean_holds_all_classes(columns: tuple[torch.Tensor, torch.Tensor]) -> None:
    required = torch.ones(3, dtype=torch.bool)

    def figures(*drawn: torch.Tensor) -> dict[str, float]:
        return multi_label_summary(*drawn, NAMES, required)

    low, high = bootstrap_intervals(figures, columns, torch.arange(60) // 3, resamples=40)["auc"]
    assert low < multi_label_summary(*columns, NAMES)["auc"] < high


def test_calibration_over_what_is_known(columns: tuple[torch.Tensor, torch.Tensor]) -> None:
    labels, probabilities = known(columns, 0)
    number = np.minimum((probabilities.astype(np.float64) * 7).astype(int), 6)  # no probability on a boundary
    gaps = [
        abs(labels[number == b].mean() - probabilities[number == b].mean()) * (number == b).mean() for b in set(number)
    ]
    bins = finding_calibration(columns[0][:, 0], columns[1][:, 0], bins=7)
    assert bins.error == pytest.approx(sum(gaps), abs=1e-6)
    assert bins.counts.sum() == len(labels)
    assert bins.found[number[0]] == pytest.approx(labels[number == number[0]].mean(), abs=1e-6)


def test_calibration_of_nothing_is_no_number() -> None:
    assert math.isnan(finding_calibration(torch.rand(3), torch.full((3,), -1.0)).error)


@pytest.mark.parametrize(
    "probabilities, labels, word",
    [
        (torch.rand(4, 3), torch.zeros(4, 2), "(4, 2)"),
        (torch.rand(0, 3), torch.zeros(0, 3), "N > 0"),
        (torch.rand(1, 1), torch.tensor([[2.0]]), "2.0"),
        (torch.rand(1, 1), torch.tensor([[float("nan")]]), "nan"),
        (torch.tensor([[0.2], [float("nan")]]), torch.tensor([[0.0], [1.0]]), "NaN"),
        (torch.tensor([[0.2], [1.7]]), torch.tensor([[0.0], [1.0]]), "sigmoid"),
    ],
)
def test_what_does_not_fit_is_refused(probabilities: torch.Tensor, labels: torch.Tensor, word: str) -> None:
    with pytest.raises(ValueError) as caught:
        multi_label_areas(probabilities, labels)
    assert word in str(caught.value)
