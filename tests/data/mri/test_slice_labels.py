"""Labels, cases and slices that do and do not belong together."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_memvit.data.mri import CachedCase, Study
from monai_memvit.data.mri.labels import LabelTable
from monai_memvit.data.mri.slice_labels import check_table, label_cases

CSV = Path("labels.csv")
CLASSES = ("normal", "tumour")


def study(key: str, patient: str = "", mask: bool = True) -> Study:
    """A study without files."""
    return Study(key, patient or key, {}, tumour_mask=Path("mask.nii.gz") if mask else None)


def case(key: str, areas: list[float] | None = None, kept: tuple[int, ...] = (1, 2, 3)) -> CachedCase:
    """A prepared case of five slices."""
    record = {
        "slices_kept": list(kept),
        "brain_area_mm2": [0.0, 9.0, 9.0, 9.0, 1.0],
        "tumour_area_mm2": areas,
        "slice_channel_mask": [[False, False], [True, True], [True, False], [True, True], [False, True]],
    }
    return CachedCase(study(key), Path(key), record)


def table(labels: dict[str, dict[int, int]] | None, splits: dict[str, str] | None = None) -> LabelTable:
    """What a CSV said, case by case from line 2 on."""
    names = [*(labels or splits or {})]
    return LabelTable(CSV, {name: 2 + i for i, name in enumerate(names)}, labels, splits)


def test_a_label_for_a_case_that_does_not_exist_is_named() -> None:
    usable, (problem,) = check_table([study("a")], {"broken"}, table({"a": {}, "broken": {}, "zz": {}}), CLASSES)
    assert [s.case_key for s in usable] == ["a"]
    assert (problem.case_key, problem.where) == ("zz", "labels.csv, line 4")
    assert "no such case" in problem.cause


def test_cases_without_labels_are_named_before_anything_is_computed() -> None:
    usable, (problem,) = check_table([study("a", mask=False), study("b")], set(), table({"b": {}}), CLASSES)
    assert [s.case_key for s in usable] == ["b"]
    assert problem.case_key == "a" and "labels.csv does not name it" in problem.cause
    usable, (problem,) = check_table([study("a", mask=False), study("b")], set(), None, CLASSES)
    assert [s.case_key for s in usable] == ["b"] and "no tumour mask" in problem.cause
    usable, (problem,) = check_table([study("a", mask=False)], set(), table(None, {"a": "train"}), CLASSES)
    assert usable == [] and "no tumour mask" in problem.cause


def test_masks_tell_two_classes_only() -> None:
    with pytest.raises(ValueError, match="3 classes"):
        check_table([study("a")], set(), None, ("a", "b", "c"))
    check_table([study("a")], set(), table({"a": {}}), ("a", "b", "c"))


def test_a_patient_belongs_to_one_split() -> None:
    studies = [study("a", "p"), study("b", "p")]
    check_table(studies, set(), table(None, {"a": "train", "b": "train"}), CLASSES)
    with pytest.raises(ValueError, match=r"'a' \(train\) and 'b' \(test\) are of one patient"):
        check_table(studies, set(), table(None, {"a": "train", "b": "test"}), CLASSES)


def test_labels_of_slices_that_show_brain_are_taken_and_others_named() -> None:
    labels = {"a": {9: 1, 4: 1, 0: 0, 1: 0, 3: 1, 5: 1}}
    (labelled,), problems = label_cases([case("a")], table(labels), 50.0)
    assert list(labelled.labels.items()) == [(1, 0), (3, 1), (4, 1)]  # 4 has little brain: the table knows better
    assert [problem.cause.split(":")[0] for problem in problems] == [
        "slice 0 has a label, but no sequence shows the brain in it",
        "slice 5 has a label, but slices are 0 to 4",
        "slice 9 has a label, but slices are 0 to 4",
    ]
    assert all(problem.case_key == "a" and "labels.csv" in problem.where for problem in problems)


def test_masks_give_labels_where_no_table_does() -> None:
    areas = [500.0, 0.0, 20.0, 80.0, 500.0]
    for given in (None, table(None, {"a": "train"})):
        (labelled,), problems = label_cases([case("a", areas)], given, 50.0)
        assert not problems
        assert labelled.labels == {1: 0, 3: 1} and labelled.ambiguous == [2]


def test_a_case_without_labelled_slices_is_named() -> None:
    labelled, problems = label_cases([case("a")], table({"a": {0: 1, 7: 1}}), 50.0)
    assert labelled == [] and "none of its 5 slices" in problems[-1].cause
