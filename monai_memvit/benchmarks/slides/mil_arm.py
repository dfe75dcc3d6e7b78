"""MONAI's MILModel with the tile embedding of SlideViT, so that only what gathers the tiles differs."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn as nn
from monai.networks.nets import MILModel
from torch import Tensor

from ...networks.blocks import TileEmbedding

__all__ = ["MilArm"]


class MilArm(nn.Module):
    """A :class:`MILModel` that takes what :class:`SlideViT` takes.

    Padding is cut off, slide by slide, since the model knows no mask. It gets no places and no memory.

    Args:
        in_features: C, or F.
        num_classes: K.
        embedding: as of :class:`SlideViT`, of one token per tile; trained along. Its positions are not used.
        hidden_size: features of a tile, which the embedding gives; divisible by 8.
        mil_mode: ``"att"`` (Ilse et al.), ``"att_trans"`` (four transformer layers before), ``"max"`` or ``"mean"``.
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        embedding: Callable[..., TileEmbedding],
        hidden_size: int = 96,
        mil_mode: str = "att",
    ) -> None:
        super().__init__()
        backbone = _Backbone(embedding(in_features, hidden_size, 0.0))
        self.model = MILModel(num_classes, mil_mode, backbone=backbone, backbone_num_features=hidden_size)

    @property
    def embedding(self) -> TileEmbedding:
        """What makes features of a tile."""
        return self.model.net.embedding

    def forward(
        self,
        features: Tensor,
        coordinates: Tensor,
        mask: Tensor | None = None,
        sample_ids: Tensor | None = None,
        group_ids: Tensor | None = None,
    ) -> Tensor:
        """Classify slides.

        Args:
            features: of tiles ``(B, N, F)``, or tiles ``(B, N, C, P, P)``.
            coordinates: not looked at.
            mask: valid tiles ``(B, N)`` bool; None when all are.
            sample_ids: not looked at.
            group_ids: not looked at.

        Returns:
            logits ``(B, K)``.
        """
        bags = features if mask is None else [slide[own] for slide, own in zip(features, mask)]
        return torch.cat([self.model(_images(bag)) for bag in bags])

    @torch.no_grad()
    def contributions(self, tiles: Tensor) -> Tensor:
        """What every tile adds to every logit: exact for the modes ``"mean"``, ``"att"`` and ``"att_trans"``.

        Args:
            tiles: of one slide, ``(N, F)`` or ``(N, C, P, P)``.

        Returns:
            ``(N, K)``; of ``"max"``, the logits of each tile by itself.
        """
        found = self.model(_images(tiles), no_head=True)
        if self.model.transformer is not None:
            found = self.model.transformer(found.permute(1, 0, 2)).permute(1, 0, 2)
        shares = found[0] @ self.model.myfc.weight.mT
        if self.model.mil_mode in ("mean", "max"):
            return shares
        return self.model.attention(found)[0].softmax(0) * shares


class _Backbone(nn.Module):
    def __init__(self, embedding: TileEmbedding) -> None:
        super().__init__()
        self.embedding = embedding

    def forward(self, tiles: Tensor) -> Tensor:
        nowhere = tiles.new_zeros(len(tiles), 2, dtype=torch.float64)  # the same constant for all tiles
        tiles = tiles.flatten(1) if tiles.shape[-1] == 1 else tiles
        return self.embedding.embed(tiles, nowhere)[:, 0]


def _images(bag: Tensor) -> Tensor:
    """The model takes images ``(1, N, C, P, P)`` alone: features are made to some of one pixel."""
    return (bag[..., None, None] if bag.ndim == 2 else bag)[None]
