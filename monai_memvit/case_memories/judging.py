"""What adding or removing cases does to the figures on cases that are in neither."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..memory import CaseMemory
from ..metrics import bootstrap_intervals, classification_summary
from .looking import SeenCases

__all__ = ["JudgedCases", "Judgement", "judge", "told_by"]

_FIGURES = ("accuracy", "balanced_accuracy", "auc")


class JudgedCases(NamedTuple):
    """Cases that are judged on.

    Args:
        name: for people.
        class_names: what their labels mean.
        cases: as the network sees them.
    """

    name: str
    class_names: Sequence[str]
    cases: SeenCases


class Judgement(NamedTuple):
    """Figures before and after.

    Args:
        name: of the cases.
        cases: how many.
        groups: of how many patients or slides.
        before: ``accuracy``, ``balanced_accuracy`` and ``auc``; NaN where undefined.
        after: likewise.
        interval: 95 % of the difference of balanced accuracy, whole patients drawn with replacement.
    """

    name: str
    cases: int
    groups: int
    before: dict[str, float]
    after: dict[str, float]
    interval: tuple[float, float]

    @property
    def verdict(self) -> str:
        """What the interval says, in words."""
        low, high = self.interval
        if isnan(low):
            return "too few patients to tell"
        return "better" if low > 0 else "worse" if high < 0 else "no clear difference"

    def content(self) -> dict[str, Any]:
        """The same for a JSON file: None for NaN."""
        plain = self._asdict() | {"verdict": self.verdict, "interval": [_plain(x) for x in self.interval]}
        return plain | {k: {name: _plain(x) for name, x in plain[k].items()} for k in ("before", "after")}


def told_by(memory: CaseMemory, judged: JudgedCases) -> dict[str, Tensor]:
    """What network and memory say of cases.

    Args:
        memory: as it now stands.
        judged: the cases.

    Returns:
        probabilities ``(N,)`` by class.
    """
    probabilities = memory(judged.cases.features, judged.cases.logits).double().softmax(-1)
    return dict(zip(memory.class_names, probabilities.T))


def judge(judged: JudgedCases, before: dict[str, Tensor], after: dict[str, Tensor]) -> Judgement:
    """Compare two answers about the same cases.

    Args:
        judged: the cases.
        before: see :func:`told_by`.
        after: likewise; a class that one of them does not know has no probability there.

    Returns:
        the figures.
    """
    names = list(dict.fromkeys([*before, *after, *judged.class_names]))
    places = torch.tensor([names.index(name) for name in judged.class_names])
    labels, groups = places[judged.cases.labels], judged.cases.groups
    columns = [_columns(told, names, len(labels)) for told in (before, after)]
    figures = [{name: classification_summary(c, labels)[name] for name in _FIGURES} for c in columns]
    right = [(c.argmax(1) == labels).double() for c in columns]
    interval = bootstrap_intervals(_gain, (right[1] - right[0], labels), groups, labels=labels)["gain"]
    return Judgement(judged.name, len(labels), len(groups.unique()), figures[0], figures[1], interval)


def _columns(told: dict[str, Tensor], names: Sequence[str], count: int) -> Tensor:
    return torch.stack([told.get(name, torch.zeros(count, dtype=torch.float64)) for name in names], dim=1)


def _gain(difference: Tensor, labels: Tensor) -> dict[str, float]:
    """Difference of balanced accuracy: mean over the classes of the differences of recall."""
    counts = torch.bincount(labels)
    sums = torch.bincount(labels, weights=difference)
    return {"gain": float((sums[counts > 0] / counts[counts > 0]).mean())}


def _plain(value: float) -> float | None:
    return None if isnan(value) else value
