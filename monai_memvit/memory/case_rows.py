"""The rows of a case memory: who, what class, and what the network made of it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["CaseRows", "no_cases"]


class CaseRows(NamedTuple):
    """Cases in ascending order of their ids.

    Args:
        ids: opaque sample ids ``(M,)`` int64.
        groups: opaque ids of patients or slides ``(M,)`` int64.
        labels: classes ``(M,)`` int64; -1 where a case has none.
        learned: whether the weights of the network were fitted to the case ``(M,)`` bool.
        features: of the network's last layer ``(M, F)`` float32.
        logits: of the network's own head ``(M, K)`` float32.
    """

    ids: Tensor
    groups: Tensor
    labels: Tensor
    learned: Tensor
    features: Tensor
    logits: Tensor

    def where(self, chosen: Tensor) -> CaseRows:
        """Some of the cases.

        Args:
            chosen: ``(M,)`` bool, or row numbers.

        Returns:
            a copy of these rows.
        """
        return CaseRows(*(rows[chosen] for rows in self))

    @property
    def labelled(self) -> Tensor:
        """Which cases have a class, ``(M,)`` bool."""
        return self.labels >= 0

    def joined(self, more: CaseRows) -> CaseRows:
        """These cases and others, by their ids.

        Args:
            more: cases with other ids.

        Returns:
            all of them in ascending order.
        """
        both = CaseRows(*(torch.cat([mine, theirs.to(mine)]) for mine, theirs in zip(self, more)))
        return both.where(both.ids.argsort())


def no_cases(features: int, classes: int) -> CaseRows:
    """An empty table.

    Args:
        features: F.
        classes: K of the head.
    """
    whole = torch.empty(0, dtype=torch.int64)
    return CaseRows(
        whole, whole, whole, torch.empty(0, dtype=torch.bool), torch.empty(0, features), torch.empty(0, classes)
    )
