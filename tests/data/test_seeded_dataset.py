"""Augmentation as a function of seed, epoch and sample."""

from __future__ import annotations

import pytest
import torch
from monai.data import DataLoader
from monai.transforms import Compose, EnsureTyped, RandFlipd, RandGaussianNoised, RandRotated

from monai_memvit import EpochSampler, SeededCacheDataset

ITEMS = [{"image": torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(i)), "number": i} for i in range(6)]


def _dataset(seed: int = 0) -> SeededCacheDataset:
    transforms = [
        EnsureTyped("image"),
        RandFlipd("image", 0.5, spatial_axis=1),
        RandRotated("image", 1.0, prob=0.7),
        RandGaussianNoised("image", 0.9),
    ]
    return SeededCacheDataset(ITEMS, Compose(transforms), seed=seed, progress=False)


def _epochs(first: int, last: int, workers: int = 0, seed: int = 0, batch_size: int = 2) -> list[torch.Tensor]:
    dataset = _dataset(seed)
    sampler = EpochSampler(dataset, seed=seed)
    loader = DataLoader(dataset, batch_size=batch_size, sampler=sampler, num_workers=workers)
    images = []
    for epoch in range(first, last):
        sampler.set_epoch(epoch)
        images.append(torch.cat([batch["image"].as_tensor() for batch in loader]))
    return images


def _same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return len(one) == len(other) and all(map(torch.equal, one, other))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_workers_make_the_same_images(workers):
    assert _same(_epochs(0, 3, workers), _epochs(0, 3))


def test_resuming_makes_the_same_images_whatever_was_drawn_before():
    expected = _epochs(0, 4)
    torch.manual_seed(123)
    assert _same(_epochs(2, 4), expected[2:])


def test_batch_size_does_not_matter():
    assert _same(_epochs(0, 2, batch_size=6), _epochs(0, 2))


def test_seeds_epochs_and_samples_differ():
    dataset, other = _dataset(), _dataset(seed=1)
    images = [d[epoch, 0]["image"].as_tensor() for d in (dataset, other) for epoch in range(3)]
    assert not any(torch.equal(a, b) for i, a in enumerate(images) for b in images[:i])
    noise = [dataset[0, i]["image"].as_tensor().var() for i in range(6)]
    assert len(set(noise)) == 6


def test_a_plain_index_is_epoch_zero():
    dataset = _dataset()
    assert torch.equal(dataset[3]["image"], dataset[0, 3]["image"])
    assert dataset[0, 3]["number"] == 3
