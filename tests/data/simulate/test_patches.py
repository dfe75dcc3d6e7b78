"""A simulated cohort is reproducible, split by patient, and told apart by form rather than colour."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from monai_memvit.data import load_section, prepare_patches
from monai_memvit.data.simulate import simulate_patches


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six patients of ten patches."""
    return simulate_patches(tmp_path_factory.mktemp("cohort") / "cohort.npz", patients=6, patches_per_patient=10)


def test_what_the_archive_holds(cohort: Path) -> None:
    with np.load(cohort, allow_pickle=False) as arrays:
        assert arrays["image"].shape == (60, 27, 27, 3)
        assert arrays["image"].dtype == np.uint8
        assert arrays["class_names"].tolist() == ["fibroblast", "inflammatory", "epithelial", "other"]
        assert len(np.unique(arrays["instance_id"])) == 60
        for patient in np.unique(arrays["patient_id"]):
            own = arrays["patient_id"] == patient
            assert own.sum() == 10
            assert set(arrays["label"][own].tolist()) == {0, 1, 2, 3}
            assert len(set(arrays["split"][own].tolist())) == 1
        assert set(arrays["split"].tolist()) == {"train", "val", "test"}


def test_same_seed_same_bits(cohort: Path, tmp_path: Path) -> None:
    same = simulate_patches(tmp_path / "same.npz", patients=6, patches_per_patient=10)
    other = simulate_patches(tmp_path / "other.npz", patients=6, patches_per_patient=10, seed=1)
    assert same.read_bytes() == cohort.read_bytes()
    with np.load(cohort) as first, np.load(other) as second:
        assert not np.array_equal(first["image"], second["image"])


def test_it_is_prepared_without_options(cohort: Path, tmp_path: Path) -> None:
    report = prepare_patches(cohort, tmp_path, progress=False)
    assert sum(report.groups.values()) == 6
    assert sum(len(load_section(report.datalist, name)) for name in ("training", "validation", "test")) == 60


def test_patients_differ_in_colour_more_than_classes_do(cohort: Path) -> None:
    with np.load(cohort) as arrays:
        colour, label, patient = arrays["image"].mean((1, 2)), arrays["label"], arrays["patient_id"]
    by_patient = np.array([colour[patient == p].mean(0) for p in np.unique(patient)])
    by_class = np.array([colour[label == c].mean(0) for c in np.unique(label)])
    assert (by_patient.std(0) > by_class.std(0)).all()


def test_other_sizes_and_fewer_classes(tmp_path: Path) -> None:
    path = simulate_patches(tmp_path / "a.npz", patients=3, patches_per_patient=3, size=40, classes=2)
    with np.load(path) as arrays:
        assert arrays["image"].shape == (9, 40, 40, 3)
        assert set(arrays["label"].tolist()) == {0, 1}
        assert arrays["class_names"].tolist() == ["fibroblast", "inflammatory"]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"patients": 2}, "patients is 2: give 3 or more"),
        ({"patches_per_patient": 3}, "patches_per_patient is 3: give 4 or more"),
        ({"size": 7}, "size is 7"),
        ({"classes": 5}, "classes is 5: give 2 to 4"),
        ({"classes": 1}, "classes is 1"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_numbers_out_of_range_are_refused(tmp_path: Path, options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulate_patches(tmp_path / "a.npz", **options)
    assert os.listdir(tmp_path) == []


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not end in .npz"):
        simulate_patches(tmp_path / "a.png")
