"""What became of a set of films: what was left out, what stands twice, and what labels can be guessed from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .label_files.film_labels import LeftOutFilm
from .shortcuts import FindingShortcuts

__all__ = ["RadiographReport", "TwinFilms"]

_TOLD = 20  # lines on a terminal; the file holds all
_STRONG = 0.7


@dataclass(frozen=True)
class TwinFilms:
    """Two films that show the same.

    Args:
        first: name of the one.
        second: name of the other.
        exact: whether every display value is the same.
        likeness: correlation of their details; below 0 for one that is the other's negative.
        same_patient: whether they are of one patient.
        same_labels: whether their labels agree.
        sections: that they were in.
        left_out: name of the one that is left out because the other is in a later section; empty where both stay.
    """

    first: str
    second: str
    exact: bool
    likeness: float
    same_patient: bool
    same_labels: bool
    sections: tuple[str, str]
    left_out: str


@dataclass(frozen=True)
class RadiographReport:
    """The outcome of preparing films; ``report.json`` and ``report.md`` beside the datalist hold the same.

    Args:
        datalist: the file that was written.
        name: name of the data set.
        label_kind: layout of the label files.
        label_files: names of the label files.
        class_names: the findings in label order.
        fingerprint: digest of the content.
        films: films per section.
        patients: patients per section.
        counts: section -> finding -> films with ``present``, ``absent`` and ``unknown``.
        uncertain: finding -> labels that the label file calls uncertain, before the policy.
        missing: finding -> labels that the label file does not have, before the policy.
        unlabelled: films without any known label.
        views: section -> view -> films.
        devices: manufacturer and model -> films.
        sizes: ``ROWSxCOLUMNS`` of the films as they came -> films.
        twins: films that show the same.
        shortcuts: finding -> what it can be guessed from.
        other_views: view -> films that were left out because another view was asked for.
        notes: what was decided and a person should know.
        problems: films and rows that were left out, and why.
    """

    datalist: Path
    name: str
    label_kind: str
    label_files: list[str]
    class_names: list[str]
    fingerprint: str
    films: Mapping[str, int]
    patients: Mapping[str, int]
    counts: Mapping[str, Mapping[str, Mapping[str, int]]]
    uncertain: Mapping[str, int]
    missing: Mapping[str, int]
    unlabelled: int
    views: Mapping[str, Mapping[str, int]]
    devices: Mapping[str, int]
    sizes: Mapping[str, int]
    twins: list[TwinFilms]
    shortcuts: Mapping[str, FindingShortcuts]
    other_views: Mapping[str, int]
    notes: list[str]
    problems: list[LeftOutFilm]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON types, without the path of the datalist."""
        content = asdict(self)
        del content["datalist"]
        return content

    def warnings(self) -> list[str]:
        """Return what a person should look at before anything is trained."""
        return [*self.notes, *self._twin_warnings(), *self._count_warnings(), *self._shortcut_warnings()]

    def left_out(self) -> list[str]:
        """Return a line per film that was left out, at most twenty, for a terminal."""
        lines = [f"left out: {problem}" for problem in self.problems[:_TOLD]]
        more = len(self.problems) - _TOLD
        return [*lines, f"… and {more} more: {self.datalist.parent / 'report.md'}"] if more > 0 else lines

    def __str__(self) -> str:
        """Return a table of films per section and finding, and the warnings, for a terminal."""
        lines = [*self._balance(), *(f"note: {warning}" for warning in self.warnings())]
        lines.append(f"films: {sum(self.films.values())} prepared, {len(self.problems)} left out")
        return "\n".join([*lines, f"datalist: {self.datalist}", f"report: {self.datalist.parent / 'report.md'}"])

    def _balance(self) -> Iterator[str]:
        width = max(len(name) for name in [*self.class_names, "patients"])
        yield " " * width + "".join(f"{section:>24}" for section in self.counts) + "   (present / absent / unknown)"
        for name in self.class_names:
            cells = ["{present} / {absent} / {unknown}".format(**found[name]) for found in self.counts.values()]
            yield f"{name:<{width}}" + "".join(f"{cell:>24}" for cell in cells)
        for what, numbers in (("films", self.films), ("patients", self.patients)):
            yield f"{what:<{width}}" + "".join(f"{numbers[section]:>24}" for section in self.counts)

    def _twin_warnings(self) -> Iterator[str]:
        strangers = [twin for twin in self.twins if not twin.same_patient]
        if strangers:
            gone = {twin.left_out for twin in strangers} - {""}
            yield (
                f"{len(strangers)} pairs of films of two patients show the same: perhaps one patient under two names; "
                f"{len(gone)} films were left out because the same is in a later section"
            )
        if contrary := sum(not twin.same_labels for twin in self.twins if twin.exact):
            yield f"{contrary} pairs of equal films have other labels"

    def _count_warnings(self) -> Iterator[str]:
        for section, found in self.counts.items():
            lacking = [name for name, count in found.items() if self.films[section] and not count["present"]]
            constant = [name for name, count in found.items() if count["present"] and not count["absent"]]
            if lacking:
                yield f"{section} shows no {', '.join(lacking)}: no AUC can be told for it"
            if constant:
                yield f"{section} has no film that is known to be without {', '.join(constant)}: perhaps missing=zeros"

    def _shortcut_warnings(self) -> Iterator[str]:
        for name, found in self.shortcuts.items():
            best = max(((auc, cue) for cue, auc in found.cues.items() if auc is not None), default=(0.0, ""))
            if best[0] >= _STRONG:
                yield f"{name} can be guessed from {best[1]} with an AUC of {best[0]:.2f}"
