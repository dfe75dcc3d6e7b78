"""Writes for every case its probabilities and the cases of a case memory that resemble it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
import torch.nn as nn
from ignite.engine import Engine
from torch import Tensor

from ..data import Case
from ..memory import CaseEvidence, CaseMemory
from .evidence_saver import EvidenceSaver
from .weights_digest import weights_digest

__all__ = ["SimilarCasesSaver"]


class SimilarCasesSaver(EvidenceSaver):
    """Saves ``predictions.csv`` and ``evidence.png`` of a network that consults a :class:`CaseMemory`.

    As :class:`RetrievalSaver`, but past cases are those of largest cosine of the final features, none of the case's own
    patient, and their weights are these cosines. Their classes are those that the memory stores; ``cases`` gives their
    images, where it knows them.

    Args:
        network: its ``memory`` is a case memory.
        output_dir: where to write; made when absent.
        cases: what is known of each case by sample id, see ``monai_memvit.data.load_case_index``.
        checkpoint: file of the weights; those that the memory was made with are refused to be others. Empty does not
            check.
        top: past cases per case.
        picture_rows: cases in the picture, spread evenly over the run; 0 draws none.
        queries: items of the evaluated cases, see :class:`RetrievalSaver`.
        include_keys: also write the readable sample keys (of new cases the path), which may identify patients.
        held_out: items of the cases on which figures are taken. A run is refused when the memory holds cases of their
            patients: it would give the answers away. Patients of ``queries`` may be known, as at a follow-up; a warning
            tells how many are.

    Raises:
        ValueError: when the network has no case memory; while running, when the memory belongs to other weights or
            holds patients of ``held_out``, or cases come without ids.
    """

    caption = (
        "left: the case, its prediction; right: the cases of the memory whose features resemble its own most; "
        "green = of the predicted class"
    )

    def __init__(
        self,
        network: nn.Module,
        output_dir: str,
        cases: Mapping[int, Case],
        checkpoint: str = "",
        top: int = 5,
        picture_rows: int = 8,
        queries: Sequence[Mapping[str, Any]] = (),
        include_keys: bool = False,
        held_out: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        memory = getattr(network, "memory", None)
        if not isinstance(memory, CaseMemory):
            raise ValueError(f"{type(network).__name__} has no case memory: give a ConsultingNetwork.")
        super().__init__(output_dir, memory.class_names, cases, top, picture_rows, queries, include_keys)
        self.memory = memory
        self.checkpoint = checkpoint
        self._asked = {_group_of(item) for item in queries}
        self._held_out = {_group_of(item) for item in held_out}
        self._classes = dict(zip(memory.ids.tolist(), memory.labels.tolist()))
        self._features: Tensor | None = None

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator whose outputs hold probabilities under ``"pred"``.

        Args:
            engine: the evaluator whose network is given.
        """
        super().attach(engine)
        self.memory.register_forward_pre_hook(self._listen)

    def _listen(self, memory: nn.Module, taken: tuple[Any, ...]) -> None:
        self._features = taken[0].detach()

    def _start(self) -> None:
        made_with = self.memory.network
        if self.checkpoint and made_with and made_with != (used := weights_digest(self.checkpoint)):
            raise ValueError(
                f"the case memory belongs to the weights {made_with[:12]}…, but {self.checkpoint} has {used[:12]}…: "
                "give the checkpoint that it was made with, no case memory, or add the cases anew by `memory add`."
            )
        self._check_patients()
        super()._start()

    def _check_patients(self) -> None:
        stored = set(self.memory.groups.tolist())
        given_away, known = len(self._held_out & stored), len(self._asked & stored)
        if given_away:
            raise ValueError(
                f"the case memory holds cases of {given_away} of the {len(self._held_out)} patient(s) or slide(s) to "
                "evaluate on, so the figures would say nothing of new ones: evaluate another section, or without the "
                "memory (--case_memory ''), or take these patients out of it by `memory remove`."
            )
        if known:
            warnings.warn(
                f"the case memory holds cases of {known} of the {len(self._asked)} patient(s) or slide(s): their "
                "answers draw on these, and do not tell how good the network is on new ones.",
                stacklevel=2,
            )

    def _evidence(self, engine: Engine) -> Iterable[tuple[int, CaseEvidence]]:
        batch = engine.state.batch
        if self._features is None or any("sample_id" not in item for item in batch):
            raise ValueError("the cases come without a sample_id, or the evaluator runs another network.")
        ids = [int(item["sample_id"]) for item in batch]
        groups = torch.tensor([_group_of(item) for item in batch])
        groups = groups.to(self._features.device)
        return zip(ids, self.memory.neighbours(self._features, self.top, groups))

    def _class_of(self, sample_id: int) -> str:
        label = self._classes.get(sample_id, -1)
        return "unknown" if label < 0 else self._name(label)

    def _agrees(self, sample_id: int, predicted: int) -> bool | None:
        label = self._classes.get(sample_id, -1)
        return None if label < 0 else label == predicted

    def _told(self, weight: float) -> str:
        return f"cosine {weight:.2f}"


def _group_of(item: Mapping[str, Any]) -> int:
    """Patient or slide; a case of which none is known stands for itself."""
    return int(item.get("group_id", item["sample_id"]))
