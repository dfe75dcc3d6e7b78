"""The figures of a classifier on a set of cases, all by torchmetrics."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torchmetrics.functional.classification import (
    binary_average_precision,
    binary_f1_score,
    binary_precision,
    binary_recall,
    multiclass_accuracy,
    multiclass_auroc,
    multiclass_average_precision,
    multiclass_calibration_error,
    multiclass_f1_score,
    multiclass_precision,
)

__all__ = ["binary_summary", "classification_summary", "one_against_rest_auc"]


def classification_summary(probabilities: Tensor, labels: Tensor, bins: int = 15) -> dict[str, float]:
    """Accuracy, areas under the curves, precision, recall, F1 and calibration error.

    Accuracy and calibration error are over all cases, all else is an unweighted mean over the classes that occur, each
    against the rest: ``balanced_accuracy`` is the mean recall. MONAI's "balanced accuracy" is another quantity,
    (TPR + TNR) / 2 of each class. With two classes the figures of :func:`binary_summary` are added.

    Args:
        probabilities: ``(N, K)``, rows sum to 1.
        labels: ``(N,)`` int64.
        bins: of the expected calibration error of the top class.

    Returns:
        ``accuracy``, ``balanced_accuracy``, ``auc``, ``auprc`` (average precision), ``precision``, ``recall``, ``f1``,
        ``calibration_error``; with one class only, ``auc`` and ``auprc`` are NaN.

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
    recall = float(multiclass_accuracy(probabilities, labels, **per_class)[occurring].mean())
    precision = multiclass_precision(probabilities, labels, **per_class)[occurring]
    f1 = multiclass_f1_score(probabilities, labels, **per_class)[occurring]
    summary = {
        "accuracy": float(multiclass_accuracy(probabilities, labels, num_classes=classes, average="micro")),
        "balanced_accuracy": recall,
        "auc": float(one_against_rest_auc(probabilities, labels)[occurring].mean()),
        "auprc": _mean_average_precision(probabilities, labels, occurring),
        "precision": float(precision.mean()),
        "recall": recall,
        "f1": float(f1.mean()),
        "calibration_error": float(
            multiclass_calibration_error(probabilities, labels, num_classes=classes, n_bins=bins)
        ),
    }
    return summary | (binary_summary(probabilities, labels) if classes == 2 else {})


def binary_summary(probabilities: Tensor, labels: Tensor) -> dict[str, float]:
    """Figures of the positive class, class 1, that differ from the means over both classes.

    Accuracy and AUC are not among them: with two classes they are the same either way.

    Args:
        probabilities: ``(N, 2)``, rows sum to 1; positive is predicted above one half.
        labels: ``(N,)`` int64, 0 or 1.

    Returns:
        ``auprc_positive`` (average precision), ``precision_positive`` (0 where nothing is predicted positive),
        ``recall_positive``, ``f1_positive``; all NaN with one class only.

    Raises:
        ValueError: when shapes do not fit.
    """
    if probabilities.ndim != 2 or probabilities.shape[1] != 2 or labels.shape != probabilities.shape[:1]:
        raise ValueError(f"need (N, 2) and (N,), got {tuple(probabilities.shape)}, {tuple(labels.shape)}.")
    figures: dict[str, Callable[..., Tensor]] = {
        "auprc_positive": binary_average_precision,
        "precision_positive": binary_precision,
        "recall_positive": binary_recall,
        "f1_positive": binary_f1_score,
    }
    if len(labels.unique()) < 2:
        return dict.fromkeys(figures, float("nan"))
    return {name: float(figure(probabilities[:, 1], labels)) for name, figure in figures.items()}


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


def _mean_average_precision(probabilities: Tensor, labels: Tensor, occurring: Tensor) -> float:
    if len(occurring) < 2:
        return float("nan")  # it would be 1 whatever is predicted
    found = multiclass_average_precision(probabilities, labels, num_classes=probabilities.shape[1], average=None)
    return float(found[occurring].mean())
