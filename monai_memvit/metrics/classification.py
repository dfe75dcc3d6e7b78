"""The figures of a classifier on a set of cases, all by torchmetrics."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_auroc,
    multiclass_calibration_error,
    multiclass_f1_score,
)

__all__ = ["classification_summary", "one_against_rest_auc"]


def classification_summary(probabilities: Tensor, labels: Tensor, bins: int = 15) -> dict[str, float]:
    """Accuracy, balanced accuracy, AUC, F1 and calibration error.

    Balanced accuracy, AUC (one against the rest) and F1 are unweighted means over the classes that occur. MONAI's
    "balanced accuracy" is another quantity, (TPR + TNR) / 2 of each class.

    Args:
        probabilities: ``(N, K)``, rows sum to 1.
        labels: ``(N,)`` int64.
        bins: of the expected calibration error of the top class.

    Returns:
        ``accuracy``, ``balanced_accuracy``, ``auc``, ``f1``, ``calibration_error``; AUC is NaN with one class only.

    Raises:
        ValueError: when there are no cases, or shapes or labels do not fit.
    """
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or not len(labels):
        raise ValueError(f"need (N, K) and (N,) with N > 0, got {tuple(probabilities.shape)}, {tuple(labels.shape)}.")
    classes = probabilities.shape[1]
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"labels {labels.unique().tolist()} are outside the {classes} classes of the network.")
    occurring = labels.unique()
    per_class = {"num_classes": classes, "average": None}
    recall = multiclass_accuracy(probabilities, labels, **per_class)[occurring]
    f1 = multiclass_f1_score(probabilities, labels, **per_class)[occurring]
    return {
        "accuracy": float(multiclass_accuracy(probabilities, labels, num_classes=classes, average="micro")),
        "balanced_accuracy": float(recall.mean()),
        "auc": float(one_against_rest_auc(probabilities, labels)[occurring].mean()),
        "f1": float(f1.mean()),
        "calibration_error": float(
            multiclass_calibration_error(probabilities, labels, num_classes=classes, n_bins=bins)
        ),
    }


def one_against_rest_auc(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Area under the ROC curve of every class against all others.

    Args:
        probabilities: ``(N, K)``.
        labels: ``(N,)`` int64.

    Returns:
        ``(K,)``; NaN for a class that does not occur, or occurs alone.
    """
    occurring = labels.unique()
    auc = torch.full((probabilities.shape[1],), float("nan"))
    if len(occurring) > 1:
        found = multiclass_auroc(probabilities, labels, num_classes=len(auc), average=None)
        auc[occurring] = found[occurring].to(auc)
    return auc
