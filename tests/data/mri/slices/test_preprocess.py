"""One case, from files to a stack of slices."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from monai_memvit.data.mri import MriPipeline, PreparedCase, Study, find_studies, preprocess_study

TINY = MriPipeline(sequences=("t1", "t2", "flair", "t1gd"), kind="none", size=32, spacing_mm=8.0)


@pytest.fixture
def folder(tmp_path: Path, write_cohort: Callable[..., Path]) -> Path:
    """The files of one case."""
    return write_cohort(tmp_path / "source", 1) / "p0"


def study_of(folder: Path) -> Study:
    """What is found there."""
    studies, problems = find_studies(folder.parent)
    assert not problems
    return studies[0]


def change(path: Path, array: np.ndarray | None = None, affine: np.ndarray | None = None) -> None:
    """Write other voxels or another affine into a file."""
    image = nibabel.load(path)
    array = np.asarray(image.dataobj) if array is None else array
    nibabel.save(nibabel.Nifti1Image(array, image.affine if affine is None else affine), path)


def upright(path: Path) -> np.ndarray:
    """A volume of the fixture, as slices: it is stored right, front, top."""
    return np.asarray(nibabel.load(path).dataobj).transpose(2, 1, 0)[:, ::-1, ::-1]


def normalized(values: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Z-scores in float64, 0 outside the brain."""
    inside = values[brain].astype(np.float64)
    return np.where(brain, (values - inside.mean()) / inside.std(), 0.0)


def test_every_sequence_is_normalised_in_its_channel(folder: Path) -> None:
    case = preprocess_study(study_of(folder), TINY)
    assert case.image.shape == (8, 4, 32, 32) and case.image.dtype == np.float16
    window = np.s_[:, 4:28, 6:26]
    brain = upright(folder / "t1gd.nii.gz") != 0
    np.testing.assert_array_equal(case.brain[window], brain)
    assert case.brain.sum() == brain.sum()
    for channel, name in enumerate(TINY.sequences):
        expected = normalized(upright(folder / f"{name}.nii.gz"), brain)
        np.testing.assert_allclose(case.image[:, channel][window], expected, atol=4e-3)
        told = case.record["sequences"][name]["normalization"]
        assert told["mean"] == pytest.approx(upright(folder / f"{name}.nii.gz")[brain].mean(), rel=1e-5)
    np.testing.assert_array_equal(case.tumour[window], upright(folder / "tumour_mask.nii.gz") > 0)
    assert case.record["tumour_area_mm2"] == pytest.approx((case.tumour.sum((1, 2)) * 64).tolist())
    assert case.record["sequences"]["t2"]["files"] == ["t2.nii.gz"]


def test_slices_with_little_brain_are_left_out(folder: Path) -> None:
    record = preprocess_study(study_of(folder), TINY).record
    areas = np.array(record["brain_area_mm2"])
    assert record["slices_kept"] == np.flatnonzero(areas >= 0.1 * areas.max()).tolist()
    assert 0 < areas.min() + 1 and len(record["slices_kept"]) == 7
    every = preprocess_study(study_of(folder), replace(TINY, min_brain_share=0.0)).record
    assert every["slices_kept"] == np.flatnonzero(areas).tolist()


def test_a_missing_sequence_is_no_silent_zero(folder: Path) -> None:
    (folder / "flair.nii.gz").unlink()
    case = preprocess_study(study_of(folder), TINY)
    assert case.channel_mask.tolist() == [True, True, False, True]
    assert not case.image[:, 2].any()
    assert "flair" not in case.record["sequences"]
    kept = case.record["slices_kept"]
    assert all(case.record["slice_channel_mask"][number] == [True, True, False, True] for number in kept)


def test_a_slab_is_absent_from_the_slices_it_does_not_show(folder: Path) -> None:
    image = nibabel.load(folder / "t2.nii.gz")
    affine = image.affine.copy()
    affine[:3, 3] += 3 * affine[:3, 2]
    slab = np.asarray(image.dataobj)[..., 3:6]
    change(folder / "t2.nii.gz", slab, affine)
    case = preprocess_study(study_of(folder), TINY)
    there = np.array(case.record["slice_channel_mask"])
    assert np.flatnonzero(there[:, 1]).tolist() == [3, 4, 5]
    assert there[case.record["slices_kept"]][:, [0, 2, 3]].all()
    assert not case.image[[0, 1, 2, 6, 7], 1].any()
    brain = (upright(folder / "t1gd.nii.gz") != 0)[3:6]
    expected = normalized(slab.transpose(2, 1, 0)[:, ::-1, ::-1], brain)
    np.testing.assert_allclose(case.image[3:6, 1, 4:28, 6:26], expected, atol=4e-3)


@pytest.mark.parametrize("padding", [0.0, -1000.0])
def test_slices_that_were_padded_are_absent_too(folder: Path, padding: float) -> None:
    """A slab that somebody resampled onto the grid of the reference."""
    values = np.asarray(nibabel.load(folder / "t2.nii.gz").dataobj).copy()
    values[..., :3] = values[..., 6:] = padding
    values[:9, :, 5] = padding  # a third of the slice; half of it is still shown
    change(folder / "t2.nii.gz", values)
    case = preprocess_study(study_of(folder), TINY)
    there = np.array(case.record["slice_channel_mask"])
    assert np.flatnonzero(there[:, 1]).tolist() == [3, 4, 5]
    assert not case.image[[0, 1, 2, 6, 7], 1].any()
    brain = upright(folder / "t1gd.nii.gz") != 0
    expected = normalized(upright(folder / "t2.nii.gz")[3:6], brain[3:6])
    np.testing.assert_allclose(case.image[3:6, 1, 4:28, 6:26], expected, atol=4e-3)


def test_a_slice_that_is_padding_for_the_most_part_is_absent(folder: Path) -> None:
    values = np.asarray(nibabel.load(folder / "t2.nii.gz").dataobj).copy()
    values[:12, :, 4] = 0.0
    change(folder / "t2.nii.gz", values)
    there = np.array(preprocess_study(study_of(folder), TINY).record["slice_channel_mask"])
    assert np.flatnonzero(~there[:, 1]).tolist() == [0, 4]  # slice 0 has no brain


def test_a_case_whose_brain_no_sequence_shows_is_named(folder: Path) -> None:
    affine = nibabel.load(folder / "t1gd.nii.gz").affine.copy()
    affine[0, 3] -= 20 * 8
    brain = np.zeros((60, 24, 8), dtype=np.uint8)
    brain[:20, 8:16, 5] = brain[23:27, 8:16, 5] = 1  # beside the images, but for four columns
    (folder / "tumour_mask.nii.gz").unlink()
    nibabel.save(nibabel.Nifti1Image(brain, affine), folder / "brain_mask.nii.gz")
    with pytest.raises(ValueError, match="no sequence shows half of the brain in any of the 1 slices"):
        preprocess_study(study_of(folder), replace(TINY, size=64))


def lower_half(image: torch.Tensor) -> torch.Tensor:
    """A tool that finds the brain, such as HD-BET."""
    assert image.shape == (1, 20, 24, 8) and image.dtype == torch.float32
    mask = image > 0
    mask[..., 6:] = False
    return mask


def no_brain(image: torch.Tensor) -> torch.Tensor:
    """One that finds none."""
    return torch.zeros_like(image)


def test_a_tool_of_ones_own_finds_the_brain(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ward_tools", sys.modules[__name__])
    found = preprocess_study(study_of(folder), replace(TINY, brain_mask="ward_tools:lower_half"))
    brain = upright(folder / "t1gd.nii.gz") > 0
    np.testing.assert_array_equal(found.brain[:6, 4:28, 6:26], brain[:6])
    assert not found.brain[6:].any()
    with pytest.raises(ValueError, match="the mask is empty"):
        preprocess_study(study_of(folder), replace(TINY, brain_mask="ward_tools:no_brain"))
    given = np.zeros((20, 24, 8), dtype=np.uint8)
    given[8:16, 8:16, 2:7] = 1
    nibabel.save(nibabel.Nifti1Image(given, nibabel.load(folder / "t1gd.nii.gz").affine), folder / "brain_mask.nii.gz")
    case = preprocess_study(study_of(folder), replace(TINY, brain_mask="ward_tools:lower_half"))
    assert case.brain.sum() == given.sum()


@pytest.mark.parametrize("wrong", ["not_there:f", "os.path:not_there", "os:sep"])
def test_a_tool_that_is_not_there_is_named(folder: Path, wrong: str) -> None:
    with pytest.raises(ValueError, match=f"brain_mask is '{wrong}'.*install"):
        preprocess_study(study_of(folder), replace(TINY, brain_mask=wrong))


@pytest.mark.parametrize(
    "size, message", [(0.008, r"voxels of 0.008 x 0.008 x 0.018 mm"), (1.5, "30 x 36 x 27 mm large")]
)
def test_a_volume_of_no_heads_size_is_named(folder: Path, size: float, message: str) -> None:
    change(folder / "t2.nii.gz", affine=np.diag([size, size, size * 2.25, 1]))
    with pytest.raises(ValueError, match=f"t2 .*{message}.*unit"):
        preprocess_study(study_of(folder), TINY)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.9])
def test_a_tumour_outside_the_brain_is_an_error_or_noted(folder: Path, share: float) -> None:
    brain = np.asarray(nibabel.load(folder / "t1gd.nii.gz").dataobj)[..., 4] != 0
    mask = np.zeros((20, 24, 8), dtype=np.uint8)
    outside, inside = np.argwhere(~brain)[:100], np.argwhere(brain)[:100]
    for places, count in ((inside, round(100 * share)), (outside, round(100 * (1 - share)))):
        mask[..., 4][tuple(places[:count].T)] = 1
    change(folder / "tumour_mask.nii.gz", mask)
    if share < 0.1:
        with pytest.raises(ValueError, match=rf"tumour_mask.*{share:.0%} of the tumour lies in the brain"):
            preprocess_study(study_of(folder), TINY)
    else:
        record = preprocess_study(study_of(folder), TINY).record
        assert record["tumour_in_brain_share"] == pytest.approx(share)


def test_a_given_brain_mask_counts(folder: Path) -> None:
    inner = np.zeros((20, 24, 8), dtype=np.uint8)
    inner[8:14, 8:14, 2:5] = 1
    change(folder / "tumour_mask.nii.gz", inner)
    (folder / "tumour_mask.nii.gz").rename(folder / "brain_mask.nii.gz")
    case = preprocess_study(study_of(folder), TINY)
    assert case.tumour is None and case.record["tumour_area_mm2"] is None
    np.testing.assert_array_equal(case.brain[:, 4:28, 6:26], inner.transpose(2, 1, 0)[:, ::-1, ::-1] > 0)
    assert case.record["slices_kept"] == [2, 3, 4]


def test_masks_may_lie_on_grids_of_their_own(folder: Path) -> None:
    before = preprocess_study(study_of(folder), TINY)
    image = nibabel.load(folder / "tumour_mask.nii.gz")
    affine = image.affine.copy()
    affine[:3, 3] += affine[:3, 0] * 19
    affine[:3, 0] *= -1
    change(folder / "tumour_mask.nii.gz", np.asarray(image.dataobj)[::-1], affine)
    np.testing.assert_array_equal(preprocess_study(study_of(folder), TINY).tumour, before.tumour)


def test_what_the_pictures_cut_off_is_told(folder: Path) -> None:
    small = preprocess_study(study_of(folder), replace(TINY, size=8))
    brain = upright(folder / "t1gd.nii.gz") != 0
    window = brain[:, 8:16, 6:14]
    assert small.brain.sum() == window.sum()
    assert small.record["brain_cut_share"] == pytest.approx(1 - window.sum() / brain.sum())
    assert preprocess_study(study_of(folder), TINY).record["brain_cut_share"] == 0


def test_bias_field_correction_spares_the_apt_map(folder: Path) -> None:
    shade = np.exp(np.linspace(-0.4, 0.4, 20))[:, None, None]
    for name in ("t1", "flair"):
        change(folder / f"{name}.nii.gz", np.asarray(nibabel.load(folder / f"{name}.nii.gz").dataobj) * shade)
    (folder / "flair.nii.gz").rename(folder / "apt.nii.gz")
    pipeline = replace(TINY, sequences=("t1", "t1gd", "apt"))
    plain, corrected = (preprocess_study(study_of(folder), replace(pipeline, bias_field=on)) for on in (False, True))
    np.testing.assert_array_equal(plain.image[:, 2], corrected.image[:, 2])

    def slope(case: PreparedCase) -> float:
        values = case.image[:, 0].astype(np.float64)
        return abs(np.corrcoef(np.argwhere(case.brain)[:, 2], values[case.brain])[0, 1])

    assert slope(corrected) < slope(plain)


@pytest.mark.parametrize(
    "break_it, message",
    [
        (lambda folder: change(folder / "t1.nii.gz", np.zeros((20, 24, 8, 2))), r"t1 .*t1\.nii\.gz.*4-D"),
        (lambda folder: change(folder / "t2.nii.gz", np.full((20, 24, 8), 7.0)), r"t2 .*all voxels are 7"),
        (lambda folder: change(folder / "tumour_mask.nii.gz", np.zeros((20, 24, 8))), r"tumour_mask.*is empty"),
        (lambda folder: (folder / "t1.nii.gz").write_bytes(b"x"), r"t1\.nii\.gz is no whole NIfTI"),
        (
            lambda folder: change(folder / "t2.nii.gz", affine=np.diag([8.0, 8, 18, 1]) + np.eye(4, k=3) * 900),
            "t2 shows",
        ),
        (
            lambda folder: change(
                folder / "tumour_mask.nii.gz", affine=np.diag([8.0, 8, 18, 1]) + np.eye(4, k=3) * 900
            ),
            "no voxel within the pictures",
        ),
    ],
)
def test_what_cannot_be_used_is_named(folder: Path, break_it: Callable[[Path], None], message: str) -> None:
    study = study_of(folder)
    break_it(folder)
    with pytest.raises(ValueError, match=message):
        preprocess_study(study, TINY)


def test_a_nan_affine_is_named(folder: Path) -> None:
    study = study_of(folder)
    image = nibabel.load(folder / "t2.nii.gz")
    broken = nibabel.Nifti1Image(np.asarray(image.dataobj), None)
    broken.header["sform_code"], broken.header["srow_x"] = 1, [np.nan, 0, 0, 0]
    nibabel.save(broken, folder / "t2.nii.gz")
    with pytest.raises(ValueError, match=r"t2 .*affine"):
        preprocess_study(study, TINY)


def test_an_empty_tumour_mask_may_say_that_there_is_none(folder: Path) -> None:
    change(folder / "tumour_mask.nii.gz", np.zeros((20, 24, 8), dtype=np.uint8))
    case = preprocess_study(study_of(folder), replace(TINY, empty_tumour_mask="normal"))
    assert not case.tumour.any() and case.record["tumour_cut_share"] == 0


def test_a_study_without_the_reference_is_named(folder: Path) -> None:
    with pytest.raises(ValueError, match="it has no pd, the reference"):
        preprocess_study(study_of(folder), replace(TINY, sequences=("t1", "pd"), reference="pd"))


def test_one_grid_is_recognised_in_another_order_of_voxels(folder: Path) -> None:
    image = nibabel.load(folder / "t1.nii.gz")
    affine = image.affine.copy()
    affine[:3, 3] += affine[:3, 1] * 23
    affine[:3, 1] *= -1
    change(folder / "t1.nii.gz", np.asarray(image.dataobj)[:, ::-1], affine)
    case = preprocess_study(study_of(folder), replace(TINY, sequences=("t1", "t1gd"), kind="rigid", same_grid="keep"))
    told = case.record["sequences"]["t1"]["registration"]
    assert told["identical_space"] and told["succeeded"] and told["shift_mm"] == 0
    assert told["mutual_information_before"] == told["mutual_information_after"] > 0
    assert case.record["sequences"]["t1gd"]["registration"] is None
    expected = normalized(upright_flipped(folder / "t1.nii.gz"), upright(folder / "t1gd.nii.gz") != 0)
    np.testing.assert_allclose(case.image[:, 0, 4:28, 6:26], expected, atol=4e-3)
    assert case.before == {} and set(case.after) == {"t1", "t1gd"}


def upright_flipped(path: Path) -> np.ndarray:
    """The same for a volume that is stored right, back, top."""
    return np.asarray(nibabel.load(path).dataobj).transpose(2, 1, 0)[:, :, ::-1]


@pytest.mark.slow
def test_a_failed_registration_is_an_error_or_a_flag(folder: Path) -> None:
    noise = np.random.default_rng(0).normal(size=(20, 24, 8)).astype(np.float32)
    affine = nibabel.load(folder / "t2.nii.gz").affine.copy()
    affine[0, 3] += 4.0
    change(folder / "t2.nii.gz", noise, affine)
    pipeline = replace(TINY, sequences=("t2", "t1gd"), kind="rigid")
    with pytest.raises(ValueError, match="t2.*failed"):
        preprocess_study(study_of(folder), pipeline)
    told = preprocess_study(study_of(folder), replace(pipeline, on_failure="flag")).record["sequences"]["t2"]
    assert not told["registration"]["succeeded"] and told["registration"]["reason"]
    np.testing.assert_array_equal(told["registration"]["matrix"], np.eye(4))


@pytest.mark.slow
def test_a_real_case_from_native_grids(shared_data: Path) -> None:
    studies, _ = find_studies(shared_data / "mri_volumes")
    (study,) = [study for study in studies if study.case_key == "TCGA-FG-6692_native"]
    case = preprocess_study(study, MriPipeline())
    found = {name: entry["registration"] for name, entry in case.record["sequences"].items()}
    assert set(case.before) == {"t1", "t2", "flair"}  # t1 lies on the grid of t1gd, but the patient moved
    for name in case.before:
        assert found[name]["mutual_information_after"] > 1.5 * found[name]["mutual_information_before"]
    slices = nibabel.load(study.sequences["t1gd"].files[0]).shape[2]
    assert case.image.shape == (slices, 5, 256, 256)
    assert case.channel_mask.tolist() == [True, True, True, True, False]
    pixel_ml = abs(np.linalg.det(np.array(case.record["affine"])[:3, :3])) / 1000
    mask = nibabel.load(study.brain_mask)
    expected = (np.asarray(mask.dataobj) > 0).sum() * abs(np.linalg.det(mask.affine[:3, :3])) / 1000
    assert case.brain.sum() * pixel_ml == pytest.approx(expected, rel=0.01)
