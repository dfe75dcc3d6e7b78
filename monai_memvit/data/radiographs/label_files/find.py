"""Which label files lie in a folder, told by their columns."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from .any_csv import CsvColumns, read_any_csv
from .chexpert import is_chexpert, read_chexpert
from .film_labels import LabelFile
from .mimic import is_mimic_labels, is_mimic_metadata, is_mimic_split, read_mimic
from .nih import NIH_COLUMNS, read_nih
from .rsna import RSNA_COLUMNS, read_rsna
from .table import CsvTable, open_table
from .unlabelled import every_film
from .vindr import is_vindr_boxes, is_vindr_columns, read_vindr

__all__ = ["LabelOptions", "read_labels"]

_TESTS: dict[str, Callable[[Sequence[str]], bool]] = {
    "NIH ChestX-ray14": lambda columns: set(columns) >= NIH_COLUMNS,
    "CheXpert": is_chexpert,
    "MIMIC-CXR-JPG": is_mimic_labels,
    "MIMIC metadata": is_mimic_metadata,
    "MIMIC split": is_mimic_split,
    "VinDr-CXR": is_vindr_columns,
    "VinDr-CXR boxes": is_vindr_boxes,
    "RSNA pneumonia": lambda columns: set(columns) >= RSNA_COLUMNS,
}
_BESIDE = ("MIMIC metadata", "MIMIC split")
_ANY = "any"


@dataclass(frozen=True)
class LabelOptions:
    """Which label files are read, and how.

    Args:
        files: CSVs (also ``.csv.gz``); none takes those among the source's files.
        columns: of a CSV that follows no known layout; where one is named, the CSV is read as such.
        vote: of VinDr-CXR's readers, ``majority`` or ``any``.
        unlabelled: take every film of the source without findings, and read no label file: for pre-training.
    """

    files: Sequence[str | os.PathLike[str]] = ()
    columns: CsvColumns = field(default_factory=CsvColumns)
    vote: str = "majority"
    unlabelled: bool = False


def read_labels(source: Path, files: Sequence[Path], options: LabelOptions = LabelOptions()) -> LabelFile:
    """Find the label files of a source by the names of their columns, and read them.

    Args:
        source: for error messages.
        files: all files of the source.
        options: which to read, and how.

    Raises:
        ValueError: where there is none, where several layouts are there, or where one cannot be read.
    """
    given = [Path(path) for path in options.files]
    if options.unlabelled:
        if given or any(vars(options.columns).values()):
            raise ValueError("--unlabelled reads no label file: leave --labels and the columns out, or --unlabelled")
        return every_film(source, files)
    paths = given or [path for path in files if path.name.lower().endswith((".csv", ".csv.gz"))]
    if not paths:
        raise ValueError(f"{source} holds no CSV: name the label file (--labels), or take films --unlabelled")
    tables = [open_table(path) for path in paths]
    if any(vars(options.columns).values()):
        return read_any_csv(_only(tables, source), options.columns)
    by_kind = _by_kind(tables)
    known = [kind for kind in by_kind if kind not in (_ANY, *_BESIDE)]
    if "VinDr-CXR" in known and "VinDr-CXR boxes" in known:
        known.remove("VinDr-CXR boxes")  # the image-level columns say the same and more
    if len(known) > 1:
        raise ValueError(f"{source} holds label files of several sets: {_listed(by_kind, known)}: {_NAME_ONE}")
    if not known:
        return read_any_csv(_only(by_kind.get(_ANY, tables), source), options.columns)
    labels = _read_known(known[0], by_kind, files, options.vote)
    idle = [table.path.name for table in tables if table.path not in labels.paths]
    return replace(labels, notes=[*labels.notes, f"not read: {', '.join(idle)}"]) if idle else labels


_NAME_ONE = "name those to read (--labels A.csv,B.csv)"


def _by_kind(tables: Sequence[CsvTable]) -> dict[str, list[CsvTable]]:
    found: dict[str, list[CsvTable]] = {}
    for table in tables:
        kind = next((name for name, fits in _TESTS.items() if fits(table.columns)), _ANY)
        found.setdefault(kind, []).append(table)
    return found


def _read_known(kind: str, by_kind: dict[str, list[CsvTable]], files: Sequence[Path], vote: str) -> LabelFile:
    tables = by_kind[kind]
    if kind == "NIH ChestX-ray14":
        return read_nih(tables, files)
    if kind == "CheXpert":
        return read_chexpert(tables)
    if kind == "RSNA pneumonia":
        return read_rsna(tables)
    if kind == "MIMIC-CXR-JPG":
        beside = [_only(by_kind[name]) if name in by_kind else None for name in _BESIDE]
        return read_mimic(_only(tables), *beside)
    return read_vindr(tables, vote)


def _only(tables: Sequence[CsvTable], source: Path | str = "the source") -> CsvTable:
    if len(tables) > 1:
        names = ", ".join(str(table.path) for table in tables)
        raise ValueError(f"{source} holds several label files that may be meant: {names}: {_NAME_ONE}")
    return tables[0]


def _listed(by_kind: dict[str, list[CsvTable]], kinds: Sequence[str]) -> str:
    return "; ".join(f"{kind}: {', '.join(str(table.path) for table in by_kind[kind])}" for kind in kinds)
