"""Tables of labels, and labels from the tumour's area."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_memvit.data.mri.labels import labels_from_areas, read_label_table

CLASSES = ("normal", "tumour")


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_names_and_indices_of_classes_are_read(tmp_path: Path) -> None:
    text = "\ufeffcase, slice ,label,split,note\na,0,normal,train,x\na,7,1,train,\nb,3,tumour,validation,\n"
    found = read_label_table(table(tmp_path, text), CLASSES)
    assert found.labels == {"a": {0: 0, 7: 1}, "b": {3: 1}}
    assert found.splits == {"a": "train", "b": "val"}
    assert found.lines == {"a": 2, "b": 4}


def test_splits_may_stand_alone_and_labels_too(tmp_path: Path) -> None:
    alone = read_label_table(table(tmp_path, "case,split\na,test\n"), CLASSES)
    assert alone.labels is None and alone.splits == {"a": "test"}
    assert read_label_table(table(tmp_path, "case,slice,label\na,1,1\n"), CLASSES).splits is None


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "has the columns none"),
        ("name,slice,label\na,1,1\n", "has the columns label, name, slice"),
        ("case,slice,split\na,1,train\n", "give case, slice and label"),
        ("case,slice,label\na,1,cyst\n", "line 2: label 'cyst' is none of the classes normal, tumour"),
        ("case,slice,label\na,1,2\n", "label '2' is none"),
        ("case,slice,label\na,-1,1\n", "line 2: slice is '-1'"),
        ("case,slice,label\na,1,1\na,1,0\n", "line 3: slice 1 of case 'a' has two labels"),
        ("case,slice,label\n,1,1\n", "line 2: no case"),
        ("case,split\na,train\na,test\n", "line 3: case 'a' is in 'test' and in 'train'"),
        ("case,split\na,dev\n", "line 2: split 'dev' is unknown"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = table(tmp_path, text)
    with pytest.raises(ValueError, match=message) as caught:
        read_label_table(path, CLASSES)
    assert str(path) in str(caught.value)


def test_a_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"case\xff\xfe\n")
    for path in (tmp_path / "a.csv", tmp_path / "absent.csv", tmp_path):
        with pytest.raises(ValueError, match="cannot be read as a table"):
            read_label_table(path, CLASSES)


def test_slices_with_little_tumour_are_of_neither_class() -> None:
    labels, ambiguous = labels_from_areas([0.0, 49.9, 50.0, 120.0, 0.0, 9.0], [0, 1, 2, 3, 4], 50.0)
    assert labels == {0: 0, 2: 1, 3: 1, 4: 0}
    assert ambiguous == [1]
    assert labels_from_areas([0.0, 0.1], [0, 1], 0.0) == ({0: 0, 1: 1}, [])
