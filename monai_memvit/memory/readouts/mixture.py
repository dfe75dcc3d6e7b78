"""Several read-outs of a memory, each trusted as far as it has earned."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..case_rows import CaseRows
from ..class_moments import ClassMoments
from .calibration import balanced_weights
from .readout import FittedReadout, Readout

__all__ = ["MixtureReadout"]

_STEPS = 300  # of expectation maximisation; the problem is convex


class MixtureReadout:
    """``p = sum of w_m p_m`` with the weights of the least log loss of the judged cases, read without their groups.

    Args:
        readouts: by name, for the report.

    Raises:
        ValueError: when there is none.
    """

    def __init__(self, readouts: Mapping[str, Readout]) -> None:
        if not readouts:
            raise ValueError("a mixture needs at least one read-out, got none.")
        self.readouts = dict(readouts)

    @torch.no_grad()
    def fit(self, cases: CaseRows, moments: ClassMoments, judged: Tensor) -> FittedReadout:
        """See :class:`Readout`.

        Args:
            cases: those with a class.
            moments: of these.
            judged: rows ``(J,)``; without any, all weigh the same.
        """
        fitted = {name: readout.fit(cases, moments, judged) for name, readout in self.readouts.items()}
        held_out = torch.stack([f.held_out for f in fitted.values()])
        labels = cases.labels[judged]
        weights = _earned(held_out, labels, balanced_weights(labels, held_out.shape[2]))

        def read(features: Tensor, logits: Tensor) -> Tensor:
            told = torch.stack([f.read(features, logits) for f in fitted.values()])
            return torch.einsum("m,mbc->bc", weights, told)

        choices = {f"{name}_{key}": value for name, f in fitted.items() for key, value in f.choices.items()}
        choices |= {f"{name}_weight": weight for name, weight in zip(fitted, weights.tolist())}
        return FittedReadout(read, torch.einsum("m,mjc->jc", weights, held_out), choices)


def _earned(held_out: Tensor, labels: Tensor, importance: Tensor) -> Tensor:
    """Maximum likelihood of the weights ``(m,)`` of probabilities ``(m, J, C)``."""
    weights = held_out.new_full((len(held_out),), 1 / len(held_out))
    if not len(labels):
        return weights
    told = held_out.gather(2, labels.expand(len(held_out), -1)[..., None])[..., 0].clamp(min=1e-12)
    for _ in range(_STEPS):
        share = weights[:, None] * told
        weights = (share / share.sum(0) * importance).sum(1) / importance.sum()
    return weights
