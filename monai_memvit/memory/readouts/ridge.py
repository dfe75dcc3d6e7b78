"""A linear head in closed form, with a penalty chosen by leaving out one patient after the other."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..case_rows import CaseRows
from ..class_moments import ClassMoments, augmented
from .calibration import Calibration, balanced_weights, calibrate
from .left_out import LinearHead, left_out_scores
from .readout import FittedReadout

__all__ = ["RidgeReadout"]

_SCALE = 3.0  # one-hot targets: scores lie about 0 and 1
# Penalties that mostly serve; the second where the weights have learned the classes.
_USUAL, _USUAL_LEARNED = 1.0, 0.05
# Log loss that a penalty ten times as large or small has to save, where one group judges.
_CAUTION, _CAUTION_LEARNED = 1.0, 0.3

_LEAST = 1e-8  # variance of the features, of their mean square: a single case has none, and the system no inverse


class RidgeReadout:
    """Ridge regression of the classes on the features, balanced between the classes.

    ``W = (S + p t I)^-1 B``: S is the weighted sum of the cases' ``f f^T`` (``f = [features, 1]``), B its last column
    class by class (one-hot targets), t the mean variance of the features, p the penalty; the intercept has none.
    Taking in a case or taking one away changes S and B by one term each, so the head is that of a refit at once, and
    forgets as if it had never seen. Probabilities are the softmax of the calibrated scores. Penalty and calibration are
    those of the least log loss of the judged cases, each scored without its own group (in closed form, with the
    classes' weights as they are). The fewer groups judge, the less the choice departs from a usual penalty: weak where
    the weights have learned the classes, and their features tell them apart (the rule and its numbers were found on
    training patients; see docs/results/memory.md).

    Args:
        penalties: to choose from.
        balanced: whether every class weighs the same; else every case.

    Raises:
        ValueError: when there is no penalty, or one is not positive.
    """

    def __init__(
        self, penalties: Sequence[float] = (0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100), balanced: bool = True
    ) -> None:
        if not penalties or min(penalties) <= 0:
            raise ValueError(f"penalties must be positive, got {penalties!r}.")
        self.penalties = tuple(penalties)
        self.balanced = balanced

    @torch.no_grad()
    def fit(self, cases: CaseRows, moments: ClassMoments, judged: Tensor) -> FittedReadout:
        """See :class:`Readout`.

        Args:
            cases: those with a class.
            moments: of these.
            judged: rows ``(J,)``; without any, the usual penalty is taken.
        """
        weights, learned = moments.class_weights(self.balanced), float(cases.learned.double().mean())
        heads = [_head(moments, weights, penalty) for penalty in self.penalties]
        if not len(judged):
            doubts = _doubts(self.penalties, learned, 1)
            head, calibration = heads[doubts.index(min(doubts))], Calibration.none(len(weights), _SCALE)
            scores = weights.new_empty(0, len(weights))
        else:
            labels = cases.labels[judged]
            importance = balanced_weights(labels, len(weights))
            left_out = left_out_scores(heads, weights, cases, judged)
            count = len(cases.groups[judged].unique())
            found = [calibrate(scores, labels, importance, _SCALE, count) for scores in left_out]
            doubts = _doubts(self.penalties, learned, count)
            best = min(range(len(found)), key=lambda i: found[i].loss + doubts[i])
            head, calibration, scores = heads[best], found[best], left_out[best]

        def read(features: Tensor, logits: Tensor) -> Tensor:
            return calibration(augmented(features) @ head.weight)

        choices = {"penalty": head.penalty, "scale": calibration.scale, "log_loss": calibration.loss}
        return FittedReadout(read, calibration(scores), choices)


def _doubts(penalties: Sequence[float], learned: float, groups: int) -> list[float]:
    """How much log loss each penalty has to save against the usual one.

    Args:
        penalties: to choose from.
        learned: share of the cases that the weights have learned, and that cannot judge.
        groups: that judge.
    """
    usual, caution = (_USUAL_LEARNED, _CAUTION_LEARNED * learned) if learned else (_USUAL, _CAUTION)
    return [caution / groups * math.log10(penalty / usual) ** 2 for penalty in penalties]


def _head(moments: ClassMoments, weights: Tensor, penalty: float) -> LinearHead:
    gram = torch.einsum("c,cij->ij", weights, moments.gram)
    targets = (weights[:, None] * moments.gram[:, -1]).T
    count = gram[-1, -1]
    mean = gram[-1, :-1] / count
    squares = gram.diagonal()[:-1] / count
    least = _LEAST * squares.mean() + torch.finfo(torch.float64).tiny ** 0.5
    variance = torch.maximum((squares - mean**2).mean(), least)
    added = torch.full_like(gram.diagonal(), float(penalty * variance * count))
    added[-1] = 1e-9 * variance * count  # keeps a matrix without any case of use from being singular
    system = gram + added.diag()
    return LinearHead(torch.cholesky_solve(targets, torch.linalg.cholesky(system)), system, targets, penalty)
