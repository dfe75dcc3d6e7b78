"""From a source's splits to sections."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monai_memvit.data.patches.sections import assign_sections
from monai_memvit.data.patches.source import PatchRecord, split_name


def records(*splits: str | None, patients: int = 20, each: int = 10) -> list[PatchRecord]:
    """Patients of ten samples and two classes; patient p is in split p modulo the number of splits."""
    return [
        PatchRecord(f"{p}/{i}", f"p{p}", i % 2, splits[p % len(splits)], Path("x.png"), "x.png")
        for p in range(patients)
        for i in range(each)
    ]


def groups(source: list[PatchRecord], sections: list[str]) -> dict[str, set[str]]:
    """Groups per section."""
    return {
        name: {r.group_key for r, s in zip(source, sections, strict=True) if s == name}
        for name in ("training", "validation", "test")
    }


def test_three_splits_are_kept() -> None:
    source = records("train", "val", "test")
    names = {"train": "training", "val": "validation", "test": "test"}
    assert assign_sections(source) == [names[str(r.split)] for r in source]


def test_validation_is_drawn_from_training_where_it_is_absent() -> None:
    source = records("train", "train", "train", "test")
    found = groups(source, assign_sections(source, val_fraction=0.2))
    assert found["test"] == {r.group_key for r in source if r.split == "test"}
    assert len(found["validation"]) == 3
    assert not found["validation"] & found["training"]


def test_val_becomes_test_so_that_nothing_is_tuned_on_it() -> None:
    source = records("train", "val")
    found = groups(source, assign_sections(source))
    assert found["test"] == {r.group_key for r in source if r.split == "val"}
    assert len(found["validation"]) == 1 and len(found["training"]) == 9


def test_val_is_kept_on_request() -> None:
    source = records("train", "val")
    assert set(assign_sections(source, val_fraction=0)) == {"training", "validation"}


@pytest.mark.parametrize("split", ["train", None])
def test_everything_is_drawn_where_nothing_is_given(split: str | None) -> None:
    source = records(split)
    found = groups(source, assign_sections(source, seed=3))
    assert [len(found[name]) for name in ("training", "validation", "test")] == [14, 2, 4]
    assert set.union(*found.values()) == {f"p{p}" for p in range(20)}


def test_seeds_differ_and_repeat() -> None:
    source = records(None)
    assert assign_sections(source, seed=1) == assign_sections(source, seed=1)
    assert assign_sections(source, seed=1) != assign_sections(source, seed=2)


@pytest.mark.parametrize(
    "splits, options, message",
    [
        (("val", "test"), {}, "has test, val but no train"),
        (("train", "val", "test"), {"val_fraction": 0.1}, "has train, val and test"),
        (("train", "test"), {"test_fraction": 0.1}, "has its own split"),
        (("train", "test"), {"val_fraction": 0.0}, "val fraction is 0.0"),
        ((None,), {"test_fraction": 1.5}, "test fraction is 1.5"),
    ],
)
def test_what_cannot_be_done_is_refused(splits: tuple[str, ...], options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        assign_sections(records(*splits), **options)


@pytest.mark.parametrize(
    "value, name", [("Validation", "val"), ("valid", "val"), (" TRAIN", "train"), ("test", "test")]
)
def test_usual_names_of_splits(value: str, name: str) -> None:
    assert split_name(value, "x") == name


def test_other_names_of_splits_are_refused() -> None:
    with pytest.raises(ValueError, match="a.npz: split 'holdout' is unknown"):
        split_name("holdout", "a.npz")


def test_classes_are_kept_in_proportion() -> None:
    rng = np.random.default_rng(0)
    source = [
        PatchRecord(str(i), str(i), int(label), None, Path("x.png"), "x.png")
        for i, label in enumerate(rng.choice(3, 1_000, p=[0.6, 0.3, 0.1]))
    ]
    sections = np.array(assign_sections(source))
    labels = np.array([record.label for record in source])
    shares = [np.bincount(labels[sections == name]) / (sections == name).sum() for name in np.unique(sections)]
    assert np.ptp(shares, axis=0).max() < 0.02
