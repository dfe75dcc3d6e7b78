"""Whole networks: they only assemble blocks."""

from __future__ import annotations

from .memvit import MemViT
from .movit import MoViT
from .seqnorm_vit import SeqNormViT

__all__ = ["MemViT", "MoViT", "SeqNormViT"]
