"""The shortcut by position and brain area, on cohorts where it is everything or nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monai_memvit.benchmarks.mri.slice_shortcut import shortcut_baseline
from monai_memvit.data import prepare_patches
from monai_memvit.data.mri.archives.slice_archive import SliceArchiveOptions, prepare_slice_archive


def cohort(folder: Path, rule: str) -> Path:
    """Thirty patients of nine slices; the label follows the position, the area, or nothing."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:24, :24] - 12
    images, labels = [], []
    for _ in range(30):
        for number in range(9):
            radius = rng.uniform(4, 9)
            disc = np.hypot(rows, columns) < radius
            images.append(np.where(disc, rng.integers(100, 200, (24, 24)), 0).astype(np.uint8))
            labels.append({"position": 3 <= number <= 5, "area": radius > 6.5, "chance": rng.random() < 0.5}[rule])
    patient = np.repeat(np.arange(30), 9)
    split = np.where(patient < 20, "train", "val")
    arrays = {"image": np.stack(images)[..., None], "label": np.array(labels, int), "patient": patient, "split": split}
    np.savez(folder / "set.npz", **arrays)
    prepare_slice_archive(folder / "set.npz", folder / "out", SliceArchiveOptions(["t1"]), progress=False)
    return folder / "out"


@pytest.mark.parametrize(("rule", "low", "high"), [("position", 0.99, 1), ("area", 0.99, 1), ("chance", 0.3, 0.7)])
def test_it_knows_position_and_area_and_nothing_else(tmp_path, rule, low, high):
    data = cohort(tmp_path, rule)
    summary = shortcut_baseline(data)
    assert low <= summary["auc"] <= high and {"accuracy", "balanced_accuracy"} <= set(summary)


def test_without_masks_the_brain_is_what_is_not_zero(tmp_path):
    data = cohort(tmp_path, "area")
    expected = shortcut_baseline(data)
    for mask in data.rglob("brain.npy"):
        mask.unlink()
    assert shortcut_baseline(data)["auc"] == pytest.approx(expected["auc"], abs=0.01)


def test_single_pictures_are_refused(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (40, 6, 6), dtype=np.uint8)
    np.savez(tmp_path / "set.npz", image=images, label=np.arange(40) % 2)
    prepare_patches(tmp_path / "set.npz", tmp_path / "out", progress=False)
    with pytest.raises(ValueError, match="have no slice number"):
        shortcut_baseline(tmp_path / "out")
