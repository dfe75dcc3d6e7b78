"""What plugs into MONAI's and Ignite's engines."""

from __future__ import annotations

from .case_report import CaseReport
from .channel_limit import only_channels
from .channel_subsets import ChannelSubsetReport
from .checkpoints import BestModelSaver, ResumeCheckpoint
from .classification_report import ClassificationReport
from .memory_distill import MemoryDistillHandler
from .memory_effect import MemoryEffectHandler
from .memory_statistics import MemoryStatisticsHandler
from .memory_update import MemoryUpdateHandler
from .resumable import RandomState
from .retrieval_saver import RetrievalSaver
from .run_record import RunRecorder, unique_run_name

__all__ = [
    "BestModelSaver",
    "CaseReport",
    "ChannelSubsetReport",
    "ClassificationReport",
    "MemoryDistillHandler",
    "MemoryEffectHandler",
    "MemoryStatisticsHandler",
    "MemoryUpdateHandler",
    "RandomState",
    "ResumeCheckpoint",
    "RetrievalSaver",
    "RunRecorder",
    "only_channels",
    "unique_run_name",
]
