"""Where the time of a memory goes: its parts timed by themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

import torch
from torch import Tensor

from ...memory import MemoryBank, RetrievedFacts
from ...networks.layers import attend_facts, convex_gate
from ..tools.timing import Stopwatch, interleave
from .memory_arms import Batch

__all__ = ["memory_parts"]


def memory_parts(
    bank: MemoryBank, batch: Batch, num_neighbors: int, training: bool, rounds: int, stopwatch: Stopwatch
) -> dict[str, float]:
    """Seconds that one reading of the memory takes, by part.

    The products are timed by themselves, attention over the facts too; selection, gathering and exclusion are
    differences between a search with and without them, so a small one can come out slightly negative.

    Args:
        bank: the memory.
        batch: who asks, one class token each.
        num_neighbors: k.
        training: with exclusion of the own group, and with the backward pass of the attention over the facts.
        rounds: how often each part is timed.
        stopwatch: what times them.

    Returns:
        medians: ``scores`` (matrix product), ``selection`` (top-k, and room for the scores), ``exclusion`` (training
        only), ``gathering`` of the k facts, and ``attention`` over them with the gate.
    """
    device = bank.keys.device
    queries = torch.randn(len(batch.ids), bank.num_heads, 1, bank.head_dim, device=device)
    found = bank.search(queries, num_neighbors)
    arms: dict[str, Callable[[], object]] = {
        "scores": _products(queries, bank.keys),
        "search": lambda: bank.searcher(queries, bank.keys, num_neighbors, None),
        "found": lambda: bank.search(queries, num_neighbors),
        "attention": lambda: _attend(queries, found, training),
    }
    if training:
        arms["excluded"] = lambda: bank.search(queries, num_neighbors, batch.ids, batch.groups)
    times = interleave(arms, rounds, stopwatch)
    parts = {
        "scores": median(times["scores"]),
        "selection": _median_difference(times["search"], times["scores"]),
        "gathering": _median_difference(times["found"], times["search"]),
        "attention": median(times["attention"]),
    }
    return parts | ({"exclusion": _median_difference(times["excluded"], times["found"])} if training else {})


def _median_difference(times: Sequence[float], less: Sequence[float]) -> float:
    return median(time - other for time, other in zip(times, less, strict=True))


def _products(queries: Tensor, keys: Tensor) -> Callable[[], None]:
    """Inner products alone, into memory that is already there."""
    scores = queries.new_empty(len(queries), len(keys))

    def multiply() -> None:
        for head in range(keys.shape[1]):
            torch.mm(queries[:, head, 0], keys[:, head].T, out=scores)

    return multiply


def _attend(queries: Tensor, found: RetrievedFacts, training: bool) -> None:
    with torch.set_grad_enabled(training):
        asking = queries.detach().requires_grad_(training)
        memory, _ = attend_facts(asking, found.keys, found.values, found.mask)
        gate = torch.full((1, queries.shape[1], 1, 1), 0.5, device=queries.device)
        answer = convex_gate(asking, memory, gate, found.mask.any(-1))
        if training:
            answer.sum().backward()
