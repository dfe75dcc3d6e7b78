"""Masks of every accepted form come out the same; the rest is refused (see also the transforms' tests)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_memvit.transforms.mri.masking import fitting_mask

INSIDE = np.arange(24).reshape(2, 3, 4) % 5 == 0
AFFINE = torch.diag(torch.tensor([1.0, 2.0, 3.0, 1.0], dtype=torch.float64))
IMAGE = MetaTensor(torch.zeros(1, 2, 3, 4), affine=AFFINE)


@pytest.mark.parametrize(
    "mask",
    [
        INSIDE,
        INSIDE[None],
        torch.from_numpy(INSIDE),
        torch.from_numpy(INSIDE * 0.3)[None],
        INSIDE.astype(np.int32) * 2 - 1,
        MetaTensor(torch.from_numpy(INSIDE)[None], affine=AFFINE + 1e-6),
        MetaTensor(torch.from_numpy(INSIDE), affine=AFFINE),
    ],
)
def test_every_form_becomes_a_plain_bool_tensor(mask: object) -> None:
    found = fitting_mask(mask, IMAGE, "t1")
    assert type(found) is torch.Tensor and found.dtype == torch.bool
    np.testing.assert_array_equal(found.numpy(), INSIDE[None])


@pytest.mark.parametrize("shape", [(1, 2, 3, 4), (2, 3, 4)])
def test_another_place_in_space_is_noticed_with_and_without_channel(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="t1: the mask lies on another grid"):
        fitting_mask(MetaTensor(torch.ones(shape), affine=AFFINE * 1.1), IMAGE, "t1")


def test_slices_have_no_place_in_space() -> None:
    image = MetaTensor(torch.zeros(1, 3, 4), affine=AFFINE)
    assert fitting_mask(MetaTensor(torch.ones(1, 3, 4)), image, "t1").all()


@pytest.mark.parametrize("mask", [torch.ones(2, 2, 3, 4), torch.ones(3, 4), torch.ones(1, 4, 3, 2)])
def test_another_shape_is_named(mask: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"t1: the mask has shape \("):
        fitting_mask(mask, IMAGE, "t1")
