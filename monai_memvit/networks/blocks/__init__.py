"""Modules of one idea each."""

from __future__ import annotations

from .channel_embedding import ChannelEmbedding
from .channel_sampling import HierarchicalChannelSampling
from .cosine_query_key import CosineQueryKey
from .encoder_block import EncoderBlock
from .fact_label_embedding import FactLabelEmbedding
from .feature_map_attention import FeatureMapAttention
from .gated_pooling import GatedAttentionPool
from .grid_embedding import GridEmbedding
from .masked_decoder import MaskedDecoder
from .memory_attention import MemoryAttention
from .memory_gates import ConfidenceGate, HeadGate
from .micrometre_positions import MicrometrePositions
from .peak_pooling import PeakPool
from .positions import LearnedPositions, NoPositions, SinCosPositions
from .self_attention import SelfAttention
from .sequence_norm_attention import SequenceNormAttention
from .sima_attention import SimaAttention
from .softmax_attention import SoftmaxAttention
from .tile_embedding import FeatureEmbedding, TileEmbedding, TilePatchEmbedding
from .tile_filters import TileFilterEmbedding

__all__ = [
    "ChannelEmbedding",
    "ConfidenceGate",
    "CosineQueryKey",
    "EncoderBlock",
    "FactLabelEmbedding",
    "FeatureEmbedding",
    "FeatureMapAttention",
    "GatedAttentionPool",
    "GridEmbedding",
    "HeadGate",
    "HierarchicalChannelSampling",
    "LearnedPositions",
    "MaskedDecoder",
    "MemoryAttention",
    "MicrometrePositions",
    "NoPositions",
    "PeakPool",
    "SelfAttention",
    "SequenceNormAttention",
    "SimaAttention",
    "SinCosPositions",
    "SoftmaxAttention",
    "TileEmbedding",
    "TileFilterEmbedding",
    "TilePatchEmbedding",
]
