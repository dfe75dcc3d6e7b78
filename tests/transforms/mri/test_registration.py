"""Registration of a head by formula: known poses are found, and what cannot be found is said."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from monai.data.meta_tensor import MetaTensor

from monai_memvit.transforms.mri import registration as module
from monai_memvit.transforms.mri.registration import RegistrationOptions, mutual_information, register
from monai_memvit.transforms.mri.simpleitk_images import affine_of, from_simpleitk, to_simpleitk

pytest.importorskip("SimpleITK")

Rigid = Callable[..., np.ndarray]
QUICK = RegistrationOptions(samples=30_000)


def image(volume: MetaTensor) -> Any:
    return to_simpleitk(volume[0], volume.affine)


@pytest.mark.parametrize(
    ("sequence", "spacing", "turned", "angles", "shift"),
    [
        ("t1", (3.0, 3.0, 3.0), (0, 0, 0), (10, 0, 0), (0, 0, 0)),
        ("t2", (2.2, 2.2, 5.5), (8, 0, 0), (6, -5, 6), (6, -6, 5)),
        pytest.param("flair", (0.9, 0.9, 5.5), (-12, 3, 0), (-5, 6, -5), (0, 0, 10), marks=pytest.mark.slow),
    ],
)
def test_a_known_pose_is_found(
    head: Any, rigid: Rigid, sequence: str, spacing: Any, turned: Any, angles: Any, shift: Any
) -> None:
    """A fraction of voxels of 3 to 5.5 mm, on grids that lie askew."""
    pose = rigid(angles, shift)
    fixed = head.volume("t1gd")
    moving = head.volume(sequence, spacing, pose, seed=1, turned=turned)
    assert np.median(head.error_mm(np.eye(4), pose)) > 4
    found = register(image(fixed), image(moving), QUICK)
    assert found.succeeded and found.reason == ""
    assert np.median(head.error_mm(found.matrix, pose)) < 0.5
    assert head.error_mm(found.matrix, pose).max() < 0.8
    assert found.mutual_information_after > 1.3 * found.mutual_information_before
    rotation = found.matrix[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)


def test_a_head_in_another_place_of_the_scanner_is_found(head: Any, rigid: Rigid) -> None:
    """Another session: the fields of view do not even touch."""
    pose = rigid((3, -4, 5), (300, -20, 150))
    moving = head.volume("t1", (3.0, 3.0, 4.0), pose, seed=1, centre=(305.0, -15.0, 152.0))
    found = register(image(head.volume()), image(moving), QUICK)
    assert found.succeeded
    assert found.mutual_information_before == 0
    assert head.error_mm(found.matrix, pose).max() < 0.7


def test_an_affine_finds_a_stretch_that_a_rigid_transform_cannot(head: Any, rigid: Rigid) -> None:
    pose = rigid((3, 2, -4), (2, -3, 4)) @ np.diag([1.05, 0.97, 1.0, 1.0])
    fixed, moving = image(head.volume()), image(head.volume("t1", pose=pose, seed=1))
    stiff = register(fixed, moving, QUICK)
    found = register(fixed, moving, RegistrationOptions(kind="affine", samples=30_000))
    assert found.succeeded
    assert head.error_mm(found.matrix, pose).max() < 0.7 < head.error_mm(stiff.matrix, pose).max()
    assert found.mutual_information_after > stiff.mutual_information_after


def test_the_same_seed_gives_the_same_bits(head: Any, rigid: Rigid) -> None:
    fixed = image(head.volume(spacing=(4.0, 4.0, 4.0)))
    moving = image(head.volume("t2", (4.0, 4.0, 4.0), rigid((3, 2, 1), (1, 2, 3)), seed=1))
    options = RegistrationOptions(samples=10_000, iterations=10)
    first, again = (register(fixed, moving, options) for _ in range(2))
    np.testing.assert_array_equal(first.matrix, again.matrix)
    assert first.mutual_information_after == again.mutual_information_after
    other = register(fixed, moving, RegistrationOptions(samples=10_000, iterations=10, seed=5))
    assert (first.matrix != other.matrix).any()
    np.testing.assert_allclose(first.matrix[:3, :3], other.matrix[:3, :3], atol=0.02)


def test_noise_is_not_taken_for_a_head(head: Any) -> None:
    rng = np.random.default_rng(3)
    affine = np.diag([3.0, 3.0, 5.0, 1.0])
    noise = [to_simpleitk(rng.random((60, 60, 30)), affine) for _ in range(2)]
    found = register(*noise, QUICK)
    assert not found.succeeded and found.reason


def test_a_head_turned_too_far_is_said_to_be_lost(head: Any, rigid: Rigid) -> None:
    pose = rigid((0, 0, 80), (0, 0, 0))
    moving = head.volume("t2", pose=pose, seed=1)
    found = register(image(head.volume()), image(moving), QUICK)
    assert head.error_mm(found.matrix, pose).max() > 3
    assert not found.succeeded and found.reason


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"max_rotation_deg": 4.0}, "a rotation of [78]"),
        ({"max_shift_mm": 1e-4}, "a shift of "),
        ({"kind": "affine", "max_scale": 1.02}, "a scaling by 1.0"),
    ],
)
def test_what_is_beyond_the_limits_is_a_failure(head: Any, rigid: Rigid, limits: Any, words: str) -> None:
    pose = rigid((8, 0, 0), (0, 7, 0)) @ np.diag([1.0, 1.0, 1.05 if "max_scale" in limits else 1.0, 1.0])
    fixed = image(head.volume(spacing=(4.0, 4.0, 4.0)))
    moving = image(head.volume("t1", (4.0, 4.0, 4.0), pose, seed=1))
    found = register(fixed, moving, RegistrationOptions(samples=20_000, **limits))
    assert not found.succeeded
    assert re.match(words, found.reason)


def test_too_little_overlap_is_a_failure(head: Any) -> None:
    """Two slabs of one head, one above the other, share a fifth."""
    whole = image(head.volume(spacing=(3.0, 3.0, 3.0)))
    low, high = whole[:, :, 14:30], whole[:, :, 27:43]
    found = register(low, high, RegistrationOptions(samples=20_000, max_shift_mm=5.0))
    assert not found.succeeded and found.reason


def test_images_without_content_are_a_failure() -> None:
    flat = to_simpleitk(np.full((20, 20, 20), 3.0), np.eye(4))
    found = register(flat, flat, QUICK)
    assert not found.succeeded
    assert found.reason and "0x" not in found.reason
    np.testing.assert_array_equal(np.isfinite(found.matrix), True)


def test_a_start_that_gets_lost_does_not_spoil_the_others(
    head: Any, rigid: Rigid, monkeypatch: pytest.MonkeyPatch
) -> None:
    pose = rigid((2, -2, 3), (55, -5, 4))
    climb = module._climbed

    def lost_from_scanner(pair: Any, matrix: np.ndarray, *rest: Any) -> np.ndarray:
        if np.array_equal(matrix, np.eye(4)):
            raise RuntimeError("a.hxx:\nITK ERROR: Metric(0x5f): All samples map outside. Do this.")
        return climb(pair, matrix, *rest)

    monkeypatch.setattr(module, "_climbed", lost_from_scanner)
    moving = image(head.volume("t1", pose=pose, seed=1, centre=(50.0, 0.0, 0.0)))
    found = register(image(head.volume()), moving, QUICK)
    assert found.succeeded and head.error_mm(found.matrix, pose).max() < 1
    monkeypatch.setattr(module, "_climbed", lambda pair, *_: lost_from_scanner(pair, np.eye(4)))
    found = register(image(head.volume()), moving, QUICK)
    assert (found.succeeded, found.reason) == (False, "the optimiser gave up: All samples map outside")
    np.testing.assert_array_equal(found.matrix, np.eye(4))


def test_a_thin_slab_in_a_whole_head_overlaps_enough(head: Any, rigid: Rigid) -> None:
    pose = rigid((4, -3, 5), (3, 2, -4))
    slab = image(head.volume("t2", (2.5, 2.5, 5.0), pose, seed=1))[:, :, 12:24]
    found = register(image(head.volume()), slab)
    assert found.succeeded
    assert head.error_mm(found.matrix, pose).max() < 1.0


def test_mutual_information_as_counted_by_hand(head: Any) -> None:
    """Plain histogram over the voxels of the finest level inside the foreground."""
    fixed, moving = (image(head.volume(name, (2.0, 2.0, 2.0), seed=i)) for i, name in enumerate(("t1gd", "t2")))
    a, b = (from_simpleitk(x)[0] for x in (fixed, moving))
    axes = np.stack([*np.indices(a.shape), np.ones(a.shape)], axis=-1) @ affine_of(fixed).T
    inside = (((axes[..., :3]) / (88, 102, 86)) ** 2).sum(-1) < 1  # head and margin
    cut = [np.clip(x, *np.percentile(x, (0.5, 99.5)))[inside] for x in (a, b)]
    joint = np.histogram2d(*cut, bins=32)[0]
    joint /= joint.sum()
    independent = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    there = joint > 0
    expected = (joint[there] * np.log(joint[there] / independent[there])).sum()
    assert mutual_information(fixed, moving, np.eye(4)) == pytest.approx(expected, rel=0.15)


def test_mutual_information_is_highest_at_the_truth_and_zero_outside(head: Any, rigid: Rigid) -> None:
    pose = rigid((0, 5, 0), (4, 0, 0))
    fixed, moving = image(head.volume()), image(head.volume("t2", pose=pose, seed=1))
    truth = mutual_information(fixed, moving, pose)
    assert truth > 1.3 * mutual_information(fixed, moving, np.eye(4))
    assert truth > 1.3 * mutual_information(fixed, moving, np.linalg.inv(pose))
    assert mutual_information(fixed, moving, rigid((0, 0, 0), (500, 0, 0))) == 0


def test_two_slices_are_no_volume(head: Any) -> None:
    whole = image(head.volume(spacing=(4.0, 4.0, 6.0)))
    with pytest.raises(ValueError, match=r"moving volume has \(48, 54, 2\) voxels"):
        register(whole, whole[:, :, 10:12])
