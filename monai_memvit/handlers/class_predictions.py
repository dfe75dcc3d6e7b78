"""The table of a run over cases of one class each: probabilities, the predicted class, and the true one where known."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events

from ..data.atomic import atomic_write_text

__all__ = ["ClassPredictions"]


class ClassPredictions:
    """Saves ``predictions.csv``: of every case its opaque id, the probabilities, the most probable class and the label.

    Args:
        class_names: in the order of the labels.
        output_dir: where to write; made when absent.
        pred_key: probabilities ``(K,)`` in the decollated output.
        label_key: label in the decollated output or batch; the column stays empty for cases without.

    Raises:
        ValueError: while running, when cases come without a ``sample_id``.
    """

    def __init__(
        self, class_names: Sequence[str], output_dir: str, pred_key: str = "pred", label_key: str = "label"
    ) -> None:
        self.class_names = list(class_names)
        self.folder = Path(output_dir)
        self.pred_key = pred_key
        self.label_key = label_key
        self._rows: list[list[Any]] = []

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator.

        Args:
            engine: an evaluator with decollated batches and outputs.
        """
        engine.add_event_handler(Events.EPOCH_STARTED, self._rows.clear)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._write)

    def _collect(self, engine: Engine) -> None:
        for output, source in zip(engine.state.output, engine.state.batch):
            known = {**source, **{name: value for name, value in output.items() if value is not None}}
            if "sample_id" not in known:
                raise ValueError("the cases come without a sample_id: the rows of the table could not be told apart.")
            probabilities = torch.as_tensor(known[self.pred_key]).float()
            label = known.get(self.label_key)
            self._rows.append(
                [
                    int(known["sample_id"]),
                    *(f"{probability:.6f}" for probability in probabilities.tolist()),
                    self.class_names[int(probabilities.argmax())],
                    "" if label is None else self.class_names[int(label)],
                ]
            )

    def _write(self) -> None:
        text = io.StringIO(newline="")
        header = ["sample_id", *(f"probability_{name}" for name in self.class_names), "predicted", "label"]
        csv.writer(text).writerows([header, *self._rows])
        self.folder.mkdir(parents=True, exist_ok=True)
        atomic_write_text(self.folder / "predictions.csv", text.getvalue())
