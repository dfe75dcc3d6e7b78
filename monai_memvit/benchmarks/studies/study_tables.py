"""What the tables of the studies share: cells, pairs of runs, and differences with intervals over patients."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ..tools.tables import markdown_table
from .patient_intervals import patient_intervals
from .slice_predictions import predictions_path
from .study_runs import interval_of, signed, spread

__all__ = [
    "compared_runs",
    "difference_cell",
    "figure_cell",
    "figures_and_differences",
    "paired_runs",
    "patient_differences",
    "percentages",
    "runs_of",
]

_NONE = "–"
Runs = list[dict[str, Any]]


class Predictions(Protocol):
    """What a run said of every image: probabilities ``(N, K)``, labels, and patients ``(N,)``."""

    @property
    def probabilities(self) -> Tensor: ...

    @property
    def labels(self) -> Tensor: ...

    @property
    def groups(self) -> Tensor: ...


def runs_of(rows: Runs, arm: str) -> Runs:
    """The runs of one arm.

    Args:
        rows: results of finished runs.
        arm: its name.

    Returns:
        in the same order.
    """
    return [row for row in rows if row["arm"] == arm]


def paired_runs(base: Runs, other: Runs) -> tuple[Runs, Runs]:
    """The runs of both arms whose seed the other has, in the same order.

    Args:
        base: runs of one arm.
        other: runs of another.

    Returns:
        equally many of each.
    """
    seeds = {row["seed"]: row for row in other}
    first = [row for row in base if row["seed"] in seeds]
    return first, [seeds[row["seed"]] for row in first]


def compared_runs(
    rows: Runs, pairs: Iterable[tuple[str, str]], arms: Sequence[str] = (), shortcut: str = ""
) -> dict[str, tuple[Runs, Runs]]:
    """The runs of either side, by the name of the comparison.

    Args:
        rows: results of finished runs.
        pairs: arms; the first is subtracted from the second, seed by seed.
        arms: each is compared with the shortcut too.
        shortcut: arm of one run without a seed; empty for none.

    Returns:
        what there are runs of.
    """
    found = {}
    for base, other in pairs:
        first, second = paired_runs(runs_of(rows, base), runs_of(rows, other))
        if first:
            found[f"{other} − {base} ({len(first)})"] = (first, second)
    simple = runs_of(rows, shortcut)
    for arm in arms:
        runs = runs_of(rows, arm)
        if runs and simple:
            found[f"{arm} − {shortcut} ({len(runs)})"] = (simple, runs)
    return found


def percentages(runs: Runs, name: str) -> np.ndarray:
    """One figure of several runs.

    Args:
        runs: rows.
        name: of the figure, a share.

    Returns:
        in percent; NaN where a run has none.
    """
    return 100 * np.array([run.get(name, math.nan) for run in runs])


def figure_cell(runs: Runs, name: str) -> str:
    """Mean ± standard deviation of a figure.

    Args:
        runs: rows.
        name: of the figure, a share.

    Returns:
        in percent; of one run the figure, and a dash where no run has it.
    """
    values = percentages(runs, name)
    if np.isnan(values).all():
        return _NONE
    return spread(values) if len(values) > 1 else f"{values[0]:.1f}"


def difference_cell(base: Runs, other: Runs, name: str) -> str:
    """Mean ± standard deviation of a paired difference, with Student's interval over the pairs.

    Args:
        base: subtracted; one run stands against all of the other side.
        other: as many runs.
        name: of the figure, a share.

    Returns:
        in percentage points.
    """
    gain = percentages(other, name) - percentages(base, name)
    return f"{signed(gain)} {interval_of(gain)}".strip()


def figures_and_differences(
    rows: Runs,
    arms: Iterable[str],
    shown: Mapping[str, str],
    pairs: Mapping[str, tuple[Runs, Runs]],
    metrics: Mapping[str, str],
    same: str,
) -> str:
    """Markdown tables: every arm's figures, then the paired differences with their 95 % intervals over seeds.

    Args:
        rows: results of finished runs.
        arms: in the order of the lines; those without a run have none.
        shown: headings of the first table by the names of the figures.
        pairs: the runs of either side by the name of the comparison, as of :func:`compared_runs`.
        metrics: headings of the second table by the names of the figures.
        same: what the differences are of, for its corner.

    Returns:
        two tables, in percent.
    """
    lines = [
        [f"{arm} ({len(runs)})", *(figure_cell(runs, name) for name in shown)]
        for arm in arms
        if (runs := runs_of(rows, arm))
    ]
    differences = [
        [name, *(difference_cell(base, other, metric) for metric in metrics)] for name, (base, other) in pairs.items()
    ]
    heads = [f"{title} [95 % over seeds]" for title in metrics.values()]
    return "\n\n".join(
        [
            markdown_table(["arm (seeds)", *shown.values()], lines),
            markdown_table([f"difference, {same}", *heads], differences),
        ]
    )


def patient_differences(
    pairs: Mapping[str, tuple[Runs, Runs]],
    out: Path,
    load: Callable[[Path], Predictions],
    metrics: Mapping[str, str],
    resamples: int = 1000,
    figures: Callable[[Tensor, Tensor], Mapping[str, np.ndarray]] | None = None,
) -> str:
    """Markdown table: differences of means over runs with 95 % intervals over test patients.

    Args:
        pairs: the runs of either side by the name of the comparison, as of :func:`compared_runs`.
        out: the study's JSON lines; the predictions lie beside them.
        load: reads those of a run.
        metrics: headings by the names of the figures.
        resamples: of the patients.
        figures: as of :func:`~monai_memvit.benchmarks.studies.patient_intervals.patient_intervals`.

    Returns:
        the table, or why there is none.

    Raises:
        ValueError: when the predictions of some runs are missing, or are not of the same images.
    """
    paths = {
        name: ([predictions_path(out, row) for row in base], [predictions_path(out, row) for row in other])
        for name, (base, other) in pairs.items()
    }
    wanted = [path for sides in paths.values() for side in sides for path in side]
    if not wanted or not wanted[0].parent.exists():
        return f"No intervals over patients: there are no runs to compare, or no predictions of them beside {out}."
    found = {path: load(path) for path in dict.fromkeys(wanted)}
    first = _same_images(found, out)
    intervals = patient_intervals(
        {path: predictions.probabilities for path, predictions in found.items()},
        paths,
        first.labels,
        first.groups,
        resamples,
        figures,
    )
    heads = [f"{title} [95 % over {len(first.groups.unique())} patients]" for title in metrics.values()]
    lines = [[name, *(_interval(*found[metric]) for metric in metrics)] for name, found in intervals.items()]
    return markdown_table(["difference, mean over seeds (seeds)", *heads], lines)


def _same_images(found: Mapping[Path, Predictions], out: Path) -> Predictions:
    first = next(iter(found.values()))
    for path, other in found.items():
        if not torch.equal(first.labels, other.labels) or not torch.equal(first.groups, other.groups):
            raise ValueError(
                f"{out}: the predictions in {path.name} are of other images: repeat the study with a new --out."
            )
    return first


def _interval(difference: float, low: float, high: float) -> str:
    return f"{100 * difference:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]"
