"""Streams images over two gloo processes, each with its rows: ``python two_rank_streaming.py FOLDER``."""

from __future__ import annotations

import sys

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def classify(pool: str, shared: bool) -> dict[str, torch.Tensor]:
    """Logits of two images, and the gradients of all parameters, averaged over the ranks as DDP does."""
    from monai_memvit.networks.nets import SeqNormViT
    from monai_memvit.networks.streaming import StreamedViT

    torch.manual_seed(0)
    sizes = {"in_channels": 1, "img_size": 12, "patch_size": 4, "num_classes": 2, "hidden_size": 24, "mlp_dim": 32}
    network = SeqNormViT(num_layers=2, num_heads=3, pool=pool, **sizes).double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    images = torch.randn(2, 1, 20, 12, dtype=torch.float64)
    logits = StreamedViT(network, chunk_size=3, group=dist.group.WORLD if shared else None)(images)
    logits.square().sum().backward()
    if shared:
        for parameter in network.parameters():
            dist.all_reduce(parameter.grad)
            parameter.grad /= dist.get_world_size()
    return {"logits": logits.detach()} | {name: p.grad for name, p in network.named_parameters()}


def work(rank: int, folder: str) -> None:
    dist.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=2)
    for pool in ("cls", "mean"):
        torch.save(classify(pool, shared=True), f"{folder}/{pool}_rank{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    mp.spawn(work, args=(sys.argv[1],), nprocs=2)
