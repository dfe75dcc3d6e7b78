"""The table of an inference run over films: probabilities, and decisions at the operating points."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from ..data.atomic import atomic_write_text
from .multi_label_cases import MultiLabelCases, MultiLabelHandler
from .operating_points import OperatingPoints

__all__ = ["FilmPredictions"]

_KINDS = ("probability", "decision")


class FilmPredictions(MultiLabelHandler):
    """Saves ``predictions.csv``: for every film its opaque id, and of every finding the probability and the decision.

    A decision is ``present`` or ``absent``; empty where the finding has no operating point.

    Args:
        class_names: the findings, in the order of the labels.
        output_dir: where to write; made when absent.
        points: file of the operating points; empty for none.
        checkpoint: file of the weights that are used; points of others are refused.
        **keys: those of :class:`MultiLabelHandler`.

    Raises:
        ValueError: while running, when the points are malformed, or for other findings or weights, or films come
            without a ``sample_id``.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        output_dir: str,
        points: str = "",
        checkpoint: str | None = None,
        **keys: str,
    ) -> None:
        super().__init__(**keys)
        self.class_names = list(class_names)
        self.folder = Path(output_dir)
        self.points = points
        self.checkpoint = checkpoint
        self.thresholds: dict[str, float | None] = {}

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator; the points are read when it starts.

        Args:
            engine: an evaluator with decollated batches and outputs.
        """
        engine.add_event_handler(Events.STARTED, self._load)
        super().attach(engine)

    def _load(self) -> None:
        if self.points:
            self.thresholds = OperatingPoints.load(self.points, self.class_names, self.checkpoint).thresholds

    def conclude(self, engine: Engine, cases: MultiLabelCases) -> None:
        """Write the table.

        Args:
            engine: the evaluator.
            cases: all films.

        Raises:
            ValueError: when films have no ids.
        """
        if cases.sample_ids is None:
            raise ValueError("the films come without a sample_id: the rows of the table could not be told apart.")
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(["sample_id", *(f"{kind}_{c}" for c in self.class_names for kind in _KINDS)])
        for sample_id, probabilities in zip(cases.sample_ids.tolist(), cases.probabilities.tolist()):
            writer.writerow(self._row(sample_id, probabilities))
        self.folder.mkdir(parents=True, exist_ok=True)
        atomic_write_text(self.folder / "predictions.csv", text.getvalue())

    def _row(self, sample_id: int, probabilities: Sequence[float]) -> list[Any]:
        row: list[Any] = [sample_id]
        for finding, probability in zip(self.class_names, probabilities):
            threshold = self.thresholds.get(finding)
            decision = "" if threshold is None else "present" if probability >= threshold else "absent"
            row += [f"{probability:.6f}", decision]
        return row
