"""Splits keep groups whole and classes in proportion."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from monai_memvit.data import split_by_group


def cohort(seed: int, groups: int = 40, samples: int = 1_200) -> tuple[np.ndarray, list[str]]:
    """Labels and groups of a cohort whose groups differ in size and class mix."""
    rng = np.random.default_rng(seed)
    group = rng.choice(groups, samples, p=rng.dirichlet(np.full(groups, 2.0)))
    mixes = rng.dirichlet(np.ones(4), groups)
    return np.array([rng.choice(4, p=mixes[g]) for g in group]), [f"p{g}" for g in group]


def imbalance(labels: np.ndarray, held: np.ndarray, fraction: float) -> float:
    """Largest distance of a class's held-out share from the fraction."""
    return max(abs((labels[held] == c).sum() / (labels == c).sum() - fraction) for c in np.unique(labels))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
def test_groups_stay_whole_and_everything_is_in_one_part(seed: int, fraction: float) -> None:
    labels, groups = cohort(seed)
    rest, held = split_by_group(labels, groups, fraction, seed)
    assert np.array_equal(np.sort(np.concatenate([rest, held])), np.arange(len(labels)))
    assert {groups[i] for i in rest}.isdisjoint({groups[i] for i in held})
    assert imbalance(labels, held, fraction) < 0.08


@pytest.mark.parametrize("seed", range(3))
def test_classes_are_as_well_kept_as_by_scikit_learn(seed: int) -> None:
    labels, groups = cohort(seed)
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(labels, labels, groups)
    theirs = np.mean([imbalance(labels, held, 0.2) for _, held in folds])
    assert imbalance(labels, split_by_group(labels, groups, 0.2, seed)[1], 0.2) <= theirs


def test_single_samples_are_split_exactly_by_class() -> None:
    labels = np.repeat([0, 1, 2], [1_000, 100, 10])
    _, held = split_by_group(labels, [str(i) for i in range(len(labels))], 0.1, 0)
    assert np.bincount(labels[held]).tolist() == [100, 10, 1]


def test_seeds_differ_and_repeat() -> None:
    labels, groups = cohort(0)
    first, again, other = (split_by_group(labels, groups, 0.2, seed)[1] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("fraction", [0.001, 0.999])
def test_neither_part_is_ever_empty(fraction: float) -> None:
    rest, held = split_by_group([0, 1, 0, 1], ["a", "a", "b", "b"], fraction, 0)
    assert len(rest) == len(held) == 2


def test_one_group_cannot_be_split() -> None:
    with pytest.raises(ValueError, match="at least two are needed"):
        split_by_group([0, 1], ["a", "a"], 0.5)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1.0, float("nan")])
def test_other_fractions_are_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        split_by_group([0, 1], ["a", "b"], fraction)
