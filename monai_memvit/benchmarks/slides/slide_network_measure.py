"""One streamed slide in a process of its own, for its peak of resident memory."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...networks.blocks import TilePatchEmbedding
from ...networks.nets import SlideViT
from ...networks.slide_streaming import StreamedSlideViT
from ...networks.streaming import memory_mapped
from ..tools.peak_memory import forget_resident_peak, resident_peak
from ..tools.timing import Stopwatch

__all__ = ["SlideRun", "measure_slide"]

_FEATURES = 1024  # of a usual encoder of tiles
_PATCHES = 256  # of a tile of 256 pixels, 16 each


class SlideRun(NamedTuple):
    """What is to be run.

    Args:
        tokens: N, a multiple of 256.
        source: ``"features"``, one token per tile; or ``"tiles"``, RGB bytes with 256 tokens per tile.
        preset: of :class:`SlideViT`.
        pool: of the same.
        chunk_size: tokens at work at a time.
        folder: of the memory-mapped store; None for RAM.
        contributions: whether those of the tiles are asked for, too.
        threads: of torch.
    """

    tokens: int
    source: str
    preset: str
    pool: str
    chunk_size: int
    folder: str | None
    contributions: bool
    threads: int


def measure_slide(run: SlideRun) -> dict[str, Any]:
    """Classify one slide, from batches that are made as they are asked for.

    Args:
        run: what is to be run.

    Returns:
        the run; seconds and microseconds per token, embedding included; the bytes of the store, and those that were
        resident beyond it, the network and the loaded libraries, as Linux counts them.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (run,))


def _measure(run: SlideRun) -> dict[str, Any]:
    torch.set_num_threads(run.threads)
    torch.manual_seed(0)
    options: dict[str, Any] = {"in_features": _FEATURES}
    if run.source == "tiles":
        options = {"in_features": 3, "embedding": partial(TilePatchEmbedding, patch_size=16, mpp=0.5)}
    network = SlideViT.from_preset(run.preset, num_classes=2, pool=run.pool, **options).eval()
    store = torch.empty if run.folder is None else memory_mapped(run.folder)
    streamed = StreamedSlideViT(network, run.chunk_size, store)
    work = streamed.contributions if run.contributions else streamed
    work(_slide(run, 2048))  # loads what is loaded on first use
    before = forget_resident_peak()
    seconds = Stopwatch(torch.device("cpu"))(lambda: work(_slide(run, run.tokens)))
    held = 4 * run.tokens * len(network.norm.weight)
    return {
        **run._asdict(),
        "store": "ram" if run.folder is None else "mapped",
        "seconds": seconds,
        "microseconds_per_token": 1e6 * seconds / run.tokens,
        "store_bytes": held,
        "beyond_tokens_bytes": resident_peak() - before - held,
    }


def _slide(run: SlideRun, tokens: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The same batch again and again, each time at other places."""
    per_tile = _PATCHES if run.source == "tiles" else 1
    size = min(2048, tokens) // per_tile
    tiles = (
        torch.randint(0, 256, (size, 3, 256, 256), dtype=torch.uint8) if per_tile > 1 else torch.randn(size, _FEATURES)
    )
    for start in range(0, tokens // per_tile, size):
        count = min(size, tokens // per_tile - start)
        yield tiles[:count], 1e5 * torch.rand(count, 2)
