"""How far figures could be off because these patients and no others were at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

__all__ = ["bootstrap_intervals"]


def bootstrap_intervals(
    figures: Callable[..., Mapping[str, float]],
    columns: Sequence[Tensor],
    groups: Tensor | None = None,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    labels: Tensor | None = None,
) -> dict[str, tuple[float, float]]:
    """Percentile intervals of any figures by the cluster bootstrap: whole groups are drawn with replacement.

    Cases of one patient resemble each other; drawn one by one, they would pretend to more patients than there were.
    A resample in which a figure is NaN does not count for it. With ``labels``, one that lacks a class of the whole set
    counts for no figure: its AUC is undefined, and a mean over the classes that are left would be another quantity
    (with one class of two, the balanced accuracy is the recall of that class).

    Args:
        figures: computes them from the columns, such as
            :func:`~monai_memvit.metrics.classification_summary` of probabilities and labels.
        columns: tensors of N rows each.
        groups: patients ``(N,)``, whole numbers; None makes every row a group of its own.
        resamples: how many are drawn.
        confidence: share of the resamples within the interval.
        seed: of the draws; torch's global generator is left alone.
        labels: classes ``(N,)``, all of which a resample must hold; None lets every resample count.

    Returns:
        lower and upper bound by name; NaN with one group only, or where no resample gives a number.

    Raises:
        ValueError: when columns, groups and labels differ in length, there are no rows, or an option is out of range.
    """
    lengths = [len(column) for column in (*columns, groups, labels) if column is not None]
    if not columns or len(set(lengths)) > 1 or not lengths[0]:
        raise ValueError(f"columns, groups and labels need equally many rows, at least one; they have {lengths}.")
    if resamples < 1 or not 0 < confidence < 1:
        raise ValueError(f"need resamples > 0 and 0 < confidence < 1, got {resamples} and {confidence}.")
    members = _members(torch.arange(lengths[0]) if groups is None else groups)
    classes = 0 if labels is None else len(labels.unique())
    generator = torch.Generator().manual_seed(seed)
    found: dict[str, list[float]] = {}
    for _ in range(resamples if len(members) > 1 else 0):
        drawn = torch.randint(len(members), (len(members),), generator=generator)
        rows = torch.cat([members[group] for group in drawn.tolist()])
        if labels is not None and len(labels[rows].unique()) < classes:
            continue
        for name, value in figures(*(column[rows] for column in columns)).items():
            found.setdefault(name, []).append(value)
    if not found:
        return {name: (float("nan"), float("nan")) for name in figures(*columns)}
    return {name: _interval(torch.tensor(values, dtype=torch.float64), confidence) for name, values in found.items()}


def _members(groups: Tensor) -> Sequence[Tensor]:
    """The rows of every group."""
    _, number, sizes = groups.unique(return_inverse=True, return_counts=True)
    return number.argsort(stable=True).split(sizes.tolist())


def _interval(values: Tensor, confidence: float) -> tuple[float, float]:
    values = values[~values.isnan()]
    if not len(values):
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    low, high = values.quantile(values.new_tensor([tail, 1 - tail])).tolist()
    return low, high
