"""Intervals by resampling whole patients: against a loop in NumPy, and against what theory says."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from monai_memvit.metrics import bootstrap_intervals, classification_summary


def _mean(values: torch.Tensor) -> dict[str, float]:
    return {"mean": float(values.mean())}


def _loop(values: np.ndarray, groups: np.ndarray, resamples: int, tails: list[float]) -> list[float]:
    random, found = np.random.default_rng(0), []
    names = np.unique(groups)
    for _ in range(resamples):
        found.append(np.concatenate([values[groups == g] for g in random.choice(names, len(names))]).mean())
    return list(np.quantile(found, tails))


@pytest.mark.parametrize("confidence", [0.9, 0.5])
def test_equals_a_loop_with_other_draws(confidence):
    values = np.random.default_rng(1).normal(size=60)
    groups = np.arange(60) ** 2 % 17 * 1000 - 5  # uneven, neither sorted nor from 0
    values += groups / 5000
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    expected = _loop(values, groups, 4000, tails)
    found = bootstrap_intervals(
        _mean, [torch.tensor(values)], torch.tensor(groups), resamples=4000, confidence=confidence
    )
    np.testing.assert_allclose(found["mean"], expected, atol=0.12 * values.std())


def test_few_groups_enumerated():
    """Two patients: the resamples are aa, ab, ba, bb, a quarter each."""
    values, groups = torch.tensor([0.0, 0.0, 0.0, 1.0]), torch.tensor([7, 7, 7, 9])
    drawn = []

    def figures(column: torch.Tensor) -> dict[str, float]:
        drawn.append(tuple(column.tolist()))
        return _mean(column)

    low, high = bootstrap_intervals(figures, [values], groups, resamples=2000)["mean"]
    a, b = (0.0, 0.0, 0.0), (1.0,)
    shares = {whole: drawn.count(whole) / 2000 for whole in (a + a, a + b, b + a, b + b)}
    assert sum(shares.values()) == pytest.approx(1)
    assert all(share == pytest.approx(0.25, abs=0.05) for share in shares.values())
    assert (low, high) == (0, 1)


def test_cases_of_one_patient_are_one_case():
    """Every patient's cases doubled: the interval of patients stays, that of single cases shrinks."""
    values = torch.randn(40, generator=torch.Generator().manual_seed(2))
    doubled, groups = values.repeat_interleave(2), torch.arange(40).repeat_interleave(2)
    single = bootstrap_intervals(_mean, [values])["mean"]
    assert bootstrap_intervals(_mean, [doubled], groups)["mean"] == pytest.approx(single)
    low, high = bootstrap_intervals(_mean, [doubled])["mean"]
    assert high - low == pytest.approx((single[1] - single[0]) / 2**0.5, rel=0.15)


def test_columns_stay_together_and_classification_figures_fit():
    torch.manual_seed(0)
    labels = torch.arange(80) % 2
    probabilities = (torch.randn(80, 2) + 1.5 * torch.eye(2)[labels]).softmax(-1)
    found = bootstrap_intervals(classification_summary, (probabilities, labels), torch.arange(80) // 4, resamples=100)
    point = classification_summary(probabilities, labels)
    assert found.keys() == point.keys()
    assert all(low < point[name] < high for name, (low, high) in found.items() if name != "calibration_error")
    assert found["auc"][0] < roc_auc_score(labels, probabilities[:, 1]) < found["auc"][1]


def test_resamples_of_one_class_do_not_count():
    labels = torch.tensor([0, 0, 0, 1])  # a resample without the last case is likely: (3/4)^4
    probabilities = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.1, 0.9]])
    found = bootstrap_intervals(classification_summary, (probabilities, labels), resamples=60)
    assert found["auc"] == (1, 1) and found["recall_positive"] == (1, 1)


def _drawn(labels: torch.Tensor, told: torch.Tensor | None, **options: Any) -> list[tuple[int, ...]]:
    """The classes of every resample that counts."""
    seen: list[tuple[int, ...]] = []

    def figures(column: torch.Tensor) -> dict[str, float]:
        seen.append(tuple(column.unique().tolist()))
        return _mean(column.float())

    bootstrap_intervals(figures, [labels], labels=told, **options)
    return seen


def test_resamples_that_lack_a_class_are_left_out_for_every_figure() -> None:
    labels = torch.tensor([0, 0, 0, 1, 1, 2])  # most resamples lack class 1 or 2
    every, whole = _drawn(labels, None, resamples=400), _drawn(labels, labels, resamples=400)
    assert len(every) == 400 and set(whole) == {(0, 1, 2)} and len(whole) == every.count((0, 1, 2)) < 400


def test_means_over_classes_are_not_mixed_with_figures_of_one_class() -> None:
    """Two patients of one class each: a resample with both is the whole set, any other has one class."""
    labels = torch.tensor([0, 0, 0, 0, 1, 1])
    columns = torch.tensor([[0.1, 0.9]] + [[0.9, 0.1]] * 5), labels
    loose = bootstrap_intervals(classification_summary, columns, labels, 200)
    strict = bootstrap_intervals(classification_summary, columns, labels, 200, labels=labels)
    assert loose["balanced_accuracy"] == (0, 0.75)  # the patient of class 1 alone, that of class 0 alone
    for name, value in classification_summary(*columns).items():
        assert strict[name] == pytest.approx((value, value)), name


def test_a_class_that_no_resample_holds_with_the_others_is_nan() -> None:
    labels = torch.arange(40)
    low, high = bootstrap_intervals(_mean, [labels.double()], resamples=5, labels=labels)["mean"]
    assert math.isnan(low) and math.isnan(high)


@pytest.mark.parametrize("groups", [torch.zeros(4, dtype=torch.int64), torch.arange(4)])
def test_undefined_everywhere_is_nan(groups):
    labels = torch.zeros(4, dtype=torch.int64)
    found = bootstrap_intervals(classification_summary, (torch.full((4, 2), 0.5), labels), groups, resamples=5)
    assert all(math.isnan(bound) for bound in found["auc"])


def test_the_seed_decides_and_the_global_generator_is_left_alone():
    values = torch.randn(30, generator=torch.Generator().manual_seed(2))
    state = torch.get_rng_state()
    first, again, other = (bootstrap_intervals(_mean, [values], resamples=50, seed=s) for s in (1, 1, 2))
    assert first == again != other
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("columns", "groups", "options", "message"),
    [
        ([torch.rand(3), torch.rand(4)], None, {}, r"\[3, 4\]"),
        ([torch.rand(3)], torch.arange(2), {}, r"\[3, 2\]"),
        ([torch.rand(0)], None, {}, "at least one"),
        ([], None, {}, "at least one"),
        ([torch.rand(3)], None, {"resamples": 0}, "resamples > 0"),
        ([torch.rand(3)], None, {"confidence": 95}, "confidence < 1"),
    ],
)
def test_bad_input(columns, groups, options, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_intervals(_mean, columns, groups, **options)
