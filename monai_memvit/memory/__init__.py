"""The memory of past cases: store, moving average, prototypes, search, evidence."""

from __future__ import annotations

from .bank import MemoryBank
from .case_memory import CaseMemory
from .context import CaseContext
from .evidence import CaseEvidence, consulted_cases, per_head_evidence
from .facts import CaseSnapshot, Facts, RetrievedFacts
from .faiss_search import FaissSearch
from .layers import memory_layers, memory_off
from .moving_average import AttentionMovingAverage
from .prototypes import Prototypes, PrototypicalAttentionLearning
from .readouts import HeadReadout, MixtureReadout, NeighbourReadout, RidgeReadout
from .retrieval import CosineRetrieval, FactRetrieval, LogitRetrieval
from .search import ExactSearch
from .statistics import chance_purity, class_purity, effective_number, labels_of

__all__ = [
    "AttentionMovingAverage",
    "CaseContext",
    "CaseMemory",
    "CaseEvidence",
    "CaseSnapshot",
    "CosineRetrieval",
    "ExactSearch",
    "FactRetrieval",
    "Facts",
    "FaissSearch",
    "HeadReadout",
    "LogitRetrieval",
    "MemoryBank",
    "MixtureReadout",
    "NeighbourReadout",
    "PrototypicalAttentionLearning",
    "Prototypes",
    "RetrievedFacts",
    "RidgeReadout",
    "chance_purity",
    "class_purity",
    "consulted_cases",
    "effective_number",
    "labels_of",
    "memory_layers",
    "memory_off",
    "per_head_evidence",
]
