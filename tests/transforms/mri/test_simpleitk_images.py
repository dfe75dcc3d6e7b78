"""RAS and LPS, (X, Y, Z) and (z, y, x): checked point by point."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from monai.data.meta_tensor import MetaTensor

from monai_memvit.transforms.mri.simpleitk_images import (
    affine_of,
    from_simpleitk,
    matrix_of,
    to_simpleitk,
    transform_of,
)

sitk = pytest.importorskip("SimpleITK")

LPS = np.array([-1.0, -1.0, 1.0])


@pytest.fixture
def oblique(rigid: Callable[..., np.ndarray]) -> np.ndarray:
    """An affine with a rotation, three spacings, one of them mirrored, and an origin."""
    return rigid((10, -20, 30), (5, -60, 33)) @ np.diag([0.9, -1.1, 5.5, 1.0])


def test_a_voxel_keeps_its_value_and_its_place(oblique: np.ndarray) -> None:
    voxels = np.random.default_rng(0).random((4, 5, 6), dtype=np.float32)
    image = to_simpleitk(voxels, oblique)
    assert image.GetSize() == (4, 5, 6)
    for index in ((0, 0, 0), (3, 0, 2), (1, 4, 5)):
        assert image[index] == voxels[index]
        place = image.TransformIndexToPhysicalPoint(index) * LPS
        np.testing.assert_allclose(place, (oblique @ [*index, 1])[:3], atol=1e-9)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_there_and_back(oblique: np.ndarray, kind: type) -> None:
    voxels = np.random.default_rng(1).random((4, 5, 6)).astype(kind)
    back, affine = from_simpleitk(to_simpleitk(voxels, oblique))
    assert back.dtype == kind and back.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(back, voxels)
    np.testing.assert_allclose(affine, oblique, atol=1e-12)
    np.testing.assert_allclose(affine_of(to_simpleitk(voxels, oblique)), oblique, atol=1e-12)


def test_tensors_of_whole_numbers_come_as_float32(oblique: np.ndarray) -> None:
    volume = MetaTensor(torch.arange(24, dtype=torch.int16).reshape(2, 3, 4), affine=torch.from_numpy(oblique))
    back, affine = from_simpleitk(to_simpleitk(volume, volume.affine))
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back.ravel(), np.arange(24))
    np.testing.assert_allclose(affine, oblique, atol=1e-12)


def test_a_transform_maps_points_as_its_matrix_does(rigid: Callable[..., np.ndarray]) -> None:
    matrix = rigid((5, 6, -7), (1, 2, 3)) @ np.diag([1.1, 0.9, 1.0, 1.0])
    point = np.array([10.0, -20.0, 30.0])
    mapped = np.multiply(transform_of(matrix).TransformPoint(point * LPS), LPS)
    np.testing.assert_allclose(mapped, (matrix @ [*point, 1])[:3], atol=1e-9)
    np.testing.assert_allclose(matrix_of(transform_of(torch.from_numpy(matrix))), matrix, atol=1e-9)


def test_the_matrix_of_a_rotation_about_a_centre() -> None:
    rotation = sitk.Euler3DTransform((1.0, 2.0, 3.0), 0.1, 0.2, 0.3, (4.0, 5.0, 6.0))
    point = np.array([7.0, -8.0, 9.0])
    expected = np.multiply(rotation.TransformPoint(point * LPS), LPS)
    np.testing.assert_allclose((matrix_of(rotation) @ [*point, 1])[:3], expected, atol=1e-9)


@pytest.mark.parametrize(
    ("shape", "affine", "words"),
    [
        ((1, 4, 4, 4), np.eye(4), "a volume"),
        ((4, 4, 4), np.eye(3), "an affine"),
        ((4, 4, 4), np.diag([1.0, 0.0, 1.0, 1.0]), "singular"),
        ((4, 4, 4), np.full((4, 4), np.nan), "not finite"),
    ],
)
def test_what_is_no_volume_in_space_is_refused(shape: tuple[int, ...], affine: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        to_simpleitk(np.zeros(shape), affine)
