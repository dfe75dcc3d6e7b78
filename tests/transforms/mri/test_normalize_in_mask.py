"""Against NumPy in float64, and back again."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor, list_data_collate, set_track_meta
from monai.transforms import Compose

from monai_memvit.transforms.mri.normalize_in_mask import NormalizeInMask, NormalizeInMaskd

AFFINE = torch.diag(torch.tensor([2.0, 1.0, 3.0, 1.0], dtype=torch.float64))


def volume(level: float = 300.0, seed: int = 0) -> MetaTensor:
    voxels = np.random.default_rng(seed).gamma(3.0, level / 3, (1, 7, 8, 5)).astype(np.float32)
    return MetaTensor(torch.from_numpy(voxels), affine=AFFINE, meta={"filename_or_obj": "/cases/7/t1.nii.gz"})


def mask(seed: int = 1) -> MetaTensor:
    inside = np.random.default_rng(seed).random((1, 7, 8, 5)) < 0.4
    return MetaTensor(torch.from_numpy(inside), affine=AFFINE)


@pytest.mark.parametrize("outside", [0.0, -5.0])
def test_equals_the_closed_form(outside: float) -> None:
    image, inside = volume(), mask()
    result = NormalizeInMask(outside=outside)(image, inside)
    voxels, where = image.numpy().astype(np.float64), inside.numpy()
    mean, std = voxels[where].mean(), voxels[where].std()
    expected = np.where(where, (voxels - mean) / std, outside)
    assert result.dtype == torch.float32
    np.testing.assert_allclose(result.numpy(), expected, atol=1e-6)
    record = result.meta["normalization"]
    assert record == {
        "mean": pytest.approx(mean, rel=1e-12),
        "std": pytest.approx(std, rel=1e-12),
        "voxels": where.sum(),
    }
    assert torch.equal(result.affine, AFFINE)
    assert result.meta["filename_or_obj"] == "/cases/7/t1.nii.gz"


def test_neither_the_image_nor_its_meta_is_changed() -> None:
    image = volume()
    before = image.clone()
    NormalizeInMask()(image, mask())
    assert torch.equal(image, before)
    assert "normalization" not in image.meta and not image.applied_operations


def test_statistics_hold_out_where_float32_would_not() -> None:
    image = MetaTensor(1e6 + volume(level=3.0).as_tensor())
    where = mask().numpy()
    record = NormalizeInMask()(image, torch.from_numpy(where)).meta["normalization"]
    assert record["std"] == pytest.approx(image.numpy().astype(np.float64)[where].std(), rel=1e-9)


def test_clipping_equals_numpys_percentiles() -> None:
    image, inside = volume(), mask()
    image[0, 0, 0, 0], inside[0, 0, 0, 0] = 1e6, True
    result = NormalizeInMask(percentiles=(2.0, 98.5))(image, inside)
    values = image.numpy().astype(np.float64)[inside.numpy()]
    low, high = np.percentile(values, [2.0, 98.5])
    clipped = values.clip(low, high)
    expected = (clipped - clipped.mean()) / clipped.std()
    np.testing.assert_allclose(result.numpy()[inside.numpy()], expected, atol=1e-6)
    assert result.meta["normalization"]["clipped_below"] == pytest.approx(low)
    assert result.meta["normalization"]["clipped_above"] == pytest.approx(high)


def test_inverse_returns_the_intensities_inside_the_mask() -> None:
    image, inside = volume(), mask()
    normalizer = NormalizeInMask()
    restored = normalizer.inverse(normalizer(image, inside), inside)
    expected = np.where(inside.numpy(), image.numpy(), 0)
    np.testing.assert_allclose(restored.numpy(), expected, rtol=1e-5, atol=1e-3)
    assert not restored.applied_operations and "normalization" not in restored.meta
    everywhere = normalizer.inverse(normalizer(image, inside))
    mean = image.numpy()[inside.numpy()].mean()
    np.testing.assert_allclose(everywhere.numpy(), np.where(inside.numpy(), image.numpy(), mean), rtol=1e-5, atol=1e-3)


def test_dictionary_version_and_its_inverse_in_a_compose() -> None:
    item = {"t1": volume(seed=2), "t2": volume(900.0, seed=3), "flair": None, "brain_mask": mask(), "other": 5}
    pipeline = Compose([NormalizeInMaskd(("t1", "t2", "flair", "apt"), allow_missing_keys=True)])
    done = pipeline(item)
    inside = item["brain_mask"].numpy()
    for key in ("t1", "t2"):
        assert done[key].numpy()[inside].mean() == pytest.approx(0, abs=1e-5)
        assert done[key].numpy()[inside].std() == pytest.approx(1, abs=1e-5)
    assert done["t1"].meta["normalization"]["mean"] != done["t2"].meta["normalization"]["mean"]
    assert done["flair"] is None and "apt" not in done and done["other"] == 5
    restored = pipeline.inverse(done)
    for key in ("t1", "t2"):
        np.testing.assert_allclose(restored[key].numpy()[inside], item[key].numpy()[inside], rtol=1e-5, atol=1e-3)


def test_the_record_survives_collating() -> None:
    items = [{"t1": NormalizeInMask()(volume(seed=seed), mask())} for seed in (4, 5)]
    batch = list_data_collate(items)
    assert len(batch["t1"].meta["normalization"]["mean"]) == 2


def test_plain_tensors_and_two_dimensions() -> None:
    image = torch.arange(12.0).reshape(1, 3, 4)
    set_track_meta(False)
    try:
        result = NormalizeInMask()(image, image[0] > 5)
    finally:
        set_track_meta(True)
    assert type(result) is torch.Tensor
    np.testing.assert_allclose(result[image > 5].numpy(), (np.arange(6) - 2.5) / np.arange(6).std(), rtol=1e-6)


def _constant() -> MetaTensor:
    return MetaTensor(torch.full((1, 7, 8, 5), 4.0), meta={"filename_or_obj": "/cases/7/t1.nii.gz"})


def _with_nan() -> MetaTensor:
    image = volume()
    image[mask()] = float("nan")
    return image


@pytest.mark.parametrize(
    ("image", "inside", "cause"),
    [
        (volume(), torch.zeros(1, 7, 8, 5), "the mask is empty"),
        (volume(), torch.ones(1, 7, 8, 4), "the mask has shape"),
        (volume(), MetaTensor(torch.ones(1, 7, 8, 5), affine=torch.eye(4)), "another grid"),
        (volume(), torch.full((1, 7, 8, 5), float("nan")), "the mask holds NaN"),
        (_constant(), torch.ones(1, 7, 8, 5), "all 280 voxels inside the mask are 4"),
        (_with_nan(), mask(), "NaN or infinite voxels"),
        (volume().repeat(2, 1, 1, 1), mask(), "normalise before stacking"),
    ],
)
def test_errors_name_sequence_file_and_cause(image: MetaTensor, inside: torch.Tensor, cause: str) -> None:
    with pytest.raises(ValueError, match=cause) as error:
        NormalizeInMaskd("t1")({"t1": image, "brain_mask": inside})
    assert str(error.value).startswith("t1 (/cases/7/t1.nii.gz)")


def test_a_missing_mask_or_sequence_is_an_error() -> None:
    with pytest.raises(ValueError, match="no mask 'brain_mask'"):
        NormalizeInMaskd("t1")({"t1": volume()})
    with pytest.raises(ValueError, match="no 't1'"):
        NormalizeInMaskd("t1")({"t1": None, "brain_mask": mask()})


@pytest.mark.parametrize("percentiles", [(5.0, 5.0), (-1.0, 99.0), (1.0, 101.0)])
def test_impossible_percentiles(percentiles: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="percentiles"):
        NormalizeInMask(percentiles=percentiles)
