"""CheXpert: ``train.csv``, ``valid.csv`` and ``test.csv`` with one column per finding."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...patches.source import split_name
from .film_labels import NO_FINDING, LabelFile, LabelledFilm
from .table import CsvTable, parse_finding
from .views import one_view

__all__ = ["CHEXPERT_FINDINGS", "has_chexpert_findings", "is_chexpert", "read_chexpert"]

CHEXPERT_FINDINGS = (
    *(NO_FINDING, "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema"),
    *("Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other"),
    *("Fracture", "Support Devices"),
)
_ENOUGH = 5  # the test set's file has fewer columns than the training set's
_PATIENT = re.compile(r"(?:^|/)(patient\d+)/")
_SPLIT = re.compile(r"(?:^|/)(train|valid|test)/")


def has_chexpert_findings(columns: Sequence[str]) -> bool:
    """Whether a table has a column for most of CheXpert's 14 findings.

    Args:
        columns: of the table.
    """
    return len(set(columns) & set(CHEXPERT_FINDINGS)) >= _ENOUGH


def is_chexpert(columns: Sequence[str]) -> bool:
    """Whether a table has a path and CheXpert's findings.

    Args:
        columns: of the table.
    """
    return "Path" in columns and has_chexpert_findings(columns)


def read_chexpert(tables: Sequence[CsvTable]) -> LabelFile:
    """Read findings (1, 0, -1 or blank), views, patients and splits of CheXpert (Irvin et al. 2019).

    The patient and the split stand in the path, ``…/train/patient00001/study1/view1_frontal.jpg``.

    Args:
        tables: with the column ``Path`` and those of the findings.

    Raises:
        ValueError: for a path without a patient, or a cell that is no label.
    """
    findings = [name for name in CHEXPERT_FINDINGS if all(name in table.columns for table in tables)]
    films = [
        _film(where, key, _view(plane, projection), cells)
        for table in tables
        for where, (key, plane, projection, *cells) in table.rows(
            "Path", *(name if name in table.columns else "" for name in ("Frontal/Lateral", "AP/PA")), *findings
        )
    ]
    if any(film.split is None for film in films):
        films = [LabelledFilm(f.key, f.labels, f.patient, None, f.view, f.where) for f in films]
    some = [name for name in CHEXPERT_FINDINGS if name not in findings and any(name in t.columns for t in tables)]
    notes = [f"only some of the label files have {', '.join(some)}: left out of the findings"] if some else []
    return LabelFile("CheXpert", [table.path for table in tables], findings, films, [], notes)


def _film(where: str, key: str, view: str, cells: list[str]) -> LabelledFilm:
    patient, split = _PATIENT.search(key), _SPLIT.search(key)
    if patient is None:
        raise ValueError(f"{where}: path {key!r} names no patient (…/patient00001/…): correct it")
    labels = tuple(parse_finding(cell, where) for cell in cells)
    return LabelledFilm(key, labels, patient[1], split_name(split[1], where) if split else None, view, where)


def _view(plane: str, projection: str) -> str:
    """CheXpert's own ``AP/PA`` where it tells, else ``Frontal/Lateral``."""
    return one_view(projection if one_view(projection) in ("PA", "AP") else plane or projection)
