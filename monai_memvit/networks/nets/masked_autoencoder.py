"""Pre-training without labels: a masked auto-encoder around the package's skeleton."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn as nn
from torch import Tensor

from ..blocks import MaskedDecoder, MemoryAttention
from .memvit import MemViT

__all__ = ["MaskedAutoencoder"]

_DECODERS: dict[str, dict[str, int]] = {
    "micro": {"hidden_size": 96, "mlp_dim": 384, "num_layers": 2, "num_heads": 3},
    "tiny": {"hidden_size": 512, "mlp_dim": 2048, "num_layers": 2, "num_heads": 16},
    "small": {"hidden_size": 512, "mlp_dim": 2048, "num_layers": 2, "num_heads": 16},
    "base": {"hidden_size": 512, "mlp_dim": 2048, "num_layers": 8, "num_heads": 16},
}


class MaskedAutoencoder(nn.Module):
    """Hides most patches of an image and predicts their pixels from the rest (He et al.; on films: Xiao et al.).

    The encoder sees visible tokens only, so a step costs little; it is a :class:`MemViT` with any attention, and
    ``load_pretrained`` puts its weights into the classifier. MONAI's ``MaskedAutoEncoderViT`` is the same method with
    softmax attention only, and its encoder has the names and shapes of no network of ours; with equal weights and an
    equal choice of patches the two give the same numbers.

    Attentions that take statistics of the sequence, such as :class:`SequenceNormAttention`, take them of the visible
    tokens: means and variances over 10 % of an image are noisier than over all of it, and the share of tokens that are
    seen changes between pre-training and fine-tuning.

    Which patches are hidden is drawn from torch's generator on the CPU while training. In evaluation one fixed choice
    serves every image, so that epochs and batch sizes compare.

    Args:
        encoder: a network without memory; its head is removed.
        decoder: a :class:`MaskedDecoder` that fits it.
        mask_ratio: share of the tokens that are hidden, from 0 (none) to below 1.
        mask_seed: of the fixed choice in evaluation.

    Raises:
        ValueError: when the ratio is outside [0, 1), the encoder has a memory, or its embedding cannot be used.

    Example::

        net = MaskedAutoencoder.from_preset("small", in_channels=1, img_size=1024, attention=SequenceNormAttention)
        pred = net(films)  # "reconstruction" (B, 1, 1024, 1024), "hidden" (B, 1, 64, 64)
        loss = MaskedPatchLoss()(pred, films)
    """

    def __init__(self, encoder: MemViT, decoder: MaskedDecoder, mask_ratio: float = 0.9, mask_seed: int = 0) -> None:
        super().__init__()
        if not 0 <= mask_ratio < 1:
            raise ValueError(f"mask_ratio must be at least 0 and below 1, got {mask_ratio}.")
        if any(isinstance(module, MemoryAttention) for module in encoder.modules()):
            raise ValueError(
                "pre-train without a memory (memory_layers=()): its facts are those of the classifier, which gets one "
                "when it is made; load_pretrained fills in the rest."
            )
        _check_embedding(encoder.embedding)
        self.encoder = encoder
        self.encoder.head = nn.Identity()  # would never get a gradient
        self.decoder = decoder
        self.mask_ratio = mask_ratio
        self.mask_seed = mask_seed

    @classmethod
    def from_preset(
        cls, preset: str, mask_ratio: float = 0.9, mask_seed: int = 0, pos_embed: str = "sincos", **kwargs: Any
    ) -> MaskedAutoencoder:
        """An encoder of one of :meth:`MemViT.from_preset`'s sizes with the published decoder.

        The decoder is 512 wide (480 in 3-D, for the positions to divide) and has 2 blocks, 8 for ``"base"``; of
        ``"micro"`` it is as wide as the encoder. Its attention is the encoder's.

        Args:
            preset: ``"tiny"``, ``"small"``, ``"base"`` or ``"micro"``.
            mask_ratio: share of the tokens that are hidden; 0.9 as published for films, 0.75 for photographs.
            mask_seed: of the fixed choice in evaluation.
            pos_embed: of the encoder.
            **kwargs: those of :class:`MemViT`; ``in_channels`` and ``img_size`` are needed.

        Returns:
            a freshly initialised network.

        Raises:
            ValueError: when the preset is unknown.
        """
        encoder = MemViT.from_preset(preset, num_classes=1, pos_embed=pos_embed, **kwargs)
        _check_embedding(encoder.embedding)
        sizes: dict[str, Any] = dict(_DECODERS[preset])
        axes = len(encoder.embedding.patch_size)
        if sizes["hidden_size"] % (2 * axes):
            sizes["hidden_size"] = 480
        if "attention" in kwargs:
            sizes["attention"] = kwargs["attention"]
        width, pixels = encoder.norm.normalized_shape[0], _pixels_per_token(encoder.embedding)
        tokens_per_patch = encoder.embedding.tokens_per_patch
        decoder = MaskedDecoder(width, pixels, **sizes, tokens_per_patch=tokens_per_patch, spatial_dims=axes)
        return cls(encoder, decoder, mask_ratio, mask_seed)

    def forward(
        self, x: Tensor, channel_mask: Tensor | None = None, *, visible: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Hide patches and predict them.

        Args:
            x: images ``(B, C, *spatial)``.
            channel_mask: present channels ``(B, C)`` bool; None when all are. Missing ones are neither seen nor asked
                for.
            visible: the tokens to see ``(B, n)`` int64, in the embedding's order; None draws them.

        Returns:
            ``"reconstruction"``, an image ``(B, C, *spatial)`` in the units of the loss, and ``"hidden"``, the patches
            that the network did not see and had to predict, ``(B, C, *grid)`` bool.

        Raises:
            ValueError: when the image is no multiple of the patch.
        """
        embedding, masks = self.encoder.embedding, {} if channel_mask is None else {"channel_mask": channel_mask}
        grid = embedding.grid_of(x.shape[2:])
        tokens = embedding(x, **masks)
        valid = embedding.token_mask(x, **masks) if masks else None
        visible = self._draw(tokens) if visible is None else visible
        pixels = self.decoder(self._encode(tokens, visible, valid), visible, grid, valid)
        hidden = torch.ones(tokens.shape[:2], dtype=torch.bool, device=x.device).scatter(1, visible, False)
        hidden = hidden.unflatten(1, (-1, *grid)).repeat_interleave(x.shape[1] // embedding.tokens_per_patch, 1)
        if channel_mask is not None:
            hidden = hidden & channel_mask[(..., *[None] * len(grid))]
        return {"reconstruction": _assembled(pixels, grid, embedding), "hidden": hidden}

    def _draw(self, tokens: Tensor) -> Tensor:
        """Numbers of the visible tokens ``(B, n)``: at random while training, else always the same."""
        size, count = tokens.shape[:2]
        keep = max(1, round(count * (1 - self.mask_ratio)))
        if self.training:
            lots = torch.rand(size, count)
        else:
            lots = torch.rand(1, count, generator=torch.Generator().manual_seed(self.mask_seed)).expand(size, -1)
        return lots.argsort(1)[:, :keep].to(tokens.device)

    def _encode(self, tokens: Tensor, visible: Tensor, valid: Tensor | None) -> Tensor:
        """The encoder's answer for the visible tokens, class token first."""
        x = tokens.gather(1, visible[:, :, None].expand(-1, -1, tokens.shape[2]))
        valid = None if valid is None else valid.gather(1, visible)
        return self.encoder.through_blocks(x, valid)[0]

    def extra_repr(self) -> str:
        """What the module prints of itself."""
        return f"mask_ratio={self.mask_ratio}, mask_seed={self.mask_seed}"


def _check_embedding(embedding: nn.Module) -> None:
    absent = [n for n in ("grid_of", "patch_size", "in_channels", "tokens_per_patch") if not hasattr(embedding, n)]
    if absent:
        raise ValueError(
            f"{type(embedding).__name__} has no {', '.join(absent)}: pixels can be predicted behind the tokens of a "
            "GridEmbedding or a ChannelEmbedding, or of an embedding with these attributes."
        )


def _pixels_per_token(embedding: nn.Module) -> int:
    return embedding.in_channels // embedding.tokens_per_patch * math.prod(embedding.patch_size)


def _assembled(pixels: Tensor, grid: Sequence[int], embedding: nn.Module) -> Tensor:
    """The image ``(B, C, *spatial)`` of the pixels behind all tokens ``(B, T, P)``."""
    axes, groups = len(grid), embedding.tokens_per_patch
    channels = embedding.in_channels // groups
    x = pixels.reshape(len(pixels), groups, *grid, channels, *embedding.patch_size)
    order = [axis for n in range(axes) for axis in (2 + n, 3 + axes + n)]
    x = x.permute(0, 1, 2 + axes, *order)
    return x.reshape(len(x), embedding.in_channels, *(g * p for g, p in zip(grid, embedding.patch_size)))
