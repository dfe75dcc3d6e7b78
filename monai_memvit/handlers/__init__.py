"""What plugs into MONAI's and Ignite's engines."""

from __future__ import annotations

from .case_report import CaseReport
from .channel_limit import only_channels
from .channel_subsets import ChannelSubsetReport
from .checkpoints import BestModelSaver, ResumeCheckpoint
from .class_predictions import ClassPredictions
from .classification_report import ClassificationReport
from .data_time_share import DataTimeShare
from .film_heatmaps import FilmHeatmaps
from .film_predictions import FilmPredictions
from .gradient_clipping import GradientClipper
from .memory_distill import MemoryDistillHandler
from .memory_effect import MemoryEffectHandler
from .memory_statistics import MemoryStatisticsHandler
from .memory_update import MemoryUpdateHandler
from .multi_label_report import MultiLabelReport
from .operating_point_report import OperatingPointReport
from .operating_points import ChooseOperatingPoints, OperatingPoints
from .reconstruction_pictures import ReconstructionPictures
from .reconstruction_report import ReconstructionReport
from .resumable import RandomState
from .retrieval_saver import RetrievalSaver
from .run_record import RunRecorder, unique_run_name
from .similar_cases_saver import SimilarCasesSaver
from .slide_heatmaps import SlideHeatmaps

__all__ = [
    "BestModelSaver",
    "CaseReport",
    "ChannelSubsetReport",
    "ChooseOperatingPoints",
    "ClassPredictions",
    "ClassificationReport",
    "DataTimeShare",
    "FilmHeatmaps",
    "FilmPredictions",
    "GradientClipper",
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
    "SimilarCasesSaver",
    "SlideHeatmaps",
    "only_channels",
    "unique_run_name",
]
