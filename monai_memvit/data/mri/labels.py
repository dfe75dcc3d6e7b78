"""Which class every slice has: from a table, or from the area of the tumour in it."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..patches.source import split_name

__all__ = ["LabelTable", "labels_from_areas", "read_label_table"]


@dataclass(frozen=True)
class LabelTable:
    """What a CSV says of cases and slices.

    Args:
        path: of the CSV.
        lines: first line of each case in it.
        labels: case -> number of a slice -> class index; without columns ``slice`` and ``label`` None.
        splits: case -> ``train``, ``val`` or ``test``; without a column ``split`` None.
    """

    path: Path
    lines: dict[str, int] = field(default_factory=dict)
    labels: dict[str, dict[int, int]] | None = None
    splits: dict[str, str] | None = None


def read_label_table(path: Path, class_names: Sequence[str]) -> LabelTable:
    """Read the columns ``case``, ``slice`` and ``label``, and ``split`` where there is one.

    ``slice`` counts the slices of the reference sequence from 0, as
    :func:`monai_memvit.data.mri.slices.slice_grid.slice_grid`
    does (axial ones from the feet up); a prepared case's array has the same numbers. ``label`` is the name of a class,
    or its index. A table of ``case`` and ``split`` only is for labels that come from tumour masks.

    Args:
        path: the CSV, with a header line.
        class_names: in label order.

    Raises:
        ValueError: naming the line: for a missing column, an unknown class, a slice that is no number, two labels for
            one slice, or two splits for one case.
    """
    rows = list(_rows(path))
    columns = set(rows[0][1]) if rows else set()
    labelled = {"slice", "label"} <= columns
    if "case" not in columns or not (labelled or "split" in columns) or (columns & {"slice", "label"} and not labelled):
        found = ", ".join(sorted(columns)) or "none"
        raise ValueError(f"{path} has the columns {found}: give case, slice and label (and split), or case and split")
    table = LabelTable(path, {}, {} if labelled else None, {} if "split" in columns else None)
    for line, row in rows:
        _add(table, line, row, class_names)
    return table


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            for row in reader:
                yield reader.line_num, {str(k).strip(): (v or "").strip() for k, v in row.items() if k is not None}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read as a table ({error}): save it as a CSV in UTF-8") from None


def _add(table: LabelTable, line: int, row: dict[str, str], class_names: Sequence[str]) -> None:
    where, case = f"{table.path}, line {line}", row["case"]
    if not case:
        raise ValueError(f"{where}: no case is named: fill the column 'case'")
    table.lines.setdefault(case, line)
    if table.splits is not None:
        split = split_name(row["split"], where)
        if table.splits.setdefault(case, split) != split:
            raise ValueError(f"{where}: case {case!r} is in {split!r} and in {table.splits[case]!r}: give it one split")
    if table.labels is not None:
        number, label = _number(row["slice"], where), _label(row["label"], class_names, where)
        if table.labels.setdefault(case, {}).setdefault(number, label) != label:
            raise ValueError(f"{where}: slice {number} of case {case!r} has two labels: keep one")


def _number(text: str, where: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"{where}: slice is {text!r}: give its number, 0 for the first")
    return int(text)


def _label(text: str, class_names: Sequence[str], where: str) -> int:
    if text in class_names:
        return list(class_names).index(text)
    if text.isdecimal() and int(text) < len(class_names):
        return int(text)
    raise ValueError(f"{where}: label {text!r} is none of the classes {', '.join(class_names)}: correct it")


def labels_from_areas(
    areas_mm2: Sequence[float] | np.ndarray, slices: Sequence[int], min_area_mm2: float
) -> tuple[dict[int, int], list[int]]:
    """Call a slice 1 where the tumour covers an area, 0 where there is none of it.

    A slice that shows less of the tumour than ``min_area_mm2`` belongs to neither class: partial volume and the rim of
    a hand-drawn mask make it ambiguous, and it is left out.

    Args:
        areas_mm2: of the tumour in every slice.
        slices: numbers of those to label.
        min_area_mm2: from which area on a slice shows tumour.

    Returns:
        Number of a slice -> class index, and the numbers of the ambiguous ones.
    """
    shown = {number: float(areas_mm2[number]) for number in slices}
    ambiguous = [number for number, area in shown.items() if 0 < area < min_area_mm2]
    labels = {number: int(area > 0) for number, area in shown.items() if number not in set(ambiguous)}
    return labels, ambiguous
