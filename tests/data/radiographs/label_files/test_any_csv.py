"""Any CSV: columns by their usual names, or by those given."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from monai_memvit.data.radiographs.label_files.any_csv import CsvColumns, read_any_csv
from monai_memvit.data.radiographs.label_files.film_labels import MISSING
from monai_memvit.data.radiographs.label_files.table import CsvTable

Write = Callable[..., CsvTable]


def test_usual_names_are_found(write: Write) -> None:
    table = write(
        "file,age,nih_patient_id,split,View Position,nodule,effusion",
        "a/x.png,61,7,train,pa,1,",
        "a/y.png,58,8,val,lateral,0,-1",
    )
    labels = read_any_csv(table)
    assert labels.findings == ["nodule", "effusion"]
    assert [(f.key, f.patient, f.split, f.view, f.labels) for f in labels.films] == [
        ("a/x.png", "7", "train", "PA", (1, MISSING)),
        ("a/y.png", "8", "val", "LATERAL", (0, -1)),
    ]
    assert "not read: age" in labels.notes[0] and "patient from 'nih_patient_id'" in labels.notes[0]


def test_given_columns_win(write: Write) -> None:
    table = write("scan,who,a,b,c", "x,7,1,0,1", "y,8,0,0,0")
    labels = read_any_csv(table, CsvColumns(file="scan", patient="who", labels=["c", "a"]))
    assert labels.findings == ["c", "a"]
    assert [(film.key, film.patient, film.labels) for film in labels.films] == [("x", "7", (1, 1)), ("y", "8", (0, 0))]


def test_one_column_of_names(write: Write) -> None:
    table = write("image,label", "x,Nodule|Effusion", "y,Normal", "z,", "w,Nodule; Mass")
    labels = read_any_csv(table)
    assert labels.findings == ["Effusion", "Mass", "Nodule"]
    assert [film.labels for film in labels.films] == [(1, 0, 1), (0, 0, 0), (MISSING,) * 3, (0, 1, 1)]


def test_one_column_of_numbers_is_a_finding(write: Write) -> None:
    labels = read_any_csv(write("image,label", "x,1", "y,0"))
    assert (labels.findings, [film.labels for film in labels.films]) == (["label"], [(1,), (0,)])


def test_rows_without_film_or_split_are_left_out(write: Write) -> None:
    labels = read_any_csv(write("file,split,a", "x,train,1", ",train,0", "z,,0"))
    assert [film.key for film in labels.films] == ["x"]
    assert [problem.cause for problem in labels.problems] == [
        "no film is named: fill the column 'file'",
        "it has no split: fill the column 'split'",
    ]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("name,a", "x,1"), "none is named file, path or image.*--file-column"),
        (("file,path,a", "x,y,1"), "file and path may each be the file.*--file-column"),
        (("file,age", "x,61"), "none of age holds only 1, 0, -1.*--label-columns"),
        (("file,a",), "has no row"),
        (("file,split,a", "x,holdout,1"), "line 2: split 'holdout' is unknown"),
    ],
)
def test_what_cannot_be_told_is_asked_for(write: Write, lines: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_any_csv(write(*lines))


def test_a_given_column_of_other_values_is_refused(write: Write) -> None:
    with pytest.raises(ValueError, match="line 3: 'yes' is no label"):
        read_any_csv(write("file,a,b", "x,1,1", "y,0,yes"), CsvColumns(labels=["a", "b"]))
