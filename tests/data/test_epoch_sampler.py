"""Shuffling as a function of seed and epoch."""

from __future__ import annotations

import pytest
from ignite.engine import Engine, Events

from monai_memvit import EpochSampler


def _order(sampler: EpochSampler, epoch: int = 0) -> list[int]:
    sampler.epoch = epoch
    pairs = list(sampler)
    assert len(pairs) == len(sampler) and {e for e, _ in pairs} == {epoch}
    return [index for _, index in pairs]


def test_every_sample_comes_once_in_an_order_that_seed_and_epoch_decide():
    orders = [_order(EpochSampler(range(50), seed=s), e) for s in range(3) for e in range(3)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len({tuple(order) for order in orders}) == 9
    assert _order(EpochSampler(range(50), seed=2), 1) == orders[7]


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


def test_follows_the_trainers_epoch():
    sampler, seen = EpochSampler(range(3)), []
    engine = Engine(lambda engine, batch: seen.append(batch[0]))
    sampler.attach(engine)
    engine.add_event_handler(Events.EPOCH_STARTED, lambda: engine.set_data(sampler))
    engine.run(sampler, max_epochs=2)
    assert sampler.epoch == 1 and seen[-3:] == [1, 1, 1]


@pytest.mark.parametrize(
    ("samples", "options", "message"),
    [
        (0, {}, "no samples"),
        (3, {"rank": 2, "world_size": 2}, "rank 2 does not exist among 2"),
        (3, {"rank": -1}, "rank -1"),
    ],
)
def test_bad_arguments(samples, options, message):
    with pytest.raises(ValueError, match=message):
        EpochSampler(range(samples), **options)
