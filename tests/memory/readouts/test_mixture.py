"""Several read-outs, weighted by what they have earned."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from monai_memvit.memory.case_rows import CaseRows
from monai_memvit.memory.class_moments import ClassMoments
from monai_memvit.memory.readouts import FittedReadout, MixtureReadout

N = 40
LABELS = torch.arange(N) % 2
ROWS = CaseRows(
    torch.arange(N), torch.arange(N), LABELS, torch.zeros(N, dtype=torch.bool), torch.randn(N, 3), torch.zeros(N, 2)
)
MOMENTS = ClassMoments.of(ROWS.features, LABELS, 2)


class _Told:
    """A read-out that says what it is given."""

    def __init__(self, right: torch.Tensor) -> None:
        self.held_out = torch.stack([torch.where(LABELS == c, right, 1 - right) for c in (0, 1)], dim=1)

    def fit(self, cases, moments, judged):
        return FittedReadout(lambda features, _: self.held_out[: len(features)], self.held_out[judged], {"told": 1.0})


def _opinions(seed: int = 0) -> dict[str, _Told]:
    generator = torch.Generator().manual_seed(seed)
    return {name: _Told(torch.rand(N, generator=generator, dtype=torch.float64)) for name in ("a", "b", "c")}


def test_weights_are_those_of_the_greatest_likelihood():
    opinions = _opinions()
    told = np.stack([o.held_out[torch.arange(N), LABELS].numpy() for o in opinions.values()])
    result = minimize(
        lambda w: -np.log(w @ told).mean(),
        np.full(3, 1 / 3),
        bounds=[(0, 1)] * 3,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        tol=1e-12,
    )
    choices = MixtureReadout(opinions).fit(ROWS, MOMENTS, torch.arange(N)).choices
    found = [choices[f"{name}_weight"] for name in opinions]
    assert -np.log(found @ told).mean() == pytest.approx(result.fun, abs=1e-4)
    np.testing.assert_allclose(found, result.x, atol=0.02)


def test_probabilities_are_the_weighted_sum():
    opinions = _opinions()
    fitted = MixtureReadout(opinions).fit(ROWS, MOMENTS, torch.arange(N))
    weights = [fitted.choices[f"{name}_weight"] for name in opinions]
    wanted = sum(w * o.held_out for w, o in zip(weights, opinions.values()))
    torch.testing.assert_close(fitted.read(ROWS.features, ROWS.logits), wanted)
    torch.testing.assert_close(fitted.held_out, wanted)


def test_a_read_out_that_is_always_right_gets_all_the_weight():
    opinions = _opinions() | {"oracle": _Told(torch.ones(N, dtype=torch.float64))}
    assert MixtureReadout(opinions).fit(ROWS, MOMENTS, torch.arange(N)).choices["oracle_weight"] > 0.99


def test_without_a_judge_all_weigh_the_same():
    choices = MixtureReadout(_opinions()).fit(ROWS, MOMENTS, torch.empty(0, dtype=torch.int64)).choices
    assert [choices[f"{name}_weight"] for name in "abc"] == pytest.approx([1 / 3] * 3)


def test_a_mixture_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        MixtureReadout({})
