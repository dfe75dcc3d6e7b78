"""The light half of a masked auto-encoder: from the tokens that were seen to the pixels of all patches."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn as nn
from torch import Tensor

from .encoder_block import EncoderBlock
from .positions import SinCosPositions
from .softmax_attention import SoftmaxAttention

__all__ = ["MaskedDecoder"]


class MaskedDecoder(nn.Module):
    """Puts a learned mask token in the place of every hidden token, and predicts the pixels behind all of them.

    Positions are sines and cosines, as of the encoder (He et al., CVPR 2022, section 3).

    Args:
        encoder_size: width of the encoder's tokens.
        pixels: values that one token stands for.
        hidden_size: D, the decoder's own width; divisible by twice the number of axes.
        mlp_dim: hidden width of the MLPs.
        num_layers: number of blocks.
        num_heads: heads per block; divides ``hidden_size``.
        attention: makes the attention of a block from ``(hidden_size, num_heads)``.
        tokens_per_patch: as of the embedding: 1, or C where every channel has tokens of its own.
        spatial_dims: 2 or 3.

    Raises:
        ValueError: when ``hidden_size`` does not divide.
    """

    def __init__(
        self,
        encoder_size: int,
        pixels: int,
        hidden_size: int = 512,
        mlp_dim: int = 2048,
        num_layers: int = 2,
        num_heads: int = 16,
        attention: Callable[..., nn.Module] = SoftmaxAttention,
        tokens_per_patch: int = 1,
        spatial_dims: int = 2,
    ) -> None:
        super().__init__()
        self.embed = nn.Linear(encoder_size, hidden_size)
        self.mask_token = nn.Parameter(torch.empty(1, 1, hidden_size))
        self.positions = SinCosPositions(hidden_size, (1,) * spatial_dims)
        # Tokens of one patch are told apart; a single one needs no name.
        self.channels = nn.Parameter(torch.empty(tokens_per_patch, 1, hidden_size)) if tokens_per_patch > 1 else None
        self.blocks = nn.ModuleList(
            EncoderBlock(attention(hidden_size, num_heads), hidden_size, mlp_dim) for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(hidden_size)
        self.to_pixels = nn.Linear(hidden_size, pixels)
        self.apply(_init_weights)

    def forward(self, seen: Tensor, visible: Tensor, grid: Sequence[int], valid: Tensor | None = None) -> Tensor:
        """Predict.

        Args:
            seen: the encoder's tokens: class token, if any, then n visible ones ``(B, 0 or 1 + n, encoder_size)``.
            visible: which of all T tokens those n are ``(B, n)`` int64.
            grid: patches per axis.
            valid: valid tokens ``(B, T)`` bool; None when all are.

        Returns:
            ``(B, T, pixels)``; of no meaning at invalid tokens.
        """
        leading, x = seen.shape[1] - visible.shape[1], self.embed(seen)
        places = self._places(tuple(grid))
        at = visible[:, :, None].expand(-1, -1, x.shape[2])
        tokens = self.mask_token.to(x.dtype).expand(len(x), places.shape[1], -1).scatter(1, at, x[:, leading:])
        x = torch.cat([x[:, :leading], tokens + places], dim=1)
        valid = None if valid is None else nn.functional.pad(valid, (leading, 0), value=True)
        for block in self.blocks:
            x = block(x, valid)
        return self.to_pixels(self.norm(x[:, leading:]))

    def _places(self, grid: tuple[int, ...]) -> Tensor:
        """What is added to all tokens ``(1, T, D)``: their places, and where they have any, their channels."""
        cells = self.positions(grid, 0, grid[0])
        return cells if self.channels is None else (cells + self.channels).flatten(0, 1)[None]


def _init_weights(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, MaskedDecoder):
        for token in (module.mask_token, module.channels):
            if token is not None:
                nn.init.trunc_normal_(token, std=0.02)
