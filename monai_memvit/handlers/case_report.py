"""From the probabilities of slices to those of cases: a table, figures, and a picture."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from ignite.engine import Engine, Events
from numpy.typing import NDArray

from ..data import atomic_write
from ..data.atomic import atomic_write_json
from ..data.case_pictures import case_picture
from ..metrics import bootstrap_intervals, classification_summary
from .case_overlay import CaseStrip, overlay_picture

__all__ = ["CaseReport"]


class _Slice(NamedTuple):
    sample_id: int | None
    probability: float
    label: int | None
    patient: int | None


class CaseReport:
    """Saves ``cases.csv``, ``cases.json`` and ``overlay.png`` after an evaluation over slices; adds figures of cases.

    The probability of a case is the mean of its ``top`` highest probabilities of the positive class: one bright vessel
    does not make a tumour, and a tumour in three slices is not outvoted by a hundred without. A case is positive when
    any of its slices is. Figures are those of :func:`classification_summary` over the cases of known label; with cases
    of one class only, AUC is NaN. It reports what its own process evaluates: of several ranks, let one do all slices.

    Args:
        output_dir: where to write; made when absent. None writes nothing.
        class_names: the negative class, the positive one.
        prefix: put before every figure's name.
        top: slices whose mean is the case's probability; all where it has fewer.
        case_key: entry of the decollated output or batch that tells the case apart, a number that names nobody; by
            default ``case_id`` where there is one, else ``group_id``, the patient.
        queries: items of the evaluated slices (``sample_id``, ``image``, ``slice`` and ``channel_mask``); without them
            slices are numbered as they came, and there is no picture of them.
        picture_cases: cases in the picture, spread evenly over the run; 0 draws none.
        channel: the one to show; where it is missing, the first that is there.
        channel_names: names to tell it by; without them its number is told.
        pred_key: probabilities ``(2,)`` in the decollated output.
        label_key: label in the decollated output.
        bootstrap: number of resamples for an interval of 95 % of every figure: metrics ``<figure>_interval_low`` and
            ``<figure>_interval_high``, ``"intervals"`` in ``cases.json``; 0 makes none. Whole patients (``group_id``)
            are drawn with all their cases, and resamples that lack a class are left out.

    Raises:
        ValueError: when there are not two classes, or ``top`` is below 1; while running, when slices come without a
            key of their case, or a tumour mask does not fit its image.
    """

    def __init__(
        self,
        output_dir: str | None,
        class_names: Sequence[str],
        prefix: str = "val_case_",
        top: int = 3,
        case_key: str | None = None,
        queries: Sequence[Mapping[str, Any]] = (),
        picture_cases: int = 4,
        channel: int = 0,
        channel_names: Sequence[str] = (),
        pred_key: str = "pred",
        label_key: str = "label",
        bootstrap: int = 0,
    ) -> None:
        if len(class_names) != 2:
            raise ValueError(f"class_names are {list(class_names)}: give the negative and the positive class.")
        if top < 1:
            raise ValueError(f"top is {top}: the probability of a case needs one slice at least.")
        self.folder = None if output_dir is None else Path(output_dir)
        self.class_names = list(class_names)
        self.prefix = prefix
        self.top = top
        self.case_key = case_key
        self.queries = {int(item["sample_id"]): item for item in queries}
        self.picture_cases = picture_cases
        self.channel = channel
        self.channel_names = list(channel_names)
        self.pred_key = pred_key
        self.label_key = label_key
        self.bootstrap = bootstrap
        self._cases: dict[int, list[_Slice]] = {}

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator, before the handlers that log metrics.

        Args:
            engine: an evaluator with decollated batches and outputs.
        """
        engine.add_event_handler(Events.EPOCH_STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._report)

    def _start(self) -> None:
        self._cases = {}

    def _collect(self, engine: Engine) -> None:
        for output, source in zip(engine.state.output, engine.state.batch):
            known = {**source, **{name: value for name, value in output.items() if value is not None}}
            label = known.get(self.label_key)
            found = _Slice(
                int(known["sample_id"]) if "sample_id" in known else None,
                float(torch.as_tensor(known[self.pred_key]).float()[1]),
                None if label is None else int(label),
                int(known["group_id"]) if "group_id" in known else None,
            )
            self._cases.setdefault(self._case_of(known), []).append(found)

    def _case_of(self, known: Mapping[str, Any]) -> int:
        name = self.case_key or ("case_id" if "case_id" in known else "group_id")
        if name not in known:
            raise ValueError(
                f"the slices come without {name!r}, there are {sorted(known)}: name the entry by case_key."
            )
        return int(known[name])

    def _report(self, engine: Engine) -> None:
        figures, intervals = self._figures()
        engine.state.metrics |= {self.prefix + name: value for name, value in figures.items()}
        for name, (low, high) in intervals.items():
            bounds = {f"{self.prefix}{name}_interval_low": low, f"{self.prefix}{name}_interval_high": high}
            engine.state.metrics |= bounds
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._write_table(self.folder / "cases.csv")
            self._write_figures(self.folder / "cases.json", figures, intervals)
            self._draw(self.folder / "overlay.png")

    def _figures(self) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
        """Of the cases of known label, with their intervals."""
        known = [(case, slices) for case, slices in self._cases.items() if self._label(slices) is not None]
        if not known:
            return {}, {}
        positive = torch.tensor([self._probability(slices) for _, slices in known])
        labels = torch.tensor([self._label(slices) for _, slices in known])
        patients = torch.tensor([_patient(case, slices) for case, slices in known])
        columns = torch.stack([1 - positive, positive], 1), labels
        figures = classification_summary(*columns)
        if not self.bootstrap:
            return figures, {}
        return figures, bootstrap_intervals(classification_summary, columns, patients, self.bootstrap, labels=labels)

    def _probability(self, slices: Sequence[_Slice]) -> float:
        return float(np.mean(sorted((found.probability for found in slices), reverse=True)[: self.top]))

    def _label(self, slices: Sequence[_Slice]) -> int | None:
        """Positive where any slice is; unknown where one that is not known could make it so."""
        labels = {found.label for found in slices}
        return 1 if 1 in labels else None if None in labels else 0

    def _write_table(self, path: Path) -> None:
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(["case", "slices", "probability", "predicted", "label"])
        for case, slices in self._cases.items():
            probability, label = self._probability(slices), self._label(slices)
            truth = "" if label is None else self.class_names[label]
            writer.writerow([case, len(slices), f"{probability:.6f}", self._predicted(probability), truth])
        with atomic_write(path) as file:
            file.write(text.getvalue().encode())

    def _write_figures(
        self, path: Path, figures: Mapping[str, float], intervals: Mapping[str, tuple[float, float]]
    ) -> None:
        content: dict[str, Any] = {name: _plain(value) for name, value in figures.items()}
        if intervals:
            content["intervals"] = {name: [_plain(bound) for bound in bounds] for name, bounds in intervals.items()}
        content["cases"] = len(self._cases)
        content["cases_of_known_label"] = sum(self._label(slices) is not None for slices in self._cases.values())
        content["patients"] = len({_patient(case, slices) for case, slices in self._cases.items()})
        content["class_names"] = self.class_names
        atomic_write_json(path, content)

    def _predicted(self, probability: float) -> str:
        return self.class_names[int(probability > 0.5)]

    def _draw(self, path: Path) -> None:
        shown = min(self.picture_cases, len(self._cases))
        if not shown:
            return
        cases = list(self._cases.items())
        chosen = [cases[i] for i in np.linspace(0, len(cases) - 1, shown).astype(int)]
        figure = overlay_picture([self._strip(case, slices) for case, slices in chosen], self.class_names)
        with atomic_write(path) as file:
            figure.savefig(file, format="png", dpi=150, bbox_inches="tight")

    def _strip(self, case: int, slices: Sequence[_Slice]) -> CaseStrip:
        numbered = sorted(enumerate(slices), key=lambda pair: self._number(*pair))
        numbers = [self._number(*pair) for pair in numbered]
        ordered = [found for _, found in numbered]
        highest = int(np.argmax([found.probability for found in ordered]))
        picture, tumour, told = self._picture(ordered[highest])
        probability, label = self._probability(slices), self._label(slices)
        truth = "" if label is None else f", true: {self.class_names[label]}"
        title = f"case {case}\n{self._predicted(probability)} {probability:.0%}{truth}\n"
        title += f"slice {numbers[highest]}: {ordered[highest].probability:.0%}{told}"
        columns = [found.probability for found in ordered], [found.label for found in ordered]
        return CaseStrip(title, picture, tumour, numbers, *columns, numbers[highest])

    def _number(self, position: int, found: _Slice) -> int:
        number = self._query(found).get("slice")
        return position if number is None else int(number)

    def _query(self, found: _Slice) -> Mapping[str, Any]:
        return {} if found.sample_id is None else self.queries.get(found.sample_id, {})

    def _picture(self, found: _Slice) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None, str]:
        """A slice, the outline of its tumour where it is known, and which channel is shown."""
        query = self._query(found)
        if not query:
            return np.full((2, 2), 255, dtype=np.uint8), None, ""
        path, number = Path(query["image"]), query.get("slice")
        if path.suffix != ".npy":
            return case_picture(path), None, ""
        mask = [bool(present) for present in query.get("channel_mask", ())]
        channel = self.channel if not mask or mask[self.channel] else mask.index(True)
        picture = case_picture(path, number, channel)
        told = self.channel_names[channel] if self.channel_names else f"channel {channel}"
        return picture, _tumour(path.with_name("tumour.npy"), number, picture.shape), f", {told}"


def _patient(case: int, slices: Sequence[_Slice]) -> int:
    """Whose case it is; where that is not told, each case is a patient."""
    return case if slices[0].patient is None else slices[0].patient


def _plain(value: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(value) else value


def _tumour(path: Path, number: int | None, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    if number is None or not path.exists():
        return None
    masks = np.load(path, mmap_mode="r", allow_pickle=False)
    if masks.ndim != 3 or number >= len(masks) or masks.shape[1:] != shape:
        raise ValueError(f"{path} has shape {masks.shape}, but slice {number} of its image {shape}: prepare it again.")
    return np.asarray(masks[number]) != 0
