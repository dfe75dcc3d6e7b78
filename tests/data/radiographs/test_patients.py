"""Whose film it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_memvit.data.radiographs.label_files.film_labels import LabelledFilm
from monai_memvit.data.radiographs.patients import check_patient_splits, patients_of

SOURCE = Path("/films")


def film(key: str, patient: str = "", split: str | None = None, line: int = 2) -> tuple[LabelledFilm, Path]:
    """A film with its file, which need not be there."""
    return LabelledFilm(key, (1,), patient, split, "", f"labels.csv, line {line}"), SOURCE / key


def test_the_label_file_tells_whatever_the_spelling() -> None:
    films = [film("a.png", "Smith  J"), film("b.png", "SMITH J"), film("c.png", "Jones")]
    keys, notes = patients_of(films, SOURCE, progress=False)
    assert keys[0] == keys[1] != keys[2] and notes == []


def test_a_pattern_goes_first() -> None:
    films = [film("p7/a.png", "x"), film("p7/b.png", "y"), film("p8/b.png", "y")]
    assert patients_of(films, SOURCE, r"^(p\d+)/", progress=False)[0] == ["p7", "p7", "p8"]


def test_unknown_patients_are_one_each_and_told() -> None:
    keys, notes = patients_of([film("a.png"), film("b.png"), film("c.png", "film a.png")], SOURCE, progress=False)
    assert keys[:2] == ["film a.png", "film b.png"]
    assert notes[0].startswith("2 of 3 films name no patient")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("(", "no regular expression"), ("p", "0 capture groups"), (r"(q\d+)", "finds no patient in 'p7/a.png'")],
)
def test_other_patterns_are_refused(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        patients_of([film("p7/a.png")], SOURCE, pattern, progress=False)


def test_splits_that_share_a_patient_are_named_by_their_rows_not_by_the_patient() -> None:
    films = [
        film("a", split="train", line=2)[0],
        film("b", split="train", line=3)[0],
        film("c", split="val", line=9)[0],
    ]
    check_patient_splits(films, ["Smith", "Jones", "Miller"])
    with pytest.raises(ValueError, match="line 9: .* in 'val' here and in 'train' by labels.csv, line 3") as caught:
        check_patient_splits(films, ["Smith", "Jones", "Jones"])
    assert "Jones" not in str(caught.value)
