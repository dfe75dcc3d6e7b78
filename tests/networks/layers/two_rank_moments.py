"""Sequence-norm attention with the tokens spread over two gloo processes: ``python two_rank_moments.py FOLDER``."""

from __future__ import annotations

import sys

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

PARTS = slice(0, 300), slice(300, 377)


def attend(part: slice) -> dict[str, torch.Tensor]:
    """Output and gradients of the tokens of one rank."""
    from monai_memvit.networks.layers import TokenMoments, collapse_attention

    torch.manual_seed(0)
    x, qkv, out = torch.randn(2, 377, 12) + 3, torch.randn(36, 12), torch.randn(12, 12)
    weight, bias, wanted = torch.rand(3, 12), torch.randn(3, 12), torch.randn(2, 377, 12)
    mask = torch.rand(2, 377) < torch.tensor([[1.0], [0.5]])
    x, mask, wanted = x[:, part].clone().requires_grad_(), mask[:, part], wanted[:, part]
    qkv.requires_grad_()
    moments = TokenMoments.from_tokens(x, mask)
    if dist.is_initialized():
        moments = moments.all_reduce()
    received = collapse_attention(moments, qkv, weight, bias, out, num_heads=3)(x, mask)
    (received * wanted).sum().backward()
    found = {"out": received, "x_gradient": x.grad, "qkv_gradient": qkv.grad, **moments._asdict()}
    return {name: tensor.detach() for name, tensor in found.items()}


def work(rank: int, folder: str) -> None:
    dist.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=2)
    torch.save(attend(PARTS[rank]), f"{folder}/{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    mp.spawn(work, (sys.argv[1],), nprocs=2)
