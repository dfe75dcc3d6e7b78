"""Volumes that are none, and grids that are one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data.meta_tensor import MetaTensor

from monai_memvit.transforms.mri.geometry import check_volume, same_grid


def volume(shape: tuple[int, ...] = (1, 5, 6, 7), affine: np.ndarray | None = None) -> MetaTensor:
    voxels = torch.arange(int(np.prod(shape)), dtype=torch.float32).reshape(shape)
    return MetaTensor(voxels, affine=torch.from_numpy(np.eye(4) if affine is None else affine))


def shifted(x: float, voxel: float = 1.0) -> np.ndarray:
    affine = np.diag([voxel, 1.0, 1.0, 1.0])
    affine[0, 3] = x
    return affine


def test_equal_grids_up_to_rounding() -> None:
    assert same_grid(volume(), volume())
    assert same_grid(volume(), volume(affine=shifted(0.0009)))
    assert same_grid(volume(), volume((3, 5, 6, 7)))  # channels are no matter of space


@pytest.mark.parametrize(
    "other", [volume(affine=shifted(0.0011)), volume((1, 5, 6, 8)), volume(affine=shifted(0, 1.0003))]
)
def test_other_grids(other: MetaTensor) -> None:
    """The last one's corner is 4 x 0.0003 mm off."""
    assert not same_grid(volume(), other)
    assert same_grid(volume(), other, tolerance_mm=0.01) == (other.shape[-1] == 7)


def test_a_volume_passes() -> None:
    check_volume(volume(), "t1")


def with_voxel(value: float) -> MetaTensor:
    broken = volume()
    broken[0, 1, 2, 3] = value
    return broken


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (torch.zeros(1, 5, 6, 7), "has no affine"),
        (volume((4, 5, 6, 7)), "4-D"),
        (volume((1, 5, 6, 7, 2)), "4-D"),
        (volume((5, 6, 7)), "EnsureChannelFirst"),
        (volume(affine=np.full((4, 4), np.nan)), "not a finite"),
        (volume(affine=np.diag([1.0, 1.0, 0.0, 1.0])), "singular"),
        (volume(affine=np.array([[1.0, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])), "singular"),
        (with_voxel(float("nan")), "1 voxels are NaN"),
        (with_voxel(float("inf")), "infinite"),
        (volume() * 0 + 3, "all voxels are 3"),
    ],
)
def test_what_is_no_volume_is_refused_by_name(broken: torch.Tensor, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        check_volume(broken, "flair of case 7")
    assert str(caught.value).startswith("flair of case 7")


def test_a_small_thin_voxel_is_no_singular_affine() -> None:
    check_volume(volume(affine=np.diag([1e-3, 1e-3, 1e-3, 1.0])), "t1")
