"""CoRegister: grids, values, records, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data.meta_tensor import MetaTensor
from monai.transforms import Compose
from scipy import ndimage

from monai_memvit.transforms.mri import coregister as module
from monai_memvit.transforms.mri.coregister import CoRegister, CoRegisterD, CoRegisterd, CoRegisterDict
from monai_memvit.transforms.mri.geometry import same_grid
from monai_memvit.transforms.mri.registration_options import Registration, RegistrationOptions

pytest.importorskip("SimpleITK")

QUICK = RegistrationOptions(samples=20_000)
ANGLES, SHIFT = (6, -4, 5), (4, 5, -3)


@pytest.fixture(scope="module")
def pose(rigid: Callable[..., np.ndarray]) -> np.ndarray:
    return rigid(ANGLES, SHIFT)


@pytest.fixture(scope="module")
def reference(head: Any) -> MetaTensor:
    return head.volume()


@pytest.fixture(scope="module")
def moved(head: Any, pose: np.ndarray) -> MetaTensor:
    volume = head.volume("t2", (2.5, 2.5, 5.0), pose, seed=1, turned=(5, 0, 0))
    volume.meta["filename_or_obj"] = "case/t2.nii.gz"
    return volume


@pytest.fixture(scope="module")
def result(moved: MetaTensor, reference: MetaTensor) -> MetaTensor:
    return CoRegister(QUICK)(moved, reference, "t2")


@pytest.fixture
def known(pose: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """The registration finds the truth at once."""
    monkeypatch.setattr(module, "register", lambda *_: Registration(pose, 0.25, 0.5, True, ""))


def test_the_result_lies_on_the_references_grid(result: MetaTensor, reference: MetaTensor) -> None:
    assert result.shape == reference.shape and result.dtype == torch.float32
    assert torch.equal(result.affine, reference.affine)
    assert result.meta["filename_or_obj"] == "case/t2.nii.gz"


def test_the_record_says_what_was_done(result: MetaTensor, head: Any, pose: np.ndarray) -> None:
    found = result.meta["registration"]
    assert found.keys() == {
        "matrix",
        "mutual_information_before",
        "mutual_information_after",
        "identical_space",
        "succeeded",
        "reason",
    }
    assert (found["identical_space"], found["succeeded"], found["reason"]) == (False, True, "")
    assert found["mutual_information_after"] > 1.3 * found["mutual_information_before"]
    assert head.error_mm(found["matrix"], pose).max() < 1


def test_voxels_are_those_at_the_matrix(result: MetaTensor, moved: MetaTensor, reference: MetaTensor) -> None:
    """SciPy's linear interpolation at the places that the recorded matrix gives."""
    to_index = np.linalg.inv(moved.affine) @ np.array(result.meta["registration"]["matrix"]) @ reference.affine.numpy()
    expected = ndimage.affine_transform(
        moved[0].numpy(), to_index[:3, :3], to_index[:3, 3], output_shape=reference.shape[1:], order=1
    )
    inner = (slice(8, -8),) * 3
    np.testing.assert_allclose(result[0].numpy()[inner], expected[inner], atol=0.5)


def test_the_moved_head_lies_on_the_reference(result: MetaTensor, head: Any) -> None:
    still = head.volume("t2", seed=2)[0].numpy()
    assert np.corrcoef(result[0].numpy().ravel(), still.ravel())[0, 1] > 0.95


def test_the_input_stays_as_it_was(moved: MetaTensor, reference: MetaTensor, known: None) -> None:
    before, affine = moved.clone(), moved.affine.clone()
    CoRegister()(moved, reference)
    assert torch.equal(moved, before) and torch.equal(moved.affine, affine)
    assert "registration" not in moved.meta and not moved.applied_operations


def test_the_way_back_ends_on_the_own_grid(moved: MetaTensor, reference: MetaTensor, known: None) -> None:
    transform = CoRegister()
    back = transform.inverse(transform(moved, reference))
    assert back.shape == moved.shape and torch.equal(back.affine, moved.affine)
    assert "registration" not in back.meta and not back.applied_operations
    inner = (0, slice(8, -8), slice(8, -8), slice(4, -4))
    assert np.corrcoef(back[inner].numpy().ravel(), moved[inner].numpy().ravel())[0, 1] > 0.93


def test_a_volume_in_place_is_left_alone_to_the_bit(head: Any, reference: MetaTensor) -> None:
    moving = head.volume("t2", seed=1).to(torch.float64)
    transform = CoRegister(QUICK)
    left = transform(moving, reference)
    assert left.dtype == torch.float64 and torch.equal(left, moving)
    found = left.meta["registration"]
    assert found["identical_space"] and found["succeeded"]
    np.testing.assert_array_equal(found["matrix"], np.eye(4))
    assert found["mutual_information_before"] == found["mutual_information_after"] > 0
    assert torch.equal(transform.inverse(left), moving)


def test_one_grid_does_not_hide_that_the_patient_moved(head: Any, pose: np.ndarray, reference: MetaTensor) -> None:
    moving = head.volume("t1", pose=pose, seed=1)
    assert same_grid(moving, reference)
    found = CoRegister(QUICK).find(moving, reference)
    assert not found["identical_space"]
    assert head.error_mm(found["matrix"], pose).max() < 1
    kept = CoRegister(QUICK, same_grid="keep")(moving, reference)
    assert kept.meta["registration"]["identical_space"] and torch.equal(kept, moving)


def test_a_volume_in_place_is_registered_where_asked(head: Any, reference: MetaTensor) -> None:
    found = CoRegister(QUICK, same_grid="register").find(head.volume("t1", seed=1), reference)
    assert not found["identical_space"]
    assert 0 < np.abs(np.array(found["matrix"]) - np.eye(4)).max() < 0.3


def test_splines_leave_no_negative_value(moved: MetaTensor, reference: MetaTensor, known: None) -> None:
    sharp, linear = (CoRegister(QUICK, kind)(moved, reference) for kind in ("bspline", "linear"))
    assert sharp.min() >= 0 and sharp.max() <= moved.max()
    assert not torch.equal(sharp, linear)
    assert np.corrcoef(sharp.numpy().ravel(), linear.numpy().ravel())[0, 1] > 0.98


def fail(*_: Any) -> Registration:
    return Registration(np.full((4, 4), 7.0), 0.25, 0.5, False, "a rotation of 44.0 degrees is beyond 30")


def test_a_failure_is_an_error_that_names_the_sequence(
    moved: MetaTensor, reference: MetaTensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "register", fail)
    with pytest.raises(
        ValueError, match=r"^t2 \(case/t2.nii.gz\): the registration .* 44.0 degrees .*leave the sequence"
    ):
        CoRegister()(moved, reference, "t2")


def test_a_failure_is_a_flag_where_asked(
    moved: MetaTensor, reference: MetaTensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The volume then lies where the scanner put it."""
    monkeypatch.setattr(module, "register", fail)
    flagged = CoRegister(on_failure="flag")(moved, reference)
    found = flagged.meta["registration"]
    assert not found["succeeded"] and "44.0 degrees" in found["reason"]
    np.testing.assert_array_equal(found["matrix"], np.eye(4))
    assert found["mutual_information_before"] == found["mutual_information_after"] == 0.25
    place = np.linalg.solve(moved.affine, reference.affine @ np.array([30.0, 40.0, 25.0, 1.0]))[:3]
    expected = ndimage.map_coordinates(moved[0].numpy(), place[:, None], order=1)[0]
    assert flagged[0, 30, 40, 25].item() == pytest.approx(expected, abs=0.5)


@pytest.mark.parametrize(
    "wrong", [{"interpolation": "cubic"}, {"on_failure": "ignore"}, {"same_grid": "yes"}], ids=lambda wrong: [*wrong][0]
)
def test_arguments_out_of_range_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{[*wrong][0]} must be"):
        CoRegister(**wrong)


def test_what_is_no_volume_is_refused(moved: MetaTensor, reference: MetaTensor) -> None:
    with pytest.raises(ValueError, match=r"^t2 \(case/t2.nii.gz\): .*\(4-D\)"):
        CoRegister()(torch.cat([moved, moved]), reference, "t2")
    with pytest.raises(ValueError, match="^the reference: all voxels are 0"):
        CoRegister()(moved, reference * 0)


def item(head: Any, moved: MetaTensor, reference: MetaTensor) -> dict[str, Any]:
    return {"t1": head.volume("t1", seed=3), "t2": moved, "t1gd": reference, "label": 1}


KEYS = ["t1", "t2", "flair", "t1gd", "apt"]


def test_sequences_of_an_item_come_onto_one_grid_and_go_back(
    head: Any, moved: MetaTensor, reference: MetaTensor
) -> None:
    data = {**item(head, moved, reference), "apt": None}
    transform = Compose([CoRegisterd(KEYS, options=QUICK, workers=2)])
    done = transform(data)
    assert done["label"] == 1 and done["apt"] is None and "flair" not in done
    assert done["t1gd"] is reference
    assert all(same_grid(done[key], reference) for key in ("t1", "t2"))
    assert done["t1"].meta["registration"]["identical_space"]
    alone = CoRegister(QUICK)(moved, reference)
    assert torch.equal(done["t2"], alone), "threads must not change the result"
    back = transform.inverse(done)
    assert back["t2"].shape == moved.shape and torch.equal(back["t1"], data["t1"])


def test_missing_sequences_and_references(head: Any, moved: MetaTensor, reference: MetaTensor) -> None:
    data = item(head, moved, reference)
    with pytest.raises(ValueError, match="no 'flair'"):
        CoRegisterd(KEYS, allow_missing_keys=False)(data)
    with pytest.raises(ValueError, match="no reference 't1gd'"):
        CoRegisterd(KEYS)({"t1": data["t1"]})
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        CoRegisterd(KEYS, workers=0)


def test_aliases() -> None:
    assert CoRegisterD is CoRegisterDict is CoRegisterd


@pytest.mark.slow
def test_real_sequences_of_one_patient(shared_data: Path) -> None:
    """t1 is on the grid of t1gd, but the patient moved in between; t2 and flair are on grids of their own."""
    nibabel = pytest.importorskip("nibabel")
    folder = shared_data / "mri_volumes" / "TCGA-FG-6692_native"
    files = {name: nibabel.load(folder / f"{name}.nii.gz") for name in ("t1", "t2", "flair", "t1gd")}
    volumes = {
        name: MetaTensor(torch.from_numpy(file.get_fdata(dtype=np.float32))[None], affine=torch.from_numpy(file.affine))
        for name, file in files.items()
    }
    done = CoRegisterd([*volumes])(volumes)
    for name in ("t1", "t2", "flair"):
        found = done[name].meta["registration"]
        assert found["succeeded"] and not found["identical_space"]
        assert found["mutual_information_after"] > 1.5 * found["mutual_information_before"]
        assert same_grid(done[name], volumes["t1gd"])


@pytest.mark.slow
@pytest.mark.parametrize("case", ["BraTS-GLI-00001-000", "TCGA-FG-6692_coregistered"])
def test_real_sequences_that_are_aligned_are_left_alone(shared_data: Path, case: str) -> None:
    nibabel = pytest.importorskip("nibabel")
    volumes = {}
    for name in ("t1", "t2", "flair", "t1gd"):
        file = nibabel.load(shared_data / "mri_volumes" / case / f"{name}.nii.gz")
        voxels = torch.from_numpy(file.get_fdata(dtype=np.float32))[None]
        volumes[name] = MetaTensor(voxels, affine=torch.from_numpy(file.affine))
    for name in ("t1", "t2", "flair"):
        assert CoRegister().find(volumes[name], volumes["t1gd"])["identical_space"], name
