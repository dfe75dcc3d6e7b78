"""The table of labels, line by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_memvit.data.slides.find_slides import SlideSource
from monai_memvit.data.slides.slide_labels import read_slide_labels


def table(folder: Path, text: str) -> Path:
    path = folder / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return path


def sources(*keys: str) -> list[SlideSource]:
    return [SlideSource(key, Path(key)) for key in keys]


def test_slides_are_matched_by_path_name_or_stem(tmp_path: Path) -> None:
    path = table(
        tmp_path, "slide,patient,label,split\na/x.svs,P1,yes,train\ny.svs,P2,no,valid\nz,P2,no,valid\nw,P3,no,test\n"
    )
    labels = read_slide_labels(path)
    assert labels.class_names == ["no", "yes"]
    matched, absent = labels.match(sources("a/x.svs", "b/x.svs", "b/y.svs", "z.ndpi"))
    assert absent == ["w"]
    assert {key: (row.patient, row.label, row.split) for key, row in matched.items()} == {
        "a/x.svs": ("P1", 1, "train"),
        "b/y.svs": ("P2", 0, "val"),
        "z.ndpi": ("P2", 0, "val"),
    }


def test_names_match_however_their_umlauts_are_written(tmp_path: Path) -> None:
    labels = read_slide_labels(table(tmp_path, "slide,label\nK\u00f6rper,a\nu\u0308ber.svs,b\n"))
    matched, absent = labels.match(sources("Ko\u0308rper.svs", "\u00fcber.svs"))
    assert not absent and {row.label for row in matched.values()} == {0, 1}


def test_without_patients_every_slide_is_its_own(tmp_path: Path) -> None:
    row = read_slide_labels(table(tmp_path, "slide,label\nx,b\n"), ["b", "a"]).rows["x"]
    assert (row.patient, row.label, row.split) == ("x", 0, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("slide,class\nx,a\n", "has the columns class, slide"),
        ("", "has the columns none"),
        ("slide,label\nx,a\nx,b\n", "line 3: slide 'x' stands there twice"),
        ("slide,label\nx,c\n", "line 2: label 'c' is none of the classes a, b"),
        ("slide,label,patient\nx,a,\n", "line 2: the column 'patient' is empty"),
        ("slide,label,split\nx,a,some\n", "split 'some' is unknown"),
    ],
)
def test_lines_that_do_not_fit(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_slide_labels(table(tmp_path, text), ["a", "b"])


def test_a_name_of_several_slides_and_a_slide_of_several_names(tmp_path: Path) -> None:
    labels = read_slide_labels(table(tmp_path, "slide,label\nx,a\nx.svs,a\n"))
    with pytest.raises(ValueError, match="line 2: slide 'x' fits 2 slides"):
        labels.match(sources("x.svs", "b/x.svs"))
    with pytest.raises(ValueError, match="line 3: slide 'x.svs' is also in line 2"):
        labels.match(sources("x.svs"))


def test_a_missing_table(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="none.csv cannot be read as a table"):
        read_slide_labels(tmp_path / "none.csv")
