"""The grid of the pictures: upright whatever the storage, no interpolation where none is needed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from monai_memvit.data.mri.slices.slice_grid import map_points, onto_slices, slice_grid, within


def stored(spacing: tuple[float, float, float], axes: tuple[int, int, int], signs: tuple[int, ...]) -> np.ndarray:
    """Affine of a volume whose array axis i points along world axis axes[i]."""
    affine = np.eye(4)
    affine[:3, :3] = 0
    for i, (axis, sign) in enumerate(zip(axes, signs)):
        affine[axis, i] = sign * spacing[i]
    affine[:3, 3] = [3.0, -7.0, 11.0]
    return affine


@pytest.mark.parametrize("axes", itertools.permutations(range(3)))
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, -1, 1), (1, -1, -1), (-1, -1, -1)])
def test_axial_pictures_are_upright_however_the_volume_is_stored(axes, signs) -> None:
    affine = stored((1.0, 1.0, 1.0), axes, signs)
    shape = [0, 0, 0]
    for i, axis in enumerate(axes):
        shape[i] = (6, 8, 5)[axis]
    grid = slice_grid(affine, tuple(shape), size=8, spacing_mm=1.0)
    assert grid.shape == (5, 8, 8)
    # next slice: towards the head; next row: towards the back; next column: towards the left, all in RAS
    np.testing.assert_array_equal(grid.affine[:3, :3], [[0, 0, -1], [0, -1, 0], [1, 0, 0]])
    volume = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    found = onto_slices(volume, affine, grid)
    kept = np.moveaxis(volume, np.argsort(axes), range(3))  # X, Y, Z of the world
    kept = kept[tuple(slice(None, None, s) for s in np.array(signs)[np.argsort(axes)])]
    expected = kept.transpose(2, 1, 0)[:, ::-1, ::-1]
    np.testing.assert_allclose(found[:, :, 1:7], expected, atol=1e-5)
    assert not found[:, :, [0, 7]].any()


@pytest.mark.parametrize(
    "spacing, axes, directions",
    [
        ((0.5, 0.5, 5.0), (0, 1, 2), [[0, 0, -1], [0, -1, 0], [1, 0, 0]]),
        ((0.5, 0.5, 5.0), (1, 2, 0), [[1, 0, 0], [0, 0, -1], [0, -1, 0]]),
        ((0.5, 0.5, 5.0), (0, 2, 1), [[0, 0, -1], [1, 0, 0], [0, -1, 0]]),
    ],
)
def test_thick_slices_stay_slices(spacing, axes, directions) -> None:
    grid = slice_grid(stored(spacing, axes, (1, 1, 1)), (30, 30, 7), size=16, spacing_mm=1.0)
    assert grid.shape == (7, 16, 16)
    np.testing.assert_allclose(grid.spacing, [5.0, 1.0, 1.0])
    np.testing.assert_allclose(grid.affine[:3, :3] / grid.spacing, directions)


@pytest.mark.parametrize("sign", [1, -1])
def test_slices_are_those_of_the_reference(sign) -> None:
    affine = stored((1.0, 1.0, 4.0), (0, 1, 2), (1, 1, sign))
    grid = slice_grid(affine, (6, 6, 4), size=6, spacing_mm=1.0)
    tops = sorted(affine[2, 3] + sign * 4.0 * np.arange(4))
    np.testing.assert_allclose([(grid.affine @ [k, 0, 0, 1])[2] for k in range(4)], tops)
    np.testing.assert_allclose(grid.only(2).affine[:3, 3], grid.affine[:3, 3] + 2 * grid.affine[:3, 0])


def test_an_oblique_volume_keeps_its_own_slices() -> None:
    angle = np.radians(20)
    affine = np.eye(4)
    turn = [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
    affine[:3, :3] = np.array(turn) * [1.0, 1.0, 5.0]
    grid = slice_grid(affine, (8, 8, 5), size=8, spacing_mm=1.0)
    np.testing.assert_allclose(grid.affine[:3, 0], affine[:3, 2])
    volume = np.random.default_rng(0).normal(size=(8, 8, 5)).astype(np.float32)
    found = onto_slices(volume, affine, grid)
    np.testing.assert_allclose(found, volume.transpose(2, 1, 0)[:, ::-1, ::-1], atol=1e-5)


def test_a_moved_volume_is_sampled_where_the_matrix_says() -> None:
    affine = np.diag([1.0, 1.0, 3.0, 1.0])
    volume = np.zeros((9, 9, 5), dtype=np.float32)
    volume[6, 4, 2] = 1.0
    grid = slice_grid(affine, volume.shape, size=9, spacing_mm=1.0)
    matrix = np.eye(4)
    matrix[0, 3] = 2.0  # what lies at x in the reference lies at x + 2 in the volume
    place = np.argwhere(onto_slices(volume, affine, grid, matrix) > 0.5)
    np.testing.assert_allclose(map_points(place, grid.affine), [[4.0, 4.0, 6.0]])


def test_fine_voxels_are_averaged_before_they_are_sampled() -> None:
    noise = np.random.default_rng(0).normal(size=(64, 64, 3)).astype(np.float32)
    affine = np.diag([0.25, 0.25, 4.0, 1.0])
    grid = slice_grid(affine, noise.shape, size=12, spacing_mm=1.0)
    assert onto_slices(noise, affine, grid).std() < 0.35  # single voxels would give 1
    same = slice_grid(affine, noise.shape, size=48, spacing_mm=0.25)
    assert onto_slices(noise, affine, same).std() == pytest.approx(noise[8:56, 8:56].std(), rel=0.05)


def test_the_outermost_voxels_count_in_full() -> None:
    index = np.array([[-0.5, 0, 0], [-0.51, 0, 0], [3.5, 1, 1], [3.51, 1, 1]])
    assert within(index, (4, 2, 2)).tolist() == [True, False, True, False]
