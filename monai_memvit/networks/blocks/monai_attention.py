"""MONAI's own self-attention in the three steps that a memory needs."""

from __future__ import annotations

import torch.nn as nn
from monai.networks.blocks import SABlock
from torch import Tensor

from ..layers import attendable, blank_padding

__all__ = ["SplitSABlock"]


class SplitSABlock(nn.Module):
    """Shares the weights of a MONAI ``SABlock`` and repeats its maths step by step, to the same numbers.

    Args:
        block: a ``SABlock`` on its plain path, with one joint q, k, v projection.

    Raises:
        ValueError: when the block is causal, uses relative positions, separate projections or the flash path
            (which drops out in evaluation too).
    """

    def __init__(self, block: SABlock) -> None:
        super().__init__()
        unsupported = {
            "causal": block.causal,
            "rel_pos_embedding": block.rel_positional_embedding is not None,
            "use_combined_linear=False": not block.use_combined_linear,
            "use_flash_attention": block.use_flash_attention,
        }
        if any(unsupported.values()):
            raise ValueError(f"cannot memorize an SABlock with {[name for name, used in unsupported.items() if used]}.")
        self.block = block
        self.num_heads = block.num_heads
        self.head_dim = block.dim_head

    def project(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values.

        Args:
            x: ``(B, T, D)``.
            mask: valid tokens ``(B, T)`` bool; None when all are.

        Returns:
            q, k and v, each ``(B, H, T, d)``.
        """
        q, k, v = self.block.input_rearrange(self.block.qkv(blank_padding(x, mask)))
        dtype = self.block.attention_dtype
        return (q, k, v) if dtype is None else (q.to(dtype), k.to(dtype), v)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attention over the valid tokens.

        Args:
            q: queries ``(B, H, T, d)``.
            k: keys ``(B, H, T, d)``.
            v: values ``(B, H, T, d)``.
            mask: valid tokens ``(B, T)`` bool; None when all are.

        Returns:
            ``(B, H, T, d)``.
        """
        scores = (q @ k.transpose(-2, -1)) * self.block.scale
        if mask is not None:
            scores = scores.masked_fill(~attendable(mask)[:, None, None], float("-inf"))
        weights = scores.softmax(dim=-1)
        if self.block.save_attn:
            self.block.att_mat = weights.detach()
        return self.block.drop_weights(weights) @ v

    def merge(self, x: Tensor) -> Tensor:
        """Join the heads and project them back.

        Args:
            x: ``(B, H, T, d)``.

        Returns:
            ``(B, T, D)``.
        """
        return self.block.drop_output(self.block.out_proj(self.block.out_rearrange(x)))
