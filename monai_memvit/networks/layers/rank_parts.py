"""What the ranks that share a sequence hold, side by side on every rank."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["gather_ranks"]


def gather_ranks(x: Tensor, group: dist.ProcessGroup | None = None) -> Tensor:
    """The tensors of all ranks in their order; gradients flow back to every rank.

    Args:
        x: of the same shape on every rank.
        group: the ranks; None for all.

    Returns:
        ``(ranks, *x.shape)``.
    """
    return _AllGather.apply(x.contiguous(), group)


class _AllGather(torch.autograd.Function):
    """Torch's own differentiable version is on its way out."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, group: dist.ProcessGroup | None) -> Tensor:
        ctx.group = group
        gathered = x.new_empty(dist.get_world_size(group), *x.shape)
        dist.all_gather(list(gathered), x, group)
        return gathered

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        gradient = gradient.clone(memory_format=torch.contiguous_format)  # autograd may share what it hands over
        dist.all_reduce(gradient, group=ctx.group)
        return gradient[dist.get_rank(ctx.group)], None
