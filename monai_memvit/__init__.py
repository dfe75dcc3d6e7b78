"""A MONAI plugin: image classifiers that learn from few cases by a memory, and show the past cases they consulted."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Names are imported on first use: MONAI alone takes seconds, and the command line should answer at once.
_HOMES = {
    "monai_memvit.networks.nets": ("MaskedAutoencoder", "MemViT", "MoViT", "SeqNormViT", "SlideViT"),
    "monai_memvit.networks.convert": ("memorize", "sequence_normalize"),
    "monai_memvit.networks.streaming": ("StreamedViT", "memory_mapped"),
    "monai_memvit.networks.slide_streaming": ("StreamedSlideViT", "tile_contributions"),
    "monai_memvit.networks.contributions": ("token_contributions",),
    "monai_memvit.networks.layer_decay": ("layer_decay_groups",),
    "monai_memvit.networks.pretrained": ("load_pretrained",),
    "monai_memvit.networks.layers": ("TokenMoments", "sequence_norm_attention"),
    "monai_memvit.networks.blocks": (
        "ChannelEmbedding",
        "CosineQueryKey",
        "EncoderBlock",
        "FeatureEmbedding",
        "FeatureMapAttention",
        "GatedAttentionPool",
        "HierarchicalChannelSampling",
        "MemoryAttention",
        "SequenceNormAttention",
        "SimaAttention",
        "SoftmaxAttention",
        "TilePatchEmbedding",
    ),
    "monai_memvit.losses": ("MaskedBCEWithLogitsLoss", "MaskedPatchLoss"),
    "monai_memvit.memory": (
        "AttentionMovingAverage",
        "ExactSearch",
        "FaissSearch",
        "MemoryBank",
        "PrototypicalAttentionLearning",
        "RetrievedFacts",
    ),
    "monai_memvit.handlers": (
        "BestModelSaver",
        "CaseReport",
        "ChannelSubsetReport",
        "ChooseOperatingPoints",
        "ClassificationReport",
        "DataTimeShare",
        "FilmHeatmaps",
        "FilmPredictions",
        "MemoryDistillHandler",
        "MemoryEffectHandler",
        "MemoryStatisticsHandler",
        "MemoryUpdateHandler",
        "MultiLabelReport",
        "OperatingPointReport",
        "OperatingPoints",
        "RandomState",
        "ReconstructionPictures",
        "ReconstructionReport",
        "ResumeCheckpoint",
        "RetrievalSaver",
        "RunRecorder",
    ),
    "monai_memvit.transforms.mri": (
        "CoRegister",
        "CoRegisterd",
        "CorrectBiasField",
        "CorrectBiasFieldd",
        "BrainMask",
        "BrainMaskd",
        "LoadSliced",
        "NormalizeInMask",
        "NormalizeInMaskd",
        "StackSequencesd",
    ),
    "monai_memvit.transforms.radiograph": (
        "CropFilmBorder",
        "CropFilmBorderd",
        "LoadCachedFilmd",
        "LoadRadiograph",
        "LoadRadiographd",
        "RadiographReader",
        "RandFilmAugment",
        "RandFilmAugmentd",
        "ResizeFilm",
        "ResizeFilmd",
    ),
    "monai_memvit.data": ("EpochSampler", "SeededCacheDataset"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ["__version__", *_HOME_OF]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'monai_memvit' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
