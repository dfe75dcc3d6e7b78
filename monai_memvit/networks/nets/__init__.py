"""Whole networks: they only assemble blocks."""

from __future__ import annotations

from .masked_autoencoder import MaskedAutoencoder
from .memvit import MemViT
from .movit import MoViT
from .seqnorm_vit import SeqNormViT
from .slide_vit import SlideViT

__all__ = ["MaskedAutoencoder", "MemViT", "MoViT", "SeqNormViT", "SlideViT"]
