"""The picture of a multi-label evaluation: how well findings are told apart, and how far their probabilities hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor

from ..metrics import CalibrationBins
from .pictures import Figure

__all__ = ["FindingCurves", "curves_picture"]


class FindingCurves(NamedTuple):
    """The curves of one finding.

    Args:
        name: of the finding.
        false_rate: 1 − specificity along the ROC curve.
        true_rate: sensitivity, likewise.
        bins: its calibration.
    """

    name: str
    false_rate: Tensor
    true_rate: Tensor
    bins: CalibrationBins


def curves_picture(curves: Sequence[FindingCurves]) -> Any:
    """ROC curves on the left, reliability on the right; without findings the axes alone.

    Args:
        curves: of the findings.

    Returns:
        a matplotlib ``Figure``.
    """
    figure = Figure(figsize=(9.5, 4.2 + 0.08 * len(curves)), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes in (left, right):
        axes.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=0.8)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    left.set(xlabel="1 − specificity", ylabel="sensitivity", title="ROC")
    right.set(xlabel="probability said", ylabel="share of positives found", title="reliability")
    for name, false_rate, true_rate, bins in curves:
        (line,) = left.plot(false_rate, true_rate, linewidth=1.2, label=name)
        filled = bins.counts > 0
        right.plot(bins.said[filled], bins.found[filled], "o-", color=line.get_color(), markersize=3, linewidth=1)
    if curves:
        figure.legend(loc="outside lower center", ncols=4, fontsize=7, frameon=False)
    return figure
