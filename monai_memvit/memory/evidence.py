"""Which past cases a case resembles or consulted, with one weight per case over all heads."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .bank import MemoryBank
from .facts import CaseSnapshot

__all__ = ["CaseEvidence", "consulted_cases", "per_head_evidence"]


class CaseEvidence(NamedTuple):
    """The past cases of one sample, heaviest first.

    Args:
        ids: opaque sample ids, ``(N,)`` int64.
        weights: share of the evidence, ``(N,)``; all cases that were found sum to 1, the N kept ones to at most 1.
    """

    ids: Tensor
    weights: Tensor


def per_head_evidence(
    bank: MemoryBank, snapshot: CaseSnapshot, k: int = 32, retrieval: str = "cosine", temperature: float = 0.1
) -> tuple[Tensor, Tensor]:
    """The k nearest facts of each sample in each head, with softmax weights.

    ``"cosine"`` compares the sample's own key with the stored keys, which is a similarity search; ``"logit"`` compares
    its query, as the forward pass does: those are the facts that entered the logits, by the weights they had there.

    Args:
        bank: facts or prototypes.
        snapshot: what the memory layer left of the batch.
        k: facts per head.
        retrieval: ``"cosine"`` or ``"logit"``.
        temperature: of the softmax over cosines.

    Returns:
        ids ``(B, H, K)`` int64 and weights ``(B, H, K)`` that sum to 1 over K.

    Raises:
        ValueError: when ``retrieval`` is unknown or the bank is empty.
    """
    if retrieval not in ("cosine", "logit"):
        raise ValueError(f"retrieval must be 'cosine' or 'logit', got {retrieval!r}.")
    if not len(bank):
        raise ValueError("the memory is empty: train, or load a checkpoint with facts, before asking for evidence.")
    if retrieval == "logit":
        found = bank.search(snapshot.queries[:, :, None], k)
        scores = found.scores[:, :, 0] * bank.head_dim**-0.5
        return found.ids[:, :, 0], scores.softmax(-1)
    cosines, rows = bank.searcher(snapshot.keys[:, :, None], bank.keys, k, cosine=True)
    heads = torch.arange(bank.num_heads, device=rows.device).view(1, -1, 1)
    rows = rows[:, :, 0]
    ids = bank.ids[rows, heads] if bank.holds_prototypes else bank.ids[rows]
    return ids, (cosines[:, :, 0] / temperature).softmax(-1)


def consulted_cases(
    bank: MemoryBank,
    snapshot: CaseSnapshot,
    k: int = 32,
    retrieval: str = "cosine",
    top: int = 5,
    temperature: float = 0.1,
) -> list[CaseEvidence]:
    """The past cases behind each sample: weights of a case are averaged over the heads.

    Args:
        bank: facts or prototypes.
        snapshot: what the memory layer left of the batch.
        k: facts per head.
        retrieval: see :func:`per_head_evidence`.
        top: cases to keep per sample.
        temperature: of the softmax over cosines.

    Returns:
        one :class:`CaseEvidence` per sample.
    """
    ids, weights = per_head_evidence(bank, snapshot, k, retrieval, temperature)
    return [_sum_by_case(i.flatten(), w.flatten() / ids.shape[1], top) for i, w in zip(ids, weights)]


def _sum_by_case(ids: Tensor, weights: Tensor, top: int) -> CaseEvidence:
    cases, inverse = ids.unique(return_inverse=True)
    total = torch.zeros(len(cases), dtype=weights.dtype, device=weights.device).index_add_(0, inverse, weights)
    order = total.argsort(descending=True, stable=True)[:top]
    return CaseEvidence(cases[order], total[order])
