"""Which cases of a memory judge how it is read."""

from __future__ import annotations

import torch
from torch import Tensor

from .case_rows import CaseRows

__all__ = ["judging_rows"]

_JUDGES = 2048  # more make the choices no better
_READ = 8192  # cases of the judging groups, learned ones among them: to leave a group out, all of it is read
_GROUPS, _OF_A_CLASS = 16, 4  # groups that judge in any case, and of each class


def judging_rows(cases: CaseRows) -> Tensor:
    """Cases that the weights have not seen, and whose class is known from another patient or slide too.

    A class of one patient cannot be told when this patient is left out; its cases would only teach the read-out to
    distrust the other classes. Nor can cases of a single class judge between classes. Of a large memory evenly spread
    groups judge, some of every class, so that choices cost no more than of a small one.

    Args:
        cases: those with a class.

    Returns:
        rows ``(J,)``, ascending; none where fewer than two classes could judge.
    """
    groups, sizes = cases.groups.unique(return_inverse=True, return_counts=True)[1:]
    rows = (~cases.learned & _known_elsewhere(cases.labels, groups)).nonzero()[:, 0]
    classes, judging = cases.labels[rows].unique(), groups[rows].unique()
    if len(classes) < 2:
        return rows[:0]
    if int(sizes[judging].sum()) > _READ:
        most = max(_GROUPS, int(_READ / float(sizes[judging].double().mean())))
        of_classes = [groups[rows[cases.labels[rows] == k]].unique() for k in classes]
        chosen = [_thinned(judging, most), *(_thinned(some, _OF_A_CLASS) for some in of_classes)]
        rows = rows[torch.isin(groups[rows], torch.cat(chosen))]
    return _thinned(rows, _JUDGES)


def _known_elsewhere(labels: Tensor, groups: Tensor) -> Tensor:
    """Whether another group has a case of the same class."""
    if not len(labels):
        return labels > 0
    count = int(groups.max()) + 1
    pairs = (labels * count + groups).unique()
    return ((pairs // count).bincount() > 1)[labels]


def _thinned(values: Tensor, most: int) -> Tensor:
    """At most so many of them, evenly spread."""
    if len(values) <= most:
        return values
    return values[torch.linspace(0, len(values) - 1, most, device=values.device).long()]
