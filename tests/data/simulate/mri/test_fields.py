"""Random fields and distances against independent references."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import BSpline

from monai_memvit.data.simulate.mri.fields import SplineNoise, capsule, cover, ellipsoid


def test_a_spline_field_is_the_same_on_a_lattice_and_point_by_point() -> None:
    noise = SplineNoise(7.0, 40.0, np.random.default_rng(0))
    x, y, z = np.linspace(-40, 40, 9), np.linspace(-35, 38, 7), np.linspace(-1, 5, 5)
    lattice = noise.on((x, y, z))
    points = noise.at((x[:, None, None], y[None, :, None], z[None, None, :]))
    assert lattice.shape == (9, 7, 5)
    np.testing.assert_allclose(lattice, points, atol=1e-5)


def test_a_spline_field_is_a_cubic_spline_of_its_coefficients() -> None:
    noise = SplineNoise(5.0, 10.0, np.random.default_rng(1))
    knots = np.arange(-2.0, 3.0)
    basis = BSpline.basis_element(knots, extrapolate=False)
    point = (1.3, -4.1, 7.7)
    weights = [np.nan_to_num(basis(p / 5.0 - np.arange(-noise.half, noise.half + 1))) for p in point]
    expected = np.einsum("ijk,i,j,k", noise.coefficients.astype(float), *weights)
    assert noise.at(tuple(np.array([p]) for p in point))[0] == pytest.approx(expected, abs=1e-5)


def test_a_spline_field_has_mean_0_and_deviation_1() -> None:
    axis = np.arange(-100.0, 100.0, 2.3)
    field = SplineNoise(5.0, 100.0, np.random.default_rng(2)).on((axis, axis, axis))
    assert abs(field.mean()) < 0.05
    assert field.std() == pytest.approx(1.0, abs=0.05)


def test_distance_to_a_sphere_is_exact_and_to_an_ellipsoid_nearly_so_at_its_surface() -> None:
    x = np.linspace(-30.0, 30.0, 13)
    zero = np.zeros_like(x)
    np.testing.assert_allclose(ellipsoid((x, zero, zero), (1.0, 0.0, 0.0), (20.0,) * 3), 20.0 - abs(x - 1.0), atol=0.02)
    angle = np.linspace(0.0, 2 * np.pi, 40)
    surface = np.stack([60.0 * np.cos(angle), 80.0 * np.sin(angle), 0 * angle])
    normal = surface / np.array([[60.0], [80.0], [1.0]]) ** 2
    inside = surface - 1.5 * normal / np.linalg.norm(normal, axis=0)
    np.testing.assert_allclose(ellipsoid(tuple(inside), (0.0, 0.0, 0.0), (60.0, 80.0, 50.0)), 1.5, atol=0.05)


def test_distance_to_a_capsule() -> None:
    points = tuple(np.array(c) for c in ([5.0, 5.0, -3.0, 5.0], [0.0, 4.0, 0.0, 0.0], [0.0, 0.0, 0.0, 7.0]))
    distance = capsule(points, ((0.0, 0.0, 0.0), (10.0, 0.0, 0.0)), (2.0, 4.0))
    np.testing.assert_allclose(distance, [3.0, -1.0, -1.0, -4.0], atol=1e-6)


def test_cover_is_the_share_of_a_voxel() -> None:
    np.testing.assert_allclose(cover(np.array([-3.0, -0.5, 0.0, 0.25, 9.0]), 2.0), [0.0, 0.25, 0.5, 0.625, 1.0])
