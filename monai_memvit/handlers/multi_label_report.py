"""All figures of a classifier of several findings per image at the end of an evaluation."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ignite.engine import Engine
from torch import Tensor
from torchmetrics.functional.classification import binary_roc

from ..data.atomic import atomic_write, atomic_write_json, atomic_write_text
from ..metrics import (
    CalibrationBins,
    bootstrap_intervals,
    finding_calibration,
    known_labels,
    multi_label_areas,
    multi_label_summary,
)
from .curves_picture import FindingCurves, curves_picture
from .multi_label_cases import MultiLabelCases, MultiLabelHandler

__all__ = ["MultiLabelReport"]

_COLUMNS = ("auc", "auprc")


class MultiLabelReport(MultiLabelHandler):
    """Adds AUC, AUPRC (average precision) and calibration error of every finding, and their means, to the metrics.

    Unknown labels (−1) are left out, finding by finding. Findings of one value only have no area; the means are over
    the others. The calibration error is the expected one of each finding's probabilities, from MONAI's
    ``calibration_binning`` over all images. MONAI's ``CalibrationError`` handler does not fit: it gives each image an
    error over its pixels, and knows no unknown labels. An AUPRC is to be compared with the share of positives.

    Args:
        class_names: the findings, in the order of the labels.
        prefix: put before every metric's name, such as ``"val_"``.
        output_dir: where ``metrics.json``, ``findings.csv`` and ``curves.png`` are written; None writes nothing.
        bootstrap: number of resamples for an interval of 95 % of every area: metrics ``<figure>_interval_low`` and
            ``<figure>_interval_high``; 0 makes none. Resamples in which a finding has one value only do not
            count for it, nor for the means.
        bins: of the calibration.
        group_key: whole number of the patient in the decollated batch: whole patients are drawn then. None draws image
            by image, which is right only where no two images are of one patient.
        **keys: those of :class:`MultiLabelHandler`.

    Raises:
        ValueError: while running, when the outputs have another number of findings than ``class_names``.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        prefix: str = "val_",
        output_dir: str | None = None,
        bootstrap: int = 0,
        bins: int = 15,
        group_key: str | None = None,
        **keys: str,
    ) -> None:
        super().__init__(group_key, **keys)
        self.class_names = list(class_names)
        self.prefix = prefix
        self.folder = None if output_dir is None else Path(output_dir)
        self.bootstrap = bootstrap
        self.bins = bins

    def conclude(self, engine: Engine, cases: MultiLabelCases) -> None:
        """Report an epoch.

        Args:
            engine: the evaluator.
            cases: all its images.

        Raises:
            ValueError: when there are not as many findings as names.
        """
        if cases.labels.shape[1] != len(self.class_names):
            raise ValueError(f"{cases.labels.shape[1]} findings, but the names {self.class_names}: they must agree.")
        calibrations = self._calibrations(cases)
        errors = [bins.error for bins in calibrations]
        known = [error for error in errors if not math.isnan(error)]
        summary = multi_label_summary(cases.probabilities, cases.labels, self.class_names)
        summary["calibration_error"] = sum(known) / len(known) if known else math.nan
        summary |= {f"calibration_error_{name}": error for name, error in zip(self.class_names, errors)}
        intervals = self._intervals(cases)
        engine.state.metrics |= self._metrics(summary, intervals)
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._write_figures(self.folder / "metrics.json", summary, intervals, cases)
            self._write_table(self.folder / "findings.csv", summary, intervals, cases)
            self._draw(self.folder / "curves.png", calibrations, cases)

    def _calibrations(self, cases: MultiLabelCases) -> list[CalibrationBins]:
        columns = zip(cases.probabilities.unbind(1), cases.labels.unbind(1))
        return [finding_calibration(*column, self.bins) for column in columns]

    def _intervals(self, cases: MultiLabelCases) -> dict[str, tuple[float, float]]:
        if not self.bootstrap:
            return {}
        required = ~multi_label_areas(cases.probabilities, cases.labels)[0].isnan()

        def figures(probabilities: Tensor, labels: Tensor) -> dict[str, float]:
            return multi_label_summary(probabilities, labels, self.class_names, required)

        return bootstrap_intervals(figures, (cases.probabilities, cases.labels), cases.groups, self.bootstrap)

    def _metrics(self, summary: Mapping[str, float], intervals: Mapping[str, tuple[float, float]]) -> dict[str, float]:
        """The means whatever they are, of the single findings what is a number."""
        means = (*_COLUMNS, "calibration_error")
        told = {name: value for name, value in summary.items() if name in means or not math.isnan(value)}
        for name, (low, high) in intervals.items():
            if not math.isnan(low):
                told |= {f"{name}_interval_low": low, f"{name}_interval_high": high}
        return {self.prefix + name: value for name, value in told.items()}

    def _write_figures(
        self,
        path: Path,
        summary: Mapping[str, float],
        intervals: Mapping[str, tuple[float, float]],
        cases: MultiLabelCases,
    ) -> None:
        content: dict[str, Any] = {name: _plain(value) for name, value in summary.items()}
        if intervals:
            content["intervals"] = {name: [_plain(bound) for bound in bounds] for name, bounds in intervals.items()}
        content["cases"] = len(cases.labels)
        if cases.groups is not None:
            content["patients"] = len(cases.groups.unique())
        content["class_names"] = self.class_names
        atomic_write_json(path, content)

    def _write_table(
        self,
        path: Path,
        summary: Mapping[str, float],
        intervals: Mapping[str, tuple[float, float]],
        cases: MultiLabelCases,
    ) -> None:
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        bounds = [f"{name}{part}" for name in _COLUMNS for part in ("", "_low", "_high")]
        writer.writerow(["finding", "known", "positive", "share_of_positives", *bounds, "calibration_error"])
        for name, labels in zip(self.class_names, cases.labels.unbind(1)):
            known, positive = int((labels >= 0).sum()), int((labels == 1).sum())
            row: list[Any] = [name, known, positive, _digits(positive / known if known else math.nan)]
            for figure in _COLUMNS:
                low, high = intervals.get(f"{figure}_{name}", (math.nan, math.nan))
                row += [_digits(value) for value in (summary[f"{figure}_{name}"], low, high)]
            writer.writerow([*row, _digits(summary[f"calibration_error_{name}"])])
        atomic_write_text(path, text.getvalue())

    def _draw(self, path: Path, calibrations: Sequence[CalibrationBins], cases: MultiLabelCases) -> None:
        curves = []
        columns = zip(self.class_names, cases.probabilities.unbind(1), cases.labels.unbind(1), calibrations)
        for name, probabilities, labels, bins in columns:
            probabilities, labels = known_labels(probabilities, labels)
            if len(labels.unique()) == 2:
                false_rate, true_rate, _ = binary_roc(probabilities, labels)
                curves.append(FindingCurves(name, false_rate, true_rate, bins))
        with atomic_write(path) as file:
            curves_picture(curves).savefig(file, format="png", dpi=150)


def _plain(value: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(value) else value


def _digits(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4f}"
