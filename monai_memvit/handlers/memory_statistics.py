"""Reports in every validation what the memory holds and how good its retrieval is."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import torch
import torch.nn as nn
from ignite.engine import Engine, Events
from torch import Tensor

from ..data import Case
from ..memory import (
    CaseSnapshot,
    MemoryBank,
    chance_purity,
    class_purity,
    effective_number,
    labels_of,
    memory_layers,
    per_head_evidence,
)
from ..memory.layers import metric_prefixes

__all__ = ["MemoryStatisticsHandler"]


class MemoryStatisticsHandler:
    """Adds to ``engine.state.metrics``: size, gate per head, class purity against chance, effective number of facts.

    Purity is measured both for key-key cosine and for the attention logit, over the k facts of every head. Attach it to
    an evaluator, before the handlers that log metrics. With one memory layer the names are ``memory_facts``,
    ``memory_gate_head0``, ...; with several ``memory_layer0_facts``, ... in the order of the network. A memory with
    fewer facts than its layer asks for is warned of once.

    Args:
        network: a network with memory layers.
        cases: what is known of each stored case, by sample id, see ``monai_memvit.data.load_case_index``.
        label_key: where the decollated output holds the class of a sample.
        k: facts per head.
    """

    def __init__(self, network: nn.Module, cases: Mapping[int, Case], label_key: str = "label", k: int = 32) -> None:
        self.layers = memory_layers(network)
        self.labels = {i: case.label for i, case in cases.items()}
        self.label_key = label_key
        self.k = k
        self._told = False
        self._seen: list[list[dict[str, Tensor]]] = [[] for _ in self.layers]

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator.

        Args:
            engine: the evaluator whose network is given.
        """
        engine.add_event_handler(Events.EPOCH_STARTED, self._warn_of_few_facts)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._observe)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._report)

    def _warn_of_few_facts(self) -> None:
        few = [layer for layer in self.layers if 0 < len(layer.bank) < layer.num_neighbors]
        if few and not self._told:
            self._told = True
            warnings.warn(
                f"the memory holds {len(few[0].bank)} facts, fewer than the {few[0].num_neighbors} neighbours that "
                "every query asks for: each reads all of them.",
                stacklevel=2,
            )

    def _observe(self, engine: Engine) -> None:
        for layer, seen in zip(self.layers, self._seen):
            if layer.latest is not None and len(layer.bank):
                own = [int(item[self.label_key]) for item in engine.state.output]
                seen.append(self._purities(layer.bank, layer.latest, torch.tensor(own, device=layer.latest.ids.device)))

    def _purities(self, bank: MemoryBank, snapshot: CaseSnapshot, own: Tensor) -> dict[str, Tensor]:
        found = {"purity_chance": chance_purity(labels_of(bank.ids, self.labels), own)}
        for retrieval in ("cosine", "logit"):
            ids, weights = per_head_evidence(bank, snapshot, self.k, retrieval)
            found[f"purity_{retrieval}"] = class_purity(labels_of(ids, self.labels), own)
            found[f"effective_facts_{retrieval}"] = effective_number(weights).mean(1)
        return found

    def _report(self, engine: Engine) -> None:
        for prefix, layer, seen in zip(metric_prefixes(self.layers), self.layers, self._seen):
            metrics = {"facts": float(len(layer.bank)), "megabytes": layer.bank.nbytes / 2**20}
            metrics |= {f"gate_head{h}": g for h, g in enumerate(layer.gate.tolist())}
            if seen:
                metrics |= {name: float(torch.cat([s[name] for s in seen]).mean()) for name in seen[0]}
            engine.state.metrics.update({f"memory_{prefix}{name}": value for name, value in metrics.items()})
            seen.clear()
