"""What added cases are worth, as curves over their number."""

from __future__ import annotations

from typing import Any

from monai.utils import optional_import

from ..studies.study_runs import half_interval
from ..studies.study_tables import paired_runs, percentages, runs_of

Figure, _ = optional_import(
    "matplotlib.figure", name="Figure", descriptor='pictures need matplotlib: pip install "monai_memvit[mlflow]"'
)

__all__ = ["draw_gains"]

_FIGURES = {"auc": "AUC", "balanced_accuracy": "balanced accuracy"}
_BESIDE = 1.04  # bars of one size stand beside each other
_STYLES = {
    "refitted head": ("#b35806", "s"),
    "cache": ("#e08214", "v"),
    "prototypes": ("#fdb863", "d"),
    "memory, neighbours": ("#998ec3", "^"),
    "memory, ridge": ("#1b7837", "o"),
    "memory, mixture": ("#542788", "*"),
}


def draw_gains(rows: list[dict[str, Any]], base: str, path: str) -> None:
    """One column of panels per site, AUC above and balanced accuracy below; bars are 95 % intervals over seeds.

    Args:
        rows: results of finished runs, with ``shift``, ``added`` and ``site_…``.
        base: arm that is subtracted, seed by seed.
        path: where to write the picture.
    """
    added = sorted({row["added"] for row in rows})
    sites = sorted({row["shift"] for row in rows}, key=lambda name: (name != "none", name))
    figure = Figure(figsize=(5 * len(sites), 7), layout="constrained")
    panels = figure.subplots(2, len(sites), squeeze=False, sharex=True, sharey="row")
    for column, site in enumerate(sites):
        here = [row for row in rows if row["shift"] == site]
        for panel, (figure_name, title) in zip(panels[:, column], _FIGURES.items()):
            panel.axhline(0, color="black", linewidth=0.8)
            for place, (arm, (colour, marker)) in enumerate(_STYLES.items()):
                sizes, means, halves = _curve(here, base, arm, f"site_{figure_name}")
                if sizes:
                    beside = [size * _BESIDE**place for size in sizes]
                    panel.errorbar(beside, means, halves, color=colour, marker=marker, label=arm, capsize=2)
            panel.set_xscale("log")
            panel.set_xticks(added, labels=[str(size) for size in added], minor=False)
            panel.minorticks_off()
            panel.spines[["top", "right"]].set_visible(False)
            if not column:
                panel.set_ylabel(f"{title}: points above the {base}", fontsize=9)
        panels[0, column].set_title("as at home" if site == "none" else f"other {site}")
        panels[1, column].set_xlabel("added cases per class")
    panels[0, 0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=120)


def _curve(rows: list[dict[str, Any]], base: str, arm: str, figure: str) -> tuple[list[int], list[float], list[float]]:
    """Sizes, mean gains in points, and halves of their 95 % intervals by Student's t."""
    curve = []
    for size in sorted({row["added"] for row in rows}):
        here = [row for row in rows if row["added"] == size]
        first, second = paired_runs(runs_of(here, base), runs_of(here, arm))
        gain = percentages(second, figure) - percentages(first, figure)
        if len(gain):
            curve.append((size, float(gain.mean()), half_interval(gain)))
    sizes, means, halves = zip(*curve) if curve else ((), (), ())
    return list(sizes), list(means), list(halves)
