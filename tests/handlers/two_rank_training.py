"""Trains a small MoViT on two gloo processes: ``python two_rank_training.py FOLDER``."""

from __future__ import annotations

import sys

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


class Items(torch.utils.data.Dataset):
    """Random images, addressed by an EpochSampler."""

    def __init__(self, samples: int) -> None:
        self.images = torch.rand(samples, 1, 8, 8, generator=torch.Generator().manual_seed(0))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key: tuple[int, int]) -> dict:
        _, i = key
        return {"image": self.images[i], "label": i % 2, "sample_id": 100 + i, "group_id": i // 2}


def train(path: str, samples: int, rank: int = 0, world_size: int = 1) -> None:
    from monai.data import DataLoader
    from monai.engines import PrepareBatchExtraInput, SupervisedTrainer

    from monai_memvit import EpochSampler, MemoryUpdateHandler, MoViT

    torch.manual_seed(0)
    network = model = MoViT.from_preset("micro", in_channels=1, img_size=8, num_classes=2, hidden_size=24, num_layers=2)
    if world_size > 1:
        # The gate has no gradient in the first epoch, which only writes.
        network = torch.nn.parallel.DistributedDataParallel(model, find_unused_parameters=True)
    items = Items(samples)
    sampler = EpochSampler(items, rank=rank, world_size=world_size)
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=3,
        train_data_loader=DataLoader(items, batch_size=4 // world_size, sampler=sampler, num_workers=0),
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), 0.05),
        loss_function=torch.nn.CrossEntropyLoss(),
        prepare_batch=PrepareBatchExtraInput({"sample_ids": "sample_id", "group_ids": "group_id"}),
        train_handlers=[MemoryUpdateHandler(network, moving_average=lambda epoch: 0.5)],
        decollate=False,
    )
    trainer.run()
    torch.save(model.state_dict(), path)


def work(rank: int, folder: str) -> None:
    dist.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=2)
    for samples in (12, 11):
        train(f"{folder}/{samples}_rank{rank}.pt", samples, rank, 2)
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    mp.spawn(work, (sys.argv[1],), nprocs=2)
