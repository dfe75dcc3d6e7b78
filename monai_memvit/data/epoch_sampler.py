"""Shuffling that is a function of seed and epoch alone, and says which epoch it is."""

from __future__ import annotations

from collections.abc import Iterator, Sized

from torch.utils.data.distributed import DistributedSampler

__all__ = ["EpochSampler"]


class EpochSampler(DistributedSampler[tuple[int, int]]):
    """A ``DistributedSampler`` that yields ``(epoch, index)``: all that a dataset needs to draw its augmentation.

    Its only state is the epoch, which MONAI's engines set for every ``DistributedSampler``: resuming and any number of
    workers give the same order and, with :class:`SeededCacheDataset`, the same images.

    Args:
        dataset: anything with a length.
        shuffle: a new order in every epoch; else the natural one.
        seed: of the order.
        rank: this process among ``world_size``; each takes every world_size-th index of the common order.
        world_size: number of processes.

    Raises:
        ValueError: when there are no samples or the rank does not exist.
    """

    def __init__(self, dataset: Sized, shuffle: bool = True, seed: int = 0, rank: int = 0, world_size: int = 1) -> None:
        if len(dataset) == 0:
            raise ValueError("there are no samples to draw from.")
        super().__init__(dataset, num_replicas=world_size, rank=rank, shuffle=shuffle, seed=seed)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((self.epoch, index) for index in super().__iter__())
