"""The network's own head, as one opinion among others."""

from __future__ import annotations

import torch
from torch import Tensor

from ..case_rows import CaseRows
from ..class_moments import ClassMoments
from .calibration import Temperature, best_temperature
from .readout import FittedReadout

__all__ = ["HeadReadout"]

_TEMPERATURES = (0.5, 8.0)  # heads of few cases are too sure
_AS_IT_IS = Temperature(1.0, float("nan"))


class HeadReadout:
    """The probabilities that the network gives by itself, with a temperature chosen on the judged cases.

    Classes that only the memory knows get none.
    """

    @torch.no_grad()
    def fit(self, cases: CaseRows, moments: ClassMoments, judged: Tensor) -> FittedReadout:
        """See :class:`Readout`; the cases' own groups need no leaving out, for the weights have not seen the judged.

        Args:
            cases: those with a class.
            moments: of these.
            judged: rows ``(J,)``; without any, the temperature is 1.
        """
        classes = len(moments.counts)
        logits, labels = _padded(cases.logits[judged], classes), cases.labels[judged]
        weights = moments.class_weights(balanced=True)[labels]
        known = labels < cases.logits.shape[1]
        temperature, loss = _AS_IT_IS
        if known.any():
            temperature, loss = best_temperature(logits[known], labels[known], weights[known], *_TEMPERATURES)

        def read(features: Tensor, logits: Tensor) -> Tensor:
            return (_padded(logits, classes) / temperature).softmax(-1)

        return FittedReadout(read, (logits / temperature).softmax(-1), {"temperature": temperature, "log_loss": loss})


def _padded(logits: Tensor, classes: int) -> Tensor:
    absent = logits.new_full((len(logits), classes - logits.shape[1]), float("-inf"))
    return torch.cat([logits, absent], dim=1).double()
