"""What a chest is drawn with."""

from __future__ import annotations

import numpy as np
import pytest

from monai_memvit.data.simulate.radiographs.shapes import Plane, add_rod, enlarge, smooth_noise


def test_pixel_centres_lie_about_the_middle() -> None:
    plane = Plane(4, 3, 2.0)
    assert plane.x.tolist() == [[-2.0, 0.0, 2.0]] and plane.y.ravel().tolist() == [-3.0, -1.0, 1.0, 3.0]


def test_a_coarser_plane_covers_the_same_field() -> None:
    plane = Plane(100, 80, 0.2)
    coarse = plane.coarser(1.0)
    assert (coarse.rows, coarse.columns) == (20, 16)
    assert coarse.rows * coarse.spacing == pytest.approx(plane.rows * plane.spacing)
    assert plane.coarser(0.1) is plane


def test_enlarging_a_ramp_gives_a_ramp() -> None:
    ramp = np.arange(8, dtype=np.float32)[:, None] + np.zeros((1, 6), np.float32)
    large = enlarge(ramp, 32, 12)
    assert large.shape == (32, 12)
    expected = (np.arange(32) + 0.5) / 4 - 0.5
    np.testing.assert_allclose(large[2:-2, 5], expected[2:-2], atol=1e-5)


def test_the_shadow_of_a_rod_is_half_an_ellipse() -> None:
    plane, image = Plane(41, 41, 1.0), np.zeros((41, 41), np.float32)
    add_rod(image, plane, ((-10.0, 0.0), (10.0, 0.0)), 5.0, 2.0)
    expected = 2.0 * np.sqrt(np.clip(1 - (plane.y.ravel() / 5.0) ** 2, 0, None))
    np.testing.assert_allclose(image[:, 20], expected, atol=1e-5)
    assert image[20, 20 + 15] == 0.0 and image[20, 20 + 14] > 0.0 and not image[:, :5].any()


def test_smooth_noise_is_smooth_and_of_unit_size() -> None:
    noise = smooth_noise(Plane(400, 400, 1.0), 8.0, np.random.default_rng(0))
    assert noise.shape == (400, 400) and abs(noise.mean()) < 0.1 and 0.8 < noise.std() < 1.2
    assert np.abs(np.diff(noise, axis=0)).max() < 1.5
