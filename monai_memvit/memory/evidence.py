"""Which past cases a case resembles or consulted, with one weight per case over all heads."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .bank import MemoryBank
from .facts import CaseSnapshot
from .retrieval import CosineRetrieval, FactRetrieval, LogitRetrieval

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
    bank: MemoryBank,
    snapshot: CaseSnapshot,
    k: int = 32,
    retrieval: str | FactRetrieval = "cosine",
    temperature: float = 0.1,
) -> tuple[Tensor, Tensor]:
    """The k nearest facts of each sample in each head, with softmax weights.

    ``"cosine"`` compares the sample's own key with the stored keys, which is a similarity search; ``"logit"`` compares
    its query, as the paper's forward pass does: those are the facts that entered the logits, by the weights they had
    there. A layer that reads otherwise tells them by its own ``retrieval``.

    Args:
        bank: facts or prototypes.
        snapshot: what the memory layer left of the batch.
        k: facts per head.
        retrieval: ``"cosine"``, ``"logit"`` or a :class:`FactRetrieval`.
        temperature: of the softmax over cosines, where ``retrieval`` is a name.

    Returns:
        ids ``(B, H, K)`` int64 and weights ``(B, H, K)`` that sum to 1 over K.

    Raises:
        ValueError: when ``retrieval`` is unknown or the bank is empty.
    """
    if isinstance(retrieval, str):
        named = {"cosine": CosineRetrieval(temperature), "logit": LogitRetrieval()}
        if retrieval not in named:
            raise ValueError(f"retrieval must be 'cosine' or 'logit', got {retrieval!r}.")
        retrieval = named[retrieval]
    if not len(bank):
        raise ValueError("the memory is empty: train, or load a checkpoint with facts, before asking for evidence.")
    asking = retrieval.asking(snapshot.queries, snapshot.keys)[:, :, None]
    scores, rows = bank.find(asking, k, cosine=retrieval.cosine)
    heads = torch.arange(bank.num_heads, device=rows.device).view(1, -1, 1)
    rows = rows[:, :, 0]
    ids = bank.ids[rows, heads] if bank.holds_prototypes else bank.ids[rows]
    return ids, retrieval.logits(scores[:, :, 0], bank.head_dim).softmax(-1)


def consulted_cases(
    bank: MemoryBank,
    snapshot: CaseSnapshot,
    k: int = 32,
    retrieval: str | FactRetrieval = "cosine",
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
        temperature: see there.

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
