"""Trains a small MoViT on real gloo processes: ``python two_rank_training.py FOLDER WORLD_SIZE SAMPLES``."""

from __future__ import annotations

import sys

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from monai.data import DataLoader
from monai.engines import PrepareBatchExtraInput, SupervisedTrainer
from torch.nn.parallel import DistributedDataParallel

from monai_memvit import EpochSampler, MemoryUpdateHandler, MoViT


class Items(torch.utils.data.Dataset):
    """Random images, addressed by an EpochSampler."""

    def __init__(self, samples: int) -> None:
        self.images = torch.rand(samples, 1, 8, 8, generator=torch.Generator().manual_seed(0))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key: tuple[int, int]) -> dict:
        _, i = key
        return {"image": self.images[i], "label": i % 2, "sample_id": 100 + i, "group_id": i // 2}


def train(rank: int, folder: str, world_size: int, samples: int) -> None:
    dist.init_process_group("gloo", f"file://{folder}/store{world_size}", rank=rank, world_size=world_size)
    torch.manual_seed(0)
    network = MoViT.from_preset("micro", in_channels=1, img_size=8, num_classes=2, hidden_size=24, num_layers=2)
    # The gate has no gradient in the first epoch, which only writes.
    wrapped = DistributedDataParallel(network, find_unused_parameters=True)
    items = Items(samples)
    sampler = EpochSampler(items, rank=rank, world_size=world_size)
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=3,
        train_data_loader=DataLoader(items, batch_size=4 // world_size, sampler=sampler, num_workers=0),
        network=wrapped,
        optimizer=torch.optim.SGD(wrapped.parameters(), 0.05),
        loss_function=torch.nn.CrossEntropyLoss(),
        prepare_batch=PrepareBatchExtraInput({"sample_ids": "sample_id", "group_ids": "group_id"}),
        train_handlers=[sampler, MemoryUpdateHandler(wrapped, moving_average=lambda epoch: 0.5)],
        decollate=False,
    )
    trainer.run()
    torch.save(network.state_dict(), f"{folder}/{world_size}_{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    mp.spawn(train, (sys.argv[1], int(sys.argv[2]), int(sys.argv[3])), nprocs=int(sys.argv[2]))
