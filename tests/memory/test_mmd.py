"""Eq. (3) and its greedy minimisation against brute force over full Gram matrices."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_memvit.memory.kernels import CosineKernel, RadialKernel, directions
from monai_memvit.memory.mmd import herd, mmd_squared, resolve_kernel


def unit(x: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(x, axis=-1, keepdims=True)
    return x / np.where(norm == 0, 1, norm)


def gram_of(name: str, u: np.ndarray) -> np.ndarray:
    if name == "cosine":
        return u @ u.T
    squares = ((u[:, None] - u[None]) ** 2).sum(-1)
    return np.exp(-squares / squares.mean())


def objective(gram: np.ndarray, chosen: list[int], factor: float) -> float:
    return gram[np.ix_(chosen, chosen)].mean() - factor * gram[chosen].mean() + gram.mean()


def brute_force(gram: np.ndarray, count: int, factor: float) -> list[int]:
    chosen: list[int] = []
    for _ in range(count):
        rest = [c for c in range(len(gram)) if c not in chosen]
        chosen.append(min(rest, key=lambda c: (round(objective(gram, [*chosen, c], factor), 12), c)))
    return chosen


@pytest.mark.parametrize("kernel", ["cosine", "rbf"])
@pytest.mark.parametrize("factor", [2.0, 1.0, 1.5])
@pytest.mark.parametrize("seed", range(5))
def test_greedy_equals_brute_force(kernel: str, factor: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    keys = rng.normal(size=(24 + seed, 5)) + rng.normal(size=5) * (seed % 3)
    keys[3] = 0  # a zero key takes part like any other
    units = directions(torch.from_numpy(keys))
    found = herd(units, 20, resolve_kernel(kernel).fitted(units), factor)
    assert found.tolist() == brute_force(gram_of(kernel, unit(keys)), 20, factor)


@pytest.mark.parametrize("kernel, tolerance", [("cosine", 1e-12), ("rbf", 1e-6)])
@pytest.mark.parametrize("factor", [2.0, 1.0])
def test_discrepancy_equals_the_double_sums(kernel: str, tolerance: float, factor: float) -> None:
    rng = np.random.default_rng(0)
    keys = rng.normal(size=(30, 2, 6)) + 0.5
    rows = [4, 0, 17, 9]
    found = mmd_squared(torch.from_numpy(keys[rows]), torch.from_numpy(keys), factor, kernel)
    wanted = [objective(gram_of(kernel, unit(keys[:, h])), rows, factor) for h in range(2)]
    np.testing.assert_allclose(found, wanted, atol=tolerance)


def test_cosine_discrepancy_is_the_distance_of_the_means() -> None:
    keys = torch.randn(50, 3, 8, dtype=torch.float64) + 1
    units = keys / keys.norm(dim=-1, keepdim=True)
    wanted = (units[:7].mean(0) - units.mean(0)).square().sum(-1)
    torch.testing.assert_close(mmd_squared(keys[:7], keys), wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kernel", ["cosine", "rbf"])
def test_all_keys_are_perfect_with_factor_two_only(kernel: str) -> None:
    keys = torch.randn(40, 2, 8, dtype=torch.float64) + 1
    assert mmd_squared(keys.flip(0), keys, 2.0, kernel).max() < 1e-6
    assert mmd_squared(keys.flip(0), keys, 1.0, kernel).min() > 0.05


def test_all_keys_with_the_printed_factor_leave_the_squared_mean() -> None:
    keys = torch.randn(40, 2, 8, dtype=torch.float64) + 1
    mean = (keys / keys.norm(dim=-1, keepdim=True)).mean(0)
    torch.testing.assert_close(mmd_squared(keys, keys, 1.0), mean.square().sum(-1), rtol=0, atol=1e-12)


def test_first_pick_is_nearest_to_the_mean_direction() -> None:
    units = directions(torch.randn(200, 8) + 0.3)
    assert int(herd(units, 1, CosineKernel())) == int((units @ units.mean(0)).argmax())


@pytest.mark.parametrize("copies", [2, 5])
def test_lowest_index_wins_a_tie(copies: int) -> None:
    keys = torch.randn(37, 6)
    picks = herd(directions(keys.repeat(copies, 1)), 1, CosineKernel())
    assert int(picks) == int(herd(directions(keys), 1, CosineKernel()))
    assert herd(directions(torch.ones(9, 4)), 9, CosineKernel()).tolist() == list(range(9))


def test_zero_vectors_have_no_direction_and_no_nan() -> None:
    assert torch.equal(directions(torch.zeros(2, 3)), torch.zeros(2, 3, dtype=torch.float64))
    tiny = torch.tensor([[3e-30, 4e-30]])
    torch.testing.assert_close(directions(tiny), torch.tensor([[0.6, 0.8]], dtype=torch.float64), rtol=1e-6, atol=0)
    assert herd(directions(torch.zeros(4, 3)), 4, CosineKernel()).tolist() == [0, 1, 2, 3]


def test_equal_keys_do_not_break_the_radial_width() -> None:
    assert mmd_squared(torch.ones(1, 1, 4), torch.ones(6, 1, 4), kernel="rbf").item() == pytest.approx(0, abs=1e-6)


def test_radial_kernel_covers_a_mode_that_cosine_may_miss() -> None:
    # Two opposite modes and one orthogonal pair: their mean is zero, so cosine is content with the first pair.
    keys = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]).repeat(5, 1)[:, None]
    pair = keys[:2]
    assert mmd_squared(pair, keys).item() == pytest.approx(0, abs=1e-12)
    assert mmd_squared(pair, keys, kernel="rbf").item() > 0.05


def test_errors() -> None:
    keys = torch.randn(5, 2, 3)
    with pytest.raises(ValueError, match="linear"):
        mmd_squared(keys, keys, kernel="linear")
    with pytest.raises(ValueError, match="cross_coefficient.*3"):
        mmd_squared(keys, keys, 3.0)
    with pytest.raises(ValueError, match=r"\(5, 1, 3\)"):
        mmd_squared(keys[:, :1], keys)
    with pytest.raises(ValueError, match="not be empty"):
        mmd_squared(keys[:0], keys)
    with pytest.raises(ValueError, match="gamma"):
        RadialKernel(0.0)
    with pytest.raises(ValueError, match="fitted"):
        RadialKernel().gram(keys[:, 0], keys[:, 0])
