"""Nested, stratified subsets of a training set for low-data studies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["nested_subset"]


def nested_subset(labels: Sequence[int] | np.ndarray, fraction: float, seed: int = 0) -> np.ndarray:
    """Draw a stratified fraction of a labelled set such that smaller fractions lie inside larger ones.

    Each class is put into an order that depends on the seed and the class only, and the first ``fraction`` of it is
    taken (rounded to the nearest, at least one). Hence with the same seed the 1 % subset is part of the 3 % subset.

    Args:
        labels: class index per sample, non-negative, ``(N,)``.
        fraction: share of every class, above 0 and at most 1.
        seed: non-negative seed of the order.

    Returns:
        Indices into ``labels``, ascending, int64.

    Raises:
        ValueError: where ``fraction`` is outside (0, 1], or ``labels`` is empty or holds a negative class.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction is {fraction}: give a number above 0 and at most 1 (0.01 is 1 %)")
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.size == 0 or labels.min() < 0:
        raise ValueError(f"labels have shape {labels.shape}: a non-empty list of class indices from 0 is needed")
    chosen = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = max(1, int(fraction * members.size + 0.5))
        order = np.random.default_rng([seed, int(label)]).permutation(members.size)
        chosen.append(members[order[:count]])
    return np.sort(np.concatenate(chosen)).astype(np.int64)
