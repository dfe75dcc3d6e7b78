"""A vision transformer without softmax, for images of many tokens (Khader et al.)."""

from __future__ import annotations

from typing import Any

from ..blocks import SequenceNormAttention
from .memvit import MemViT

__all__ = ["SeqNormViT"]


class SeqNormViT(MemViT):
    """:class:`MemViT` with :class:`SequenceNormAttention` throughout: its cost grows linearly with the pixels.

    Position embeddings are sines and cosines, so one network takes images of any size. :class:`StreamedViT` runs it on
    images that no memory holds. With a few hundred tokens softmax attention is as fast and the better known choice.

    Args:
        **kwargs: those of :class:`MemViT`; ``attention`` and ``pos_embed`` have other defaults here.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"attention": SequenceNormAttention, "pos_embed": "sincos", **kwargs})
