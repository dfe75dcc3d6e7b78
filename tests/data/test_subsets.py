"""Low-data subsets: stratified, nested, never without a class."""

from __future__ import annotations

import numpy as np
import pytest

from monai_memvit.data import nested_subset

FRACTIONS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.5, 0.999, 1.0)
LABELS = np.random.default_rng(0).choice(5, 2_000, p=[0.4, 0.3, 0.2, 0.09, 0.01])


@pytest.mark.parametrize("seed", [0, 1, 17])
def test_smaller_subsets_lie_inside_larger_ones(seed: int) -> None:
    subsets = [set(nested_subset(LABELS, fraction, seed).tolist()) for fraction in FRACTIONS]
    for smaller, larger in zip(subsets, subsets[1:], strict=False):
        assert smaller <= larger
    assert subsets[-1] == set(range(len(LABELS)))


@pytest.mark.parametrize("fraction", FRACTIONS)
def test_every_class_gives_its_share_and_one_at_least(fraction: float) -> None:
    chosen = nested_subset(LABELS, fraction, 3)
    assert chosen.dtype == np.int64
    assert (np.diff(chosen) > 0).all()
    for label in range(5):
        count, total = int((LABELS[chosen] == label).sum()), int((LABELS == label).sum())
        assert count >= 1
        assert abs(count - fraction * total) <= 0.5 or count == 1


def test_seeds_differ_and_repeat() -> None:
    assert np.array_equal(nested_subset(LABELS, 0.1, 4), nested_subset(LABELS, 0.1, 4))
    assert not np.array_equal(nested_subset(LABELS, 0.1, 4), nested_subset(LABELS, 0.1, 5))


def test_a_class_keeps_its_choice_when_another_grows() -> None:
    longer = np.concatenate([LABELS, np.full(500, 4)])
    first, second = nested_subset(LABELS, 0.1, 0), nested_subset(longer, 0.1, 0)
    assert np.array_equal(first[LABELS[first] == 2], second[longer[second] == 2])


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.0001, float("nan")])
def test_other_fractions_are_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        nested_subset(LABELS, fraction)


@pytest.mark.parametrize("labels", [[], [0, -1], [[0, 1]]])
def test_other_labels_are_refused(labels: list[int]) -> None:
    with pytest.raises(ValueError, match="class indices from 0"):
        nested_subset(labels, 0.5)
