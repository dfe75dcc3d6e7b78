"""The two pictures of an evaluation: confusion matrix, and query cases beside the past cases they resemble."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from monai.utils import optional_import
from torch import Tensor

Figure, _ = optional_import(
    "matplotlib.figure", name="Figure", descriptor='pictures need matplotlib: pip install "monai_memvit[mlflow]"'
)

__all__ = ["Panel", "confusion_picture", "evidence_picture"]

_RIGHT, _WRONG = "#1b7837", "#b2182b"


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


def _draw(axes: Any, panel: Panel) -> None:
    axes.imshow(panel.image, cmap="gray", interpolation="nearest")
    axes.set_title(panel.title, size=7)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=panel.agrees is not None, linewidth=2.5, color=_RIGHT if panel.agrees else _WRONG)
