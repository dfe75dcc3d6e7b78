"""What every label file is turned into: one row per film."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["MISSING", "NO_FINDING", "UNCERTAIN", "LeftOutFilm", "LabelFile", "LabelledFilm", "is_no_finding"]

UNCERTAIN = -1
MISSING = -2
NO_FINDING = "No Finding"


@dataclass(frozen=True)
class LabelledFilm:
    """What a label file says of one film.

    Args:
        key: name of the film in the label file: a file name, a path, or a DICOM UID.
        labels: per finding 1 (there), 0 (not there), ``UNCERTAIN`` or ``MISSING``.
        patient: as the label file names the patient; empty where it does not.
        split: ``train``, ``val`` or ``test``; None where the set has no splits.
        view: ``PA``, ``AP``, ``LATERAL``, ``FRONTAL`` (one of PA and AP), another word, or empty where unknown.
        where: file and line.
    """

    key: str
    labels: tuple[int, ...]
    patient: str = field(repr=False)
    split: str | None
    view: str
    where: str


@dataclass(frozen=True)
class LeftOutFilm:
    """Why a film, or a row of a label file, is left out.

    Args:
        film: its name in the label file.
        where: label file and line, or the film's path.
        cause: what is wrong and how to remedy it.
    """

    film: str
    where: str
    cause: str

    def __str__(self) -> str:
        """Return one line: where, the film, and the cause."""
        return f"{self.where}: {self.cause}"


@dataclass(frozen=True)
class LabelFile:
    """All films of a label file, or of several that belong together.

    Args:
        kind: which of the known layouts.
        paths: the files that were read.
        findings: names of the findings in label order.
        films: the rows, in the order of the files.
        problems: rows that cannot be used.
        notes: what was decided on the way and a person should know.
    """

    kind: str
    paths: Sequence[Path]
    findings: list[str]
    films: list[LabelledFilm]
    problems: list[LeftOutFilm] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def is_no_finding(name: str) -> bool:
    """Whether the name of a class says that nothing was found.

    Args:
        name: for example ``No Finding`` or ``normal``.
    """
    words = name.replace("_", " ").strip().casefold()
    return words in {"no finding", "no findings", "normal", "healthy", "none", "negative"}
