"""Memorizing Vision Transformer (MoViT)."""

from __future__ import annotations

from typing import Any

from .memvit import MemViT

__all__ = ["MoViT"]

_PRESETS: dict[str, dict[str, int]] = {
    "micro": {"hidden_size": 96, "mlp_dim": 384, "num_layers": 4, "num_heads": 3, "patch_size": 4},
    "tiny": {"hidden_size": 192, "mlp_dim": 768, "num_layers": 12, "num_heads": 3, "patch_size": 16},
    "small": {"hidden_size": 384, "mlp_dim": 1536, "num_layers": 12, "num_heads": 6, "patch_size": 16},
    "base": {"hidden_size": 768, "mlp_dim": 3072, "num_layers": 12, "num_heads": 12, "patch_size": 16},
}


class MoViT(MemViT):
    """:class:`MemViT` with a memory of past cases in its last block, the paper's position.

    Choices where the paper is silent, each with an argument for the other reading: the fact of a case is its class
    token's key and value; a training sample never reads facts of its own patient (``exclude``); the memory is read
    from the second epoch on (``MemoryUpdateHandler``). A study found no gain in accuracy from this position on small
    data: read docs/results before relying on one.

    Args:
        **kwargs: those of :class:`MemViT`; ``memory_layers`` defaults to ``(-1,)``.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"memory_layers": (-1,), **kwargs})

    @classmethod
    def from_preset(cls, preset: str, **kwargs: Any) -> MoViT:
        """The paper's sizes, and a micro one for small images on a CPU.

        Args:
            preset: ``"tiny"``, ``"small"``, ``"base"`` (patches of 16 pixels) or ``"micro"`` (patches of 4).
            **kwargs: those of :class:`MemViT`; ``in_channels``, ``img_size`` and ``num_classes`` are needed.

        Returns:
            a freshly initialised network with an empty memory.

        Raises:
            ValueError: when the preset is unknown.
        """
        if preset not in _PRESETS:
            raise ValueError(f"preset must be one of {sorted(_PRESETS)}, got {preset!r}.")
        return cls(**{**_PRESETS[preset], **kwargs})
