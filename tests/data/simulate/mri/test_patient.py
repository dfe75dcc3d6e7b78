"""A simulated patient: reproducible, true to its motion, and with the contrasts that physics demands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from monai_memvit.data.simulate.mri import MriSimulation, SimulatedPatient, simulate_patient
from monai_memvit.data.simulate.mri.motion import rigid_about
from monai_memvit.data.simulate.mri.signals import PROTOCOL


def on_reference(patient: SimulatedPatient, sequence: str, truth: np.ndarray | None = None) -> np.ndarray:
    """Resample a sequence to the grid of t1gd by a matrix of the truth, with scipy only."""
    volume, affine = patient.volumes[sequence]
    reference, reference_affine = patient.volumes["t1gd"]
    truth = patient.truth[sequence] if truth is None else truth
    index = np.stack(np.meshgrid(*map(np.arange, reference.shape), indexing="ij")).reshape(3, -1)
    world = truth @ reference_affine @ np.vstack([index, np.ones(index.shape[1])])
    there = (np.linalg.inv(affine) @ world)[:3]
    return ndimage.map_coordinates(volume, there, order=1).reshape(reference.shape)


def mutual_information(a: np.ndarray, b: np.ndarray) -> float:
    """In nats, from a joint histogram."""
    joint = np.histogram2d(a, b, bins=32)[0]
    joint /= joint.sum()
    apart = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    return float((joint[joint > 0] * np.log(joint[joint > 0] / apart[joint > 0])).sum())


def mean_world(mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Centre of mass in world coordinates."""
    return (affine @ [*ndimage.center_of_mass(mask), 1.0])[:3]


def test_what_a_patient_is(usual: SimulatedPatient) -> None:
    assert list(usual.volumes) == list(PROTOCOL)
    for sequence, (volume, affine) in usual.volumes.items():
        assert volume.dtype == np.float32 and np.isfinite(volume).all()
        assert volume.shape == MriSimulation().grid(sequence).size
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        np.testing.assert_allclose(spacing, MriSimulation().grid(sequence).spacing)
        assert sequence == "apt" or volume.min() >= 0.0
    assert usual.tumour.dtype == np.uint8 and usual.brain.dtype == bool
    assert usual.tumour.shape == usual.brain.shape == usual.volumes["t1gd"][0].shape
    assert set(np.unique(usual.tumour)) == {0, 1, 2, 3}
    assert usual.brain[usual.tumour > 0].mean() > 0.99
    np.testing.assert_array_equal(usual.truth["t1gd"], np.eye(4))


def test_the_same_seed_gives_the_same_bits_and_another_another_patient(coarse: MriSimulation) -> None:
    first, again = simulate_patient(4, 1, coarse), simulate_patient(4, 1, coarse)
    others = simulate_patient(5, 1, coarse), simulate_patient(4, 2, coarse)
    for sequence, (volume, affine) in first.volumes.items():
        np.testing.assert_array_equal(volume, again.volumes[sequence][0])
        np.testing.assert_array_equal(affine, again.volumes[sequence][1])
        assert not any(np.array_equal(volume, other.volumes[sequence][0]) for other in others)
    np.testing.assert_array_equal(first.tumour, again.tumour)


def test_what_is_missing_changes_nothing_else_and_the_reference_is_never_missing(coarse: MriSimulation) -> None:
    patients = [simulate_patient(i, 0, replace(coarse, missing=0.5)) for i in range(6)]
    absent = [set(PROTOCOL) - set(patient.volumes) for patient in patients]
    assert any(absent) and not any("t1gd" in names for names in absent)
    whole = simulate_patient(0, 0, coarse)
    for sequence, (volume, _) in patients[0].volumes.items():
        np.testing.assert_array_equal(volume, whole.volumes[sequence][0])
        np.testing.assert_array_equal(patients[0].truth[sequence], whole.truth[sequence])
    assert list(simulate_patient(0, 0, replace(coarse, missing=1.0)).volumes) == ["t1gd"]
    assert list(patients[0].truth) == list(patients[0].volumes)


def test_the_share_of_malignant_patients_is_the_one_asked_for(coarse: MriSimulation) -> None:
    quick = replace(coarse, missing=1.0, malignant=0.5)
    drawn = [simulate_patient(i, 0, quick) for i in range(24)]
    assert 6 <= sum(patient.malignant for patient in drawn) <= 18
    assert all(patient.malignant == bool((patient.tumour == 3).any()) for patient in drawn)


def test_motion_is_within_its_limits_about_the_middle_of_the_head(coarse: MriSimulation) -> None:
    quick = replace(coarse, max_rotation_deg=5.0, max_shift_mm=3.0)
    patient = simulate_patient(0, 0, quick)
    centre = mean_world(patient.brain, patient.volumes["t1gd"][1])
    for sequence in ("t1", "t2", "flair", "apt"):
        matrix = patient.truth[sequence]
        angle = np.degrees(np.arccos((np.trace(matrix[:3, :3]) - 1) / 2))
        assert 0.0 < angle <= 5.0
        assert 0.0 < np.linalg.norm((matrix @ [*centre, 1.0])[:3] - centre) < 3.0 + 2.0
    unmoved = simulate_patient(0, 0, replace(coarse, max_rotation_deg=0.0, max_shift_mm=0.0))
    assert all(np.allclose(matrix, np.eye(4), atol=1e-12) for matrix in unmoved.truth.values())


@pytest.mark.parametrize("sequence", ["t1", "t2", "flair", "apt"])
def test_the_images_agree_best_where_the_truth_puts_them(still: SimulatedPatient, sequence: str) -> None:
    reference, affine = still.volumes["t1gd"]
    centre = mean_world(still.brain, affine)
    inside = ndimage.binary_dilation(still.brain, iterations=4)
    wrong = [rigid_about(centre, rotation, np.zeros(3)) for rotation in (*np.eye(3) * 2.0, *np.eye(3) * -2.0)]
    wrong += [rigid_about(centre, np.zeros(3), shift) for shift in (*np.eye(3) * 2.0, *np.eye(3) * -2.0)]
    matched, *others = [
        mutual_information(reference[inside], on_reference(still, sequence, still.truth[sequence] @ error)[inside])
        for error in (np.eye(4), *wrong)
    ]
    assert matched > max(others)


def test_the_tumour_is_found_where_the_truth_says(still: SimulatedPatient) -> None:
    _, affine = still.volumes["t1gd"]
    expected = mean_world(np.isin(still.tumour, (1, 3)), affine)
    apt, apt_affine = still.volumes["apt"]
    found = mean_world(apt > 1.8, apt_affine)
    back = np.linalg.inv(still.truth["apt"]) @ [*found, 1.0]
    np.testing.assert_allclose(back[:3], expected, atol=2.0)
    assert np.linalg.norm(found - expected) > 3.0, "it moved between the two"


def test_contrasts_are_those_of_physics(still: SimulatedPatient) -> None:
    seen = {sequence: on_reference(still, sequence) for sequence in PROTOCOL}
    healthy = ndimage.binary_erosion(still.brain, iterations=2) & (still.tumour == 0)
    fluid = healthy & (seen["t2"] > np.quantile(seen["t2"][healthy], 0.98))
    tissue = healthy & (seen["t2"] < np.quantile(seen["t2"][healthy], 0.5))
    level = {sequence: np.median(volume[tissue]) for sequence, volume in seen.items()}
    assert np.median(seen["t2"][fluid]) > 2.0 * level["t2"]
    assert np.median(seen["t1"][fluid]) < 0.7 * level["t1"]
    assert np.median(seen["flair"][fluid]) < 0.4 * level["flair"]
    necrosis, oedema, enhancing = (still.tumour == label for label in (1, 2, 3))
    assert np.median(seen["t1gd"][enhancing]) / level["t1gd"] > 1.3 * np.median(seen["t1"][enhancing]) / level["t1"]
    assert np.median(seen["t1gd"][enhancing]) > 1.3 * np.median(seen["t1gd"][necrosis])
    assert np.median(seen["t1"][oedema]) < 0.95 * level["t1"]
    assert np.median(seen["flair"][oedema]) > 1.3 * level["flair"]
    assert np.median(seen["t2"][oedema]) > 1.4 * level["t2"]
    asymmetry = [np.median(seen["apt"][where]) for where in (enhancing, oedema, tissue)]
    assert asymmetry == sorted(asymmetry, reverse=True) and asymmetry[0] > asymmetry[2] + 1.5


def test_the_background_is_rayleigh_noise_and_zero_in_the_asymmetry_map(usual: SimulatedPatient) -> None:
    for sequence, (volume, _) in usual.volumes.items():
        corner = volume[:8, :8].astype(float)
        if sequence == "apt":
            assert not corner.any()
        else:
            assert corner.mean() / corner.std() == pytest.approx(np.sqrt(np.pi / 2) / np.sqrt(2 - np.pi / 2), rel=0.1)


@pytest.mark.parametrize(("index", "seed"), [(-1, 0), (0, -1)])
def test_negative_numbers_are_refused(index: int, seed: int) -> None:
    with pytest.raises(ValueError, match="give 0 or more"):
        simulate_patient(index, seed)
