"""A known smooth field on a piecewise constant phantom goes, and nothing else does."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.data import MetaTensor, set_track_meta

from monai_memvit.transforms.mri.bias_field import CorrectBiasField, CorrectBiasFieldd

SHAPE = (56, 64, 44)
AFFINE = torch.tensor([[0, -3.0, 0, 70], [3.0, 0, 0, -90], [0, 0, 4.0, -60], [0, 0, 0, 1]], dtype=torch.float64)


def axes() -> list[np.ndarray]:
    return np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")


def brain() -> np.ndarray:
    return sum(axis**2 for axis in axes()) < 0.75**2


def tissues() -> np.ndarray:
    """1 and 2: two tissues in folds and a core; 0 outside."""
    x, y, z = axes()
    folds = np.sin(9 * x) * np.sin(8 * y) + np.cos(7 * z) > 0.3
    return np.where(brain(), 1 + folds, 0)


def true_field() -> np.ndarray:
    x, y, z = axes()
    log = 0.25 * x - 0.2 * y**2 + 0.2 * y * z + 0.15 * np.sin(2 * z)
    return log - log[brain()].mean()


def phantom() -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 8, SHAPE)
    return np.where(brain(), np.array([0.0, 400.0, 650.0])[tissues()] + noise, 0)


def placed(voxels: np.ndarray) -> MetaTensor:
    tensor = torch.from_numpy(voxels.astype(np.float32))[None]
    return MetaTensor(tensor, affine=AFFINE, meta={"filename_or_obj": "/cases/7/t2.nii.gz"})


def variation(voxels: np.ndarray, tissue: int) -> float:
    values = voxels[tissues() == tissue]
    return float(values.std() / values.mean())


@cache
def corrected() -> MetaTensor:
    return CorrectBiasField()(placed(phantom() * np.exp(true_field())))


def test_the_variation_within_each_tissue_falls() -> None:
    biased, result = phantom() * np.exp(true_field()), corrected().numpy()[0]
    for tissue in (1, 2):
        assert variation(biased, tissue) > 0.1
        assert variation(result, tissue) < variation(biased, tissue) / 4
        assert variation(result, tissue) < variation(phantom(), tissue) + 0.015


def test_the_field_that_was_divided_out_is_the_true_one() -> None:
    """It is written to full resolution, in the image's own orientation, with a geometric mean of 1."""
    biased = phantom() * np.exp(true_field())
    divided = np.log(biased[brain()] / corrected().numpy()[0][brain()])
    assert divided.mean() == pytest.approx(0, abs=1e-4)
    assert (divided - true_field()[brain()]).std() < 0.02
    assert corrected().meta["bias_field"]["log_std"] == pytest.approx(divided.std(), abs=1e-3)


def test_an_even_image_stays_nearly_as_it_was() -> None:
    result = CorrectBiasField()(placed(phantom()))
    assert result.meta["bias_field"]["log_std"] < 0.02
    for tissue in (1, 2):
        assert variation(result.numpy()[0], tissue) == pytest.approx(variation(phantom(), tissue), abs=0.01)


def test_type_affine_and_meta_are_kept_and_the_input_too() -> None:
    image = placed(phantom() * np.exp(true_field())).to(torch.float64)
    before = image.clone()
    result = CorrectBiasField(iterations=(3,))(image)
    assert result.dtype == torch.float32 and result.shape == image.shape
    assert torch.equal(result.affine, AFFINE) and result.meta["filename_or_obj"] == "/cases/7/t2.nii.gz"
    assert torch.equal(image, before) and "bias_field" not in image.meta


def test_the_number_of_threads_changes_rounding_alone() -> None:
    threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    image, corrector = placed(phantom() * np.exp(true_field())), CorrectBiasField(iterations=(10, 10))
    results = []
    for number in (1, 2, 3, 3):
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(number)
        results.append(corrector(image))
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    assert torch.equal(results[2], results[3])
    for result in results[1:]:
        np.testing.assert_allclose(result.numpy(), results[0].numpy(), atol=1e-5 * float(image.max()))


def test_only_the_mask_counts_and_beyond_its_box_the_field_goes_on_evenly() -> None:
    voxels = phantom() * np.exp(true_field())
    half = brain() & (axes()[0] < 0)
    changed = np.where(half, voxels, 1e4)
    corrector = CorrectBiasField(iterations=(10, 10))
    results = [corrector(placed(image), torch.from_numpy(half)).numpy()[0] for image in (voxels, changed)]
    np.testing.assert_array_equal(results[0][half], results[1][half])
    last = np.flatnonzero(half.any((1, 2)))[-1]
    field = changed / results[1]
    np.testing.assert_allclose(field[last + 1 :], np.broadcast_to(field[last], field[last + 1 :].shape), rtol=1e-5)


def test_thick_slices_and_voxels_below_zero() -> None:
    """Slices of 20 mm are not shrunk away, and what has no logarithm is left out of the fit."""
    thick = phantom()[:, :, ::5] * np.exp(true_field()[:, :, ::5])
    thick[::7, ::5, ::3] = -3.0
    image = MetaTensor(
        torch.from_numpy(thick.astype(np.float32))[None], affine=torch.diag(torch.tensor([3.0, 3, 20, 1]))
    )
    result = CorrectBiasField()(image, torch.from_numpy(brain()[:, :, ::5])).numpy()[0]
    for tissue in (1, 2):
        where = (tissues()[:, :, ::5] == tissue) & (thick > 0)
        before, after = (float(values[where].std() / values[where].mean()) for values in (thick, result))
        assert after < before / 3
    assert np.isfinite(result).all() and (result[thick < 0] < 0).all()


def test_dictionary_version() -> None:
    image, mask = placed(phantom() * np.exp(true_field())), torch.from_numpy(brain())[None]
    options = {"shrink": 3, "iterations": (5, 5), "convergence": 0.01}
    transform = CorrectBiasFieldd(("t1", "t2", "apt"), mask_key="brain_mask", allow_missing_keys=True, **options)
    done = transform({"t1": image, "t2": image * 2, "apt": None, "brain_mask": mask, "label": 1})
    assert torch.equal(done["t1"], CorrectBiasField(**options)(image, mask))
    torch.testing.assert_close(done["t2"].as_tensor(), 2 * done["t1"].as_tensor(), rtol=1e-3, atol=1e-2)
    assert done["apt"] is None and done["label"] == 1
    without = CorrectBiasFieldd("t1", **options)({"t1": image})
    torch.testing.assert_close(without["t1"].as_tensor(), done["t1"].as_tensor(), rtol=0.02, atol=1)


def test_a_plain_tensor_gives_a_plain_tensor_without_metadata() -> None:
    set_track_meta(False)
    try:
        result = CorrectBiasField(iterations=(2,))(torch.from_numpy(phantom())[None])
    finally:
        set_track_meta(True)
    assert type(result) is torch.Tensor and result.dtype == torch.float32


def single(*place: int) -> torch.Tensor:
    mask = torch.zeros(1, *SHAPE)
    mask[(0, *place)] = 1
    return mask


@pytest.mark.parametrize(
    ("voxels", "mask", "cause"),
    [
        (phantom(), torch.zeros(1, *SHAPE), "the mask is empty"),
        (phantom(), torch.ones(1, 4, 4, 4), "the mask has shape"),
        (phantom(), single(28, 32, 22), "thinner than 4 voxels"),
        (-phantom(), torch.ones(1, *SHAPE), "no voxel in the mask is above zero"),
        (np.full(SHAPE, np.inf), torch.ones(1, *SHAPE), "NaN or infinite"),
        (np.full(SHAPE, 2.0), None, "all voxels are 2"),
        (np.ones((5, 6)), None, "one volume"),
    ],
)
def test_errors_name_sequence_file_and_cause(voxels: np.ndarray, mask: torch.Tensor | None, cause: str) -> None:
    with pytest.raises(ValueError, match=cause) as error:
        CorrectBiasField()(placed(voxels), mask, "t2")
    assert "/cases/7/t2.nii.gz" in str(error.value)


def test_a_mask_that_vanishes_when_shrunk() -> None:
    mask = single(20, 30, 20) + single(31, 41, 31)  # the corners of a box, of which shrinking picks the inside
    with pytest.raises(ValueError, match="nothing of the mask's 2 voxels is left"):
        CorrectBiasField()(placed(phantom()), mask)


def test_a_mask_key_without_a_mask_is_an_error() -> None:
    with pytest.raises(ValueError, match="no mask 'brain_mask'"):
        CorrectBiasFieldd("t1", mask_key="brain_mask")({"t1": placed(phantom())})


@pytest.mark.parametrize("arguments", [{"shrink": 0}, {"iterations": ()}, {"iterations": (5, 0)}, {"convergence": 0}])
def test_impossible_arguments(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="above zero"):
        CorrectBiasField(**arguments)
