"""The plain records that the memory exchanges with the network."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

__all__ = ["CaseSnapshot", "Facts", "RetrievedFacts"]


class Facts(NamedTuple):
    """The contents of a bank, rows in ascending order of their id.

    Args:
        ids: opaque sample ids, ``(S,)`` int64; of prototypes ``(P, H)``, for every head has its own.
        groups: opaque group (patient, slide) ids, shaped as ``ids``.
        keys: ``(S, H, d)`` float32.
        values: ``(S, H, d)`` float32.
        last_epoch: the epoch of a fact's last update, ``(S,)`` int32.
        labels: class of each case, shaped as ``ids``; -1 where it was not said.
    """

    ids: Tensor
    groups: Tensor
    keys: Tensor
    values: Tensor
    last_epoch: Tensor
    labels: Tensor


class RetrievedFacts(NamedTuple):
    """The K facts that each query found, best first.

    Args:
        keys: ``(B, H, Q, K, d)``, zero where ``mask`` is False.
        values: ``(B, H, Q, K, d)``, zero where ``mask`` is False.
        scores: inner products, or cosines, ``(B, H, Q, K)``, -inf where ``mask`` is False.
        ids: sample ids ``(B, H, Q, K)`` int64.
        mask: ``(B, H, Q, K)`` bool, False where fewer than K facts were left to find.
    """

    keys: Tensor
    values: Tensor
    scores: Tensor
    ids: Tensor
    mask: Tensor


class CaseSnapshot(NamedTuple):
    """What a forward pass leaves behind for the handlers: one query and one fact per sample and head, detached.

    Args:
        ids: opaque sample ids ``(B,)`` int64.
        groups: opaque group ids ``(B,)`` int64.
        queries: ``(B, H, d)`` float32.
        keys: ``(B, H, d)`` float32.
        values: ``(B, H, d)`` float32.
    """

    ids: Tensor
    groups: Tensor
    queries: Tensor
    keys: Tensor
    values: Tensor
