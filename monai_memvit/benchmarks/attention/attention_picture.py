"""Time and memory of the attentions over the number of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monai.utils import optional_import

Figure, _ = optional_import(
    "matplotlib.figure", name="Figure", descriptor='pictures need matplotlib: pip install "monai_memvit[mlflow]"'
)

__all__ = ["draw_costs"]

_COLOURS = {
    "sequence norm": "#1b7837",
    "direct form": "#7fbf7b",
    "SimA": "#af8dc3",
    "feature map": "#998ec3",
    "softmax": "#b35806",
}


def draw_costs(rows: Sequence[dict[str, Any]], path: str) -> None:
    """One column of panels per width: time of inference above, peak memory below, on logarithmic axes.

    Args:
        rows: of the sub-layer benchmark.
        path: where to write the picture.
    """
    widths = sorted({row["width"] for row in rows})
    figure = Figure(figsize=(5 * len(widths), 7), layout="constrained")
    panels = figure.subplots(2, len(widths), squeeze=False, sharex=True)
    for column, width in enumerate(widths):
        for name, colour in _COLOURS.items():
            mine = [r for r in rows if (r["width"], r["arm"], r["work"]) == (width, name, "inference")]
            tokens = [r["tokens"] for r in mine]
            style = {"marker": "o", "color": colour, "label": name}
            panels[0, column].loglog(tokens, [1000 * r["seconds"] for r in mine], **style)
            panels[1, column].loglog(tokens, [r["peak_bytes"] / 1e6 for r in mine], **style)
        panels[0, column].set_title(f"{width} channels")
        panels[1, column].set_xlabel("tokens")
    panels[0, 0].set_ylabel("inference of the sub-layer, ms")
    panels[1, 0].set_ylabel("peak memory beyond input and weights, MB")
    panels[0, 0].legend(frameon=False)
    for panel in panels.flat:
        panel.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
