"""Eq. (1) and (2) of MoViT against their closed forms."""

from __future__ import annotations

import math
import pickle

import pytest
import torch

from monai_memvit.memory.moving_average import AttentionMovingAverage

blend = AttentionMovingAverage.blend


@pytest.mark.parametrize("epochs, start", [(1, 1), (4, 1), (20, 2), (100, 10), (250, 25)])
def test_schedule_equals_the_printed_form(epochs: int, start: int) -> None:
    alpha = AttentionMovingAverage(epochs)
    for t in range(epochs + 3):
        friction = math.exp(-((start - t) ** 2) / start) if t <= start else 1.0
        assert alpha(t) == pytest.approx(1 - 0.01 * friction, abs=1e-15)


def test_values_for_a_hundred_epochs() -> None:
    printed, laine = AttentionMovingAverage(100), AttentionMovingAverage(100, ramp=5.0)
    assert [round(printed(t), 5) for t in (0, 5, 10, 99)] == [1.0, 0.99918, 0.99, 0.99]
    assert [round(laine(t), 5) for t in (0, 5, 10, 99)] == [0.99993, 0.99713, 0.99, 0.99]


@pytest.mark.parametrize("ramp", ["t0", 5.0, 0.0])
@pytest.mark.parametrize("alpha0", [0.01, 0.5, 1.0])
def test_starts_falls_and_joins_at_t0(ramp: str | float, alpha0: float) -> None:
    alpha = AttentionMovingAverage(100, alpha0=alpha0, ramp=ramp)
    values = [alpha(t) for t in range(100)]
    assert values[0] == pytest.approx(1 - alpha0 * math.exp(-(10.0 if ramp == "t0" else ramp)), abs=1e-15)
    assert all(a >= b for a, b in zip(values, values[1:], strict=False))
    assert values[10] == values[11] == values[99] == pytest.approx(1 - alpha0)


def test_retained_convention_gives_the_rest_to_the_new_fact() -> None:
    generated, retained = AttentionMovingAverage(50), AttentionMovingAverage(50, convention="retained")
    assert all(retained(t) == pytest.approx(1 - generated(t), abs=1e-15) for t in range(50))


def test_share_of_the_first_fact_left_after_a_hundred_epochs() -> None:
    retained = AttentionMovingAverage(100, convention="retained")
    generated = AttentionMovingAverage(100)
    assert math.prod(1 - retained(t) for t in range(1, 100)) == pytest.approx(0.395, abs=2e-3)
    assert math.prod(1 - generated(t) for t in range(1, 100)) < 1e-190


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.99, 1.0])
def test_constant_input_converges_geometrically(alpha: float) -> None:
    new, first = torch.randn(4, 3, 8, dtype=torch.float64), torch.randn(4, 3, 8, dtype=torch.float64)
    fact = first
    for _ in range(7):
        fact = blend(fact, new, alpha)
    torch.testing.assert_close(fact, new + (1 - alpha) ** 7 * (first - new), rtol=0, atol=1e-12)


def test_overwrite_and_freeze_schedules() -> None:
    overwrite = AttentionMovingAverage(10, alpha0=0.0)
    freeze = AttentionMovingAverage(10, alpha0=1.0, ramp=0)
    assert {overwrite(t) for t in range(10)} == {1.0}
    assert {freeze(t) for t in range(10)} == {0.0}


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_blend_is_exact_at_both_ends(bad: float, dtype: torch.dtype) -> None:
    fact, poison = torch.randn(5, 2, dtype=dtype), torch.full((5, 2), bad, dtype=dtype)
    assert torch.equal(blend(poison, fact, 1.0), fact)
    assert torch.equal(blend(fact, poison, 0.0), fact)


def test_blend_takes_a_weight_per_row_and_changes_nothing_in_place() -> None:
    old, new = torch.zeros(3, 2), torch.ones(3, 2)
    old[0] = float("nan")
    kept = old.clone()
    mixed = blend(old, new, torch.tensor([[1.0], [0.25], [0.0]]))
    assert torch.equal(mixed, torch.tensor([[1.0, 1.0], [0.25, 0.25], [0.0, 0.0]]))
    torch.testing.assert_close(old, kept, equal_nan=True)
    assert torch.equal(new, torch.ones(3, 2))


def test_pickles() -> None:
    alpha = AttentionMovingAverage(30, alpha0=0.4, ramp=5, convention="retained")
    copy = pickle.loads(pickle.dumps(alpha))
    assert [copy(t) for t in range(30)] == [alpha(t) for t in range(30)]
    assert "retained" in repr(alpha)


@pytest.mark.parametrize(
    "arguments, named",
    [
        ({"max_epochs": 0}, "max_epochs"),
        ({"alpha0": 1.5}, "1.5"),
        ({"alpha0": float("nan")}, "alpha0"),
        ({"warmup": -0.1}, "warmup"),
        ({"ramp": "linear"}, "linear"),
        ({"ramp": -1.0}, "ramp"),
        ({"ramp": float("inf")}, "ramp"),
        ({"convention": "old"}, "convention"),
    ],
    ids=str,
)
def test_arguments_are_checked(arguments: dict, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        AttentionMovingAverage(**{"max_epochs": 10, **arguments})


def test_negative_epoch_is_refused() -> None:
    with pytest.raises(ValueError, match="-1"):
        AttentionMovingAverage(10)(-1)
