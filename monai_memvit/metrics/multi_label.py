"""The figures of a classifier of several findings per image, some of them unknown, by torchmetrics and MONAI."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from monai.metrics import calibration_binning
from torch import Tensor
from torchmetrics.functional.classification import binary_auroc, binary_average_precision

__all__ = ["CalibrationBins", "finding_calibration", "known_labels", "multi_label_areas", "multi_label_summary"]


class CalibrationBins(NamedTuple):
    """How probable findings were said to be, and how often they were there.

    Args:
        said: mean probability in each bin ``(bins,)``; NaN in empty ones.
        found: share of positives in each bin ``(bins,)``; NaN in empty ones.
        counts: images in each bin ``(bins,)``.
    """

    said: Tensor
    found: Tensor
    counts: Tensor

    @property
    def error(self) -> float:
        """Expected calibration error: the mean of ``|said - found|``, weighted by the counts; NaN without images."""
        if not self.counts.any():
            return float("nan")
        return float(((self.said - self.found).abs() * self.counts).nansum() / self.counts.sum())


def multi_label_areas(probabilities: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Areas under the ROC and the precision-recall curve of every class, over the images where it is known.

    Args:
        probabilities: ``(N, K)``.
        labels: ``(N, K)`` of 0, 1, or −1 where unknown.

    Returns:
        AUC and AUPRC (average precision), each ``(K,)``; NaN for a class of one value only.

    Raises:
        ValueError: when shapes differ, there are no images, a label is none of 0, 1 and −1, or a probability is none.
    """
    _check(probabilities, labels)
    classes = list(zip(probabilities.unbind(1), labels.unbind(1)))
    auc, precision = (
        torch.tensor([_area(figure, *columns) for columns in classes], dtype=torch.float64)
        for figure in (binary_auroc, binary_average_precision)
    )
    return auc, precision


def multi_label_summary(
    probabilities: Tensor, labels: Tensor, class_names: Sequence[str], required: Tensor | None = None
) -> dict[str, float]:
    """Areas under the curves of every class, and their means.

    Args:
        probabilities: ``(N, K)``.
        labels: ``(N, K)`` of 0, 1, or −1 where unknown.
        class_names: K names.
        required: classes ``(K,)`` bool that the means are over: a mean is NaN where one of them has one value only.
            None takes those of both values. Resamples of a bootstrap need the former: a mean over other classes is
            another quantity.

    Returns:
        ``auc``, ``auprc``, and ``auc_<name>`` and ``auprc_<name>`` of every class.

    Raises:
        ValueError: as :func:`multi_label_areas`.
    """
    auc, precision = multi_label_areas(probabilities, labels)
    over = ~auc.isnan() if required is None else required
    summary = {"auc": float(auc[over].mean()), "auprc": float(precision[over].mean())}
    for name, area, average in zip(class_names, auc.tolist(), precision.tolist()):
        summary |= {f"auc_{name}": area, f"auprc_{name}": average}
    return summary


def finding_calibration(probabilities: Tensor, labels: Tensor, bins: int = 15) -> CalibrationBins:
    """Calibration of one class, by MONAI's ``calibration_binning``.

    MONAI's ``CalibrationError`` handler gives every image an error of its own, over its pixels. An image has one
    probability per finding, so here all images of known label take the place of the pixels of one.

    Args:
        probabilities: ``(N,)``.
        labels: ``(N,)`` of 0, 1, or −1 where unknown.
        bins: of equal width.

    Returns:
        the bins.

    Raises:
        ValueError: as :func:`known_labels`.
    """
    known = known_labels(probabilities, labels)
    if not len(known[0]):
        empty = torch.full((bins,), float("nan"))
        return CalibrationBins(empty, empty, torch.zeros(bins))
    columns = (column[None, None].float() for column in known)
    return CalibrationBins(*(values[0, 0] for values in calibration_binning(*columns, num_bins=bins)))


def known_labels(probabilities: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The images where a class is known.

    Args:
        probabilities: ``(N,)``.
        labels: ``(N,)`` of 0, 1, or −1 where unknown.

    Returns:
        probabilities and int64 labels of these.

    Raises:
        ValueError: when a probability is NaN or outside [0, 1]: torchmetrics would take all of them for logits.
    """
    known = labels >= 0
    if not ((probabilities >= 0) & (probabilities <= 1))[known].all():
        raise ValueError("probabilities must be numbers from 0 to 1: take the sigmoid of logits; NaN is no prediction.")
    return probabilities[known], labels[known].long()


def _area(figure: Callable[..., Tensor], probabilities: Tensor, labels: Tensor) -> float:
    probabilities, labels = known_labels(probabilities, labels)
    return float(figure(probabilities, labels)) if len(labels.unique()) == 2 else float("nan")


def _check(probabilities: Tensor, labels: Tensor) -> None:
    if probabilities.ndim != 2 or labels.shape != probabilities.shape or not len(labels):
        raise ValueError(f"need (N, K) twice with N > 0, got {tuple(probabilities.shape)}, {tuple(labels.shape)}.")
    strange = labels[(labels != 0) & (labels != 1) & (labels != -1)]
    if len(strange):
        raise ValueError(f"labels must be 0, 1 or -1 (unknown), got {strange.unique().tolist()}.")
