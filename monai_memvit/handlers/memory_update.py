"""Writes the facts of the training cases to the memory, once per epoch (ATMA, eq. (1))."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
import torch.nn as nn
from ignite.engine import Engine, Events
from monai.utils import evenly_divisible_all_gather
from torch import Tensor

from ..data import Case
from ..memory import AttentionMovingAverage, CaseSnapshot, MemoryBank, labels_of, memory_layers

__all__ = ["MemoryUpdateHandler"]

_UPDATES: dict[str, Callable[..., None]] = {
    "moving_average": lambda bank, facts, epoch, before: bank.update(*facts, epoch, before),
    "overwrite": lambda bank, facts, epoch, before: bank.update(*facts, epoch),
    "refresh": lambda bank, facts, epoch, before: bank.refresh(*facts),
}
_OVERWRITING = AttentionMovingAverage(max_epochs=1, alpha0=0.0)
_EVENTS = {"epoch": Events.EPOCH_COMPLETED, "step": Events.ITERATION_COMPLETED}
_READS = {"after_first_epoch": lambda epoch: epoch > 1, "always": lambda epoch: True, "never": lambda epoch: False}


class MemoryUpdateHandler:
    """Stages the fact of every case after its iteration and stores them at the end of the epoch.

    Storing comes after the backward pass, so the bank that a forward pass read is never changed under autograd.
    Ranks exchange their facts and then hold equal banks. Attach it before the checkpoint saver: a checkpoint at the
    end of an epoch then holds everything, and resuming from it continues bit for bit.

    Args:
        network: a network with memory layers, wrapped or not.
        update: ``"moving_average"`` is eq. (1); ``"overwrite"`` keeps the newest fact only (friction term 1);
            ``"refresh"`` does so for the cases that are stored and lets no other in, for an evaluator over the training
            cases with the final weights; it warns of stored cases that were not visited.
        moving_average: epoch (from 0) -> weight of the new fact; None takes eq. (2) over the trainer's ``max_epochs``.
            Overwriting leaves it out.
        timing: ``"epoch"`` averages the visits of an epoch and stores once; ``"step"`` stores after every iteration,
            and of several visits in an epoch the last one enters eq. (1), with the fact from before the epoch. That
            takes a copy of the memory.
        read_during_training: ``"after_first_epoch"``: the first epoch only writes; ``"always"``; or ``"never"``: the
            gate then gets no gradient and stays the constant that the layer's ``gate_bias`` makes it, by which
            evaluation reads all the same. Freeze it (``requires_grad_(False)``) to say that this is meant, or fit it
            afterwards; otherwise a warning tells the constant.
        id_map: digest of the table of ids, from the datalist; 0 does not check.
        cases: what is known of each case by sample id, see ``monai_memvit.data.load_case_index``: every fact then says
            its case's class, and nothing else of it; of a single finding that is its value, of several there is none.
            None tells no classes.

    Raises:
        ValueError: when an option is unknown or the network has no memory layer; while running, when the bank of a
            checkpoint belongs to another table of ids, or when no case id ever reached the memory.
    """

    def __init__(
        self,
        network: nn.Module,
        update: str = "moving_average",
        moving_average: Callable[[int], float] | None = None,
        timing: str = "epoch",
        read_during_training: str = "after_first_epoch",
        id_map: int = 0,
        cases: Mapping[int, Case] | None = None,
    ) -> None:
        choices = {"update": (update, _UPDATES), "timing": (timing, _EVENTS)}
        choices["read_during_training"] = (read_during_training, _READS)
        for name, (value, known) in choices.items():
            if value not in known:
                raise ValueError(f"{name} must be one of {sorted(known)}, got {value!r}.")
        self.layers = memory_layers(network)
        self.update = update
        self.moving_average = _OVERWRITING if update == "overwrite" else moving_average
        self.timing = timing
        self.may_read = _READS[read_during_training]
        if read_during_training == "never":
            _warn_of_untrained_gates(self.layers)
        self.id_map = id_map
        self.labels = None if cases is None else {i: _class_of(case) for i, case in cases.items()}
        self._staged: list[list[CaseSnapshot]] = [[] for _ in self.layers]
        self._visited: list[list[Tensor]] = [[] for _ in self.layers]
        self._before: list[MemoryBank | None] = [None for _ in self.layers]

    def attach(self, engine: Engine) -> None:
        """Register with a trainer, or with an evaluator over the training cases to refresh a bank.

        Args:
            engine: the engine whose network is given.
        """
        engine.add_event_handler(Events.STARTED, self._schedule)
        # Not when the run starts: a checkpoint handler that is attached later has not loaded the memory by then.
        engine.add_event_handler(Events.EPOCH_STARTED, self._check_id_map)
        engine.add_event_handler(Events.EPOCH_STARTED, self._begin_epoch)
        # Around the step, not by events: an interrupted step has no event that would show the facts again.
        engine._process_function = _own_facts_hidden(self.layers)(engine._process_function)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._stage)
        engine.add_event_handler(_EVENTS[self.timing], self._write)
        if self.timing == "step":
            engine.add_event_handler(Events.EPOCH_STARTED, self._keep_a_copy)
            engine.add_event_handler(Events.EPOCH_COMPLETED, self._drop_the_copy)
        if self.update == "refresh":
            engine.add_event_handler(Events.EPOCH_COMPLETED, self._warn_of_stale_facts)

    def _check_id_map(self) -> None:
        for layer in self.layers:
            known = int(layer.bank.id_map)
            if known and self.id_map and known != self.id_map:
                raise ValueError(
                    f"the memory in the checkpoint belongs to the table of ids {known:016x}, the datalist to "
                    f"{self.id_map:016x}: use the datalist (and its identity.key) it was trained with, or start anew."
                )
            layer.bank.id_map.fill_(self.id_map or known)

    def _schedule(self, engine: Engine) -> None:
        for layer in self.layers:
            layer.bank.moving_average = self.moving_average or AttentionMovingAverage(engine.state.max_epochs)

    def _begin_epoch(self, engine: Engine) -> None:
        for layer, staged, visited in zip(self.layers, self._staged, self._visited):
            staged.clear()  # an epoch that was broken off leaves its cases behind
            visited.clear()
            layer.reading_in_training = self.may_read(engine.state.epoch)

    def _keep_a_copy(self) -> None:
        self._before = [copy.deepcopy(layer.bank) for layer in self.layers]

    def _drop_the_copy(self) -> None:
        self._before = [None for _ in self.layers]

    def _stage(self) -> None:
        for layer, staged in zip(self.layers, self._staged):
            if layer.latest is not None:
                staged.append(layer.latest)
                layer.latest = None

    def _write(self, engine: Engine) -> None:
        for layer, staged, visited, before in zip(self.layers, self._staged, self._visited, self._before):
            if not staged:
                raise ValueError(
                    "no sample ids reached the memory, so nothing was stored: hand sample_ids to the network, as by "
                    "PrepareBatchExtraInput(extra_keys={'sample_ids': 'sample_id', 'group_ids': 'group_id'})."
                )
            facts = [_gather(staged, name) for name in ("ids", "keys", "values", "groups")]
            staged.clear()
            visited.append(facts[0].to(layer.bank.ids.device))
            _UPDATES[self.update](layer.bank, facts, engine.state.epoch - 1, before)
            if self.labels is not None:
                layer.bank.label(facts[0], labels_of(facts[0], self.labels))

    def _warn_of_stale_facts(self) -> None:
        for layer, visited in zip(self.layers, self._visited):
            stale = int((~torch.isin(layer.bank.ids, torch.cat(visited))).sum())
            if stale:
                warnings.warn(
                    f"{stale} of {len(layer.bank)} stored cases were not visited and keep the facts of earlier "
                    "weights: refresh with all training cases, or erase these.",
                    stacklevel=2,
                )


def _class_of(case: Case) -> int:
    return int(case.labels[0]) if case.labels is not None and len(case.labels) == 1 else case.label


@contextmanager
def _own_facts_hidden(layers: Sequence[nn.Module]) -> Iterator[None]:
    """An evaluator must not read a case's stale fact in one layer while it writes the case's next in another."""
    try:
        for layer in layers:
            layer.writing = True
        yield
    finally:
        for layer in layers:
            layer.writing = False


def _warn_of_untrained_gates(layers: list[nn.Module]) -> None:
    gates = [layer.gate.detach().tolist() for layer in layers if layer.gate_bias.requires_grad]
    if gates:
        warnings.warn(
            f"a memory that training never reads leaves its gate as it is: evaluation will read with {gates}. Freeze "
            "gate_bias to say that these are meant, or fit it afterwards on a validation split.",
            stacklevel=3,
        )


def _gather(staged: list[CaseSnapshot], name: str) -> Tensor:
    """One field of all staged cases, of all ranks."""
    return evenly_divisible_all_gather(torch.cat([getattr(snapshot, name) for snapshot in staged]), concat=True)
