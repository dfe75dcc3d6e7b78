"""The classes of the most similar cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ..case_rows import CaseRows
from ..class_moments import ClassMoments
from ..search import ExactSearch
from .calibration import balanced_weights, log_loss
from .readout import FittedReadout

__all__ = ["NeighbourReadout"]

_TOGETHER = 256  # queries whose excluded cases are marked at a time


class NeighbourReadout:
    """Vote of the k cases of largest cosine, weighted by ``softmax(cosine / temperature)``.

    k and temperature are those of the least log loss of the judged cases, none of which finds its own group.

    Args:
        neighbours: k, to choose from.
        temperatures: to choose from.
        smoothing: share of the vote that is spread over all classes, so that no class is impossible.
        search: finds the cases; defaults to :class:`ExactSearch`, whose call it must understand.

    Raises:
        ValueError: when there is nothing to choose from, or a value is not positive.
    """

    def __init__(
        self,
        neighbours: Sequence[int] = (8, 32, 128),
        temperatures: Sequence[float] = (0.03, 0.1),
        smoothing: float = 0.01,
        search: Callable[..., tuple[Tensor, Tensor]] | None = None,
    ) -> None:
        if not neighbours or not temperatures or min(*neighbours, *temperatures, smoothing) <= 0:
            raise ValueError(
                f"neighbours {neighbours!r}, temperatures {temperatures!r} and smoothing {smoothing} must be positive."
            )
        self.neighbours = tuple(neighbours)
        self.temperatures = tuple(temperatures)
        self.smoothing = smoothing
        self.search = search or ExactSearch()

    @torch.no_grad()
    def fit(self, cases: CaseRows, moments: ClassMoments, judged: Tensor) -> FittedReadout:
        """See :class:`Readout`.

        Args:
            cases: those with a class.
            moments: of these.
            judged: rows ``(J,)``; without any, the middle k and temperature are taken.
        """
        classes = len(moments.counts)
        weights = balanced_weights(cases.labels[judged], classes)
        keys = cases.features[:, None]  # one tensor for all searches, of which the search keeps the lengths
        own = cases.groups[judged, None], cases.groups
        found = self._found(keys, cases.features[judged], max(self.neighbours), own)
        tried = []
        for k, temperature in product(self.neighbours, self.temperatures):
            held_out = self._vote(*found, cases.labels, k, temperature, classes)
            loss = log_loss(held_out, cases.labels[judged], weights) if len(judged) else float("nan")
            tried.append((loss, k, temperature, held_out))
        loss, k, temperature, held_out = min(tried, key=lambda t: t[0]) if len(judged) else tried[len(tried) // 2]

        def read(features: Tensor, logits: Tensor) -> Tensor:
            return self._vote(*self._found(keys, features, k), cases.labels, k, temperature, classes)

        return FittedReadout(read, held_out, {"neighbours": k, "temperature": temperature, "log_loss": loss})

    def _found(
        self, keys: Tensor, features: Tensor, k: int, groups: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Cosines and rows ``(B, k')`` of the most similar cases, best first; none of the asked case's own group."""
        parts = []
        for start in range(0, max(1, len(features)), _TOGETHER):
            part = slice(start, start + _TOGETHER)
            own = None if groups is None else groups[0][part] == groups[1]
            parts.append(self.search(features[part, None, None].float(), keys, k, own, cosine=True))
        cosines, rows = (torch.cat(column)[:, 0, 0] for column in zip(*parts))
        return cosines, rows

    def _vote(self, cosines: Tensor, rows: Tensor, labels: Tensor, k: int, temperature: float, classes: int) -> Tensor:
        cosines, rows = cosines[:, :k].double(), rows[:, :k]
        heard = (cosines > float("-inf")).any(-1, keepdim=True)
        weights = torch.where(heard, cosines / temperature, 0).softmax(-1) * heard
        votes = torch.einsum("bk,bkc->bc", weights, one_hot(labels[rows], classes).double())
        votes = votes + (1 - votes.sum(-1, keepdim=True)) / classes  # who finds nobody knows nothing
        return (1 - self.smoothing) * votes + self.smoothing / classes
