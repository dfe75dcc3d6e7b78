"""Any CSV with a row per film: a column of file names, and labels in one column of names or in columns of 0 and 1."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ...patches.source import split_name
from .film_labels import MISSING, LabelFile, LabelledFilm, LeftOutFilm, is_no_finding
from .table import CsvTable, parse_finding
from .views import one_view

__all__ = ["CsvColumns", "read_any_csv"]

_USUAL = {
    "file": r"files?|file_?names?|paths?|images?|image_?(path|file|name|id|index)|dicom(_?id)?|sop_?instance_?uid",
    "patient": r"patients?|subjects?|(\w+_)?(patient|subject)_?id",
    "split": r"split|fold|subset|set",
    "view": r"views?|view_?position|projection",
}
_NAMES = r"labels?|findings?|finding_?labels?|class(_?name)?|diagnosis"
_NUMBER = re.compile(r"-?[01](\.0)?|nan|na|", re.IGNORECASE)
_JOINED = re.compile(r"[|;]")


@dataclass(frozen=True)
class CsvColumns:
    """Which column of a CSV holds what; an empty name is found by the usual ones.

    Args:
        file: of file names, paths or DICOM UIDs; usual are ``file``, ``path``, ``image_id`` and their like.
        patient: usual are ``patient``, ``subject_id`` and their like.
        split: of train, val and test; usual are ``split``, ``fold``, ``set``.
        view: usual are ``view``, ``view_position``.
        labels: one column of names of findings, joined by ``|`` or ``;``, or columns of 1, 0, -1 and blank; none takes
            a column ``label``, ``finding`` or ``class`` of names, else all columns of such numbers.
    """

    file: str = ""
    patient: str = ""
    split: str = ""
    view: str = ""
    labels: Sequence[str] = ()


def read_any_csv(table: CsvTable, columns: CsvColumns = CsvColumns()) -> LabelFile:
    """Read a CSV that follows no known layout.

    Args:
        table: one row a film.
        columns: which column holds what.

    Raises:
        ValueError: where a needed column cannot be told, or a cell is no label or split.
    """
    columns = _all_columns(table, columns)
    names = [columns.file, columns.patient, columns.split, columns.view, *columns.labels]
    rows = list(table.rows(*names))
    if not rows:
        raise ValueError(f"{table.path} has no row: give it one per film")
    findings, read = _reader(columns.labels, [cells[4:] for _, cells in rows])
    films, problems = [], []
    for where, (key, patient, split, view, *cells) in rows:
        cause = _cause(key, split, columns)
        if cause:
            problems.append(LeftOutFilm(key, where, cause))
            continue
        side = split_name(split, where) if columns.split else None
        films.append(LabelledFilm(key, read(cells, where), patient, side, one_view(view), where))
    return LabelFile("CSV", [table.path], findings, films, problems, [_told(columns, table)])


def _all_columns(table: CsvTable, given: CsvColumns) -> CsvColumns:
    found = {kind: getattr(given, kind) or _usual_column(table, kind) for kind in _USUAL}
    if not found["file"]:
        raise ValueError(
            f"{table.path} has the columns {', '.join(table.columns)}, and none is named file, path or image: say "
            "which one names the films (--file-column)"
        )
    columns = replace(given, **found)
    return columns if columns.labels else replace(columns, labels=_label_columns(table, set(found.values())))


def _usual_column(table: CsvTable, kind: str) -> str:
    fitting = [name for name in table.columns if re.fullmatch(_USUAL[kind], name.replace(" ", "_"), re.IGNORECASE)]
    if len(fitting) > 1:
        raise ValueError(
            f"{table.path}: {' and '.join(fitting)} may each be the {kind}: say which it is (--{kind}-column)"
        )
    return fitting[0] if fitting else ""


def _label_columns(table: CsvTable, taken: set[str]) -> list[str]:
    free = [name for name in table.columns if name and name not in taken]
    named = [name for name in free if re.fullmatch(_NAMES, name.replace(" ", "_"), re.IGNORECASE)]
    if len(named) == 1:
        return named
    numbers = {name: True for name in free}
    for _, cells in table.rows(*free):
        numbers = {name: ok and bool(_NUMBER.fullmatch(cell)) for (name, ok), cell in zip(numbers.items(), cells)}
    found = [name for name, ok in numbers.items() if ok]
    if not found:
        raise ValueError(
            f"{table.path}: none of {', '.join(free) or 'its other columns'} holds only 1, 0, -1 and blanks, and none "
            "is named label: say which hold the labels (--label-columns)"
        )
    return found


def _reader(
    columns: Sequence[str], cells: Sequence[Sequence[str]]
) -> tuple[list[str], Callable[[list[str], str], tuple[int, ...]]]:
    """Findings, and what turns the cells of a row into labels."""
    if len(columns) > 1 or all(_NUMBER.fullmatch(row[0]) for row in cells):
        return list(columns), lambda row, where: tuple(parse_finding(cell, where) for cell in row)
    findings = sorted({name for row in cells for name in _named(row[0]) if not is_no_finding(name)})
    return findings, lambda row, where: _one_hot(row[0], findings)


def _named(text: str) -> list[str]:
    return [name.strip() for name in _JOINED.split(text) if name.strip()]


def _one_hot(text: str, findings: Sequence[str]) -> tuple[int, ...]:
    """A blank cell says nothing of any finding."""
    names = _named(text)
    return tuple(int(name in names) if names else MISSING for name in findings)


def _cause(key: str, split: str, columns: CsvColumns) -> str:
    if not key:
        return f"no film is named: fill the column {columns.file!r}"
    return f"it has no split: fill the column {columns.split!r}" if columns.split and not split else ""


def _told(columns: CsvColumns, table: CsvTable) -> str:
    used = {"film": columns.file, "patient": columns.patient, "split": columns.split, "view": columns.view}
    told = [f"{kind} from {name!r}" for kind, name in used.items() if name]
    idle = [name for name in table.columns if name not in {*used.values(), *columns.labels}]
    rest = f"; not read: {', '.join(idle)}" if idle else ""
    return f"columns: {', '.join(told)}; labels from {', '.join(map(repr, columns.labels))}{rest}"
