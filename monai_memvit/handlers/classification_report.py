"""All figures of a classifier at the end of an evaluation, and its confusion matrix as a picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix

from ..data import atomic_write
from ..metrics import bootstrap_intervals, classification_summary, one_against_rest_auc
from .pictures import confusion_picture

__all__ = ["ClassificationReport"]


class ClassificationReport:
    """Adds :func:`classification_summary` of an epoch, and the AUC of each class, to the metrics.

    It reports what its own process evaluates: of several ranks, let one evaluate all cases.

    Args:
        class_names: in the order of the labels.
        prefix: put before every metric's name, such as ``"val_"``.
        output_dir: where ``metrics.json`` and ``confusion_matrix.png`` are written; None writes nothing.
        pred_key: probabilities ``(K,)`` in the decollated output.
        label_key: label in the decollated output.
        bootstrap: number of resamples for an interval of 95 % of every figure but the AUC of single classes: metrics
            ``<figure>_interval_low`` and ``<figure>_interval_high``, ``"intervals"`` in the file; 0 makes none.
            Resamples that lack a class are left out.
        group_key: whole number of the patient in the decollated batch: whole patients are drawn then. None draws case
            by case, which is right only where no two cases come from one patient.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        prefix: str = "val_",
        output_dir: str | None = None,
        pred_key: str = "pred",
        label_key: str = "label",
        bootstrap: int = 0,
        group_key: str | None = None,
    ) -> None:
        self.class_names = list(class_names)
        self.prefix = prefix
        self.output_dir = output_dir
        self.pred_key = pred_key
        self.label_key = label_key
        self.bootstrap = bootstrap
        self.group_key = group_key
        self._predictions: list[Tensor] = []
        self._labels: list[Tensor] = []
        self._groups: list[int] = []

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator, before the handlers that log metrics.

        Args:
            engine: an evaluator with decollated outputs.
        """
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._report)

    def _collect(self, engine: Engine) -> None:
        for item in engine.state.output:
            self._predictions.append(torch.as_tensor(item[self.pred_key]).detach().float())
            self._labels.append(torch.as_tensor(item[self.label_key]).view(()))
        if self.group_key is not None:
            self._groups += [int(item[self.group_key]) for item in engine.state.batch]

    def _report(self, engine: Engine) -> None:
        probabilities, labels = (
            torch.stack(column).as_subclass(Tensor).cpu() for column in (self._predictions, self._labels)
        )
        labels = labels.long()
        intervals = self._intervals(probabilities, labels)
        self._predictions, self._labels, self._groups = [], [], []
        by_class = one_against_rest_auc(probabilities, labels)
        summary = classification_summary(probabilities, labels)
        summary |= {f"auc_{name}": float(auc) for name, auc in zip(self.class_names, by_class) if not auc.isnan()}
        engine.state.metrics |= {self.prefix + name: value for name, value in summary.items()}
        for name, (low, high) in intervals.items():
            bounds = {f"{self.prefix}{name}_interval_low": low, f"{self.prefix}{name}_interval_high": high}
            engine.state.metrics |= bounds
        if self.output_dir is not None:
            report = summary | ({"intervals": intervals} if intervals else {})
            self._write(Path(self.output_dir), report, probabilities, labels)

    def _intervals(self, probabilities: Tensor, labels: Tensor) -> dict[str, tuple[float, float]]:
        if not self.bootstrap:
            return {}
        groups = None if self.group_key is None else torch.tensor(self._groups)
        columns = probabilities, labels
        return bootstrap_intervals(classification_summary, columns, groups, self.bootstrap, labels=labels)

    def _write(self, folder: Path, figures: dict[str, Any], probabilities: Tensor, labels: Tensor) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        matrix = multiclass_confusion_matrix(probabilities, labels, num_classes=len(self.class_names))
        report = figures | {"cases": len(labels), "class_names": self.class_names, "confusion_matrix": matrix.tolist()}
        with atomic_write(folder / "metrics.json") as file:
            file.write(json.dumps(report, indent=2).encode())
        with atomic_write(folder / "confusion_matrix.png") as file:
            confusion_picture(matrix, self.class_names).savefig(file, format="png", dpi=150)
