"""Exact nearest facts by inner product, head by head."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from .exclusion import exclusion
from .kept import kept_while_unchanged

__all__ = ["ExactSearch", "check_search"]


class ExactSearch:
    """The facts of largest inner product with each query, without approximation, on the device of the tensors.

    Scores are float32 even under autocast, and no gradient is recorded. Among facts of exactly equal score any may come
    first (or enter the k at all); the same input gives the same answer.

    Args:
        max_scores: the most scores held at a time; queries are taken in chunks accordingly, so that a search for all
            tokens of a batch needs no more memory than one for the class tokens.

    Raises:
        ValueError: when ``max_scores`` is not positive.
    """

    def __init__(self, max_scores: int = 2**23) -> None:
        if max_scores < 1:
            raise ValueError(f"max_scores must be at least 1, got {max_scores}.")
        self.max_scores = max_scores

    @torch.no_grad()
    def __call__(
        self, queries: Tensor, keys: Tensor, k: int, excluded: Tensor | None = None, cosine: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Search.

        Args:
            queries: ``(B, H, Q, d)``.
            keys: ``(S, H, d)``.
            k: how many facts per query; ``k' = min(k, S)`` come back.
            excluded: facts that a sample must not find, ``(B, S)`` or ``(B, H, S)`` bool.
            cosine: compare directions only: the score is the cosine.

        Returns:
            scores ``(B, H, Q, k')`` float32, descending, and rows of ``keys`` ``(B, H, Q, k')`` int64. Excluded facts
            fill the tail where fewer than k' are left, with score -inf.

        Raises:
            ValueError: when the shapes do not fit or k is not positive.
        """
        check_search(queries, keys, k, excluded)
        batch, heads, tokens, _ = queries.shape
        shape = (batch, heads, tokens, min(k, len(keys)))
        scores = torch.empty(shape, dtype=torch.float32, device=queries.device)
        rows = torch.empty(shape, dtype=torch.int64, device=queries.device)
        if not scores.numel():
            return scores, rows
        scale = _scale(keys) if cosine else None
        queries = F.normalize(queries.float(), dim=-1) if cosine else queries
        with torch.autocast(queries.device.type, enabled=False):
            for samples, positions in self._chunks(batch, tokens, len(keys)):
                part = None if excluded is None else excluded[samples]
                found = _search_chunk(queries[samples, :, positions].float(), keys, shape[-1], part, scale)
                scores[samples, :, positions], rows[samples, :, positions] = found
        return scores, rows

    def _chunks(self, batch: int, tokens: int, facts: int) -> Iterator[tuple[slice, slice]]:
        """Whole samples while they fit, else parts of one sample's queries."""
        queries = max(1, self.max_scores // facts)
        samples, positions = max(1, queries // tokens), min(tokens, queries)
        for sample in range(0, batch, samples):
            for position in range(0, tokens, positions):
                yield slice(sample, sample + samples), slice(position, position + positions)


def check_search(queries: Tensor, keys: Tensor, k: int, excluded: Tensor | None) -> None:
    """What every search asks of its arguments.

    Args:
        queries: ``(B, H, Q, d)``.
        keys: ``(S, H, d)``.
        k: at least 1.
        excluded: None, ``(B, S)`` or ``(B, H, S)`` bool.

    Raises:
        ValueError: when the shapes do not fit or k is not positive.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}.")
    if queries.ndim != 4 or keys.ndim != 3 or (queries.shape[1], queries.shape[3]) != tuple(keys.shape[1:]):
        raise ValueError(
            f"queries (B, H, Q, d) and keys (S, H, d) must agree in H and d, "
            f"got {tuple(queries.shape)} and {tuple(keys.shape)}."
        )
    if excluded is None:
        return
    batch, heads, facts = queries.shape[0], queries.shape[1], keys.shape[0]
    if excluded.dtype != torch.bool or tuple(excluded.shape) not in ((batch, facts), (batch, heads, facts)):
        raise ValueError(
            f"excluded must be a bool mask {(batch, facts)} or {(batch, heads, facts)}, "
            f"got {excluded.dtype} {tuple(excluded.shape)}."
        )


def _scale(keys: Tensor) -> Tensor:
    """What makes inner products with keys cosines, ``(H, S)``: kept, at a small part of the size of the keys."""
    # A compiler takes the memory as it finds it: nothing is kept in a graph.
    return _inverse_lengths(keys) if torch.compiler.is_compiling() else _kept_inverse_lengths(keys)


@torch.no_grad()
def _inverse_lengths(keys: Tensor) -> Tensor:
    return torch.linalg.vector_norm(keys, dim=-1, dtype=torch.float32).clamp_(min=1e-12).reciprocal_().T.contiguous()


_kept_inverse_lengths = kept_while_unchanged(_inverse_lengths)


def _search_chunk(
    queries: Tensor, keys: Tensor, k: int, excluded: Tensor | None, scale: Tensor | None
) -> tuple[Tensor, Tensor]:
    samples, heads, tokens, dim = queries.shape
    facts, block = len(keys), _block_size(len(keys), k)
    padded = math.ceil(facts / block) * block
    # One buffer for all heads; the columns beyond the last fact stay -inf.
    buffer = torch.full((samples * tokens, padded), float("-inf"), device=queries.device)
    scores = buffer[:, :facts]
    exclude = _exclusions(excluded, heads)
    found = []
    for head in range(heads):
        torch.mm(queries[:, head].reshape(-1, dim), keys[:, head].float().T, out=scores)
        if scale is not None:
            scores.mul_(scale[head])
        exclude[head](scores.view(samples, tokens, facts))
        best, rows = _top(buffer, k, block)
        found.append((best.view(samples, tokens, k), rows.view(samples, tokens, k)))
    best, rows = (torch.stack(parts, dim=1) for parts in zip(*found, strict=True))
    return best, rows


def _exclusions(excluded: Tensor | None, heads: int) -> list[Callable[[Tensor], object]]:
    if excluded is None or excluded.ndim == 2:
        return [exclusion(excluded)] * heads
    return [exclusion(excluded[:, head]) for head in range(heads)]


def _block_size(facts: int, k: int) -> int:
    """Columns per block of the two-stage selection; 1 where selecting at once is faster (measured on CPU)."""
    block = max(32, 2 ** round(math.log2(max(1.0, math.sqrt(facts / k)))))
    return block if facts >= 4 * k * block else 1


def _top(scores: Tensor, k: int, block: int) -> tuple[Tensor, Tensor]:
    """Exact top k of each row ``(N, C)``, C a multiple of ``block``.

    An entry among the k best lies in one of the k blocks of largest maximum: otherwise k entries, the maxima of those
    blocks, were at least as large. So only those blocks are looked through.
    """
    if block == 1:
        return scores.topk(k)
    blocks = scores.unflatten(1, (-1, block))
    chosen = blocks.amax(2).topk(k, sorted=False).indices
    candidates = blocks.gather(1, chosen[:, :, None].expand(-1, -1, block)).flatten(1)
    best, places = candidates.topk(k)
    return best, chosen.gather(1, places // block) * block + places % block
