"""The pictures of an evaluation: confusion matrix, query cases beside the past cases they resemble, channel subsets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from monai.utils import optional_import
from torch import Tensor

Figure, _ = optional_import(
    "matplotlib.figure", name="Figure", descriptor='pictures need matplotlib: pip install "monai_memvit[mlflow]"'
)

__all__ = ["Panel", "confusion_picture", "evidence_picture", "subsets_picture"]

_RIGHT, _WRONG, _POINT = "#1b7837", "#b2182b", "#2166ac"


class Panel(NamedTuple):
    """One image of the evidence picture.

    Args:
        image: ``(rows, columns)`` or ``(rows, columns, 3)`` array.
        title: lines below the frame's top.
        agrees: whether it belongs to the class to compare with (green frame, else red); None draws no frame.
    """

    image: Any
    title: str
    agrees: bool | None


def confusion_picture(matrix: Tensor, class_names: Sequence[str]) -> Any:
    """Counts, shaded by the share of the true class.

    Args:
        matrix: ``(K, K)`` counts, rows are true classes.
        class_names: K names.

    Returns:
        a matplotlib ``Figure``.
    """
    share = matrix / matrix.sum(1, keepdim=True).clamp(min=1)
    side = 2.2 + 0.75 * len(class_names)
    figure = Figure(figsize=(side + 0.6, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(class_names)), class_names, rotation=35, ha="right")
    axes.set_yticks(range(len(class_names)), class_names)
    axes.set(xlabel="predicted", ylabel="true", title=f"{int(matrix.sum())} cases")
    for row, counts in enumerate(matrix.tolist()):
        for column, count in enumerate(counts):
            dark = share[row, column] > 0.5
            axes.text(
                column,
                row,
                f"{count}\n{share[row, column]:.0%}",
                ha="center",
                va="center",
                size=8,
                color="white" if dark else "black",
            )
    return figure


def evidence_picture(rows: Sequence[Sequence[Panel]], caption: str) -> Any:
    """One row per query case: first the case, then the past cases, heaviest first.

    Args:
        rows: panels, all rows of equal length.
        caption: below the picture.

    Returns:
        a matplotlib ``Figure``.

    Raises:
        ValueError: when there are no rows.
    """
    if not rows:
        raise ValueError("there is no case to show.")
    figure = Figure(figsize=(1.35 * len(rows[0]) + 0.4, 1.75 * len(rows) + 0.5), layout="constrained")
    grid = figure.subplots(len(rows), len(rows[0]), squeeze=False)
    for axes_row, panels in zip(grid, rows):
        for axes, panel in zip(axes_row, panels):
            _draw(axes, panel)
    figure.supxlabel(caption, size=8)
    return figure


def subsets_picture(
    names: Sequence[str], subsets: Sequence[tuple[int, ...]], values: Sequence[float], metric: str
) -> Any:
    """A point per subset of channels, by size and then by value, above dots that say which channels it has.

    Args:
        names: of all channels.
        subsets: numbers of the channels of each subset.
        values: of each subset; NaN draws no point.
        metric: what the values are.

    Returns:
        a matplotlib ``Figure``.

    Raises:
        ValueError: when there are no subsets.
    """
    if not subsets:
        raise ValueError("there is no subset to show.")
    best_first = [-math.inf if math.isnan(value) else value for value in values]
    order = sorted(range(len(subsets)), key=lambda i: (len(subsets[i]), -best_first[i]))
    figure = Figure(figsize=(2 + 0.27 * len(subsets), 2.6 + 0.24 * len(names)), layout="constrained")
    above, below = figure.subplots(2, sharex=True, height_ratios=[8, len(names)])
    above.plot(range(len(order)), [values[i] for i in order], "o", color=_POINT, markersize=5)
    figure.suptitle(f"number of channels, mean {metric}", size=8)
    above.set_ylabel(metric)
    above.grid(axis="y", alpha=0.4)
    above.tick_params(bottom=False)
    for size in sorted({len(subset) for subset in subsets}):
        places = [place for place, i in enumerate(order) if len(subsets[i]) == size]
        known = [values[order[place]] for place in places if not math.isnan(values[order[place]])]
        _draw_size(above, size, places, sum(known) / len(known) if known else math.nan)
    for row in range(len(names)):
        for present, colour in ((False, "#dddddd"), (True, "black")):
            places = [place for place, i in enumerate(order) if (row in subsets[i]) is present]
            below.plot(places, [row] * len(places), "o", color=colour, markersize=6)
    below.set_yticks(range(len(names)), names)
    below.set(xticks=[], xlim=(-0.8, len(order) - 0.2), ylim=(len(names) - 0.5, -0.5))
    below.tick_params(left=False)
    below.spines[:].set_visible(False)
    return figure


def _draw_size(axes: Any, size: int, places: Sequence[int], mean: float) -> None:
    """The mean of the subsets of one size as a line, and what it is above."""
    axes.plot([places[0] - 0.4, places[-1] + 0.4], [mean, mean], color=_POINT, alpha=0.4, linewidth=2)
    middle = (places[0] + places[-1]) / 2
    words = f"{size}\n{mean:.3f}"
    axes.text(middle, 1.02, words, transform=axes.get_xaxis_transform(), ha="center", va="bottom", size=8)
    if places[0]:
        axes.axvline(places[0] - 0.5, color="#bbbbbb", linewidth=0.8)


def _draw(axes: Any, panel: Panel) -> None:
    axes.imshow(panel.image, cmap="gray", interpolation="nearest")
    axes.set_title(panel.title, size=7)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=panel.agrees is not None, linewidth=2.5, color=_RIGHT if panel.agrees else _WRONG)
