"""Reports in every validation what the memory holds and how good its retrieval is."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn as nn
from ignite.engine import Engine, Events
from torch import Tensor

from ..data import Case
from ..memory import (
    chance_purity,
    class_purity,
    effective_number,
    labels_of,
    memory_layers,
    per_head_evidence,
)

__all__ = ["MemoryStatisticsHandler"]


class MemoryStatisticsHandler:
    """Adds to ``engine.state.metrics``: size, gate per head, class purity against chance, effective number of facts.

    Purity is measured both for key-key cosine and for the attention logit, over the k facts of every head. Attach it to
    an evaluator, before the handlers that log metrics. Of several memory layers the last one is reported.

    Args:
        network: a network with memory layers.
        cases: what is known of each stored case, by sample id, see ``monai_memvit.data.load_case_index``.
        label_key: where the decollated output holds the class of a sample.
        k: facts per head.
    """

    def __init__(self, network: nn.Module, cases: Mapping[int, Case], label_key: str = "label", k: int = 32) -> None:
        self.layer = memory_layers(network)[-1]
        self.labels = {i: case.label for i, case in cases.items()}
        self.label_key = label_key
        self.k = k
        self._seen: list[dict[str, Tensor]] = []

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator.

        Args:
            engine: the evaluator whose network is given.
        """
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._observe)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._report)

    def _observe(self, engine: Engine) -> None:
        snapshot, bank = self.layer.latest, self.layer.bank
        if snapshot is None or not len(bank):
            return
        own = torch.tensor([int(item[self.label_key]) for item in engine.state.output], device=snapshot.ids.device)
        seen = {"purity_chance": chance_purity(labels_of(bank.ids, self.labels), own)}
        for retrieval in ("cosine", "logit"):
            ids, weights = per_head_evidence(bank, snapshot, self.k, retrieval)
            seen[f"purity_{retrieval}"] = class_purity(labels_of(ids, self.labels), own)
            seen[f"effective_facts_{retrieval}"] = effective_number(weights).mean(1)
        self._seen.append(seen)

    def _report(self, engine: Engine) -> None:
        metrics = {"facts": float(len(self.layer.bank)), "megabytes": self.layer.bank.nbytes / 2**20}
        metrics |= {f"gate_head{h}": g for h, g in enumerate(self.layer.gate.tolist())}
        if self._seen:
            metrics |= {name: float(torch.cat([s[name] for s in self._seen]).mean()) for name in self._seen[0]}
        engine.state.metrics.update({f"memory_{name}": value for name, value in metrics.items()})
        self._seen.clear()
