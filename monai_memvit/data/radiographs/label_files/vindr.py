"""VinDr-CXR: boxes or image-level columns of several readers, one vote each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from .film_labels import UNCERTAIN, LabelFile, LabelledFilm, is_no_finding
from .table import CsvTable, parse_finding

__all__ = ["VOTES", "is_vindr_boxes", "is_vindr_columns", "read_vindr"]

VOTES = ("majority", "any")
VINDR_FINDINGS = frozenset(
    {
        *("Aortic enlargement", "Atelectasis", "Calcification", "Cardiomegaly", "Clavicle fracture", "Consolidation"),
        *("Edema", "Emphysema", "Enlarged PA", "ILD", "Infiltration", "Lung Opacity", "Lung cavity", "Lung cyst"),
        *("Mediastinal shift", "Nodule/Mass", "Pleural effusion", "Pleural thickening", "Pneumothorax"),
        *("Pulmonary fibrosis", "Rib fracture", "Other lesion", "COPD", "Lung tumor", "Pneumonia", "Tuberculosis"),
        *("Other disease", "Other diseases", "No finding"),
    }
)
_ENOUGH = 3  # any CSV may have image_id and a finding or two, and then a column of patients that is not to be missed
_NO_NAMES = ("image_id", "rad_id", "rad_ID")
Votes = dict[str, dict[str, set[str]]]  # image -> reader -> findings


def is_vindr_boxes(columns: Sequence[str]) -> bool:
    """Whether a table has one box a row.

    Args:
        columns: of the table.
    """
    return {"image_id", "class_name", "x_min"} <= {*columns}


def is_vindr_columns(columns: Sequence[str]) -> bool:
    """Whether a table has one image (and reader) a row, and one column per finding.

    Args:
        columns: of the table.
    """
    return "image_id" in columns and len({*columns} & VINDR_FINDINGS) >= _ENOUGH


def read_vindr(tables: Sequence[CsvTable], vote: str) -> LabelFile:
    """Read the findings of VinDr-CXR (Nguyen et al. 2022) from boxes or from image-level columns.

    In the training set three readers looked at each film. ``majority`` takes what more than half of them saw, and
    calls a tie uncertain; ``any`` takes what one of them saw. Patients are not told.

    Args:
        tables: all of boxes, or all of image-level columns; the word ``train`` or ``test`` in their names gives the
            split where there are several.
        vote: ``majority`` or ``any``.

    Raises:
        ValueError: for another vote, a cell that is no label, or a name of several that tells no split.
    """
    if vote not in VOTES:
        raise ValueError(f"vote is {vote!r}: take one of {', '.join(VOTES)}")
    readings = [(table, *(_boxes(table) if is_vindr_boxes(table.columns) else _columns(table))) for table in tables]
    names = list(dict.fromkeys(name for _, _, _, found in readings for name in found if not is_no_finding(name)))
    films = [
        LabelledFilm(image, _count(votes, names, vote), "", _split(table.path, len(tables)), "", where[image])
        for table, by_image, where, _ in readings
        for image, votes in by_image.items()
    ]
    notes = ["VinDr-CXR names no patients: every film counts as a patient of its own, unless its DICOM header has one"]
    return LabelFile("VinDr-CXR", [table.path for table in tables], names, films, [], notes)


def _boxes(table: CsvTable) -> tuple[Votes, dict[str, str], list[str]]:
    """Readers' findings by image, the first line of each image, and the names in alphabetical order."""
    votes: Votes = defaultdict(lambda: defaultdict(set))
    lines: dict[str, str] = {}
    names: set[str] = set()
    for where, (image, name, reader) in table.rows("image_id", "class_name", _reader_column(table)):
        lines.setdefault(image, where)
        votes[image][reader].add(name)
        names.add(name)
    return votes, lines, sorted(names - {""})


def _columns(table: CsvTable) -> tuple[Votes, dict[str, str], list[str]]:
    votes: Votes = defaultdict(lambda: defaultdict(set))
    lines: dict[str, str] = {}
    names = [name for name in table.columns if name and name not in _NO_NAMES]
    for where, (image, reader, *cells) in table.rows("image_id", _reader_column(table), *names):
        lines.setdefault(image, where)
        votes[image][reader] |= {name for name, cell in zip(names, cells) if parse_finding(cell, where) == 1}
    return votes, lines, names


def _reader_column(table: CsvTable) -> str:
    return next((name for name in ("rad_id", "rad_ID") if name in table.columns), "")


def _count(votes: dict[str, set[str]], names: Sequence[str], vote: str) -> tuple[int, ...]:
    readers = len(votes)
    seen = [sum(name in found for found in votes.values()) for name in names]
    if vote == "any":
        return tuple(int(count > 0) for count in seen)
    return tuple(UNCERTAIN if count * 2 == readers else int(count * 2 > readers) for count in seen)


def _split(path: Path, tables: int) -> str | None:
    if tables == 1:
        return None
    found = [split for split in ("train", "test") if split in path.name.lower()]
    if len(found) != 1:
        raise ValueError(f"{path}: of several label files each is named after its split, train or test: rename it")
    return found[0]
