"""The external memory of MoViT: one fact (key, value) per past case and head."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn as nn
from torch import Tensor

from .averaging import merge_visits
from .facts import Facts, RetrievedFacts
from .moving_average import AttentionMovingAverage
from .prototypes import Prototypes, PrototypicalAttentionLearning
from .search import ExactSearch

__all__ = ["MemoryBank"]


class MemoryBank(nn.Module):
    """A growing store of facts, indexed by opaque sample ids, that lives in the network's ``state_dict``.

    Rows stand in ascending order of their id, so a bank does not depend on the order or partition in which cases
    were visited, nor on the number of ranks. No gradient ever reaches it (MoViT, section 2).

    Args:
        num_heads: H.
        head_dim: d.
        moving_average: epoch -> weight of the new fact in eq. (1); defaults to :class:`AttentionMovingAverage` over
            100 epochs.
        search: finds the nearest facts; defaults to :class:`ExactSearch`, whose call it must understand.
        capacity: the most facts to keep, the least recently updated go first; None keeps all, as the paper does.

    Raises:
        ValueError: when a size is not positive.
    """

    def __init__(
        self,
        num_heads: int,
        head_dim: int,
        moving_average: Callable[[int], float] | None = None,
        search: Callable[..., tuple[Tensor, Tensor]] | None = None,
        capacity: int | None = None,
    ) -> None:
        super().__init__()
        if num_heads < 1 or head_dim < 1 or (capacity is not None and capacity < 1):
            raise ValueError(f"num_heads {num_heads}, head_dim {head_dim} and capacity {capacity} must be positive.")
        self.num_heads = num_heads
        self.head_dim = head_dim
        self.moving_average = moving_average or AttentionMovingAverage(max_epochs=100)
        self.searcher = search or ExactSearch()
        self.capacity = capacity
        self.distillation: Prototypes | None = None
        self.register_buffer("ids", torch.empty(0, dtype=torch.int64))
        self.register_buffer("groups", torch.empty(0, dtype=torch.int64))
        self.register_buffer("keys", torch.empty(0, num_heads, head_dim))
        self.register_buffer("values", torch.empty(0, num_heads, head_dim))
        self.register_buffer("last_epoch", torch.empty(0, dtype=torch.int32))
        self.register_buffer("labels", torch.empty(0, dtype=torch.int64))
        # Which table of ids the facts belong to (0: not said); see monai_memvit.data.id_map.
        self.register_buffer("id_map", torch.zeros((), dtype=torch.int64))

    def __len__(self) -> int:
        return self.keys.shape[0]

    def extra_repr(self) -> str:
        """Sizes, for ``print``."""
        return f"num_heads={self.num_heads}, head_dim={self.head_dim}, facts={len(self)}"

    @property
    def facts(self) -> Facts:
        """All rows, as they are stored (no copy)."""
        return Facts(*(getattr(self, name) for name in Facts._fields))

    @property
    def holds_prototypes(self) -> bool:
        """Whether the bank is distilled: every head then has facts of its own cases, and updates are refused."""
        return self.ids.ndim == 2

    @property
    def nbytes(self) -> int:
        """Bytes of all rows, ids included."""
        return sum(rows.numel() * rows.element_size() for rows in self.facts)

    @torch.no_grad()
    def update(
        self,
        ids: Tensor,
        keys: Tensor,
        values: Tensor,
        group_ids: Tensor | None = None,
        epoch: int | None = None,
        since: MemoryBank | None = None,
    ) -> None:
        """Eq. (1) for cases that are known, plain storage for new ones.

        Several visits of one case are averaged first, for the friction term is per epoch. Facts that are not finite
        are left out with a warning.

        Args:
            ids: opaque sample ids ``(B,)`` int64, in any order, repeats allowed.
            keys: ``(B, H, d)``.
            values: ``(B, H, d)``.
            group_ids: ``(B,)`` int64; None means that every new sample is a group of its own.
            epoch: the present epoch, from 0, for the friction term; None overwrites (weight 1) within the latest one.
            since: a copy of this bank from before the epoch, where eq. (1) takes its old facts from: of several updates
                within the epoch the last one counts then. None takes the facts as they stand.

        Raises:
            ValueError: when shapes do not fit, the bank holds prototypes or a stored case comes with another group.
        """
        groups = ids if group_ids is None else group_ids
        self._check_update(ids, keys, values, groups)
        # Plain tensors: a MetaTensor would carry its file name, which may name a patient, into every checkpoint.
        plain = (t.detach().as_subclass(Tensor).to(self.keys.device) for t in (ids, groups, keys, values))
        ids, groups, keys, values = merge_visits(*self._finite(*plain))
        rows, known = self.rows_of(ids)
        if group_ids is not None:
            self._check_groups(ids[known], self.groups[rows[known]], groups[known])
        alpha = 1.0 if epoch is None else self.moving_average(epoch)
        stamp = max(epoch or 0, self._latest_epoch())  # a second run counts from 0 again, and its facts are newer
        old = self if since is None else since
        keys, values = old._blended(ids, keys.to(self.keys), values.to(self.values), alpha)
        self.keys[rows[known]], self.values[rows[known]] = keys[known], values[known]
        self.last_epoch[rows[known]] = stamp
        new = ~known
        if new.any():
            stamps = torch.full_like(ids[new], stamp, dtype=torch.int32)
            unsaid = torch.full_like(ids[new], -1)
            self._insert(Facts(ids[new], groups[new], keys[new], values[new], stamps, unsaid))

    @torch.no_grad()
    def label(self, ids: Tensor, labels: Tensor) -> None:
        """Say the class of cases that are stored; the others are passed over.

        The label goes with its fact: into prototypes, into files, and away when the case is erased.

        Args:
            ids: opaque sample ids ``(B,)`` int64, in any order; of repeats any one counts.
            labels: their classes ``(B,)`` int64; -1 where unknown.

        Raises:
            ValueError: when the shapes differ.
        """
        if ids.ndim != 1 or labels.shape != ids.shape:
            raise ValueError(f"one label per id is needed, got {tuple(labels.shape)} for ids {tuple(ids.shape)}.")
        if not len(ids) or not len(self):
            return
        told, order = ids.as_subclass(Tensor).to(self.ids.device).sort()
        places = torch.searchsorted(told, self.ids).clamp_(max=len(told) - 1)
        given = labels.as_subclass(Tensor).to(self.labels)[order][places]
        found = torch.where(told[places] == self.ids, given, self.labels)
        self._store(self.facts._replace(labels=found))

    def refresh(self, ids: Tensor, keys: Tensor, values: Tensor, group_ids: Tensor | None = None) -> None:
        """Overwrite the facts of cases that are stored; the others stay out of the memory.

        Args:
            ids: opaque sample ids ``(B,)`` int64, in any order, repeats allowed.
            keys: ``(B, H, d)``.
            values: ``(B, H, d)``.
            group_ids: ``(B,)`` int64; None does not check them.

        Raises:
            ValueError: as :meth:`update`.
        """
        self._check_update(ids, keys, values, ids if group_ids is None else group_ids)
        stored = self.rows_of(ids.to(self.ids.device))[1].to(ids.device)
        self.update(ids[stored], keys[stored], values[stored], None if group_ids is None else group_ids[stored])

    def search(
        self,
        queries: Tensor,
        k: int,
        exclude_ids: Tensor | None = None,
        exclude_groups: Tensor | None = None,
        cosine: bool = False,
    ) -> RetrievedFacts:
        """The k facts of largest inner product with each query, head by head; no gradient.

        Args:
            queries: ``(B, H, Q, d)``.
            k: how many; fewer come back where the bank is smaller.
            exclude_ids: ``(B,)``, a case that a sample must not find (its own).
            exclude_groups: ``(B,)``, a patient or slide of which a sample must find nothing.
            cosine: compare directions only: the largest cosines are found, and are the scores.

        Returns:
            :class:`RetrievedFacts` with K = min(k, S).

        Raises:
            ValueError: when k is not positive or the queries do not fit the bank.
        """
        return self.gather(*self.find(queries, k, exclude_ids, exclude_groups, cosine))

    @torch.no_grad()
    def find(
        self,
        queries: Tensor,
        k: int,
        exclude_ids: Tensor | None = None,
        exclude_groups: Tensor | None = None,
        cosine: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """The first half of :meth:`search`, without copying any fact.

        Args:
            queries: ``(B, H, Q, d)``.
            k: as in :meth:`search`.
            exclude_ids: as in :meth:`search`.
            exclude_groups: as in :meth:`search`.
            cosine: as in :meth:`search`.

        Returns:
            scores ``(B, H, Q, K)``, -inf where fewer than K facts were left to find, and rows ``(B, H, Q, K)`` int64.

        Raises:
            ValueError: as :meth:`search`.
        """
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}.")
        if queries.ndim != 4 or (queries.shape[1], queries.shape[3]) != (self.num_heads, self.head_dim):
            raise ValueError(f"queries must be (B, {self.num_heads}, Q, {self.head_dim}), got {tuple(queries.shape)}.")
        options = {"cosine": True} if cosine else {}  # a search of somebody's own may know inner products only
        return self.searcher(queries, self.keys, k, self._excluded(exclude_ids, exclude_groups), **options)

    @torch.no_grad()
    def gather(self, scores: Tensor, rows: Tensor) -> RetrievedFacts:
        """The second half of :meth:`search`: the facts themselves, for any part of what was found.

        Args:
            scores: ``(B, H, Q, K)``, of :meth:`find`.
            rows: ``(B, H, Q, K)``, of :meth:`find`.

        Returns:
            :class:`RetrievedFacts`.
        """
        mask = scores > float("-inf")
        # Zeros, not the stored numbers, where nothing was found: 0 * NaN would leak an excluded fact.
        keys, values = (self._take(t, rows).masked_fill_(~mask[..., None], 0) for t in (self.keys, self.values))
        return RetrievedFacts(keys, values, scores, self._take(self._per_head(self.ids), rows), mask)

    @torch.no_grad()
    def labels_at(self, rows: Tensor) -> Tensor:
        """The classes of found facts.

        Args:
            rows: ``(B, H, Q, K)``, of :meth:`find`.

        Returns:
            ``(B, H, Q, K)`` int64; -1 where the class was not said.
        """
        return self._take(self._per_head(self.labels), rows)

    @torch.no_grad()
    def erase(self, ids: Tensor) -> int:
        """Remove cases as if they had never been stored.

        Args:
            ids: opaque sample ids, ``(N,)``.

        Returns:
            how many facts were removed. Of prototypes, a row goes when any head's case is named.
        """
        named = torch.isin(self.ids, ids.to(self.ids.device))
        keep = ~(named.any(1) if self.holds_prototypes else named)
        self._store(Facts(*(rows[keep] for rows in self.facts)))
        return int((~keep).sum())

    @torch.no_grad()
    def distil(self, learning: PrototypicalAttentionLearning, labels: Mapping[int, int] | None = None) -> MemoryBank:
        """A small bank of prototypes (eq. 3-4) with the same reading interface.

        Args:
            learning: chooses the prototypes.
            labels: class of each sample id, where the choice is stratified by class.

        Returns:
            a new bank of P prototypes; ``ids`` and ``groups`` are ``(P, H)``, the cases that the keys came from;
            ``distillation`` is the report of the choice.

        Raises:
            ValueError: when the bank is empty, already distilled, or labels are missing.
        """
        if self.holds_prototypes or not len(self):
            raise ValueError("only a bank of facts can be distilled; this one " + ("is." if len(self) else "is empty."))
        classes = None if labels is None else self._classes(labels)
        chosen = learning(self.keys, self.values, classes)
        bank = MemoryBank(self.num_heads, self.head_dim, self.moving_average, self.searcher, self.capacity)
        stamps = self.last_epoch[chosen.rows].amax(1)
        ids, groups, told = (rows[chosen.rows] for rows in (self.ids, self.groups, self.labels))
        bank._store(Facts(ids, groups, chosen.keys, chosen.values, stamps, told))
        bank.id_map = self.id_map.clone()
        bank.distillation = chosen
        return bank.train(self.training)

    def rows_of(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Where cases are stored.

        Args:
            ids: opaque sample ids ``(N,)``.

        Returns:
            rows ``(N,)`` and whether each id is stored ``(N,)`` bool; the row of an unknown id is meaningless.
        """
        if not len(self):
            return torch.zeros_like(ids), torch.zeros_like(ids, dtype=torch.bool)
        rows = torch.searchsorted(self.ids, ids).clamp_(max=len(self) - 1)
        return rows, self.ids[rows] == ids

    def _check_update(self, ids: Tensor, keys: Tensor, values: Tensor, groups: Tensor) -> None:
        if self.holds_prototypes:
            raise ValueError("prototypes cannot be updated: train or refresh a bank of facts, then distil it again.")
        wanted = (len(ids), self.num_heads, self.head_dim)
        if ids.ndim != 1 or groups.shape != ids.shape or keys.shape != wanted or values.shape != wanted:
            raise ValueError(
                f"{len(ids)} ids need group ids {tuple(ids.shape)} and keys, values {wanted}; "
                f"got {tuple(groups.shape)}, {tuple(keys.shape)}, {tuple(values.shape)}."
            )

    def _finite(self, ids: Tensor, groups: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, ...]:
        finite = (torch.isfinite(keys) & torch.isfinite(values)).flatten(1).all(1)
        if finite.all():
            return ids, groups, keys, values
        warnings.warn(
            f"{int((~finite).sum())} of {len(ids)} facts are not finite and were not stored; has training diverged?",
            stacklevel=3,
        )
        return ids[finite], groups[finite], keys[finite], values[finite]

    @staticmethod
    def _check_groups(ids: Tensor, stored: Tensor, given: Tensor) -> None:
        if not torch.equal(stored, given):
            odd = int(ids[stored != given][0])
            raise ValueError(f"sample id {odd} is stored under another group id: a sample has one patient or slide.")

    def _blended(self, ids: Tensor, keys: Tensor, values: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
        """Eq. (1) with the stored facts as the old ones; new cases keep theirs."""
        rows, known = self.rows_of(ids)
        stored, blend = rows[known], AttentionMovingAverage.blend
        return (
            keys.index_put((known,), blend(self.keys[stored], keys[known], alpha)),
            values.index_put((known,), blend(self.values[stored], values[known], alpha)),
        )

    def _latest_epoch(self) -> int:
        return int(self.last_epoch.max()) if len(self) else 0

    def _insert(self, new: Facts) -> None:
        # New facts first: of facts of one epoch, the stable sort below then keeps the newer ones.
        joined = Facts(*(torch.cat([more.to(old.dtype), old]) for old, more in zip(self.facts, new)))
        keep = torch.arange(len(joined.ids), device=joined.ids.device)
        if self.capacity is not None:
            keep = joined.last_epoch.argsort(descending=True, stable=True)[: self.capacity]
        order = keep[joined.ids[keep].argsort()]
        self._store(Facts(*(rows[order] for rows in joined)))

    def _store(self, facts: Facts) -> None:
        for name, rows in zip(Facts._fields, facts):
            setattr(self, name, rows.contiguous())

    def _excluded(self, ids: Tensor | None, groups: Tensor | None) -> Tensor | None:
        excluded = None
        for stored, own in ((self.ids, ids), (self.groups, groups)):
            if own is not None:
                hit = stored.movedim(0, -1) == own.view(-1, *[1] * stored.ndim)
                excluded = hit if excluded is None else excluded | hit
        return excluded

    def _per_head(self, rows: Tensor) -> Tensor:
        return rows if rows.ndim > 1 else rows[:, None].expand(-1, self.num_heads)

    def _take(self, table: Tensor, rows: Tensor) -> Tensor:
        """``table[rows[b, h, q, j], h]`` for a table ``(S, H, ...)``."""
        heads = torch.arange(self.num_heads, device=rows.device).view(1, -1, 1, 1)
        return table[rows, heads]

    def _classes(self, labels: Mapping[int, int]) -> Tensor:
        try:
            return torch.tensor([labels[i] for i in self.ids.tolist()], device=self.ids.device)
        except KeyError as error:
            raise ValueError(f"the label of stored case {error.args[0]} is missing from the labels given.") from error

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """Takes the size of the saved bank: it grew in training, a fresh one is empty."""
        errors: list[str] = args[-1]
        if prefix + "ids" in state_dict:  # facts of before there were labels
            state_dict.setdefault(prefix + "labels", torch.full_like(state_dict[prefix + "ids"], -1))
        saved = {name: state_dict[prefix + name] for name in Facts._fields if prefix + name in state_dict}
        lengths = {len(rows) for rows in saved.values()}
        heads = {tuple(saved[name].shape[1:]) for name in ("keys", "values") if name in saved}
        if len(lengths) > 1 or heads - {(self.num_heads, self.head_dim)}:
            shapes = {name: tuple(rows.shape) for name, rows in saved.items()}
            errors.append(f"{prefix[:-1]}: a bank of ({self.num_heads}, {self.head_dim}) facts cannot hold {shapes}.")
            return
        for name, rows in saved.items():
            buffer = getattr(self, name)
            setattr(self, name, torch.empty(rows.shape, dtype=buffer.dtype, device=buffer.device))
        super()._load_from_state_dict(state_dict, prefix, *args)
