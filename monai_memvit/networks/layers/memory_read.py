"""Reading retrieved facts: softmax attention over them, and the convex gate with the local attention."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["attend_facts", "convex_gate"]


def attend_facts(
    queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor, scale: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Softmax attention of every query over its own retrieved facts, in float32 (MoViT, inference stage).

    ``o = softmax(q k^T / sqrt(d)) v`` over the K facts of each query. Keys and values are constants, the gradient
    reaches the queries. Facts outside ``mask`` weigh exactly 0; a query without any reads zeros.

    Args:
        queries: ``(B, H, Q, d)``.
        keys: ``(B, H, Q, K, d)``, zero where masked out.
        values: ``(B, H, Q, K, d)``, zero where masked out.
        mask: which of the K facts exist, ``(B, H, Q, K)`` bool.
        scale: factor of every inner product ``(B, H, Q, K)``, instead of 1 / sqrt(d).

    Returns:
        the read-out ``(B, H, Q, d)`` and the weights ``(B, H, Q, K)``, both float32.
    """
    with torch.autocast(queries.device.type, enabled=False):
        factor = queries.shape[-1] ** -0.5 if scale is None else scale
        scores = torch.einsum("bhqd,bhqkd->bhqk", queries.float(), keys.float()) * factor
        # A row without any fact keeps finite scores: softmax over -inf alone would be NaN, in the gradient too.
        absent = ~mask & mask.any(-1, keepdim=True)
        weights = scores.masked_fill(absent, float("-inf")).softmax(-1)
        return torch.einsum("bhqk,bhqkd->bhqd", weights, values.float()), weights * mask


def convex_gate(local: Tensor, memory: Tensor, gate: Tensor, readable: Tensor) -> Tensor:
    """``(1 - g) local + g memory`` where something could be read, ``local`` to the last bit elsewhere.

    This form, unlike ``local + g (memory - local)``, is exact at both ends of the gate.

    Args:
        local: local attention ``(B, H, Q, d)``.
        memory: memory read-out ``(B, H, Q, d)``.
        gate: g in [0, 1], broadcastable to ``(B, H, Q, d)``, float32.
        readable: queries that found at least one fact, ``(B, H, Q)`` bool.

    Returns:
        ``(B, H, Q, d)`` in the dtype of ``local``.
    """
    mixed = (1 - gate) * local.float() + gate * memory.float()
    return torch.where(readable[..., None], mixed.to(local.dtype), local)
