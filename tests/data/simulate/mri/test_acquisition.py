"""Sampling, coil and noise against what they are in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from monai_memvit.data.simulate.mri.acquisition import Grid, bias_field, rician, sample
from monai_memvit.data.simulate.mri.motion import rigid_about


def test_a_grid_lies_about_its_middle_and_is_stored_as_dicom_has_it() -> None:
    grid = Grid((10, 20, 5), (2.0, 1.0, 6.0), tilt_deg=30.0)
    affine = grid.affine(np.array([1.0, -2.0, 3.0]))
    np.testing.assert_allclose(affine @ [4.5, 9.5, 2.0, 1.0], [1.0, -2.0, 3.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(affine[:3, :3], axis=0), [2.0, 1.0, 6.0])
    np.testing.assert_allclose(affine[:3, 0], [-2.0, 0.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(affine[:3, 2], [0.0, -6.0 * np.sin(np.pi / 6), 6.0 * np.cos(np.pi / 6)], atol=1e-12)
    assert np.linalg.det(affine) > 0


@pytest.mark.parametrize("grid", [{"size": (0, 4, 4)}, {"spacing": (1.0, -1.0, 1.0)}, {"spacing": (1.0, np.nan, 1.0)}])
def test_an_impossible_grid_is_refused(grid: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(ValueError, match="give positive numbers"):
        Grid(**({"size": (4, 4, 4), "spacing": (1.0, 1.0, 1.0)} | grid))


def test_a_linear_ramp_is_sampled_exactly_where_the_pose_puts_it() -> None:
    nodes = np.stack(np.meshgrid(*[np.arange(60.0)] * 3, indexing="ij"))
    slope = np.array([0.3, -0.7, 1.1])
    lattice = (np.tensordot(slope, nodes, axes=(0, 0)) + 200.0).astype(np.float32)
    lattice_affine = rigid_about(np.zeros(3), np.array([5.0, -8.0, 12.0]), np.array([3.0, 1.0, 2.0]))
    middle = (lattice_affine @ [29.5, 29.5, 29.5, 1.0])[:3]
    grid = Grid((5, 6, 4), (2.0, 1.5, 5.0), tilt_deg=7.0)
    affine = grid.affine(middle)
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.size], indexing="ij")).reshape(3, -1)
    world = affine @ np.vstack([index, np.ones(index.shape[1])])
    expected = slope @ (np.linalg.inv(lattice_affine) @ world)[:3] + 200.0
    np.testing.assert_allclose(sample(lattice, lattice_affine, grid, affine).ravel(), expected, rtol=1e-5)


def test_the_content_is_kept_whatever_the_grid() -> None:
    lattice = np.zeros((41, 41, 41), dtype=np.float32)
    lattice[15:26, 12:29, 17:24] = 1.0
    lattice_affine = np.eye(4)
    lattice_affine[:3, 3] = -20.0
    for spacing in ((1.0, 1.0, 1.0), (2.0, 2.0, 6.0), (3.0, 1.7, 4.1)):
        grid = Grid(tuple(int(60 / step) for step in spacing), spacing, tilt_deg=9.0)
        found = sample(lattice, lattice_affine, grid, grid.affine(np.array([0.3, 0.1, -0.4])))
        assert found.sum() * np.prod(spacing) == pytest.approx(11 * 17 * 7, rel=0.03)


def test_nothing_gives_zeros() -> None:
    grid = Grid((4, 4, 4), (1.0, 1.0, 1.0))
    assert not sample(np.zeros((5, 5, 5), dtype=np.float32), np.eye(4), grid, np.eye(4)).any()


def test_the_coil_is_smooth_and_as_uneven_as_asked() -> None:
    field = np.log(bias_field(Grid((40, 40, 20), (5.0, 5.0, 8.0)), 0.3, np.random.default_rng(0)))
    assert np.abs(field).max() == pytest.approx(0.3, rel=1e-5)
    assert max(np.abs(np.diff(field, axis=axis)).max() for axis in range(3)) < 0.06
    assert np.all(bias_field(Grid((4, 4, 4), (5.0, 5.0, 8.0)), 0.0, np.random.default_rng(0)) == 1.0)


def test_noise_is_rician() -> None:
    empty = rician(np.zeros((200, 200), dtype=np.float32), 2.0, np.random.default_rng(0)).astype(float)
    assert empty.mean() == pytest.approx(2.0 * np.sqrt(np.pi / 2), rel=0.01)
    assert empty.var() == pytest.approx(4.0 * (2 - np.pi / 2), rel=0.02)
    bright = rician(np.full((200, 200), 50.0, dtype=np.float32), 2.0, np.random.default_rng(1)).astype(float)
    assert np.mean(bright**2) == pytest.approx(50.0**2 + 2 * 4.0, rel=0.001)
    negative = rician(np.full((4,), -3.0, dtype=np.float32), 0.0, np.random.default_rng(1))
    np.testing.assert_allclose(negative, 3.0)
