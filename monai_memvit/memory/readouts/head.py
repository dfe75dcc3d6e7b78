"""The network's own head, as one opinion among others."""

from __future__ import annotations

import torch
from torch import Tensor

from ..case_rows import CaseRows
from ..class_moments import ClassMoments
from .calibration import Calibration, balanced_weights, calibrate
from .readout import FittedReadout

__all__ = ["HeadReadout"]


class HeadReadout:
    """The probabilities that the network gives by itself, calibrated on the judged cases.

    Another site's device or stain moves all logits of a class alike, which offsets undo. Classes that only the memory
    knows get no probability.
    """

    @torch.no_grad()
    def fit(self, cases: CaseRows, moments: ClassMoments, judged: Tensor) -> FittedReadout:
        """See :class:`Readout`; the cases' own groups need no leaving out, for the weights have not seen the judged.

        Args:
            cases: those with a class.
            moments: of these.
            judged: rows ``(J,)``; without any, the logits stay as they are.
        """
        known, classes = cases.logits.shape[1], len(moments.counts)
        logits, labels = cases.logits[judged], cases.labels[judged]
        told = labels < known
        calibration = Calibration.none(known, 1.0)
        if told.any():
            importance = balanced_weights(labels[told], known)
            groups = len(cases.groups[judged][told].unique())
            calibration = calibrate(logits[told], labels[told], importance, 1.0, groups)

        def read(features: Tensor, logits: Tensor) -> Tensor:
            probabilities = calibration(logits)
            return torch.cat([probabilities, probabilities.new_zeros(len(logits), classes - known)], dim=1)

        choices = {"scale": calibration.scale, "log_loss": calibration.loss}
        return FittedReadout(read, read(cases.features[judged], logits), choices)
