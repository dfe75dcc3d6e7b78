"""Writes for every case its probabilities and the past cases that a memory inside the network holds behind them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch.nn as nn
from ignite.engine import Engine

from ..data import Case
from ..memory import CaseEvidence, consulted_cases, memory_layers
from .evidence_saver import EvidenceSaver

__all__ = ["RetrievalSaver"]

_HOW = {"cosine": "resemble it most (key-key cosine)", "logit": "its attention consulted (q·k)"}


class RetrievalSaver(EvidenceSaver):
    """Saves ``predictions.csv`` and ``evidence.png`` when an evaluator has finished.

    Each row of the table is a case: its opaque id, the probabilities, the predicted class, and the ``top`` past cases
    with class and weight (weights of all cases that were found sum to 1). By default past cases are found by key-key
    cosine, which is a similarity search; ``retrieval="logit"`` gives those that entered the logits, as the paper reads
    its memory. Of several memory layers the last one is asked. Where a case may show several findings, its class is all
    that it is known to show, and the predicted one the most probable.

    Args:
        network: a network with memory layers.
        output_dir: where to write; made when absent.
        class_names: in the order of the labels.
        cases: what is known of each case by sample id, see ``monai_memvit.data.load_case_index``.
        retrieval: ``"cosine"`` or ``"logit"``.
        top: past cases per case.
        k: facts per head.
        picture_rows: cases in the picture, spread evenly over the run; 0 draws none.
        queries: items of the evaluated cases (``sample_id``, ``image`` and, where one file holds many, ``slice``). One
            whose image or slice is not that of ``cases`` is a new case, whatever its id.
        include_keys: also write the readable sample keys (of new cases the path), which may identify patients.
        id_map: digest of the table of ids that ``cases`` belongs to; 0 does not check.

    Raises:
        ValueError: while running, when the memory is empty or belongs to another table of ids, or cases came without
            ids.
    """

    def __init__(
        self,
        network: nn.Module,
        output_dir: str,
        class_names: Sequence[str],
        cases: Mapping[int, Case],
        retrieval: str = "cosine",
        top: int = 5,
        k: int = 32,
        picture_rows: int = 8,
        queries: Sequence[Mapping[str, Any]] = (),
        include_keys: bool = False,
        id_map: int = 0,
    ) -> None:
        super().__init__(output_dir, class_names, cases, top, picture_rows, queries, include_keys)
        self.layer = memory_layers(network)[-1]
        self.retrieval = retrieval
        self.k = k
        self.id_map = id_map
        how = _HOW.get(retrieval, retrieval)
        self.caption = (
            f"left: the case, its prediction; right: the past cases that {how}; green = of the predicted class"
        )

    def _start(self) -> None:
        stored = int(self.layer.bank.id_map)
        if stored and self.id_map and stored != self.id_map:
            raise ValueError(
                f"the memory belongs to the table of ids {stored:016x}, the datalist to {self.id_map:016x}: give the "
                "datalist the network was trained with, or its past cases cannot be named."
            )
        super()._start()

    def _evidence(self, engine: Engine) -> Iterable[tuple[int, CaseEvidence]]:
        snapshot = self.layer.latest
        if snapshot is None:
            raise ValueError("the network saw no sample_ids: hand them over, for example by PrepareBatchExtraInput.")
        evidence = consulted_cases(self.layer.bank, snapshot, self.k, self.retrieval, self.top)
        return zip(snapshot.ids.tolist(), evidence)
