"""Resampling against SciPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from monai_memvit.transforms.mri.resampling import check_interpolation, resample_volume

pytest.importorskip("SimpleITK")


@pytest.mark.parametrize(("interpolation", "order"), [("linear", 1), ("bspline", 3)])
def test_as_scipy_does_it(rigid: Callable[..., np.ndarray], interpolation: str, order: int) -> None:
    smooth = ndimage.gaussian_filter(np.random.default_rng(0).random((20, 22, 24)), 2.0) * 100
    affine = rigid((10, 5, 0), (3, 2, 1)) @ np.diag([1.0, 1.5, 2.0, 1.0])
    target = rigid((0, 8, 3), (9, 8, 12)) @ np.diag([1.2, 1.2, 1.2, 1.0])
    matrix = rigid((2, 3, 4), (1, -1, 2))
    found = resample_volume(smooth, affine, (6, 8, 10), target, matrix, interpolation)
    to_index = np.linalg.inv(affine) @ matrix @ target
    expected = ndimage.affine_transform(
        smooth, to_index[:3, :3], to_index[:3, 3], output_shape=(6, 8, 10), order=order, mode="mirror"
    )
    index = np.stack([*np.indices((6, 8, 10)), np.ones((6, 8, 10))]).reshape(4, -1)
    at = (to_index @ index)[:3].reshape(3, 6, 8, 10)
    inside = ((at >= 0) & (at <= np.array([19, 21, 23])[:, None, None, None])).all(0)
    assert inside.mean() > 0.5
    np.testing.assert_allclose(found[inside], expected[inside], rtol=2e-4)
    outside = ((at < -1) | (at > np.array([20, 22, 24])[:, None, None, None])).any(0)
    assert (found[outside] == 0).all()


def test_splines_do_not_swing_beyond_the_volume(rigid: Callable[..., np.ndarray]) -> None:
    edge = np.zeros((16, 16, 16))
    edge[8:] = 100.0
    moved = rigid((0, 0, 0), (0.3, 0, 0))
    free = ndimage.shift(edge, (-0.3, 0, 0), order=3, mode="mirror")
    assert free.min() < -5 and free.max() > 105, "the splines would swing"
    found = resample_volume(edge, np.eye(4), (15, 16, 16), np.eye(4), moved, "bspline")
    assert found.min() == 0 and found.max() == 100


def test_an_unknown_interpolation_is_refused() -> None:
    with pytest.raises(ValueError, match='"linear" or "bspline", got \'cubic\''):
        check_interpolation("cubic")
