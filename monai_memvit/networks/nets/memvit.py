"""The package's skeleton: a vision transformer whose attention, memory and embedding are injected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn as nn
from torch import Tensor

from ...memory import CaseContext
from ..blocks import (
    EncoderBlock,
    GridEmbedding,
    LearnedPositions,
    MemoryAttention,
    NoPositions,
    SinCosPositions,
    SoftmaxAttention,
)
from ..layers import attention_fact, class_token_fact, mean_token, mean_token_fact

__all__ = ["MemViT"]

_PRESETS: dict[str, dict[str, int]] = {
    "micro": {"hidden_size": 96, "mlp_dim": 384, "num_layers": 4, "num_heads": 3, "patch_size": 4},
    "tiny": {"hidden_size": 192, "mlp_dim": 768, "num_layers": 12, "num_heads": 3, "patch_size": 16},
    "small": {"hidden_size": 384, "mlp_dim": 1536, "num_layers": 12, "num_heads": 6, "patch_size": 16},
    "base": {"hidden_size": 768, "mlp_dim": 3072, "num_layers": 12, "num_heads": 12, "patch_size": 16},
}
_POSITIONS = {"learnable": LearnedPositions, "sincos": SinCosPositions, "none": NoPositions}


class MemViT(nn.Module):
    """Vision transformer for 2-D and 3-D images that returns one tensor of logits.

    Args:
        in_channels: C.
        img_size: pixels per axis, one number or one per axis. Images of another size are taken as well, where the patch
            divides them: positions are computed or resampled.
        patch_size: pixels of a patch per axis.
        num_classes: K.
        hidden_size: D.
        mlp_dim: hidden width of the MLPs.
        num_layers: number of blocks.
        num_heads: heads per block; divides ``hidden_size``.
        spatial_dims: 2 or 3.
        attention: makes the attention of a block from ``(hidden_size, num_heads, dropout_rate=...)``.
        memory_layers: blocks (negative counts from the end) whose attention consults a memory.
        memory: makes a memory attention from ``(attention, context=, fact=, query_tokens=)``; defaults to
            :class:`MemoryAttention`. A ``functools.partial`` keeps its own ``fact`` and ``query_tokens``.
        embedding: makes what turns ``(B, C, *spatial)`` into tokens ``(B, N, D)`` from ``(in_channels, img_size,
            patch_size, hidden_size, positions, dropout_rate, spatial_dims)``, or is such a module. Where masks are
            used the module takes ``mask`` and ``channel_mask`` by name, and its ``token_mask`` says which tokens are
            valid.
        pool: ``"cls"`` reads the class token, ``"mean"`` the mean of the patch tokens (no class token then).
        pos_embed: ``"learnable"``, ``"sincos"`` or ``"none"``.
        dropout_rate: dropout in embedding, attention and MLPs.
        drop_path_rate: stochastic depth of the last block, rising linearly from 0.
        channel_sampling: hides channels while training, ``(B, C) bool -> (B, C) bool``, such as
            :class:`HierarchicalChannelSampling`; None hides none.
        class_token_from: the block before which the class token joins the patches (negative counts from the end): 0 as
            usual; a late one has to gather what it knows by the attention of the blocks that are left, among them
            that of a memory.

    Raises:
        ValueError: when ``pool`` or ``pos_embed`` is unknown, the image is no multiple of the patch, a memory layer
            or the class token's block does not exist, or that token is asked for where it is not yet.

    Example::

        net = MemViT(in_channels=3, img_size=224, patch_size=16, num_classes=9)
        logits = net(torch.rand(2, 3, 224, 224))  # (2, 9)
    """

    def __init__(
        self,
        in_channels: int,
        img_size: Sequence[int] | int,
        patch_size: Sequence[int] | int,
        num_classes: int,
        hidden_size: int = 192,
        mlp_dim: int = 768,
        num_layers: int = 12,
        num_heads: int = 3,
        spatial_dims: int = 2,
        attention: Callable[..., nn.Module] = SoftmaxAttention,
        memory_layers: Sequence[int] = (),
        memory: Callable[..., nn.Module] | None = None,
        embedding: nn.Module | Callable[..., nn.Module] = GridEmbedding,
        pool: str = "cls",
        pos_embed: str = "learnable",
        dropout_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        channel_sampling: nn.Module | None = None,
        class_token_from: int = 0,
    ) -> None:
        super().__init__()
        if pool not in ("cls", "mean"):
            raise ValueError(f"pool must be 'cls' or 'mean', got {pool!r}.")
        if pos_embed not in _POSITIONS:
            raise ValueError(f"pos_embed must be one of {sorted(_POSITIONS)}, got {pos_embed!r}.")
        if pool != "cls" and class_token_from != 0:
            raise ValueError(f"class_token_from {class_token_from} needs a class token: pool='cls', not {pool!r}.")
        has_token = pool == "cls"  # without one a network may do without blocks
        self.class_token_from = _block_number(class_token_from, num_layers, "class_token_from") if has_token else 0
        if not isinstance(embedding, nn.Module):
            embedding = embedding(
                in_channels, img_size, patch_size, hidden_size, _POSITIONS[pos_embed], dropout_rate, spatial_dims
            )
        self.embedding = embedding
        self.channel_sampling = channel_sampling
        self.class_token = nn.Parameter(torch.empty(1, 1, hidden_size)) if pool == "cls" else None
        rates = [drop_path_rate * layer / max(1, num_layers - 1) for layer in range(num_layers)]
        self.blocks = nn.ModuleList(
            EncoderBlock(
                attention(hidden_size, num_heads, dropout_rate=dropout_rate), hidden_size, mlp_dim, dropout_rate, r
            )
            for r in rates
        )
        self.norm = nn.LayerNorm(hidden_size)
        self.head = nn.Linear(hidden_size, num_classes)
        self.cases = CaseContext()
        self.apply(_init_weights)
        if self.class_token is not None:
            nn.init.trunc_normal_(self.class_token, std=0.02)
        for layer in sorted({_block_number(i, num_layers) for i in memory_layers}):
            self._memorize(layer, memory or MemoryAttention)

    def _memorize(self, layer: int, memory: Callable[..., nn.Module]) -> None:
        has_class_token = self.class_token is not None and layer >= self.class_token_from
        only_class_token_counts = has_class_token and layer == len(self.blocks) - 1
        block = self.blocks[layer]
        defaults = {
            "fact": class_token_fact if has_class_token else mean_token_fact,
            "query_tokens": 1 if only_class_token_counts else None,
        }
        chosen = getattr(memory, "keywords", {})  # of a functools.partial, as configurations give
        if layer < self.class_token_from and chosen.get("fact") in (class_token_fact, attention_fact):
            raise ValueError(
                f"memory layer {layer} has no class token whose fact it could store: that joins before block "
                f"{self.class_token_from} (class_token_from). Leave fact out, or take a later layer."
            )
        block.attention = memory(block.attention, context=self.cases, **(defaults | chosen))

    @classmethod
    def from_preset(cls, preset: str, **kwargs: Any) -> MemViT:
        """The usual sizes of vision transformers, and a micro one for small images on a CPU.

        Args:
            preset: ``"tiny"``, ``"small"``, ``"base"`` (patches of 16 pixels) or ``"micro"`` (patches of 4).
            **kwargs: those of the class; ``in_channels``, ``img_size`` and ``num_classes`` are needed.

        Returns:
            a freshly initialised network with an empty memory.

        Raises:
            ValueError: when the preset is unknown.
        """
        if preset not in _PRESETS:
            raise ValueError(f"preset must be one of {sorted(_PRESETS)}, got {preset!r}.")
        return cls(**{**_PRESETS[preset], **kwargs})

    def forward_features(
        self,
        x: Tensor,
        sample_ids: Tensor | None = None,
        group_ids: Tensor | None = None,
        channel_mask: Tensor | None = None,
        *,
        mask: Tensor | None = None,
    ) -> Tensor:
        """All tokens after the last block, normalised.

        Args:
            x: images ``(B, C, *spatial)``.
            sample_ids: opaque int64 ids ``(B,)``; None for anonymous images.
            group_ids: opaque int64 ids of patient or slide ``(B,)``.
            channel_mask: present channels ``(B, C)`` bool; None when all are. What the missing ones hold is irrelevant,
                NaN included. Of a sample without any the answer is finite and means nothing.
            mask: valid patches ``(B, N)`` bool, for batches of images that were padded to one size; None when all are.
                What the padding holds is irrelevant.

        Returns:
            tokens ``(B, T, D)``; the class token, where there is one, is token 0.
        """
        return self._encode(x, sample_ids, group_ids, self._masks(x, channel_mask, mask))[0]

    def forward(
        self,
        x: Tensor,
        sample_ids: Tensor | None = None,
        group_ids: Tensor | None = None,
        channel_mask: Tensor | None = None,
        *,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Classify images.

        Args:
            x: images ``(B, C, *spatial)``.
            sample_ids: opaque int64 ids ``(B,)``; needed while training with a memory.
            group_ids: opaque int64 ids of patient or slide ``(B,)``.
            channel_mask: present channels ``(B, C)`` bool; None when all are. What the missing ones hold is irrelevant,
                NaN included. Of a sample without any the answer is finite and means nothing.
            mask: valid patches ``(B, N)`` bool, for batches of images that were padded to one size; None when all are.
                What the padding holds is irrelevant.

        Returns:
            logits ``(B, num_classes)``.
        """
        tokens, valid = self._encode(x, sample_ids, group_ids, self._masks(x, channel_mask, mask))
        return self.head(mean_token(tokens, valid) if self.class_token is None else tokens[:, 0])

    def _masks(self, x: Tensor, channel_mask: Tensor | None, mask: Tensor | None) -> dict[str, Tensor]:
        """The masks that there are, by name; while training with channels hidden."""
        if self.training and self.channel_sampling is not None:
            present = x.new_ones(x.shape[:2], dtype=torch.bool) if channel_mask is None else channel_mask
            channel_mask = self.channel_sampling(present)
        given = {"mask": mask, "channel_mask": channel_mask}
        return {name: value for name, value in given.items() if value is not None}

    def _encode(
        self, x: Tensor, sample_ids: Tensor | None, group_ids: Tensor | None, masks: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor | None]:
        """All tokens, and which of them are valid."""
        tokens = self.embedding(x, **masks)
        valid = self.embedding.token_mask(x, **masks) if masks else None
        self.cases.arrive(sample_ids, group_ids)
        try:
            return self.through_blocks(tokens, valid)
        finally:
            self.cases.leave()

    def through_blocks(self, tokens: Tensor, valid: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """What the blocks and the norm make of embedded tokens; the class token, where there is one, joins them.

        Args:
            tokens: ``(B, N, D)``.
            valid: which of them count ``(B, N)`` bool; None when all do.

        Returns:
            tokens ``(B, T, D)``, the class token first, and which of them count ``(B, T)`` or None.
        """
        for number, block in enumerate(self.blocks):
            if self.class_token is not None and number == self.class_token_from:
                tokens = torch.cat([self.class_token.expand(len(tokens), -1, -1), tokens], dim=1)
                valid = None if valid is None else nn.functional.pad(valid, (1, 0), value=True)
            tokens = block(tokens, valid)
        return self.norm(tokens), valid


def _block_number(index: int, num_layers: int, what: str = "memory layer") -> int:
    if not -num_layers <= index < num_layers:
        raise ValueError(f"{what} {index} does not exist in a network of {num_layers} blocks.")
    return index % num_layers


def _init_weights(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
