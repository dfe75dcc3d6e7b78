"""Figures of a classifier against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from monai_memvit.metrics import binary_summary, classification_summary, one_against_rest_auc


def _cases(classes: int, occurring: int, count: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(classes)
    labels = torch.arange(count) ** 2 % occurring
    logits = torch.randn(count, classes)
    logits[torch.arange(count), labels] += 1
    return logits.softmax(-1), labels


def _expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int) -> float:
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    number = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = [abs(right[number == b].mean() - confidence[number == b].mean()) * (number == b).mean() for b in set(number)]
    return float(sum(gaps))


def _of_the_positive_class(probabilities: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    predicted = probabilities.argmax(1)
    return {
        "auprc_positive": average_precision_score(labels, probabilities[:, 1]),
        "precision_positive": precision_score(labels, predicted),
        "recall_positive": recall_score(labels, predicted),
        "f1_positive": f1_score(labels, predicted),
    }


@pytest.mark.parametrize(("classes", "occurring"), [(2, 2), (4, 4), (5, 3)])
@pytest.mark.parametrize("bins", [5, 15])
def test_equals_scikit_learn(classes, occurring, bins):
    probabilities, labels = _cases(classes, occurring)
    found = classification_summary(probabilities, labels, bins)
    predicted, present = probabilities.argmax(1), np.unique(labels)
    macro = {"labels": present, "average": "macro", "zero_division": 0}
    positive = _of_the_positive_class(probabilities, labels) if classes == 2 else {}
    assert found == pytest.approx(
        positive
        | {
            "accuracy": accuracy_score(labels, predicted),
            "balanced_accuracy": np.mean([(predicted[labels == c] == c).float().mean() for c in present]),
            "auc": np.mean([roc_auc_score(labels == c, probabilities[:, c]) for c in present]),
            "auprc": np.mean([average_precision_score(labels == c, probabilities[:, c]) for c in present]),
            "precision": precision_score(labels, predicted, **macro),
            "recall": recall_score(labels, predicted, **macro),
            "f1": f1_score(labels, predicted, **macro),
            "calibration_error": _expected_calibration_error(probabilities.numpy(), labels.numpy(), bins),
        },
        abs=1e-5,
    )
    if classes == occurring:
        assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, predicted), abs=1e-5)


def test_auc_of_every_class_that_occurs():
    probabilities, labels = _cases(5, 3)
    found, present = one_against_rest_auc(probabilities, labels), labels.unique()
    expected = [roc_auc_score(labels == c, probabilities[:, c]) for c in present]
    np.testing.assert_allclose(found[present], expected, atol=1e-5)
    assert found.isnan().sum() == 5 - len(present)


def test_perfect_and_certain():
    labels = torch.tensor([0, 1, 2, 0])
    found = classification_summary(torch.eye(3)[labels], labels)
    assert found.pop("calibration_error") == pytest.approx(0)
    assert set(found.values()) == {1}


def test_one_class_only_has_no_area_and_no_positive_class():
    found = classification_summary(torch.tensor([[0.9, 0.1], [0.4, 0.6]]), torch.tensor([0, 0]))
    undefined = {name for name, value in found.items() if math.isnan(value)}
    assert undefined == {"auc", "auprc"} | {name for name in found if name.endswith("_positive")}
    assert found["accuracy"] == found["balanced_accuracy"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("shape", "labels", "message"),
    [
        ((0, 2), [], "N > 0"),
        ((2, 2), [0], "need"),
        ((2,), [0, 1], "need"),
        ((2, 2), [0, 2], r"labels \[0, 2\] are outside the 2 classes"),
        ((2, 2), [-1, 1], "outside"),
    ],
)
def test_bad_input(shape, labels, message):
    with pytest.raises(ValueError, match=message):
        classification_summary(torch.full(shape, 0.5), torch.tensor(labels, dtype=torch.int64))


def test_an_unbalanced_positive_class_differs_from_the_mean_over_both():
    torch.manual_seed(0)
    labels = (torch.arange(300) % 10 == 0).long()
    probabilities = (torch.randn(300, 2) + torch.eye(2)[labels]).softmax(-1)
    found = binary_summary(probabilities, labels)
    assert found == pytest.approx(_of_the_positive_class(probabilities, labels), abs=1e-5)
    assert found["auprc_positive"] < classification_summary(probabilities, labels)["auprc"] - 0.1


def test_nothing_predicted_positive_has_precision_zero():
    found = binary_summary(torch.tensor([[0.9, 0.1], [0.8, 0.2]]), torch.tensor([0, 1]))
    assert found == pytest.approx(
        {"auprc_positive": 1, "precision_positive": 0, "recall_positive": 0, "f1_positive": 0}
    )


@pytest.mark.parametrize("shape", [(2, 3), (2,), (3, 2)])
def test_other_shapes_are_no_binary_task(shape):
    with pytest.raises(ValueError, match=r"need \(N, 2\)"):
        binary_summary(torch.full(shape, 0.5), torch.tensor([0, 1]))
