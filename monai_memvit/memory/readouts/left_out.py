"""What ridge heads say of cases, had they not seen the cases' patients: in closed form, no head is fitted anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ..case_rows import CaseRows
from ..class_moments import augmented

__all__ = ["LinearHead", "left_out_scores"]

_TOGETHER = 4096  # cases of equally large groups that are left out at a time
_ROWS = 16_384  # of one group at a time: float64 copies of a whole slide would be large


class LinearHead(NamedTuple):
    """``weight = system^-1 targets``.

    Args:
        weight: ``(F + 1, K)``.
        system: weighted products of the features and the penalty ``(F + 1, F + 1)``.
        targets: weighted products of features and one-hot classes ``(F + 1, K)``.
        penalty: how strong.
    """

    weight: Tensor
    system: Tensor
    targets: Tensor
    penalty: float


def left_out_scores(heads: Sequence[LinearHead], weights: Tensor, cases: CaseRows, judged: Tensor) -> list[Tensor]:
    """Scores of the judged cases by heads that have not seen their groups.

    Args:
        heads: of one penalty each.
        weights: of a case of each class ``(K,)``.
        cases: that the heads were made of.
        judged: rows ``(J,)``.

    Returns:
        per head ``(J, K)`` float64.
    """
    scores = [head.weight.new_empty(len(judged), head.weight.shape[1]) for head in heads]
    places = torch.full_like(cases.groups, -1)
    places[judged] = torch.arange(len(judged), device=places.device)
    small, large = _by_size(cases.groups, judged, most=cases.features.shape[1])
    parts = _without_small(small, heads, weights, cases), _without_large(large, heads, weights, cases, judged)
    for rows, told in chain(*parts):
        wanted = places[rows] >= 0
        for found, of_head in zip(scores, told, strict=True):
            found[places[rows[wanted]]] = of_head[wanted]
    return scores


def _by_size(groups: Tensor, judged: Tensor, most: int) -> tuple[list[Tensor], list[Tensor]]:
    """Rows of the judged cases' groups: some of equal size together ``(G, n)``, and larger ones ``(n,)`` one by one."""
    rows = torch.isin(groups, groups[judged]).nonzero()[:, 0]
    rows = rows[groups[rows].argsort(stable=True)]
    sizes = groups[rows].unique_consecutive(return_counts=True)[1]
    each = rows.split(sizes.tolist())
    small = []
    for size in sizes[sizes <= most].unique().tolist():
        alike = torch.stack([group for group in each if len(group) == size])
        small += alike.split(max(1, _TOGETHER // size))
    return small, [group for group in each if len(group) > most]


def _without_small(
    parts: Sequence[Tensor], heads: Sequence[LinearHead], weights: Tensor, cases: CaseRows
) -> Iterator[tuple[Tensor, list[Tensor]]]:
    """Groups with fewer cases than a case has features.

    With X a group, V its weights and A the system of all, the inverse without it is ``A^-1 + A^-1 X^T (V^-1 - X A^-1
    X^T)^-1 X A^-1`` (Woodbury), so that its scores are ``Y - (I - X A^-1 X^T V)^-1 (Y - X W)``.
    """
    inverses = [torch.cholesky_inverse(torch.linalg.cholesky(head.system)) for head in heads] if parts else []
    for rows in parts:
        features = augmented(cases.features[rows].flatten(0, 1)).unflatten(0, rows.shape)
        labels = cases.labels[rows]
        truth, weighted = one_hot(labels, len(weights)).double(), features.mT * weights[labels][:, None]
        apart = [torch.eye(rows.shape[1]).to(features) - features @ inverse @ weighted for inverse in inverses]
        missed = [truth - features @ head.weight for head in heads]
        yield rows, [truth - torch.linalg.solve(rest, miss) for rest, miss in zip(apart, missed, strict=True)]


def _without_large(
    parts: Sequence[Tensor], heads: Sequence[LinearHead], weights: Tensor, cases: CaseRows, judged: Tensor
) -> Iterator[tuple[Tensor, list[Tensor]]]:
    """Groups with more cases than a case has features: their own parts are taken from system and targets."""
    for rows in parts:
        gram, targets = torch.zeros_like(heads[0].system), torch.zeros_like(heads[0].targets)
        for features, labels in _pieces(rows, cases):
            weighted = features * weights[labels][:, None]
            gram += weighted.T @ features
            targets += weighted.T @ one_hot(labels, len(weights)).double()
        asked = rows[torch.isin(rows, judged)]
        features, told = augmented(cases.features[asked]), []
        for head in heads:
            others = torch.linalg.cholesky(head.system - gram)
            told.append(features @ torch.cholesky_solve(head.targets - targets, others))
        yield asked, told


def _pieces(rows: Tensor, cases: CaseRows) -> Iterator[tuple[Tensor, Tensor]]:
    for part in rows.split(_ROWS):
        yield augmented(cases.features[part]), cases.labels[part]
