"""From a folder to films with labels, files and patients, before any pixel is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..mri.sources.visible_files import visible_files
from .image_index import match_films
from .label_files.film_labels import LabelFile, LabelledFilm, LeftOutFilm
from .label_files.find import read_labels
from .label_files.views import view_matches
from .options import RadiographOptions
from .patients import check_patient_splits, patients_of
from .policies import applied_labels, choose_findings

__all__ = ["FoundFilm", "FoundSet", "find_films"]


@dataclass(frozen=True)
class FoundFilm:
    """A film with all that is known without its pixels.

    Args:
        told: what the label file says.
        path: of the film.
        patient: key that films of one patient share.
        labels: 1, 0 or -1 (unknown) per finding of the datalist.
    """

    told: LabelledFilm
    path: Path
    patient: str
    labels: tuple[int, ...]


@dataclass(frozen=True)
class FoundSet:
    """The films of a source.

    Args:
        films: that have a label and a file.
        findings: of the datalist, in label order.
        table: what the label file says.
        other_views: view -> films of it that were not asked for.
        problems: films and rows that are left out.
        notes: what a person should know.
    """

    films: list[FoundFilm]
    findings: list[str]
    table: LabelFile
    other_views: Counter[str]
    problems: list[LeftOutFilm]
    notes: list[str]


def find_films(source: Path, options: RadiographOptions, progress: bool = True) -> FoundSet:
    """Read the label files of a source, and find the file and the patient of every film.

    Args:
        source: folder of films and label files.
        options: how to read them.
        progress: whether to show bars on stderr.

    Raises:
        ValueError: where the label files cannot be read as a whole, or splits do not separate patients.
    """
    files, unnamed = _named_in_utf8(visible_files(source))
    table = read_labels(source, files, options.labels)
    findings = choose_findings(table.findings, options.findings, options.policy)
    unwanted = [film for film in table.films if _is_other_view(film, options)]
    wanted = [film for film in table.films if not _is_other_view(film, options)]
    matched, unmatched = match_films(wanted, files, source, progress)
    patients, notes = patients_of(matched, source, options.patient_pattern, progress)
    check_patient_splits([told for told, _ in matched], patients)
    films = [
        FoundFilm(told, path, patient, applied_labels(told.labels, table.findings, findings, options.policy))
        for (told, path), patient in zip(matched, patients, strict=True)
    ]
    other_views = Counter(film.view for film in unwanted)
    problems, notes = [*table.problems, *unmatched], [*table.notes, *notes, *unnamed]
    return FoundSet(films, findings, table, other_views, problems, notes)


def _named_in_utf8(files: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """Files whose names can stand in a datalist or a report, and what to do about the others."""
    named = [path for path in files if not any("\udc80" <= letter <= "\udcff" for letter in str(path))]
    others = len(files) - len(named)
    return named, [f"{others} files were not looked at, their names are not UTF-8: rename them"] if others else []


def _is_other_view(film: LabelledFilm, options: RadiographOptions) -> bool:
    """A film whose view the label file does not tell may yet tell it by its DICOM header."""
    return bool(options.views and film.view) and not view_matches(film.view, options.views)
