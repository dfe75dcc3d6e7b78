"""From which probability on a finding counts as there, and what such a decision is worth."""

from __future__ import annotations

from torch import Tensor
from torchmetrics.functional.classification import binary_roc, binary_stat_scores

from .multi_label import known_labels

__all__ = ["choose_threshold", "threshold_figures"]

_ROUNDING = 1e-6  # the curve is in float32: 19 of 20 must be enough for a sensitivity of 0.95


def choose_threshold(probabilities: Tensor, labels: Tensor, sensitivity: float | None = None) -> float:
    """The threshold of one class; a finding is there from it on.

    It lies midway between two probabilities of the images at hand, so that rounding moves none across it.

    Args:
        probabilities: ``(N,)``.
        labels: ``(N,)`` of 0, 1, or −1 where unknown.
        sensitivity: the highest threshold with at least this sensitivity is taken; None takes the highest of those
            with the largest sensitivity + specificity (Youden's index).

    Returns:
        the threshold; NaN where only one value is known.

    Raises:
        ValueError: when the sensitivity is not above 0 and at most 1, or a probability is NaN or outside [0, 1].
    """
    if sensitivity is not None and not 0 < sensitivity <= 1:
        raise ValueError(f"sensitivity must be above 0 and at most 1, got {sensitivity}.")
    probabilities, labels = known_labels(probabilities, labels)
    if len(labels.unique()) < 2:
        return float("nan")
    false_rate, true_rate, thresholds = (curve[1:] for curve in binary_roc(probabilities, labels))  # 0: finds nothing
    if sensitivity is None:
        chosen = int((true_rate - false_rate).argmax())
    else:
        chosen = int((true_rate >= sensitivity - _ROUNDING).float().argmax())
    lower = float(thresholds[chosen + 1]) if chosen + 1 < len(thresholds) else 0.0
    return (float(thresholds[chosen]) + lower) / 2


def threshold_figures(probabilities: Tensor, labels: Tensor, threshold: float) -> dict[str, float]:
    """What the decisions of one class are worth.

    Args:
        probabilities: ``(N,)``.
        labels: ``(N,)`` of 0, 1, or −1 where unknown.
        threshold: a finding is there from it on.

    Returns:
        ``sensitivity``, ``specificity``, ``ppv`` and ``npv`` (predictive values of the decisions, which hold for the
        share of positives at hand); NaN where none of the images counts for one, or the threshold is NaN.
    """
    probabilities, labels = known_labels(probabilities, labels)
    if threshold != threshold:
        return dict.fromkeys(("sensitivity", "specificity", "ppv", "npv"), float("nan"))
    decided = (probabilities.double() >= threshold).long()
    found, wrong, passed, missed, _ = binary_stat_scores(decided, labels).double().tolist()
    return {
        "sensitivity": _share(found, missed),
        "specificity": _share(passed, wrong),
        "ppv": _share(found, wrong),
        "npv": _share(passed, missed),
    }


def _share(part: float, rest: float) -> float:
    return part / (part + rest) if part + rest else float("nan")
