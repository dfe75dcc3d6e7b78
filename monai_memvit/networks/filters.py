"""Filters for tiles from the tiles themselves, before any label is seen.

Coates, Ng and Lee, An Analysis of Single-Layer Networks in Unsupervised Feature Learning, 2011; that a layer's outputs
start with mean 0 and deviation 1 over the data is Krähenbühl et al., Data-dependent Initializations, 2016.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .blocks.tile_filters import TileFilterEmbedding

__all__ = ["learn_filters"]

_TILES, _PATCHES = 60, 500  # of each slide
_ROUNDS = 12  # of k-means
_RIDGE = 1.0  # of the mean variance: whitened in full, patches tell edges and noise, and not how dark they are


def learn_filters(
    embedding: TileFilterEmbedding, items: Sequence[Mapping[str, Any]], slides: int = 40, seed: int = 0
) -> None:
    """Set the filters of an embedding to typical patches, and its projection to answers of mean 0 and deviation 1.

    Grey patches are whitened and gathered by k-means. Filters begin alike in all channels, and answer to the tiles
    with deviation 1. Nothing is drawn from the global generator.

    Args:
        embedding: changed in place; trained on from there.
        items: of training slides, ``image`` ``(N, C, P, P)`` as the network shall see it.
        slides: how many of them are looked at, spread evenly.
        seed: which tiles and patches.

    Raises:
        ValueError: when there is no slide.
    """
    if not len(items) or slides < 1:
        raise ValueError(f"filters are learned from slides, and there are {len(items)} to take {slides} from.")
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.linspace(0, len(items) - 1, min(slides, len(items))).long().tolist()
    tiles = torch.cat([_some(items[i]["image"].float().cpu(), _TILES, generator) for i in chosen])
    size, stride, channels = (
        embedding.filters.kernel_size[0],
        embedding.filters.stride[0],
        embedding.filters.in_channels,
    )
    patches = F.unfold(tiles.mean(1, keepdim=True), size, stride=stride).mT.flatten(0, 1)
    kernels, offsets = _kernels(
        _some(patches, _PATCHES * len(chosen), generator), len(embedding.filters.weight), generator
    )
    with torch.no_grad():
        embedding.filters.weight.copy_((kernels / channels).view(-1, 1, size, size).expand_as(embedding.filters.weight))
        embedding.filters.bias.copy_(offsets)
        deviation, mean = torch.std_mean(embedding.answers(tiles.to(embedding.filters.weight)), 0)
        embedding.projection.weight.div_(deviation.clamp(min=1e-6))
        embedding.projection.bias.sub_(embedding.projection.weight @ mean)


def _some(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
    return rows[torch.randperm(len(rows), generator=generator)[:count]]


def _kernels(patches: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Centres of whitened patches as filters of patches, ``(F, P)`` and ``(F,)``, whose answers have deviation 1."""
    mean = patches.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov((patches - mean).mT))
    whitening = (vectors * (values + _RIDGE * values.mean()).rsqrt()) @ vectors.mT
    centres = _k_means((patches - mean) @ whitening, count, generator)
    kernels = centres @ whitening
    kernels = kernels / ((patches - mean) @ kernels.mT).std(0)[:, None].clamp(min=1e-6)
    return kernels, -kernels @ mean


def _k_means(points: Tensor, count: int, generator: torch.Generator) -> Tensor:
    centres = points[torch.randint(len(points), (count,), generator=generator)]
    for _ in range(_ROUNDS):
        nearest = torch.cdist(points, centres).argmin(1)
        for number in nearest.unique().tolist():
            centres[number] = points[nearest == number].mean(0)
    return centres
