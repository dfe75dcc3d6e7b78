"""Self-attention that also consults the facts of past cases (MoViT, section 2)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn as nn
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ...memory import (
    CaseContext,
    CaseSnapshot,
    CosineRetrieval,
    FactRetrieval,
    LogitRetrieval,
    MemoryBank,
    RetrievedFacts,
)
from ..layers import TokenMoments, blank_padding, class_token_fact, convex_gate, mean_token_fact
from .memory_gates import HeadGate
from .sequence_norm_attention import SequenceNormAttention

__all__ = ["MemoryAttention"]

_RETRIEVALS: dict[str, Callable[[], FactRetrieval]] = {"logit": LogitRetrieval, "cosine": CosineRetrieval}


class MemoryAttention(nn.Module):
    """Local attention and attention over the k nearest facts, joined by a sigmoid gate per head before W_o.

    Two separate softmaxes and a convex gate, as in Memorizing Transformers; by default retrieval is by inner product,
    the attention logit itself. Where nothing can be read (empty bank, all facts excluded, reading switched off) the
    result is that of the local attention to the last bit. The layer never writes to its bank: with sample ids
    present, a forward pass leaves a :class:`CaseSnapshot` in ``latest``, and a handler stores it after the backward
    pass.

    Args:
        attention: the local attention, with ``project``, ``attend`` and ``merge`` as in :class:`SoftmaxAttention`.
        bank: the facts; None makes an empty bank of the attention's size.
        context: who is in the batch; None makes one of its own.
        num_neighbors: k, 32 in the paper.
        fact: draws a sample's fact from its tokens, see ``monai_memvit.networks.layers``.
        query_tokens: how many tokens consult the memory: 1 for the class token only, which gives the same logits
            in the last block with class-token pooling at a fraction of the cost; None for all.
        exclude: what a training sample must not find: ``"group"`` (its patient or slide), ``"id"`` (itself) or
            ``"none"``. In evaluation nothing is excluded, unless facts are written (see ``writing``).
        gate_bias: first value of the gate's logit; 0 opens it half, as in Memorizing Transformers.
        max_bytes: about how many bytes of retrieved facts are held at a time. Where all tokens of a batch retrieve
            more, they read in turn, and in training the facts are gathered again for the backward pass.
        retrieval: by what facts are found and weighed: ``"logit"`` (query . key, the paper's way), ``"cosine"`` (key .
            key, a similarity search), or such an object: ``CosineRetrieval(temperature=0.05)``.
        gate: makes the gate from ``(num_heads)``: :class:`HeadGate`, or :class:`ConfidenceGate`.
        fact_labels: makes from ``(num_heads, head_dim)`` what the classes of the facts add to what is read, such as
            ``functools.partial(FactLabelEmbedding, num_classes=9)``; None leaves classes out. The bank is told them by
            :meth:`MemoryBank.label`, in training by ``MemoryUpdateHandler(cases=...)``.

    Raises:
        ValueError: when ``exclude`` or ``retrieval`` is unknown, ``num_neighbors`` or ``max_bytes`` is not positive,
            the bank does not fit, or the mean token of a sequence-norm attention is to be stored.
    """

    def __init__(
        self,
        attention: nn.Module,
        bank: MemoryBank | None = None,
        context: CaseContext | None = None,
        num_neighbors: int = 32,
        fact: Callable[..., tuple[Tensor, Tensor, Tensor]] = class_token_fact,
        query_tokens: int | None = None,
        exclude: str = "group",
        gate_bias: float = 0.0,
        max_bytes: int = 2**25,
        retrieval: FactRetrieval | str = "logit",
        gate: Callable[..., nn.Module] = HeadGate,
        fact_labels: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__()
        if exclude not in ("group", "id", "none"):
            raise ValueError(f"exclude must be 'group', 'id' or 'none', got {exclude!r}.")
        if num_neighbors < 1:
            raise ValueError(f"num_neighbors must be at least 1, got {num_neighbors}.")
        if max_bytes < 1:
            raise ValueError(f"max_bytes must be at least 1, got {max_bytes}.")
        if isinstance(retrieval, str) and retrieval not in _RETRIEVALS:
            raise ValueError(f"retrieval must be one of {[*_RETRIEVALS]} or such an object, got {retrieval!r}.")
        if fact is mean_token_fact and isinstance(attention, SequenceNormAttention):
            raise ValueError(
                "the mean of sequence-normalised keys is the same for every image and cannot tell cases apart: "
                "give the network a class token (pool='cls') and store its fact."
            )
        heads, width = attention.num_heads, attention.head_dim
        if bank is not None and (bank.num_heads, bank.head_dim) != (heads, width):
            raise ValueError(f"a bank of {bank.num_heads} x {bank.head_dim} does not fit {heads} heads of {width}.")
        self.local = attention
        self.bank = MemoryBank(heads, width) if bank is None else bank
        self.context = context or CaseContext()
        self.num_neighbors = num_neighbors
        self.fact = fact
        self.query_tokens = query_tokens
        self.exclude = exclude
        self.max_bytes = max_bytes
        self.retrieval = _RETRIEVALS[retrieval]() if isinstance(retrieval, str) else retrieval
        self.gate_bias = nn.Parameter(torch.full((heads,), float(gate_bias)))
        self.gating = gate(heads)
        self.fact_labels = None if fact_labels is None else fact_labels(heads, width)
        self.reading = True
        self.reading_in_training = True
        self.writing = False  # set by whoever stores what an evaluation leaves behind
        self.latest: CaseSnapshot | None = None

    @property
    def gate(self) -> Tensor:
        """Weight of the memory, per head, ``(H,)`` in [0, 1]; of a :class:`ConfidenceGate` that at confidence 0."""
        return self.gate_bias.float().sigmoid()

    @property
    def reads(self) -> bool:
        """Whether the next forward pass will consult the bank."""
        return self.reading and len(self.bank) > 0 and (self.reading_in_training or not self.training)

    @property
    def excludes(self) -> bool:
        """Whether the next forward pass hides a sample's own facts: they would tell what is about to be written."""
        return self.exclude != "none" and (self.training or self.writing)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attend to the sample's own tokens and to the facts of past cases.

        Args:
            x: ``(B, T, D)``.
            mask: valid tokens ``(B, T)`` bool; None when all are.

        Returns:
            ``(B, T, D)``.

        Raises:
            ValueError: when the sample ids that exclusion from a filled bank needs are absent.
        """
        if self._needs_moments_only and x.shape[1] >= self.local.gram_form_from:
            moments = TokenMoments.from_tokens(x, mask)
            received = self.local.out_dropout(self.local.collapse(moments)(x, mask))
            return torch.cat([self.among(moments, x[:, :1]), received[:, 1:]], dim=1)
        q, k, v = self.local.project(x, mask)
        return blank_padding(self._recall(q, k, v, self.local.attend(q, k, v, mask), mask), mask)

    @property
    def _needs_moments_only(self) -> bool:
        """Whether no other token's query, key or value is asked for than those of the class token."""
        return (
            self.query_tokens == 1 and self.fact is class_token_fact and isinstance(self.local, SequenceNormAttention)
        )

    def among(self, moments: TokenMoments, x: Tensor) -> Tensor:
        """What some tokens receive in a sequence of which only the moments are at hand, and from the past cases.

        Args:
            moments: of all tokens of the sequence.
            x: the tokens that ask, from whom also the fact is drawn, ``(B, t, D)``.

        Returns:
            ``(B, t, D)``.
        """
        return self._recall(*self.local.project_among(moments, x))

    def _recall(self, q: Tensor, k: Tensor, v: Tensor, attended: Tensor, mask: Tensor | None = None) -> Tensor:
        self._remember(q, k, v, mask)
        if self.reads:
            attended = self._consult(q, k, attended)
        return self.local.merge(attended)

    def _consult(self, q: Tensor, k: Tensor, attended: Tensor) -> Tensor:
        asking = self.retrieval.asking(q, k)[:, :, : self.query_tokens]
        scores, rows = self._find(asking)
        memory = self._read(asking, scores, rows)
        readable = (scores > float("-inf")).any(-1)
        gate = self.gating(self.gate_bias, self.retrieval.confidence(scores, asking.shape[-1]))
        answered = convex_gate(attended[:, :, : self.query_tokens], memory, gate, readable)
        if self.query_tokens is None:
            return answered
        return torch.cat([answered, attended[:, :, self.query_tokens :]], dim=2)

    def _read(self, *found: Tensor) -> Tensor:
        """Gathers and attends to the facts that tokens have found, at once or token by token as memory allows."""
        turns = self._turns(found[-1])
        if turns <= 1:
            return self._attend_rows(*found)
        attend = self._attend_rows
        if self.training:
            attend = partial(checkpoint, attend, use_reentrant=False, preserve_rng_state=False)
        return torch.cat([attend(*part) for part in zip(*(t.chunk(turns, dim=2) for t in found))], dim=2)

    def _turns(self, rows: Tensor) -> int:
        keys_and_values = 2 * self.bank.head_dim * self.bank.keys.element_size() * rows.numel()
        return min(rows.shape[2], math.ceil(keys_and_values / self.max_bytes))

    def _attend_rows(self, asking: Tensor, scores: Tensor, rows: Tensor) -> Tensor:
        facts = self.bank.gather(scores, rows)
        read, weights = self.retrieval.read(asking, facts.keys, facts.values, facts.mask)
        return read if self.fact_labels is None else read + self.fact_labels(weights, self.bank.labels_at(rows))

    def retrieve(self, queries: Tensor) -> RetrievedFacts:
        """What the queries find, without the facts that training must not see.

        Args:
            queries: ``(B, H, Q, d)``; where retrieval is by cosine the keys of the tokens.

        Returns:
            :class:`RetrievedFacts`.

        Raises:
            ValueError: when exclusion needs sample ids and none are present.
        """
        return self.bank.gather(*self._find(queries))

    def _find(self, asking: Tensor) -> tuple[Tensor, Tensor]:
        find = partial(self.bank.find, asking, self.num_neighbors, cosine=self.retrieval.cosine)
        if not self.excludes:
            return find()
        ids, groups = self.context.sample_ids, self.context.group_ids
        if ids is None:
            raise ValueError(
                "training or refreshing a filled memory needs sample_ids (and group_ids), or a sample would find its "
                "own fact: hand them to the network, for example by PrepareBatchExtraInput, or set exclude='none'."
            )
        return find(exclude_ids=ids, exclude_groups=groups if self.exclude == "group" else None)

    def _remember(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> None:
        if self.context.sample_ids is None:
            self.latest = None
            return
        # Copies, not views: a view would keep the queries, keys and values of all tokens alive.
        query, key, value = (t.detach().float().clone() for t in self.fact(q, k, v, mask))
        self.latest = CaseSnapshot(self.context.sample_ids, self.context.group_ids, query, key, value)
