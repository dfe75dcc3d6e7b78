"""The table and the picture of cases beside the past cases that speak for their class."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events

from ..data import Case, atomic_write
from ..data.case_pictures import case_picture
from ..memory import CaseEvidence
from .pictures import Panel, evidence_picture

__all__ = ["EvidenceSaver"]


class EvidenceSaver:
    """Saves ``predictions.csv`` and ``evidence.png`` when an evaluator has finished; subclasses find the past cases.

    Each row of the table is a case: its opaque id, the probabilities, the predicted class, and the ``top`` past cases
    with class and weight. Where a case may show several findings, its class is all that it is known to show, and the
    predicted one the most probable.

    Args:
        output_dir: where to write; made when absent.
        class_names: in the order of the labels.
        cases: what is known of each case by sample id, see ``monai_memvit.data.load_case_index``.
        top: past cases per case.
        picture_rows: cases in the picture, spread evenly over the run; 0 draws none.
        queries: items of the evaluated cases (``sample_id``, ``image`` and, where one file holds many, ``slice``). One
            whose image or slice is not that of ``cases`` is a new case, whatever its id.
        include_keys: also write the readable sample keys (of new cases the path), which may identify patients.
    """

    caption = ""

    def __init__(
        self,
        output_dir: str,
        class_names: Sequence[str],
        cases: Mapping[int, Case],
        top: int = 5,
        picture_rows: int = 8,
        queries: Sequence[Mapping[str, Any]] = (),
        include_keys: bool = False,
    ) -> None:
        self.folder = Path(output_dir)
        self.class_names = list(class_names)
        self.cases = cases
        self.top = top
        self.picture_rows = picture_rows
        self.places = {int(item["sample_id"]): (Path(item["image"]), item.get("slice")) for item in queries}
        self.include_keys = include_keys
        self._found: list[tuple[int, list[float], CaseEvidence]] = []

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator whose outputs hold probabilities under ``"pred"``.

        Args:
            engine: the evaluator whose network is given.
        """
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.COMPLETED, self._save)

    def _start(self) -> None:
        self._found = []

    def _collect(self, engine: Engine) -> None:
        for (sample_id, past), item in zip(self._evidence(engine), engine.state.output):
            self._found.append((sample_id, torch.as_tensor(item["pred"]).float().tolist(), past))

    def _evidence(self, engine: Engine) -> Iterable[tuple[int, CaseEvidence]]:
        """Ids of the samples of a batch, and the past cases of each."""
        raise NotImplementedError

    def _save(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(self._header())
        writer.writerows(self._row(*found) for found in self._found)
        with atomic_write(self.folder / "predictions.csv") as file:
            file.write(text.getvalue().encode())
        if self.picture_rows and self._found:
            figure = evidence_picture([self._panels(*found) for found in self._shown()], self.caption)
            with atomic_write(self.folder / "evidence.png") as file:
                figure.savefig(file, format="png", dpi=150)

    def _header(self) -> list[str]:
        names = ["sample_key"] if self.include_keys else []
        past = [f"past_case_{n}{part}" for n in range(1, self.top + 1) for part in ("", "_class", "_weight")]
        return ["sample_id", *names, *(f"probability_{c}" for c in self.class_names), "predicted", *past]

    def _row(self, sample_id: int, probabilities: list[float], past: CaseEvidence) -> list[Any]:
        keys = [self._key(sample_id)] if self.include_keys else []
        row = [sample_id, *keys, *(f"{p:.6f}" for p in probabilities), self._name(int(np.argmax(probabilities)))]
        for case, weight in zip(past.ids.tolist(), past.weights.tolist()):
            row += [case, self._class_of(case), f"{weight:.4f}"]
        return row + [""] * (len(self._header()) - len(row))

    def _shown(self) -> list[tuple[int, list[float], CaseEvidence]]:
        shown = min(self.picture_rows, len(self._found))
        return [self._found[i] for i in np.linspace(0, len(self._found) - 1, shown).astype(int)]

    def _panels(self, sample_id: int, probabilities: list[float], past: CaseEvidence) -> list[Panel]:
        predicted = int(np.argmax(probabilities))
        case = self._known(sample_id)
        truth = "" if case is None or case.label is None else f"\ntrue: {self._shown_by(case)}"
        title = f"{self._name(predicted)} {probabilities[predicted]:.0%}{truth}"
        place = self.places.get(sample_id) if case is None else (case.image, case.slice)
        panels = [Panel(_picture(place), title, None)]
        for past_id, weight in zip(past.ids.tolist(), past.weights.tolist()):
            known = self.cases.get(past_id)
            agrees = self._agrees(past_id, predicted)
            title = f"{self._class_of(past_id)}\n{self._told(weight)}"
            panels.append(Panel(_picture(None if known is None else (known.image, known.slice)), title, agrees))
        return panels + [Panel(_picture(None), "", None)] * (self.top + 1 - len(panels))

    def _known(self, sample_id: int) -> Case | None:
        """What ``cases`` has of an evaluated case: nothing where the evaluated image or slice is another one."""
        case = self.cases.get(sample_id)
        if case is None:
            return None
        place = (case.image, case.slice)
        return case if self.places.get(sample_id, place) == place else None

    def _key(self, sample_id: int) -> str:
        case = self._known(sample_id)
        if case is not None:
            return case.sample_key
        path, number = self.places.get(sample_id, ("", None))
        return str(path) if number is None else f"{path} slice {number}"

    def _name(self, label: int) -> str:
        return self.class_names[label]

    def _class_of(self, sample_id: int) -> str:
        case = self.cases.get(sample_id)
        return "unknown" if case is None or case.label is None else self._shown_by(case)

    def _agrees(self, sample_id: int, predicted: int) -> bool | None:
        case = self.cases.get(sample_id)
        return None if case is None else _shows(case, predicted)

    def _told(self, weight: float) -> str:
        return f"weight {weight:.1%}"

    def _shown_by(self, case: Case) -> str:
        """Its class, or all findings that it is known to show."""
        if case.labels is None:
            return self._name(case.label)
        return " + ".join(name for name, label in zip(self.class_names, case.labels) if label == 1) or "none"


def _shows(case: Case, label: int) -> bool | None:
    """Whether a case is of a class, or shows a finding; None where that is not known."""
    if case.labels is None:
        return case.label == label
    return None if case.labels[label] < 0 else case.labels[label] == 1


def _picture(place: tuple[Path, int | None] | None) -> np.ndarray:
    return np.full((2, 2), 255, dtype=np.uint8) if place is None else case_picture(*place)
