"""The operating point of every finding: chosen on validation images, kept beside the weights they belong to."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ignite.distributed as idist
from ignite.engine import Engine

from ..data.atomic import atomic_write_json
from ..metrics import choose_threshold
from .checkpoints import BestModelSaver
from .multi_label_cases import MultiLabelCases, MultiLabelHandler
from .weights_digest import weights_digest

__all__ = ["ChooseOperatingPoints", "OperatingPoints"]

_FORMAT = "monai_memvit-operating-points/1"
_REMEDY = "choose them for these weights with the bundle's configs/operating_points.yaml"


@dataclass(frozen=True)
class OperatingPoints:
    """From which probability on each finding counts as there.

    Args:
        thresholds: by finding, in the order of the labels; None where the validation images had one value only.
        rule: how they were chosen, in words.
        weights: digest of the weights whose probabilities they are for.
        images: number of validation images.
    """

    thresholds: dict[str, float | None]
    rule: str
    weights: str
    images: int

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write them as JSON, atomically.

        Args:
            path: of the file; its folder is made.
        """
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        atomic_write_json(path, {"format": _FORMAT, "chosen_on": "validation"} | asdict(self))

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        class_names: Sequence[str] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> OperatingPoints:
        """Read and check them.

        Args:
            path: of the file.
            class_names: findings that they must be for, in this order; None takes any.
            checkpoint: file of weights that they must be for; None takes any.

        Raises:
            ValueError: when the file is absent or malformed, or is for other findings or other weights.
        """
        points = cls._read(Path(path))
        if class_names is not None and list(points.thresholds) != list(class_names):
            raise ValueError(f"{path} is for {list(points.thresholds)}, not for {list(class_names)}: {_REMEDY}.")
        if checkpoint is not None and points.weights != weights_digest(checkpoint):
            raise ValueError(f"{path} belongs to other weights than {checkpoint}: {_REMEDY}.")
        return points

    @classmethod
    def _read(cls, path: Path) -> OperatingPoints:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ValueError(f"{path} does not exist: train, or {_REMEDY}.") from None
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ValueError(f"{path} is not valid JSON ({error}): {_REMEDY}.") from None
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise ValueError(f"{path} holds no operating points of this version ({_FORMAT}): {_REMEDY}.")
        thresholds = content.get("thresholds")
        if not isinstance(thresholds, dict) or not all(_is_threshold(value) for value in thresholds.values()):
            raise ValueError(f"{path}: thresholds must be numbers from 0 to 1, or null: {_REMEDY}.")
        return cls(thresholds, str(content.get("rule")), str(content.get("weights")), int(content.get("images", 0)))


class ChooseOperatingPoints(MultiLabelHandler):
    """Chooses a threshold per finding on the validation images and writes them to a file, never on any other.

    Attach it to the evaluator of the validation section, after ``best_model`` where it follows a training: the file is
    then written whenever the weights are.

    Args:
        class_names: the findings, in the order of the labels.
        path: of the JSON file.
        checkpoint: file of the weights that the evaluator's network has, or that ``best_model`` writes.
        sensitivity: every finding's threshold is the highest with at least this sensitivity; None takes the largest
            sum of sensitivity and specificity (Youden's index).
        best_model: writes the weights while training; None for weights that are there.
        **keys: those of :class:`MultiLabelHandler`.

    Raises:
        ValueError: when the sensitivity is out of range; while running, when names and findings differ in number.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        path: str,
        checkpoint: str,
        sensitivity: float | None = None,
        best_model: BestModelSaver | None = None,
        **keys: str,
    ) -> None:
        super().__init__(**keys)
        if sensitivity is not None and not 0 < sensitivity <= 1:
            raise ValueError(f"sensitivity must be above 0 and at most 1, got {sensitivity}.")
        self.class_names = list(class_names)
        self.path = Path(path)
        self.checkpoint = checkpoint
        self.sensitivity = sensitivity
        self.best_model = best_model

    def conclude(self, engine: Engine, cases: MultiLabelCases) -> None:
        """Choose, where the epoch's weights are those of the file.

        Args:
            engine: the evaluator.
            cases: all its images.

        Raises:
            ValueError: when there are not as many findings as names.
        """
        if cases.labels.shape[1] != len(self.class_names):
            raise ValueError(f"{cases.labels.shape[1]} findings, but the names {self.class_names}: they must agree.")
        written = self.best_model is None or self.best_model.best_epoch == engine.state.epoch
        if written and idist.get_rank() == 0:
            self._points(cases).save(self.path)

    def _points(self, cases: MultiLabelCases) -> OperatingPoints:
        columns = zip(self.class_names, cases.probabilities.unbind(1), cases.labels.unbind(1))
        chosen = {name: choose_threshold(said, truth, self.sensitivity) for name, said, truth in columns}
        rule = "Youden's index" if self.sensitivity is None else f"sensitivity of at least {self.sensitivity}"
        thresholds = {name: None if math.isnan(value) else value for name, value in chosen.items()}
        return OperatingPoints(thresholds, rule, weights_digest(self.checkpoint), len(cases.labels))


def _is_threshold(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1)
