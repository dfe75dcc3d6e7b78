"""Modules of one idea each."""

from __future__ import annotations

from .cosine_query_key import CosineQueryKey
from .encoder_block import EncoderBlock
from .memory_attention import MemoryAttention
from .softmax_attention import SoftmaxAttention

__all__ = ["CosineQueryKey", "EncoderBlock", "MemoryAttention", "SoftmaxAttention"]
