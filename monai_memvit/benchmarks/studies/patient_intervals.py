"""How far differences between runs could be off because these patients and no others were tested."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ...metrics import bootstrap_intervals
from .patient_counts import count_patients

__all__ = ["finding_figures", "patient_intervals", "run_figures"]

Runs = Mapping[Hashable, Tensor]
Pairs = Mapping[str, tuple[Sequence[Hashable], Sequence[Hashable]]]
Figures = Callable[[Tensor, Tensor], Mapping[str, np.ndarray]]
Differences = Callable[..., dict[str, float]]


def patient_intervals(
    runs: Runs,
    pairs: Pairs,
    labels: Tensor,
    groups: Tensor,
    resamples: int = 1000,
    figures: Figures | None = None,
) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Differences of means over runs, with 95 % intervals from whole patients drawn with replacement.

    Every resample is scored by all runs, so that what makes a patient hard for both sides cancels. Runs themselves are
    not drawn: the interval does not tell how another seed would end.

    Args:
        runs: probabilities ``(N, K)`` of the same images, by run.
        pairs: the runs of either side by the name of the comparison; the first side is subtracted.
        labels: ``(N,)`` int64, or ``(N, K)`` of 0, 1 and −1 for several findings.
        groups: patients ``(N,)``.
        resamples: of the patients; one that lacks a class does not count.
        figures: what is compared, such as :func:`finding_figures`; None takes those of :func:`run_figures`.

    Returns:
        difference, lower and upper bound by comparison and by figure.
    """
    if figures is None:
        differences, columns = _counted(runs, pairs, labels, groups)
    else:
        differences, columns = _measured(runs, pairs, labels, figures)
    classes = labels if labels.ndim == 1 else None  # a finding that a resample lacks makes its figures NaN
    intervals = bootstrap_intervals(differences, columns, groups, resamples, labels=classes)
    found: dict[str, dict[str, tuple[float, float, float]]] = {name: {} for name in pairs}
    for key, value in differences(*columns).items():
        name, _, figure = key.rpartition("/")
        found[name][figure] = (value, *intervals[key])
    return found


def _counted(runs: Runs, pairs: Pairs, labels: Tensor, groups: Tensor) -> tuple[Differences, tuple[Tensor, ...]]:
    """From the counts of every patient, where there is one label per image: ranking each resample takes minutes."""
    names, numbers, sizes = groups.unique(return_inverse=True, return_counts=True)
    counts = {
        name: [count_patients([runs[run] for run in side], labels, numbers) for side in pair]
        for name, pair in pairs.items()
    }

    def differences(patients: Tensor) -> dict[str, float]:
        drawn = patients.bincount(minlength=len(names)) / sizes.double()
        found: dict[str, float] = {}
        for name, (base, other) in counts.items():
            first, second = base.figures(drawn), other.figures(drawn)
            found |= {f"{name}/{figure}": second[figure] - first[figure] for figure in first}
        return found

    return differences, (numbers,)


def _measured(runs: Runs, pairs: Pairs, labels: Tensor, figures: Figures) -> tuple[Differences, tuple[Tensor, ...]]:
    numbers = {run: number for number, run in enumerate(runs)}
    sides = {name: [[numbers[run] for run in side] for side in pair] for name, pair in pairs.items()}

    def differences(probabilities: Tensor, truth: Tensor) -> dict[str, float]:
        return {
            f"{name}/{figure}": float(values[other].mean() - values[base].mean())
            for figure, values in figures(probabilities, truth).items()
            for name, (base, other) in sides.items()
        }

    return differences, (torch.stack(list(runs.values()), dim=1), labels)


def run_figures(probabilities: Tensor, labels: Tensor) -> dict[str, np.ndarray]:
    """The figures that are compared, of many runs at once: thousands of resamples would take torchmetrics minutes.

    Args:
        probabilities: ``(N, R, K)`` of R runs.
        labels: ``(N,)``.

    Returns:
        ``auc`` (mean of one class against the rest, by ranks: Mann and Whitney 1947), ``balanced_accuracy`` and
        ``accuracy``, ``(R,)`` each, as :func:`~monai_memvit.metrics.classification_summary` defines them.
    """
    scores, truth = probabilities.double().numpy(), labels.numpy()
    correct = scores.argmax(-1) == truth[:, None]
    classes = np.unique(truth)
    return {
        "auc": np.mean([_auc(scores[..., k], truth == k) for k in classes], axis=0),
        "balanced_accuracy": np.mean([correct[truth == k].mean(0) for k in classes], axis=0),
        "accuracy": correct.mean(0),
    }


def finding_figures(probabilities: Tensor, labels: Tensor) -> dict[str, np.ndarray]:
    """Area under the ROC curve of many runs at once, where an image has several findings.

    Args:
        probabilities: ``(N, R, K)`` of R runs.
        labels: ``(N, K)`` of 0, 1, or −1 where unknown.

    Returns:
        ``auc`` ``(R,)``: the mean over the findings, each over the images where it is known; NaN where a finding has
        one value only.
    """
    scores, truth = probabilities.double().numpy(), labels.numpy()
    known = [truth[:, k] >= 0 for k in range(truth.shape[1])]
    return {"auc": np.mean([_auc(scores[rows, :, k], truth[rows, k] == 1) for k, rows in enumerate(known)], axis=0)}


def _auc(scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """``(N, R)`` -> ``(R,)``; NaN where one side is empty."""
    from scipy.stats import rankdata

    ones, zeros = int(positive.sum()), int((~positive).sum())
    if not ones or not zeros:
        return np.full(scores.shape[1], np.nan)
    return (rankdata(scores, axis=0)[positive].sum(0) - ones * (ones + 1) / 2) / (ones * zeros)
