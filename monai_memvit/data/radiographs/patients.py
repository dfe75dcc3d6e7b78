"""Whose film it is: by the path, by the label file, or by the DICOM header."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from ..mri.sources.patients import one_spelling
from .dicom_names import read_dicom_names
from .image_index import PICTURES
from .label_files.film_labels import LabelledFilm

__all__ = ["check_patient_splits", "patients_of"]

Matched = Sequence[tuple[LabelledFilm, Path]]


def patients_of(
    films: Matched, source: Path, pattern: str | None = None, progress: bool = True
) -> tuple[list[str], list[str]]:
    """Return a key per film that films of one patient share.

    It is what a pattern finds in the film's path, else what the label file says, else Patient ID (0010,0020), without
    regard to capitals and blanks. A film of which nothing is known counts as a patient of its own.

    Args:
        films: with their files.
        source: folder of the files.
        pattern: regular expression with one capture group, searched in the path below the source.
        progress: whether to show a bar on stderr while headers are read.

    Returns:
        The keys, and what a person should know of them.

    Raises:
        ValueError: where the pattern is malformed, or does not match a path.
    """
    named = [film.patient for film, _ in films]
    if pattern is not None:
        compiled = _compiled(pattern)
        named = [_found_in(path.relative_to(source).as_posix(), compiled) for _, path in films]
    unnamed = [path for (_, path), name in zip(films, named) if not name]
    bar = tqdm(unnamed, desc="read headers", unit="file", disable=not progress or not unnamed)
    by_header = {path: _patient_id(path) for path in bar}
    named = [name or by_header[path] for (_, path), name in zip(films, named)]
    unknown = sum(not name for name in named)
    notes = []
    if unknown:
        notes.append(
            f"{unknown} of {len(films)} films name no patient: each counts as a patient of its own, so films of one "
            "patient may stand in two sections; give the column, or a pattern for the path"
        )
    keys = [one_spelling(name) if name else f"film {film.key}" for (film, _), name in zip(films, named)]
    return _one_writing(named, keys), notes


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"patient pattern {pattern!r} is no regular expression ({error}): correct it") from None
    if compiled.groups != 1:
        raise ValueError(f"patient pattern {pattern!r} has {compiled.groups} capture groups: give it one")
    return compiled


def _found_in(path: str, pattern: re.Pattern[str]) -> str:
    found = pattern.search(path)
    if found is None or not found[1]:
        raise ValueError(f"patient pattern {pattern.pattern!r} finds no patient in {path!r}: correct it")
    return found[1]


def _patient_id(path: Path) -> str:
    if path.name.lower().endswith(PICTURES):
        return ""
    names = read_dicom_names(path)
    return "" if names is None else names.patient


def _one_writing(names: Sequence[str], keys: Sequence[str]) -> list[str]:
    """The spelling of each patient that sorts first."""
    writings: dict[str, set[str]] = defaultdict(set)
    for name, key in zip(names, keys):
        writings[key].add(name or key)
    return [min(writings[key]) for key in keys]


def check_patient_splits(films: Sequence[LabelledFilm], patients: Sequence[str]) -> None:
    """Check that the splits of a label file separate patients.

    Args:
        films: with their splits.
        patients: key per film.

    Raises:
        ValueError: naming two rows of one patient in two splits.
    """
    first: dict[str, LabelledFilm] = {}
    for film, patient in zip(films, patients, strict=True):
        other = first.setdefault(patient, film)
        if other.split != film.split:
            raise ValueError(
                f"{film.where}: the patient of this film is in {film.split!r} here and in {other.split!r} by "
                f"{other.where}: a patient belongs to one split; correct the label file, or take the split out of it"
            )
