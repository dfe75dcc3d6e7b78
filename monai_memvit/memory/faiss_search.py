"""Nearest facts by a FAISS index: the same interface as the exact search, for very large memories."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .kept import kept_while_unchanged
from .search import check_search

__all__ = ["FaissSearch"]


class FaissSearch:
    """The facts of largest inner product with each query, by one FAISS index per head, on the CPU.

    The indices are built on the first search among some keys and again when those have changed, for cosines others than
    for inner products; several memories may share this object. The indices are a cache: copies and pickles leave them
    out. ``"Flat"`` is exact; other factories are approximate and may miss facts.

    Args:
        index_factory: a FAISS factory string, such as ``"Flat"``, ``"IVF256,Flat"`` or ``"HNSW32"``.
        parameters: search parameters in FAISS's notation, such as ``"nprobe=16"`` or ``"efSearch=128"``.

    Raises:
        ImportError: when FAISS is not installed.
    """

    def __init__(self, index_factory: str = "Flat", parameters: str = "") -> None:
        _faiss()
        self.index_factory = index_factory
        self.parameters = parameters
        self._indices = kept_while_unchanged(self._index_keys)
        self._direction_indices = kept_while_unchanged(self._index_directions)

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
            scores ``(B, H, Q, k')`` float32, descending, and rows of ``keys`` ``(B, H, Q, k')`` int64, on the device of
            the queries. Where fewer than k' facts are left or found, the tail has score -inf and some row.

        Raises:
            ValueError: when the shapes do not fit, k is not positive, or the index cannot be built from so few keys.
        """
        check_search(queries, keys, k, excluded)
        batch, heads, tokens, dim = queries.shape
        shape = (batch, heads, tokens, min(k, len(keys)))
        scores = np.full(shape, -np.inf, dtype=np.float32)
        rows = np.zeros(shape, dtype=np.int64)
        if scores.size:
            asked = _to_numpy(_directions(queries) if cosine else queries)
            indices = self._direction_indices(keys) if cosine else self._indices(keys)
            masks = None if excluded is None else excluded.cpu().numpy()
            for head, index in enumerate(indices):
                mask = masks if masks is None or masks.ndim == 2 else masks[:, head]
                owners = None if mask is None else _Owners(mask, np.repeat(np.arange(batch), tokens))
                found = _search_index(index, asked[:, head].reshape(-1, dim), shape[-1], owners)
                scores[:, head], rows[:, head] = (part.reshape(batch, tokens, -1) for part in found)
        return torch.from_numpy(scores).to(queries.device), torch.from_numpy(rows).to(queries.device)

    def __reduce__(self) -> tuple[type[FaissSearch], tuple[str, str]]:
        return type(self), (self.index_factory, self.parameters)

    def _index_keys(self, keys: Tensor) -> list[Any]:
        return [self._build(_to_numpy(of_head)) for of_head in keys.unbind(1)]

    def _index_directions(self, keys: Tensor) -> list[Any]:
        return [self._build(_to_numpy(_directions(of_head))) for of_head in keys.unbind(1)]

    def _build(self, keys: np.ndarray) -> Any:
        faiss = _faiss()
        index = faiss.index_factory(keys.shape[1], self.index_factory, faiss.METRIC_INNER_PRODUCT)
        try:
            if not index.is_trained:
                index.train(keys)
            index.add(keys)
        except RuntimeError as error:
            raise ValueError(
                f"FAISS cannot build {self.index_factory!r} from {len(keys)} keys; "
                f'use fewer cells or index_factory="Flat": {error}'
            ) from error
        if self.parameters:
            faiss.ParameterSpace().set_index_parameters(index, self.parameters)
        return index


class _Owners:
    """Which facts are excluded for a query: the mask of the sample that it belongs to."""

    def __init__(self, mask: np.ndarray, sample_of: np.ndarray) -> None:
        self.mask = mask
        self.sample_of = sample_of
        self.allowed = (~mask).sum(axis=1)[sample_of]

    def excludes(self, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return self.mask[self.sample_of[queries][:, None], rows]


def _search_index(index: Any, queries: np.ndarray, k: int, owners: _Owners | None) -> tuple[np.ndarray, np.ndarray]:
    """Fetches k, then more for the queries that lack allowed facts, until all facts are seen."""
    scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
    rows = np.zeros((len(queries), k), dtype=np.int64)
    wanted = np.full(len(queries), k) if owners is None else np.minimum(owners.allowed, k)
    pending, fetch = np.flatnonzero(wanted), k
    while len(pending):
        found, places = index.search(queries[pending], fetch)
        bad = places < 0  # an approximate index ran out of candidates
        places = np.maximum(places, 0)
        if owners is not None:
            bad |= owners.excludes(pending, places)
        found[bad] = -np.inf
        order = np.argsort(-found, axis=1, kind="stable")[:, :k]
        scores[pending] = np.take_along_axis(found, order, axis=1)
        rows[pending] = np.take_along_axis(places, order, axis=1)
        if fetch == index.ntotal:
            break
        pending = pending[(~bad).sum(axis=1) < wanted[pending]]
        fetch = min(index.ntotal, 4 * fetch)
    return scores, rows


def _directions(tensor: Tensor) -> Tensor:
    return F.normalize(tensor.float(), dim=-1)


def _to_numpy(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().float().cpu().numpy())


def _faiss() -> ModuleType:
    try:
        import faiss
    except ImportError as error:
        raise ImportError('FaissSearch needs FAISS: pip install "monai_memvit[cpu]"') from error
    return faiss
