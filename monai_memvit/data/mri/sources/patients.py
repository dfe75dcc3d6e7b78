"""Patients by name: two spellings of one name are one patient, or it would stand on both sides of a split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from ..studies import LeftOut, Study

__all__ = ["one_spelling", "unite_patients"]


def one_spelling(name: str) -> str:
    """Return a name without regard to case and to the number of spaces.

    Args:
        name: for example PatientID.
    """
    return " ".join(name.split()).casefold()


def unite_patients(studies: Sequence[Study]) -> list[Study]:
    """Give all studies of one patient the same key, and those that were spelt otherwise a note.

    Args:
        studies: in any order.

    Returns:
        The studies in the same order; the spelling that sorts first is kept.
    """
    spellings: dict[str, set[str]] = defaultdict(set)
    for study in studies:
        spellings[one_spelling(study.patient_key)].add(study.patient_key)
    return [_respelt(study, min(spellings[one_spelling(study.patient_key)])) for study in studies]


def _respelt(study: Study, key: str) -> Study:
    if study.patient_key == key:
        return study
    note = LeftOut("its patient's name", "another case spells it with other capitals or spaces: taken for one patient")
    return replace(study, patient_key=key, left_out=(*study.left_out, note))
