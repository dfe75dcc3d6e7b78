"""Modules of one idea each."""

from __future__ import annotations

from .channel_embedding import ChannelEmbedding
from .channel_sampling import HierarchicalChannelSampling
from .cosine_query_key import CosineQueryKey
from .encoder_block import EncoderBlock
from .feature_map_attention import FeatureMapAttention
from .gated_pooling import GatedAttentionPool
from .grid_embedding import GridEmbedding
from .masked_decoder import MaskedDecoder
from .memory_attention import MemoryAttention
from .micrometre_positions import MicrometrePositions
from .positions import LearnedPositions, NoPositions, SinCosPositions
from .self_attention import SelfAttention
from .sequence_norm_attention import SequenceNormAttention
from .sima_attention import SimaAttention
from .softmax_attention import SoftmaxAttention
from .tile_embedding import FeatureEmbedding, TileEmbedding, TilePatchEmbedding

__all__ = [
    "ChannelEmbedding",
    "CosineQueryKey",
    "EncoderBlock",
    "FeatureEmbedding",
    "FeatureMapAttention",
    "GatedAttentionPool",
    "GridEmbedding",
    "HierarchicalChannelSampling",
    "LearnedPositions",
    "MaskedDecoder",
    "MemoryAttention",
    "MicrometrePositions",
    "NoPositions",
    "SelfAttention",
    "SequenceNormAttention",
    "SimaAttention",
    "SinCosPositions",
    "SoftmaxAttention",
    "TileEmbedding",
    "TilePatchEmbedding",
]
