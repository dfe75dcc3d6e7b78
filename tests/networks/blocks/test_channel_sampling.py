"""Which channels a training keeps: how often each set, among which, and again after a checkpoint."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from math import comb

import pytest
import torch

from monai_memvit.networks.blocks import HierarchicalChannelSampling


def _sets(kept: torch.Tensor) -> list[tuple[int, ...]]:
    return [tuple(row.nonzero().flatten().tolist()) for row in kept]


def _check_law(found: Counter, channels: tuple[int, ...]) -> None:
    """Size m with probability 1/C, each of its subsets equally often: within five standard deviations."""
    total = found.total()
    every = [s for m in range(1, len(channels) + 1) for s in combinations(channels, m)]
    assert set(found) == set(every)
    for subset in every:
        p = 1 / (len(channels) * comb(len(channels), len(subset)))
        assert abs(found[subset] - total * p) < 5 * (total * p * (1 - p)) ** 0.5


def test_sizes_and_subsets_are_uniform(seed):
    kept = HierarchicalChannelSampling()(torch.ones(20000, 4, dtype=torch.bool))
    _check_law(Counter(_sets(kept)), (0, 1, 2, 3))


def test_every_sample_draws_among_its_own(seed):
    has = torch.tensor([True, False, True, True, False])
    kept = HierarchicalChannelSampling()(has.expand(20000, -1))
    _check_law(Counter(_sets(kept)), (0, 2, 3))


def test_a_shared_set_is_that_of_the_whole_batch(seed):
    sampling, found = HierarchicalChannelSampling(shared=True), Counter()
    for _ in range(4000):
        sets = set(_sets(sampling(torch.ones(3, 3, dtype=torch.bool))))
        assert len(sets) == 1
        found.update(sets)
    _check_law(found, (0, 1, 2))


@pytest.mark.parametrize("shared", [False, True])
def test_no_sample_is_left_without_and_none_gains(seed, shared):
    sampling = HierarchicalChannelSampling(shared)
    for _ in range(300):
        has = torch.rand(8, 5) > 0.6
        kept = sampling(has)
        assert not (kept & ~has).any()
        assert torch.equal(kept.any(1), has.any(1))


def test_a_sample_without_the_shared_channels_keeps_one_of_its_own(seed):
    has = torch.tensor([[True, True, True, False, False], [False, False, False, True, True]])
    pairs = [_sets(HierarchicalChannelSampling(shared=True)(has)) for _ in range(400)]
    fallback = [second for first, second in pairs if len(first) == 3 and len(second) == 1]
    assert {(3,), (4,)} <= set(fallback)


def test_draws_follow_torchs_generator_of_the_cpu():
    sampling, has = HierarchicalChannelSampling(), torch.ones(16, 5, dtype=torch.bool)
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first, second = sampling(has), sampling(has)
    torch.set_rng_state(state)
    assert torch.equal(sampling(has), first) and torch.equal(sampling(has), second)
    assert not torch.equal(first, second)
