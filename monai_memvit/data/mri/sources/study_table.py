"""A CSV table that names the files itself: one row a case, one column a sequence."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..dicom.files import is_dicom, read_object
from ..dicom.studies import dicom_candidates
from ..studies import MASKS, SequenceSource, Study, StudyProblem
from .candidates import Candidate, Match
from .find_options import FindOptions
from .patients import one_spelling
from .visible_files import visible_files

__all__ = ["read_study_table"]

_KEYS = ("case", "patient")


def read_study_table(path: Path, options: FindOptions) -> tuple[list[Study], list[StudyProblem]]:
    """Read a table with the columns ``case``, ``patient``, sequences, and perhaps ``tumour_mask`` and ``brain_mask``.

    A cell is a NIfTI file, or a folder that holds one DICOM series; relative paths start at the table's folder; an
    empty cell is a missing sequence.

    Args:
        path: the CSV file (UTF-8, comma-separated).
        options: sequences and required ones; its patterns play no part.

    Returns:
        Studies, and what is wrong with the other rows.

    Raises:
        ValueError: where the table cannot be read, or its columns are wrong.
    """
    rows = _read_rows(path, options)
    studies: list[Study] = []
    problems: list[StudyProblem] = []
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, start=2):
        where = f"{path.name}, row {number}"
        causes = _row_causes(row, number, seen)
        sources, wrong = _row_sources(row, path.parent, options)
        causes += wrong
        sequences = {name: source for name, source in sources.items() if name not in MASKS}
        if not causes:
            causes = _absent(sequences, options)
        if causes:
            problems.extend(StudyProblem(row["case"] or where, where, cause) for cause in causes)
            continue
        masks = [sources[name].files[0] if name in sources else None for name in MASKS]
        studies.append(Study(row["case"], row["patient"], sequences, (), *masks))
    return studies, problems


def _read_rows(path: Path, options: FindOptions) -> list[dict[str, str]]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restkey="", restval="")
            columns = [name.strip() for name in reader.fieldnames or ()]
            _check_columns(columns, path, options)
            reader.fieldnames = columns
            return [{key: (row[key] or "").strip() for key in columns} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read as a CSV table ({error}): save it as UTF-8 with commas") from None


def _check_columns(columns: list[str], path: Path, options: FindOptions) -> None:
    allowed = (*_KEYS, *options.sequences, *MASKS)
    if absent := [name for name in _KEYS if name not in columns]:
        raise ValueError(f"{path} has no column {' and '.join(absent)}; its columns are {', '.join(columns)}")
    if unknown := [name for name in columns if name not in allowed]:
        raise ValueError(
            f"{path}: the columns {', '.join(unknown)} are unknown: rename or remove them ({', '.join(allowed)})"
        )
    if len(set(columns)) < len(columns):
        raise ValueError(f"{path} has a column twice ({', '.join(columns)}): remove one")


def _row_causes(row: Mapping[str, str], number: int, seen: dict[str, int]) -> list[str]:
    causes = [f"{name} is empty: fill it in" for name in _KEYS if not row[name]]
    first = seen.setdefault(row["case"], number)
    if row["case"] and first != number:
        causes.append(f"the case stands in row {first} already: every case needs one row and a name of its own")
    return causes


def _row_sources(
    row: Mapping[str, str], folder: Path, options: FindOptions
) -> tuple[dict[str, SequenceSource], list[str]]:
    sources: dict[str, SequenceSource] = {}
    causes: list[str] = []
    patients: dict[str, str] = {}
    taken: dict[Path, str] = {}
    for name in (*options.sequences, *MASKS):
        if not row.get(name):
            continue
        path = folder / row[name]
        if path in taken:
            causes.append(f"{taken[path]} and {name} are the same file, {row[name]}: correct one")
        taken[path] = name
        try:
            sources[name], patients[name] = _cell(name, path, row[name])
        except ValueError as error:
            causes.append(f"{name}: {error}")
    return sources, [*causes, *_different_patients(patients)]


def _different_patients(patients: Mapping[str, str]) -> list[str]:
    """A row with DICOM series of several patients: the identifiers themselves are not repeated."""
    known = {name: patient for name, patient in patients.items() if patient}
    count = len(set(known.values()))
    shown = " and ".join(known)
    return [f"the DICOM files of {shown} are of {count} patients (PatientID): correct the cells"] if count > 1 else []


def _cell(name: str, path: Path, text: str) -> tuple[SequenceSource, str]:
    """A cell's files, and the patient that their headers name, if they do."""
    match = Match(name, 1.0, "the table names it")
    if path.is_file():
        return Candidate(text, "nifti", (path,), match).source(match), ""
    if path.is_dir() and name not in MASKS:
        candidate, patient = _series_folder(path, text)
        return replace(candidate, label=text).source(match), patient
    raise ValueError(f"{text!r} is no file (looked for {path}): correct the path; relative ones start at the table")


def _series_folder(path: Path, text: str) -> tuple[Candidate, str]:
    """The one volume of a DICOM folder, whatever it is recognised as, and its patient."""
    objects = [read_object(file) for file in visible_files(path) if is_dicom(file)]
    candidates, _ = dicom_candidates(objects, min_slices=1)
    if len(candidates) != 1:
        raise ValueError(f"the folder {text!r} holds {len(candidates)} DICOM volumes: give a folder of exactly one")
    if candidates[0].faults:
        raise ValueError(f"{text!r}: {candidates[0].faults[0]}")
    patients = {one_spelling(found.patient) for found in objects if found.slices}
    if len(patients) > 1:
        raise ValueError(f"the folder {text!r} holds images of {len(patients)} patients (PatientID): separate them")
    return candidates[0], patients.pop()


def _absent(sequences: Mapping[str, SequenceSource], options: FindOptions) -> list[str]:
    absent = [name for name in options.required if name not in sequences]
    found = ", ".join(sequences) or "nothing"
    if absent or not sequences:
        return [
            f"the required {' and '.join(absent)} is absent; found: {found}. Fill in the cell, or do not require it"
        ]
    return []
