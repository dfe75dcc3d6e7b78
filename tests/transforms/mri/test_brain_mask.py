"""Masks of phantoms whose head and brain are known, given masks, and what is refused."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from monai.data import MetaTensor, set_track_meta

from monai_memvit.transforms.mri.brain_mask import BrainMask, BrainMaskd, foreground_mask

pytest.importorskip("SimpleITK")
SHAPE = (40, 48, 20)
AFFINE = torch.diag(torch.tensor([-4.0, 4.0, 8.0, 1.0], dtype=torch.float64))


def ellipsoid(scale: float, shift: float = 0.0) -> np.ndarray:
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    return sum(((axis - shift) / scale) ** 2 for axis in axes) < 1


def placed(voxels: np.ndarray) -> MetaTensor:
    tensor = torch.from_numpy(voxels.astype(np.float32))[None]
    return MetaTensor(tensor, affine=AFFINE, meta={"filename_or_obj": "/cases/7/t1gd.nii.gz"})


def head(seed: int = 0) -> np.ndarray:
    """A scalp, a dark skull, a brain with dark ventricles, a bright vessel and Rayleigh noise in the air."""
    random = np.random.default_rng(seed)
    voxels = np.where(ellipsoid(0.8), 500.0, 0.0)
    voxels[ellipsoid(0.72)] = 60.0
    voxels[ellipsoid(0.66)] = 400.0
    voxels[ellipsoid(0.2)] = 40.0
    voxels[20, 24, 8:12] = 6000.0
    return np.hypot(voxels + random.normal(0, 15, SHAPE), random.normal(0, 15, SHAPE))


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


@pytest.mark.parametrize("rounded", [False, True])
def test_the_foreground_of_a_head_is_the_head_with_its_ventricles(rounded: bool) -> None:
    voxels = head()
    if rounded:  # a scanner's integers: a third of the air is exactly 0, and still no cut-out background
        voxels = np.floor(voxels / 16)
        assert (voxels == 0).mean() > 0.25
    found = foreground_mask(placed(voxels))
    assert found.dtype == torch.bool and found.shape == (1, *SHAPE)
    assert dice(found.numpy()[0], ellipsoid(0.8)) > 0.95
    assert found.numpy()[0][ellipsoid(0.6)].all()


@pytest.mark.parametrize("background", [0.0, -1000.0, 7.0])
def test_of_a_skull_stripped_image_it_is_what_is_not_background(background: float) -> None:
    random = np.random.default_rng(1)
    brain = ellipsoid(0.7)
    voxels = np.where(brain, random.normal(50, 40, SHAPE), background)  # spline ringing: some values are negative
    voxels[ellipsoid(0.1)] = background  # a hole
    voxels[0, 0, 0] = 300.0  # a speck
    np.testing.assert_array_equal(foreground_mask(placed(voxels)).numpy()[0], brain)


def test_it_depends_on_neither_orientation_nor_scale() -> None:
    voxels = head()
    expected = foreground_mask(placed(voxels))
    turned = placed(voxels[::-1].copy())
    assert torch.equal(foreground_mask(turned).flip(1), expected)
    assert torch.equal(foreground_mask(placed(voxels * 4)), expected)


def test_a_plain_tensor_has_voxels_of_one_millimetre() -> None:
    brain = ellipsoid(0.7)
    found = foreground_mask(torch.from_numpy(brain[None] * np.float32(3)))
    np.testing.assert_array_equal(found.numpy()[0], brain)


def test_the_mask_says_where_it_comes_from() -> None:
    brain = ellipsoid(0.7)
    mask = BrainMask()(placed(brain * 5.0))
    assert mask.dtype == torch.bool and torch.equal(mask.affine, AFFINE)
    millilitres = brain.sum() * 4 * 4 * 8 / 1000
    assert mask.meta["brain_mask"] == {"origin": "foreground_mask", "ml": pytest.approx(millilitres)}
    assert mask.meta["filename_or_obj"] == "/cases/7/t1gd.nii.gz"


def threshold(image: torch.Tensor) -> np.ndarray:
    return np.asarray(image)[0] > 100  # as other tools do: an array without a channel


def test_a_callable_makes_the_mask() -> None:
    voxels = head()
    mask = BrainMaskd("t1", method=threshold)({"t1": placed(voxels), "label": 1})["brain_mask"]
    np.testing.assert_array_equal(mask.numpy()[0], voxels.astype(np.float32) > 100)
    assert mask.meta["brain_mask"]["origin"] == "threshold"


def never(image: torch.Tensor) -> torch.Tensor:
    raise AssertionError("a mask was given")


@pytest.mark.parametrize("as_file", [False, True])
def test_a_given_mask_goes_before(tmp_path: Path, as_file: bool) -> None:
    brain = ellipsoid(0.5)
    given: object = placed(brain)
    if as_file:
        given = str(tmp_path / "mask.nii.gz")
        nibabel.save(nibabel.Nifti1Image(brain.astype(np.uint8), AFFINE.numpy()), given)
    mask = BrainMaskd(mask_key="brain", method=never)({"t1gd": placed(head()), "brain": given})["brain"]
    np.testing.assert_array_equal(mask.numpy()[0], brain)
    assert mask.meta["brain_mask"]["origin"] == "given"


def test_without_metadata_a_plain_mask_comes_out() -> None:
    image = placed(head())
    set_track_meta(False)
    try:
        assert type(BrainMask()(image)) is torch.Tensor
    finally:
        set_track_meta(True)


@pytest.mark.parametrize(
    ("image", "given", "cause"),
    [
        (placed(head()), torch.zeros(1, *SHAPE), "the mask is empty"),
        (placed(head()), torch.ones(1, 3, 3, 3), "the mask has shape"),
        (placed(head()), MetaTensor(torch.ones(1, *SHAPE), affine=torch.eye(4)), "another grid"),
        (placed(np.full(SHAPE, 3.0)), None, "all voxels are 3"),
        (placed(np.full(SHAPE, np.nan)), None, "NaN or infinite"),
        (placed(head()).repeat(2, 1, 1, 1), None, "one volume"),
    ],
)
def test_errors_name_file_and_cause(image: MetaTensor, given: torch.Tensor | None, cause: str) -> None:
    with pytest.raises(ValueError, match=cause) as error:
        BrainMaskd()({"t1gd": image, "brain_mask": given})
    assert "/cases/7/t1gd.nii.gz" in str(error.value)


def test_a_mask_file_that_is_missing_broken_or_empty(tmp_path: Path) -> None:
    path = tmp_path / "mask.nii.gz"
    with pytest.raises(ValueError, match=f"{path} does not exist"):
        BrainMask()(placed(head()), path)
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=f"{path} cannot be read"):
        BrainMask()(placed(head()), path)
    nibabel.save(nibabel.Nifti1Image(np.zeros(SHAPE, dtype=np.uint8), AFFINE.numpy()), path)
    with pytest.raises(ValueError, match=f"mask {path}: the mask is empty"):
        BrainMask()(placed(head()), path)


def test_the_image_to_mask_is_one_and_is_there() -> None:
    with pytest.raises(ValueError, match="one image"):
        BrainMaskd(("t1", "t2"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no 't1gd'"):
        BrainMaskd()({"t1": placed(head())})


@pytest.mark.slow
def test_a_real_head_and_a_real_stripped_brain(shared_data: Path) -> None:
    def read(path: Path) -> MetaTensor:
        image = nibabel.load(path)
        return MetaTensor(torch.from_numpy(np.asarray(image.dataobj, dtype=np.float32))[None], affine=image.affine)

    native = shared_data / "mri_volumes" / "TCGA-FG-6692_native"
    brain = read(native / "brain_mask_on_t1gd.nii.gz").numpy() > 0
    found = foreground_mask(read(native / "t1gd.nii.gz")).numpy()
    assert found[brain].mean() > 0.995 and 0.35 < found.mean() < 0.6
    stripped = read(shared_data / "mri_volumes" / "TCGA-FG-6692_coregistered" / "t1.nii.gz")
    assert dice(foreground_mask(stripped).numpy(), stripped.numpy() != 0) > 0.999
