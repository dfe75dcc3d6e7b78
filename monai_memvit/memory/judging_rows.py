"""Which cases of a memory judge how it is read."""

from __future__ import annotations

import torch
from torch import Tensor

from .case_rows import CaseRows

__all__ = ["judging_rows"]

_JUDGES = 2048  # more make the choices no better
_READ = 8192  # cases of the judging groups, learned ones among them: to leave a group out, all of it is read
_GROUPS = 16  # groups that judge in any case


def judging_rows(cases: CaseRows) -> Tensor:
    """Cases that the weights have not seen, and whose class is known from another patient or slide too.

    A class of one patient cannot be told when this patient is left out; its cases would only teach the read-out to
    distrust the other classes. Of a large memory evenly spread groups judge, so that choices cost no more than of a
    small one.

    Args:
        cases: those with a class.

    Returns:
        rows ``(J,)``, ascending.
    """
    groups, sizes = cases.groups.unique(return_inverse=True, return_counts=True)[1:]
    rows = (~cases.learned & _known_elsewhere(cases.labels, groups)).nonzero()[:, 0]
    judging = groups[rows].unique()
    if not len(rows) or int(sizes[judging].sum()) <= _READ:
        return _thinned(rows, _JUDGES)
    mean = float(sizes[judging].double().mean())
    return _thinned(rows[torch.isin(groups[rows], _thinned(judging, max(_GROUPS, int(_READ / mean))))], _JUDGES)


def _known_elsewhere(labels: Tensor, groups: Tensor) -> Tensor:
    """Whether another group has a case of the same class."""
    pairs = torch.stack([labels, groups]).unique(dim=1)
    return (pairs[0].bincount() > 1)[labels]


def _thinned(values: Tensor, most: int) -> Tensor:
    """At most so many of them, evenly spread."""
    if len(values) <= most:
        return values
    return values[torch.linspace(0, len(values) - 1, most, device=values.device).long()]
