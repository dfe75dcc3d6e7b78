"""Shuffling as a function of seed and epoch."""

from __future__ import annotations

import pytest
import torch
from ignite.engine import Events
from monai.data import DataLoader
from monai.engines import Workflow
from torch.utils.data import Dataset

from monai_memvit import EpochSampler


def _order(sampler: EpochSampler, epoch: int = 0) -> list[int]:
    sampler.set_epoch(epoch)
    pairs = list(sampler)
    assert len(pairs) == len(sampler) and {e for e, _ in pairs} == {epoch}
    return [index for _, index in pairs]


def test_every_sample_comes_once_in_an_order_that_seed_and_epoch_decide():
    orders = [_order(EpochSampler(range(50), seed=s), e) for s in (0, 10) for e in range(3)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len({tuple(order) for order in orders}) == 6
    assert _order(EpochSampler(range(50), seed=10), 1) == orders[4]


def test_without_shuffling_the_order_is_natural():
    assert _order(EpochSampler(range(5), shuffle=False), 3) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("samples", "ranks"), [(12, 3), (10, 4), (1, 4), (2, 5)])
def test_ranks_share_the_order_of_one_process(samples, ranks):
    parts = [_order(EpochSampler(range(samples), seed=1, rank=r, world_size=ranks), 2) for r in range(ranks)]
    assert len({len(part) for part in parts}) == 1
    together = [index for turn in zip(*parts) for index in turn]
    alone = _order(EpochSampler(range(samples), seed=1), 2)
    assert together == (alone * len(together))[: len(together)]
    assert len(together) - samples < ranks


@pytest.mark.parametrize("resumed_after", [0, 2])
def test_monais_engines_set_the_epoch(resumed_after):
    loader, seen = DataLoader(_Keys(), sampler=EpochSampler(range(3)), batch_size=3, num_workers=0), []
    engine = Workflow(
        torch.device("cpu"), 4, loader, iteration_update=lambda engine, batch: seen.append(batch[0].tolist()) or {}
    )
    engine.add_event_handler(Events.STARTED, lambda: setattr(engine.state, "epoch", resumed_after))
    engine.run()
    assert seen == [[epoch] * 3 for epoch in range(resumed_after + 1, 5)]


class _Keys(Dataset):
    def __getitem__(self, key):
        return key

    def __len__(self):
        return 3


@pytest.mark.parametrize(
    ("samples", "options", "message"),
    [
        (0, {}, "no samples"),
        (3, {"rank": 2, "world_size": 2}, "rank 2"),
        (3, {"rank": -1}, "rank -1"),
    ],
)
def test_bad_arguments(samples, options, message):
    with pytest.raises(ValueError, match=message):
        EpochSampler(range(samples), **options)
