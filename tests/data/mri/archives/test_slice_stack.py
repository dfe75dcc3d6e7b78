"""The foreground of a stack of slices, and z-scores in it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from monai_memvit.data.mri.archives.slice_stack import stack_slices


def phantom(background: float, tissue: float, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Five slices ``(S, H, W, 1)`` of a ring of tissue around a cavity, and the ring with its cavity."""
    rows, columns = np.mgrid[:48, :48] - 24
    radius = np.hypot(rows, columns)
    rng = np.random.default_rng(0)
    image = np.where((radius < 15) & (radius > 4), tissue, background) + noise * rng.standard_normal((5, 48, 48))
    return image[..., None], np.broadcast_to(radius < 15, (5, 48, 48))


@pytest.mark.parametrize(
    ("background", "tissue", "noise"), [(0, 100, 0), (0, 100, 3), (100, 60, 1), (-500, 40, 5), (10, 200, 8)]
)
def test_the_brain_is_found_before_any_background(background: float, tissue: float, noise: float) -> None:
    image, brain = phantom(background, tissue, noise)
    image[..., 0] += np.where(brain, np.linspace(0, 5, 48), 0)
    found = stack_slices(image, np.ones((5, 1), bool), ["t1"]).brain
    assert 2 * (found & brain).sum() / (found.sum() + brain.sum()) > 0.98


def test_scores_are_scipys() -> None:
    image, _ = phantom(0, 100, 2)
    stack = stack_slices(image, np.ones((5, 1), bool), ["t1"])
    expected = stats.zscore(image[..., 0][stack.brain])
    assert np.allclose(stack.image[:, 0][stack.brain], expected, atol=2e-3)
    inside = image[..., 0][stack.brain]
    expected = {"mean": inside.mean(), "std": inside.std(), "voxels": len(inside)}
    assert stack.normalization == {"t1": pytest.approx(expected, rel=1e-6)}


def test_what_is_not_there_is_not_looked_at() -> None:
    image, _ = phantom(0, 100, 2)
    both = np.concatenate([image, np.full_like(image, np.nan)], axis=-1)
    present = np.array([[True, False]] * 5)
    alone = stack_slices(image, present[:, :1], ["t1"])
    stack = stack_slices(both, present, ["t1", "t2"])
    assert np.array_equal(stack.image[:, :1], alone.image) and (stack.image[:, 1] == 0).all()
    assert list(stack.normalization) == ["t1"]


def test_one_value_in_the_brain_is_refused() -> None:
    image = np.zeros((5, 48, 48, 1))
    image[:, 14:34, 14:34] = 100
    with pytest.raises(ValueError, match="t1: all .* inside the mask are 100"):
        stack_slices(image, np.ones((5, 1), bool), ["t1"])
