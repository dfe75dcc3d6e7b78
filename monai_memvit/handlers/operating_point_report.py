"""What decisions at the chosen operating points are worth on other images."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from torch import Tensor

from ..data.atomic import atomic_write_text
from ..metrics import bootstrap_intervals, threshold_figures
from .multi_label_cases import MultiLabelCases, MultiLabelHandler
from .operating_points import OperatingPoints

__all__ = ["OperatingPointReport"]

_FIGURES = ("sensitivity", "specificity", "ppv", "npv")


class OperatingPointReport(MultiLabelHandler):
    """Applies :class:`OperatingPoints`; adds sensitivity, specificity, PPV and NPV of every finding to the metrics.

    On the validation images themselves these figures flatter: thresholds were fitted there. Predictive values hold for
    the share of positives among the images at hand.

    Args:
        points: file of the operating points.
        class_names: the findings, in the order of the labels.
        checkpoint: file of the weights that are evaluated; points of others are refused.
        output_dir: where ``operating_points.csv`` is written; None writes nothing.
        prefix: put before every metric's name.
        bootstrap: number of resamples for an interval of 95 % of every figure; 0 makes none.
        group_key: whole number of the patient in the decollated batch: whole patients are drawn then.
        **keys: those of :class:`MultiLabelHandler`.

    Raises:
        ValueError: while running, when the file is absent, malformed, or for other findings or weights.
    """

    def __init__(
        self,
        points: str,
        class_names: Sequence[str],
        checkpoint: str,
        output_dir: str | None = None,
        prefix: str = "test_",
        bootstrap: int = 0,
        group_key: str | None = None,
        **keys: str,
    ) -> None:
        super().__init__(group_key, **keys)
        self.points = points
        self.class_names = list(class_names)
        self.checkpoint = checkpoint
        self.thresholds: dict[str, float | None] = {}
        self.folder = None if output_dir is None else Path(output_dir)
        self.prefix = prefix
        self.bootstrap = bootstrap

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator; the points are read when it starts.

        Args:
            engine: an evaluator with decollated batches and outputs.
        """
        engine.add_event_handler(Events.STARTED, self._load)
        super().attach(engine)

    def _load(self) -> None:
        self.thresholds = OperatingPoints.load(self.points, self.class_names, self.checkpoint).thresholds

    def conclude(self, engine: Engine, cases: MultiLabelCases) -> None:
        """Apply the thresholds to an epoch.

        Args:
            engine: the evaluator.
            cases: all its images.
        """
        rows = []
        for k, (name, threshold) in enumerate(self.thresholds.items()):
            figures, intervals = self._figures(cases, k, math.nan if threshold is None else threshold)
            rows.append(self._row(name, threshold, figures, intervals))
            for figure, value in figures.items():
                engine.state.metrics |= {} if math.isnan(value) else {f"{self.prefix}{figure}_{name}": value}
        if self.folder is not None:
            self._write(self.folder, rows)

    def _figures(
        self, cases: MultiLabelCases, finding: int, threshold: float
    ) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
        def figures(probabilities: Tensor, labels: Tensor) -> dict[str, float]:
            return threshold_figures(probabilities, labels, threshold)

        columns = cases.probabilities[:, finding], cases.labels[:, finding]
        if not self.bootstrap or math.isnan(threshold):
            return figures(*columns), {}
        return figures(*columns), bootstrap_intervals(figures, columns, cases.groups, self.bootstrap)

    def _row(
        self,
        name: str,
        threshold: float | None,
        figures: dict[str, float],
        intervals: dict[str, tuple[float, float]],
    ) -> list[Any]:
        row: list[Any] = [name, "" if threshold is None else f"{threshold:.6f}"]
        for figure in _FIGURES:
            row += map(_digits, (figures[figure], *intervals.get(figure, (math.nan, math.nan))))
        return row

    def _write(self, folder: Path, rows: Sequence[Sequence[Any]]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(["finding", "threshold", *(f"{f}{part}" for f in _FIGURES for part in ("", "_low", "_high"))])
        writer.writerows(rows)
        atomic_write_text(folder / "operating_points.csv", text.getvalue())


def _digits(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4f}"
