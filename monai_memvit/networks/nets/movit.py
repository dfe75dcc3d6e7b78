"""Memorizing Vision Transformer (MoViT)."""

from __future__ import annotations

from typing import Any

from .memvit import MemViT

__all__ = ["MoViT"]


class MoViT(MemViT):
    """:class:`MemViT` with a memory of past cases in its last block, the paper's position.

    Choices where the paper is silent, each with an argument for the other reading: the fact of a case is its class
    token's key and value; a training sample never reads facts of its own patient (``exclude``); the memory is read
    from the second epoch on (``MemoryUpdateHandler``). A study found no gain in accuracy from this position on small
    data: read docs/results before relying on one. The paper's sizes are those of :meth:`from_preset`.

    Args:
        **kwargs: those of :class:`MemViT`; ``memory_layers`` defaults to ``(-1,)``.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"memory_layers": (-1,), **kwargs})
