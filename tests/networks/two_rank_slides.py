"""Streams slides over two gloo processes, each with its tiles: ``python two_rank_slides.py FOLDER``."""

from __future__ import annotations

import sys
from functools import partial

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

TILES = (11, 6, 0)  # of the first rank, of 11 in all; the last slide lies wholly on the second


def classify(pool: str, shared: bool, first: int) -> dict[str, torch.Tensor]:
    """Logits, this rank's contributions, and the gradients of all parameters, averaged over the ranks as DDP does."""
    from monai_memvit.networks.blocks import TilePatchEmbedding
    from monai_memvit.networks.nets import SlideViT
    from monai_memvit.networks.slide_streaming import StreamedSlideViT

    torch.manual_seed(0)
    sizes = {"in_features": 1, "num_classes": 2, "hidden_size": 24, "mlp_dim": 32, "num_layers": 2, "num_heads": 3}
    network = SlideViT(embedding=partial(TilePatchEmbedding, patch_size=4), pool=pool, **sizes).double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    tiles, places = torch.randn(11, 1, 8, 8).double(), 100 * torch.rand(11, 2).double()
    if shared:
        own = slice(first) if dist.get_rank() == 0 else slice(first, None)
        tiles, places = tiles[own], places[own]
    store = partial(torch.empty, dtype=torch.float64)
    streamed = StreamedSlideViT(network, 7, store, group=dist.group.WORLD if shared else None)
    batches = list(zip(tiles.split(3), places.split(3))) if len(tiles) else []
    logits = streamed(batches)
    logits.square().sum().backward()
    if shared:
        for parameter in network.parameters():
            parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            dist.all_reduce(parameter.grad)
            parameter.grad /= dist.get_world_size()
    found = {"logits": logits.detach()} | {name: p.grad for name, p in network.named_parameters()}
    return found | {"contributions": streamed.eval().contributions(batches).contributions}


def work(rank: int, folder: str) -> None:
    dist.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=2)
    for pool in ("cls", "mean", "gated", "peak"):
        for first in TILES:
            torch.save(classify(pool, True, first), f"{folder}/{pool}_{first}_rank{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    mp.spawn(work, args=(sys.argv[1],), nprocs=2)
