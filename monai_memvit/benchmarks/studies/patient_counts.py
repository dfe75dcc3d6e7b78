"""What patients contribute to the figures of runs: with it, patients are drawn again without ranking anything anew."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

__all__ = ["PatientCounts", "count_patients"]


class PatientCounts(NamedTuple):
    """Sums over the images of every patient, float64; the classes are the K that occur.

    Args:
        sizes: images of each class ``(K, P)``.
        hits: means over the runs of how many of these are told right ``(K, P)``.
        wins: means over the runs ``(K, P, P)`` of how many pairs, an image of the class from the first patient and
            another one from the second, the class's score puts in order; ties count half (Mann and Whitney 1947).
    """

    sizes: Tensor
    hits: Tensor
    wins: Tensor

    def figures(self, drawn: Tensor) -> dict[str, float]:
        """Means over the runs of what :func:`~.patient_intervals.run_figures` gives.

        Args:
            drawn: how often each patient is there ``(P,)`` float64.

        Returns:
            ``auc``, ``balanced_accuracy`` and ``accuracy``; NaN where a class is not there.
        """
        ones, hits = self.sizes @ drawn, self.hits @ drawn
        pairs = ones * (ones.sum() - ones)
        return {
            "auc": float((self.wins @ drawn @ drawn / pairs).mean()),
            "balanced_accuracy": float((hits / ones).mean()),
            "accuracy": float(hits.sum() / ones.sum()),
        }


def count_patients(runs: Iterable[Tensor], labels: Tensor, patients: Tensor) -> PatientCounts:
    """Count what runs say of the same images.

    Args:
        runs: probabilities ``(N, K)`` each.
        labels: ``(N,)`` int64.
        patients: numbers from 0 on ``(N,)`` int64.

    Returns:
        means over the runs.
    """
    members = one_hot(patients).double().numpy()
    classes = [(k, labels.numpy() == k) for k in labels.unique().tolist()]
    hits, wins = [], []
    for run in runs:
        scores = run.double().numpy()
        told = scores.argmax(-1)
        hits.append([members[one & (told == k)].sum(0) for k, one in classes])
        wins.append([_wins(scores[:, k], one, members) for k, one in classes])
    sizes = np.array([members[one].sum(0) for _, one in classes])
    return PatientCounts(*(torch.from_numpy(column) for column in (sizes, np.mean(hits, 0), np.mean(wins, 0))))


def _wins(scores: np.ndarray, one: np.ndarray, members: np.ndarray) -> np.ndarray:
    """``(N,)``, ``(N,)`` bool, ``(N, P)`` -> ``(P, P)``."""
    order = scores[~one].argsort()
    others = scores[~one][order]
    below = np.concatenate([np.zeros_like(members[:1]), members[~one][order].cumsum(0)])
    lost, met = (below[np.searchsorted(others, scores[one], side)] for side in ("left", "right"))
    return np.asarray(members[one].T @ (lost + met) / 2)
