"""Distils the memory into prototypes when a run is over (PAL, section 2)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import ignite.distributed as idist
import torch.nn as nn
from ignite.engine import Engine, Events

from ..data import Case
from ..memory import PrototypicalAttentionLearning, memory_layers
from ..memory.layers import metric_prefixes
from .checkpoints import save_atomically

__all__ = ["MemoryDistillHandler"]


class MemoryDistillHandler:
    """Replaces every bank of facts by its prototypes, and saves the network.

    Best attached to an evaluator that walks over the training cases in evaluation mode after a
    ``MemoryUpdateHandler(update="refresh")``: the prototypes then come from fresh facts of the final weights.
    ``engine.state.metrics`` gains ``prototypes``, ``prototypes_mmd2`` and ``prototypes_effective_sample_size`` (how
    many facts each prototype's value averages over; about the whole bank means that all values are nearly the same). Of
    several memory layers each has its own, named ``layer0_prototypes`` and so on in the order of the network.

    Args:
        network: a network with memory layers.
        learning: chooses the prototypes, for example 32 per class.
        path: where the network with its prototypes is saved, as a ``state_dict``; None saves nothing.
        whole_path: where the network is saved before, with all its facts: refreshed ones, where the memory was.
        cases: what is known of each case by sample id, for a choice stratified by class.
    """

    def __init__(
        self,
        network: nn.Module,
        learning: PrototypicalAttentionLearning,
        path: str | None = None,
        whole_path: str | None = None,
        cases: Mapping[int, Case] | None = None,
    ) -> None:
        self.network = network
        self.learning = learning
        self.path = path
        self.whole_path = whole_path
        self.labels = None if cases is None else {i: case.label for i, case in cases.items()}

    def attach(self, engine: Engine) -> None:
        """Register with an engine, after the handler that updates the memory.

        Args:
            engine: a trainer or an evaluator.
        """
        engine.add_event_handler(Events.COMPLETED, self._distil)

    def _distil(self, engine: Engine) -> None:
        self._save(self.whole_path)
        layers = memory_layers(self.network)
        for prefix, layer in zip(metric_prefixes(layers), layers):
            facts = len(layer.bank)
            layer.bank = layer.bank.distil(self.learning, self.labels)
            report = layer.bank.distillation
            engine.state.metrics |= {
                f"{prefix}prototypes": len(layer.bank),
                f"{prefix}prototypes_mmd2": float(report.mmd.mean()),
                f"{prefix}prototypes_effective_sample_size": float(report.effective_sample_size.mean()),
            }
            if facts > 1 and float(report.effective_sample_size.mean()) > 0.5 * facts:
                warnings.warn(
                    "each prototype's value averages over more than half of the facts, so the values are nearly equal: "
                    "a smaller tau or neighbourhood='assigned' keeps them apart.",
                    stacklevel=2,
                )
        self._save(self.path)

    def _save(self, path: str | None) -> None:
        if path is not None and idist.get_rank() == 0:
            save_atomically(self.network.state_dict(), Path(path))
