"""Memorizing Vision Transformer (MoViT)."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..blocks import ConfidenceGate, HeadGate, MemoryAttention
from .memvit import MemViT

__all__ = ["MoViT"]

_MEMORIES: dict[str, dict[str, Any]] = {
    "paper": {"memory_layers": (-1,), "memory": partial(MemoryAttention, retrieval="logit", gate=HeadGate)},
    "similar": {
        "memory_layers": (-1,),
        "memory": partial(MemoryAttention, retrieval="cosine", gate=ConfidenceGate),
        "class_token_from": -2,
    },
}


class MoViT(MemViT):
    """:class:`MemViT` with a memory of past cases in its last block, the paper's position.

    Choices where the paper is silent, each with an argument for the other reading: the fact of a case is its class
    token's key and value; a training sample never reads facts of its own patient (``exclude``); the memory is read
    from the second epoch on (``MemoryUpdateHandler``). A study found no gain in accuracy from this position on small
    data: read docs/results before relying on one. The paper's sizes are those of :meth:`from_preset`.

    Args:
        preset_memory: ``"paper"``: the method as it was published, retrieval by the attention logit and a gate per
            head, with the class token in all blocks; the default, as long as no study shows better. ``"similar"``:
            retrieval by key-key cosine, a gate that follows the retrieval's confidence, and a class token that joins
            before the last block but one: late, so that what it reads counts, and one block before the memory, so that
            its key differs from case to case (see docs/explanation/memory.md).
        **kwargs: those of :class:`MemViT`; each stands in the place of the preset's: a ``memory`` of one's own brings
            its retrieval and gate with it.

    Raises:
        ValueError: when the preset is unknown, or as :class:`MemViT`.
    """

    def __init__(self, *, preset_memory: str = "paper", **kwargs: Any) -> None:
        if preset_memory not in _MEMORIES:
            raise ValueError(f"preset_memory must be one of {sorted(_MEMORIES)}, got {preset_memory!r}.")
        super().__init__(**{**_MEMORIES[preset_memory], **kwargs})
