"""Splitting a set by group, with the class shares kept as well as the groups allow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["split_by_group"]

_ATTEMPTS_BUDGET = 20_000
_MAX_ATTEMPTS = 32


def split_by_group(
    labels: Sequence[int] | np.ndarray, groups: Sequence[str], fraction: float, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Hold out a fraction of a labelled set in whole groups.

    Groups are visited in random order, and one is held out where that brings the held-out count of the classes nearer
    to ``fraction`` of each. The best of several orders is taken. Unlike scikit-learn's ``StratifiedGroupKFold`` this
    takes any fraction (not 1/k only) and a hundred thousand groups of one sample in seconds.

    Args:
        labels: class index per sample, ``(N,)``.
        groups: group (patient, slide) per sample, ``(N,)``.
        fraction: share to hold out, between 0 and 1, both excluded.
        seed: non-negative seed of the visiting orders.

    Returns:
        Ascending indices of the rest and of the held-out samples, int64; no group is in both, neither is empty.

    Raises:
        ValueError: where ``fraction`` is outside (0, 1) or there are fewer than two groups.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction is {fraction}: give a number between 0 and 1, both excluded")
    _, class_of = np.unique(np.asarray(labels), return_inverse=True)
    names, group_of = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    if len(names) < 2:
        raise ValueError(
            f"{len(names)} group(s) among {len(labels)} samples: at least two are needed to hold some out; "
            "give another grouping or a source with more patients"
        )
    counts = np.zeros((len(names), class_of.max() + 1))
    np.add.at(counts, (group_of, class_of), 1)
    held = _best_choice(counts, fraction, np.random.default_rng(seed))[group_of]
    return np.flatnonzero(~held), np.flatnonzero(held)


def _best_choice(counts: np.ndarray, fraction: float, rng: np.random.Generator) -> np.ndarray:
    shares = counts / counts.sum(axis=0)
    attempts = int(np.clip(_ATTEMPTS_BUDGET // len(shares), 1, _MAX_ATTEMPTS))
    choices = [_greedy_choice(shares, fraction, rng.permutation(len(shares))) for _ in range(attempts)]
    return min(choices, key=lambda held: float(((shares[held].sum(axis=0) - fraction) ** 2).sum()))


def _greedy_choice(shares: np.ndarray, fraction: float, order: np.ndarray) -> np.ndarray:
    """Mark the groups to hold out: (G, C) class shares per group, visited in ``order``."""
    held = np.zeros(len(shares), dtype=bool)
    missing = np.full(shares.shape[1], fraction)
    # |missing - s|^2 < |missing|^2 is the same as s.(s - 2 missing) < 0
    squares = (shares**2).sum(axis=1)
    for group in order:
        if squares[group] < 2 * float(shares[group] @ missing):
            held[group] = True
            missing -= shares[group]
    if not held.any():
        held[np.argmin(squares)] = True
    if held.all():
        held[order[-1]] = False
    return held
