"""Averaging, foreground and overlap."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from monai_memvit.transforms.mri.registration_metric import ScaledVolume, VolumePair
from monai_memvit.transforms.mri.registration_options import RegistrationOptions
from monai_memvit.transforms.mri.simpleitk_images import affine_of, from_simpleitk, to_simpleitk

pytest.importorskip("SimpleITK")


def box(shape: tuple[int, int, int] = (40, 40, 24), spacing: tuple[float, ...] = (1.0, 1.0, 5.0)) -> Any:
    """A bright box in the middle of noise, 1 voxel from each side on z."""
    voxels = np.random.default_rng(0).random(shape)
    voxels[10:30, 10:30, 1:-1] += 100
    return to_simpleitk(voxels, np.diag([*spacing, 1.0]))


def test_thick_slices_are_not_averaged() -> None:
    levels = ScaledVolume(box(), (4.0, 2.0)).levels
    assert [level.GetSpacing() for level in levels] == [(4.0, 4.0, 5.0), (2.0, 2.0, 5.0)]


def test_averages_are_means_at_the_right_place() -> None:
    image = box()
    level, affine = from_simpleitk(ScaledVolume(image, (2.0,)).levels[0])
    voxels = from_simpleitk(image)[0]
    means = voxels.reshape(20, 2, 20, 2, 24).mean((1, 3))
    low, high = np.percentile(means, (0.5, 99.5))
    np.testing.assert_allclose(level, np.clip(means, low, high), rtol=1e-5)
    np.testing.assert_allclose(affine[:3, 3], [0.5, 0.5, 0.0])


def test_few_voxels_are_kept() -> None:
    assert ScaledVolume(box((40, 9, 24)), (4.0,)).levels[0].GetSize() == (10, 9, 24)


def test_a_few_bright_voxels_do_not_take_all_bins() -> None:
    voxels = np.random.default_rng(0).random((40, 40, 40))
    voxels[3, 3, 3] = 1e6
    level = from_simpleitk(ScaledVolume(to_simpleitk(voxels, np.eye(4)), (1.0,)).levels[0])[0]
    assert 0.98 < level.max() < 1


def test_the_foreground_has_a_margin() -> None:
    volume = ScaledVolume(box(), (1.0,))
    inside = from_simpleitk(volume.foreground)[0] > 0
    x = np.flatnonzero(inside.any((1, 2)))
    assert (x[0], x[-1]) == (10 - 8, 29 + 8)
    np.testing.assert_allclose(volume.centre[:2], volume.middle[:2], atol=0.6)
    np.testing.assert_allclose(volume.middle, [19.5, 19.5, 11.5 * 5])


@pytest.mark.parametrize(("shift", "expected"), [(0.0, 1.0), (18.0, 0.5), (60.0, 0.0)])
def test_overlap_of_a_shifted_volume(shift: float, expected: float) -> None:
    """The foreground takes 36 mm of x, with 2 mm to each side."""
    pair = VolumePair(box(), box(), RegistrationOptions(levels_mm=(1.0,)))
    matrix = np.eye(4)
    matrix[0, 3] = shift + 2 if shift else 0
    assert pair.overlap(matrix) == pytest.approx(expected, abs=0.05)


def test_a_slab_within_a_whole_overlaps_fully_either_way() -> None:
    whole = box()
    slab = whole[:, :, 8:14]
    for pair in (VolumePair(whole, slab, RegistrationOptions()), VolumePair(slab, whole, RegistrationOptions())):
        assert pair.overlap(np.eye(4)) == 1.0
        assert pair.worth(np.eye(4)) == pair.mutual_information(np.eye(4), 0) > 0


def test_few_points_are_worth_little() -> None:
    pair = VolumePair(box(), box(), RegistrationOptions(levels_mm=(1.0,)))
    matrix = np.eye(4)
    matrix[0, 3] = 30.0
    assert pair.overlap(matrix) < 0.25
    assert pair.worth(matrix) < 0.5 * pair.mutual_information(matrix, 0)


def test_sample_points_of_the_foreground_lie_in_it() -> None:
    volume = ScaledVolume(box(), (1.0,))
    index = volume.points @ np.linalg.inv(affine_of(volume.foreground)).T
    inside = from_simpleitk(volume.foreground)[0] > 0
    assert inside[tuple(index[:, :3].round().astype(int).T)].all()
    assert 2000 < len(index) < 8001
