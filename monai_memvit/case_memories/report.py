"""What was added or removed, and whether it helped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..data import atomic_write_json
from .judging import Judgement

__all__ = ["LeftOut", "MemoryReport", "NotJudged"]


class LeftOut(NamedTuple):
    """A case that was not added.

    Args:
        sample_id: opaque.
        cause: in a few words that name nobody.
        message: for this terminal only: it holds the readable key and may hold a path.
    """

    sample_id: int
    cause: str
    message: str


class NotJudged(NamedTuple):
    """What was kept out of a judged set, because the memory has cases of the same patients, before or after.

    Args:
        name: of the set.
        cases: how many were kept out.
        groups: of how many patients or slides.
        left: how many cases are left to judge on.
    """

    name: str
    cases: int
    groups: int
    left: int

    def __str__(self) -> str:
        whose = f"{self.cases} case(s) of {self.groups} patient(s) who have cases in the memory, before or after"
        if self.left:
            return f"{self.name}: judged without {whose}"
        return f"{self.name}: NOT JUDGED, for all it has are {whose}"


@dataclass(frozen=True)
class MemoryReport:
    """The outcome of a command, without any name of a patient but in ``left_out``'s messages.

    Args:
        path: of the memory.
        done: ``"added"`` or ``"removed"``.
        changed: how many cases were.
        learned: cases in the memory that the weights were fitted to.
        new: cases in the memory that they were not fitted to.
        class_names: that network and memory know together.
        judgements: one per judged set.
        choices: what the read-out chose on the memory's own cases.
        seconds: by what they were spent on.
        left_out: cases that were not added.
        not_judged: what was kept out of the judged sets; one per set that it concerns.
    """

    path: Path
    done: str
    changed: int
    learned: int
    new: int
    class_names: Sequence[str]
    judgements: Sequence[Judgement]
    choices: dict[str, float]
    seconds: dict[str, float]
    left_out: Sequence[LeftOut] = field(default=())
    not_judged: Sequence[NotJudged] = field(default=())

    def content(self) -> dict[str, Any]:
        """Everything but names, for a JSON file."""
        choices = {name: value for name, value in self.choices.items() if not math.isnan(value)}
        return {
            "memory": self.path.name,
            self.done: self.changed,
            "cases": {"learned": self.learned, "new": self.new},
            "class_names": list(self.class_names),
            "judged": [judgement.content() for judgement in self.judgements],
            "not_judged": [kept_out._asdict() for kept_out in self.not_judged],
            "choices": choices,
            "seconds": {name: round(value, 4) for name, value in self.seconds.items()},
            "left_out": [{"sample_id": case.sample_id, "cause": case.cause} for case in self.left_out],
        }

    def save(self, path: Path) -> None:
        """Write it as JSON, whole or not at all.

        Args:
            path: of the file; its folder is made.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write_json(path, self.content())

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [
            ("judged on", "cases", "patients", "accuracy", "balanced accuracy", "AUC", "gain [95 %]", "")
        ]
        rows += [_row(judgement) for judgement in self.judgements]
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        table = ["  ".join(word.ljust(width) for word, width in zip(row, widths)).rstrip() for row in rows]
        spent = ", ".join(f"{name} {value:.2f} s" for name, value in self.seconds.items())
        return "\n".join(
            [
                f"{self.changed} case(s) {self.done}, {len(self.left_out)} left out: {self.path}",
                self._held(),
                *(table if self.judgements else ["judged on nothing: no section of patients is left to judge on"]),
                *map(str, self.not_judged),
                f"seconds: {spent}",
            ]
        )

    def _held(self) -> str:
        if not self.new:
            return "no new case is left: the file is gone, and the network is alone again"
        held = f"it holds {self.learned} case(s) of the network's training and {self.new} new one(s)"
        return f"{held}; classes: {', '.join(self.class_names)}"


def _row(judgement: Judgement) -> tuple[str, ...]:
    pairs = [
        f"{_percent(judgement.before[name])} -> {_percent(judgement.after[name])}"
        for name in ("accuracy", "balanced_accuracy", "auc")
    ]
    gain = judgement.after["balanced_accuracy"] - judgement.before["balanced_accuracy"]
    low, high = judgement.interval
    interval = "" if math.isnan(low) else f" [{100 * low:+.1f}, {100 * high:+.1f}]"
    counts = str(judgement.cases), str(judgement.groups)
    return judgement.name, *counts, *pairs, f"{100 * gain:+.1f}{interval}", judgement.verdict


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f}"
