"""The picture of cases that consist of slices: the most suspicious slice, and the probability along the case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .pictures import Figure

__all__ = ["CaseStrip", "overlay_picture"]

_UNKNOWN, _NEGATIVE, _POSITIVE = "#7f7f7f", "#2166ac", "#b2182b"


class CaseStrip(NamedTuple):
    """One row of the picture.

    Args:
        title: lines above the slice.
        picture: of the slice, ``(rows, columns)`` or ``(rows, columns, 3)``.
        tumour: ``(rows, columns)`` bool, to be outlined; None where nothing is marked.
        numbers: of the slices, ``S`` of them, ascending.
        probabilities: of the positive class, likewise.
        labels: 0, 1, or None where unknown, likewise.
        shown: number of the slice that ``picture`` shows.
    """

    title: str
    picture: NDArray[np.uint8]
    tumour: NDArray[np.bool_] | None
    numbers: Sequence[int]
    probabilities: Sequence[float]
    labels: Sequence[int | None]
    shown: int


def overlay_picture(strips: Sequence[CaseStrip], class_names: Sequence[str]) -> Any:
    """One row per case: left its slice with the tumour's outline, right probability against the slice's number.

    Args:
        strips: the cases.
        class_names: negative, positive.

    Returns:
        a matplotlib ``Figure``.

    Raises:
        ValueError: when there are no cases.
    """
    if not strips:
        raise ValueError("there is no case to show.")
    figure = Figure(figsize=(7.5, 2.4 * len(strips) + 0.4), layout="constrained")
    grid = figure.subplots(len(strips), 2, squeeze=False, width_ratios=[1, 2])
    for (left, right), strip in zip(grid, strips):
        _draw_slice(left, strip)
        _draw_strip(right, strip, class_names)
    grid[-1, 1].set_xlabel("slice")
    return figure


def _draw_slice(axes: Any, strip: CaseStrip) -> None:
    axes.imshow(strip.picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    if strip.tumour is not None and strip.tumour.any():
        axes.contour(strip.tumour, levels=[0.5], colors=[_POSITIVE], linewidths=1)
    axes.set_title(strip.title, size=7)
    axes.set(xticks=[], yticks=[])


def _draw_strip(axes: Any, strip: CaseStrip, class_names: Sequence[str]) -> None:
    axes.plot(strip.numbers, strip.probabilities, color="#cccccc", linewidth=1, zorder=1)
    axes.axvline(strip.shown, color="black", linewidth=0.8, linestyle=":")
    kinds = ((None, _UNKNOWN, "unknown"), (0, _NEGATIVE, class_names[0]), (1, _POSITIVE, class_names[1]))
    for label, colour, name in kinds:
        here = [i for i, known in enumerate(strip.labels) if known == label]
        if here:
            points = [[column[i] for i in here] for column in (strip.numbers, strip.probabilities)]
            axes.scatter(*points, s=14, color=colour, label=f"true: {name}", zorder=2)
    axes.set_ylim(-0.03, 1.03)
    axes.set_ylabel(f"probability of {class_names[1]}", size=7)
    axes.legend(fontsize=6, loc="upper left", bbox_to_anchor=(1, 1))
