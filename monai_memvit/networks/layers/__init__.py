"""Pure functions on tensors: no parameters, no state."""

from __future__ import annotations

from .collapsed_attention import HeadStatistics, TokenMap, collapse_attention, head_statistics
from .feature_map import feature_map_attention
from .heads import merge_heads, split_heads
from .linear_attention import bilinear_attention, mean_bilinear_attention
from .memory_read import attend_facts, convex_gate
from .padding import attendable, blank_channels, blank_padding, count_tokens, mean_token, near_mean
from .precision import no_autocast, operand_dtype, wide
from .rank_parts import gather_ranks
from .sequence_norm import sequence_norm, sequence_norm_attention
from .sincos import grid_coordinates, sincos_embedding
from .token_facts import attention_fact, class_token_fact, mean_token_fact
from .token_moments import TokenMoments
from .token_passes import offset_gram, offset_linear
from .weighted_mean import WeightedMean

__all__ = [
    "HeadStatistics",
    "TokenMap",
    "TokenMoments",
    "WeightedMean",
    "attend_facts",
    "attendable",
    "attention_fact",
    "bilinear_attention",
    "blank_channels",
    "blank_padding",
    "class_token_fact",
    "collapse_attention",
    "convex_gate",
    "count_tokens",
    "mean_bilinear_attention",
    "mean_token",
    "mean_token_fact",
    "feature_map_attention",
    "gather_ranks",
    "grid_coordinates",
    "head_statistics",
    "merge_heads",
    "near_mean",
    "offset_gram",
    "offset_linear",
    "no_autocast",
    "operand_dtype",
    "sequence_norm",
    "sequence_norm_attention",
    "sincos_embedding",
    "split_heads",
    "wide",
]
