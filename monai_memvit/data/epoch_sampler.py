"""Shuffling that is a function of seed and epoch alone."""

from __future__ import annotations

from collections.abc import Iterator, Sized

import torch
from ignite.engine import Engine, Events
from torch.utils.data import Sampler

__all__ = ["EpochSampler"]


class EpochSampler(Sampler[tuple[int, int]]):
    """Yields ``(epoch, index)``, so that a dataset can draw its augmentation from exactly those two.

    It has no state but the epoch, which it takes from the trainer: resuming and any number of workers give the same
    order and the same images. With several ranks each takes every world_size-th index of the common order; the last
    ones are padded from the beginning, as ``DistributedSampler`` does.

    Args:
        data_source: anything with a length.
        shuffle: a new order in every epoch; else the natural one.
        seed: of the order.
        rank: this process among ``world_size``.
        world_size: number of processes.

    Raises:
        ValueError: when there are no samples or the rank does not exist.
    """

    def __init__(
        self, data_source: Sized, shuffle: bool = True, seed: int = 0, rank: int = 0, world_size: int = 1
    ) -> None:
        if len(data_source) == 0:
            raise ValueError("there are no samples to draw from.")
        if not 0 <= rank < world_size:
            raise ValueError(f"rank {rank} does not exist among {world_size} processes.")
        self.length = len(data_source)
        self.shuffle = shuffle
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0

    def attach(self, engine: Engine) -> None:
        """Follow a trainer's epochs; usable as one of its handlers.

        Args:
            engine: the trainer.
        """
        engine.add_event_handler(Events.EPOCH_STARTED, self._follow)

    def _follow(self, engine: Engine) -> None:
        self.epoch = engine.state.epoch - 1

    def __len__(self) -> int:
        return -(-self.length // self.world_size)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        order = torch.arange(self.length)
        if self.shuffle:
            # Two numbers, one stream each: seed 0 in epoch 1 is not seed 1 in epoch 0.
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
            order = torch.randperm(self.length, generator=generator)
        total = len(self) * self.world_size
        padded = order.repeat(-(-total // self.length))[:total]
        for index in padded[self.rank :: self.world_size].tolist():
            yield self.epoch, index
