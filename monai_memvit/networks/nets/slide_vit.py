"""A vision transformer without softmax over all tiles of a whole slide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.nn as nn
from torch import Tensor

from ..blocks import FeatureEmbedding, GatedAttentionPool, PeakPool, SequenceNormAttention
from ..layers import WeightedMean, mean_token
from .memvit import _PRESETS, MemViT

__all__ = ["SlideViT"]

_POOLS = {"cls": None, "mean": None, "gated": GatedAttentionPool, "peak": lambda hidden_size: PeakPool()}


class SlideViT(MemViT):
    """:class:`MemViT` for bags of tiles with places: features of any encoder, or the pixels of the tiles themselves.

    Tokens know where they are by sines and cosines of micrometres, so the order of the tiles is irrelevant, and slides
    of all sizes and scanners share one network. Cost and memory grow linearly with the tiles. Batches of slides are
    padded and masked; :class:`StreamedSlideViT` runs the same weights over slides that no memory holds, and tells what
    every tile contributes. Takes MONAI's :class:`MILModel`'s place where attention shall span the slide.

    Args:
        in_features: F, features per tile; of an embedding of pixels its channels C.
        num_classes: K.
        hidden_size: D, divisible by 4.
        mlp_dim: hidden width of the MLPs.
        num_layers: number of blocks.
        num_heads: heads per block; divides ``hidden_size``.
        embedding: makes the :class:`TileEmbedding` from ``(in_features, hidden_size, dropout_rate)``: the default
            :class:`FeatureEmbedding`, or ``functools.partial(TilePatchEmbedding, patch_size=16, mpp=0.5)``; or is one.
        pool: ``"cls"`` reads the class token, ``"mean"`` the mean of the tokens, ``"gated"`` their mean with the
            weights of :class:`GatedAttentionPool`, ``"peak"`` with those of :class:`PeakPool`, channel by channel.
        dropout_rate: dropout in embedding, attention and MLPs.
        **kwargs: ``attention``, ``memory_layers``, ``memory`` and ``drop_path_rate`` of :class:`MemViT`; attention is
            sequence norm here. A memory needs ``pool="cls"`` with it.

    Raises:
        ValueError: when ``pool`` is unknown.

    Example::

        network = SlideViT(in_features=1024, num_classes=2, pool="gated")
        logits = network(features, coordinates_um, mask)  # (B, N, 1024), (B, N, 2), (B, N) -> (B, 2)
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        hidden_size: int = 192,
        mlp_dim: int = 768,
        num_layers: int = 12,
        num_heads: int = 3,
        embedding: nn.Module | Callable[..., nn.Module] = FeatureEmbedding,
        pool: str = "gated",
        dropout_rate: float = 0.0,
        **kwargs: Any,
    ) -> None:
        if pool not in _POOLS:
            raise ValueError(f"pool must be one of {list(_POOLS)}, got {pool!r}.")
        if not isinstance(embedding, nn.Module):
            embedding = embedding(in_features, hidden_size, dropout_rate)
        super().__init__(
            in_channels=in_features,
            img_size=1,  # sizes of images: the embedding is made already
            patch_size=1,
            num_classes=num_classes,
            hidden_size=hidden_size,
            mlp_dim=mlp_dim,
            num_layers=num_layers,
            num_heads=num_heads,
            embedding=embedding,
            pool="cls" if pool == "cls" else "mean",
            dropout_rate=dropout_rate,
            **{"attention": SequenceNormAttention, **kwargs},
        )
        make_pooling = _POOLS[pool]
        self.pooling = None if make_pooling is None else make_pooling(hidden_size)

    @classmethod
    def from_preset(cls, preset: str, **kwargs: Any) -> SlideViT:
        """The usual sizes of vision transformers; what makes the tokens has its own.

        Args:
            preset: ``"micro"``, ``"tiny"``, ``"small"`` or ``"base"``.
            **kwargs: those of the class; ``in_features`` and ``num_classes`` are needed.

        Returns:
            a freshly initialised network with an empty memory.

        Raises:
            ValueError: when the preset is unknown.
        """
        if preset not in _PRESETS:
            raise ValueError(f"preset must be one of {sorted(_PRESETS)}, got {preset!r}.")
        sizes = {name: value for name, value in _PRESETS[preset].items() if name != "patch_size"}
        return cls(**{**sizes, **kwargs})

    def forward_features(  # type: ignore[override]  # a slide is no image: its tokens come with their places
        self,
        features: Tensor,
        coordinates: Tensor,
        mask: Tensor | None = None,
        sample_ids: Tensor | None = None,
        group_ids: Tensor | None = None,
    ) -> Tensor:
        """All tokens after the last block, normalised.

        Args:
            features: of tiles ``(B, N, F)``, or tiles ``(B, N, C, P, P)``.
            coordinates: centres of the tiles ``(B, N, 2)``, x and y in micrometres.
            mask: valid tiles ``(B, N)`` bool; None when all are. What the others hold is irrelevant, NaN included.
            sample_ids: opaque int64 ids ``(B,)``; None for anonymous slides.
            group_ids: opaque int64 ids of the patients ``(B,)``.

        Returns:
            tokens ``(B, T, D)``; the class token, where there is one, is token 0.
        """
        return self._encode(features, sample_ids, group_ids, {"coordinates": coordinates, "mask": mask})[0]

    def forward(  # type: ignore[override]
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
            coordinates: centres of the tiles ``(B, N, 2)``, x and y in micrometres.
            mask: valid tiles ``(B, N)`` bool; None when all are. What the others hold is irrelevant, NaN included.
            sample_ids: opaque int64 ids ``(B,)``; needed while training with a memory.
            group_ids: opaque int64 ids of the patients ``(B,)``.

        Returns:
            logits ``(B, num_classes)``.

        Raises:
            ValueError: when shapes do not fit, a slide has no tile, or a coordinate is not finite.
        """
        known: dict[str, Any] = {"coordinates": coordinates, "mask": mask}
        tokens, valid = self._encode(features, sample_ids, group_ids, known)
        if self.class_token is not None:
            return self.head(tokens[:, 0])
        values, scores = self.scored(tokens)
        if scores is None:
            return self.head(mean_token(tokens, valid))
        kept = None if valid is None else valid.repeat_interleave(len(values) // len(tokens), dim=0)
        pooled = WeightedMean.from_tokens(values, scores, kept).mean
        return self.head(pooled.reshape(len(tokens), -1).to(tokens.dtype))

    def scored(self, tokens: Tensor) -> tuple[Tensor, Tensor | None]:
        """Tokens with the logits of the weights by which they are pooled.

        Args:
            tokens: normalised, ``(B, T, D)``.

        Returns:
            the tokens, and ``(B, T)`` or None when all count the same; of ``pool="peak"`` every channel by itself,
            ``(B D, T, 1)`` and ``(B D, T)``.
        """
        return (tokens, None) if self.pooling is None else self.pooling.scored(tokens)
