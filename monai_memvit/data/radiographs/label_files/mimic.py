"""MIMIC-CXR-JPG: findings per study, films from the metadata or the split file."""

from __future__ import annotations

from collections.abc import Sequence

from ...patches.source import split_name
from .chexpert import CHEXPERT_FINDINGS, has_chexpert_findings
from .film_labels import LabelFile, LabelledFilm, LeftOutFilm
from .table import CsvTable, parse_finding
from .views import one_view

__all__ = ["is_mimic_labels", "is_mimic_metadata", "is_mimic_split", "read_mimic"]

_STUDY = ("subject_id", "study_id")


def is_mimic_labels(columns: Sequence[str]) -> bool:
    """Whether a table has findings per study.

    Args:
        columns: of the table.
    """
    return {*_STUDY} <= {*columns} and "dicom_id" not in columns and has_chexpert_findings(columns)


def is_mimic_metadata(columns: Sequence[str]) -> bool:
    """Whether a table has the view of every film.

    Args:
        columns: of the table.
    """
    return {"dicom_id", *_STUDY, "ViewPosition"} <= {*columns}


def is_mimic_split(columns: Sequence[str]) -> bool:
    """Whether a table has the official split of every film.

    Args:
        columns: of the table.
    """
    return {"dicom_id", *_STUDY, "split"} <= {*columns}


def read_mimic(labels: CsvTable, metadata: CsvTable | None, split: CsvTable | None) -> LabelFile:
    """Read findings, views, patients and splits of MIMIC-CXR-JPG (Johnson et al. 2019).

    Args:
        labels: CheXpert or NegBio findings, one row a study.
        metadata: films with their view; None where the file is absent.
        split: films with their official split; None where the file is absent.

    Raises:
        ValueError: where neither file says which films a study has.
    """
    films_of = metadata or split
    if films_of is None:
        raise ValueError(
            f"{labels.path} labels studies, and no file says which films they have: put mimic-cxr-2.0.0-metadata.csv "
            "and mimic-cxr-2.0.0-split.csv beside it, and name all of them where you name one (--labels)"
        )
    findings = [name for name in CHEXPERT_FINDINGS if name in labels.columns]
    studies = {
        (subject, study): tuple(parse_finding(cell, where) for cell in cells)
        for where, (subject, study, *cells) in labels.rows(*_STUDY, *findings)
    }
    rows = () if split is None else split.rows("dicom_id", "split")
    splits = {dicom: _split(name, where) for where, (dicom, name) in rows}
    films, problems = [], []
    view_column = "ViewPosition" if metadata is not None else ""
    for where, (key, subject, study, view) in films_of.rows("dicom_id", *_STUDY, view_column):
        if (subject, study) not in studies:
            problems.append(LeftOutFilm(key, where, f"its study has no row in {labels.path.name}: add it"))
        elif splits and key not in splits:
            problems.append(LeftOutFilm(key, where, "it is not in the split file: add it"))
        else:
            found = studies[subject, study]
            films.append(LabelledFilm(key, found, subject, splits.get(key), one_view(view), where))
    paths = [table.path for table in (labels, metadata, split) if table is not None]
    notes = [] if metadata is not None else ["no metadata file: the views are unknown unless the films are DICOM"]
    notes += [] if split is not None else ["no split file: the official split is not kept"]
    return LabelFile("MIMIC-CXR-JPG", paths, findings, films, problems, notes)


def _split(name: str, where: str) -> str:
    return "val" if name == "validate" else split_name(name, where)
