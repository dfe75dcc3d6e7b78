"""A cached dataset whose augmentation depends on seed, epoch and sample, not on who computes it when."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from monai.data import CacheDataset
from monai.transforms import Randomizable

__all__ = ["SeededCacheDataset"]


class SeededCacheDataset(CacheDataset):
    """MONAI's ``CacheDataset`` with one fresh random stream for every ``(epoch, index)``.

    The same epoch of the same seed gives the same images for any number of workers and after resuming. Use it with
    :class:`EpochSampler`; a plain index counts as epoch 0.

    Args:
        data: list of items.
        transform: MONAI ``Compose``; the deterministic beginning is cached.
        seed: of the augmentation.
        **kwargs: those of ``CacheDataset``.
    """

    def __init__(self, data: Any, transform: Any, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(data, transform, **kwargs)
        self.seed = seed

    def __getitem__(self, key: int | tuple[int, int]) -> Any:
        epoch, index = key if isinstance(key, tuple) else (0, key)
        stream = _random_stream(f"{self.seed}/{epoch}/{index}")
        for transform in self.transform.transforms:
            if isinstance(transform, Randomizable):
                transform.set_random_state(state=stream)
        return super().__getitem__(index)


def _random_stream(name: str) -> np.random.RandomState:
    # Philox starts from a key at once; seeding a Mersenne Twister per transform cost more than the augmentation.
    key = hashlib.blake2b(name.encode(), digest_size=16).digest()
    return np.random.RandomState(np.random.Philox(key=int.from_bytes(key, "little")))
