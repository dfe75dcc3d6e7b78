"""Writes the facts of the training cases to the memory, once per epoch (ATMA, eq. (1))."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn as nn
from ignite.engine import Engine, Events
from monai.utils import evenly_divisible_all_gather
from torch import Tensor

from ..memory import AttentionMovingAverage, CaseSnapshot, memory_layers

__all__ = ["MemoryUpdateHandler"]

_EVENTS = {"epoch": Events.EPOCH_COMPLETED, "step": Events.ITERATION_COMPLETED}
_READS = {"after_first_epoch": lambda epoch: epoch > 1, "always": lambda epoch: True, "never": lambda epoch: False}


class MemoryUpdateHandler:
    """Stages the fact of every case after its iteration and stores them at the end of the epoch.

    Storing comes after the backward pass, so the bank that a forward pass read is never changed under autograd.
    Ranks exchange their facts and then hold equal banks. Attach it before the checkpoint saver: a checkpoint at the
    end of an epoch then holds everything, and resuming from it continues bit for bit.

    Args:
        network: a network with memory layers, wrapped or not.
        update: ``"moving_average"`` is eq. (1); ``"overwrite"`` keeps the newest fact only (friction term 1), as for
            refreshing a bank with final weights in an evaluator.
        moving_average: epoch (from 0) -> weight of the new fact; None takes eq. (2) over the trainer's ``max_epochs``.
        timing: ``"epoch"`` averages the visits of an epoch and stores once; ``"step"`` stores after every iteration.
        read_during_training: ``"after_first_epoch"``: the first epoch only writes; ``"always"`` or ``"never"`` (the
            gate gets no gradient then).
        id_map: digest of the table of ids, from the datalist; 0 does not check.

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
    ) -> None:
        choices = {"update": (update, ("moving_average", "overwrite")), "timing": (timing, _EVENTS)}
        choices["read_during_training"] = (read_during_training, _READS)
        for name, (value, known) in choices.items():
            if value not in known:
                raise ValueError(f"{name} must be one of {sorted(known)}, got {value!r}.")
        self.layers = memory_layers(network)
        self.update = update
        self.moving_average = moving_average
        self.timing = timing
        self.may_read = _READS[read_during_training]
        self.id_map = id_map
        self._staged: list[list[CaseSnapshot]] = [[] for _ in self.layers]

    def attach(self, engine: Engine) -> None:
        """Register with a trainer, or with an evaluator over the training cases to refresh a bank.

        Args:
            engine: the engine whose network is given.
        """
        engine.add_event_handler(Events.STARTED, self._schedule)
        # Not when the run starts: a checkpoint handler that is attached later has not loaded the memory by then.
        engine.add_event_handler(Events.EPOCH_STARTED, self._check_id_map)
        engine.add_event_handler(Events.EPOCH_STARTED, self._begin_epoch)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._stage)
        engine.add_event_handler(_EVENTS[self.timing], self._write)

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
        for layer, staged in zip(self.layers, self._staged):
            staged.clear()  # an epoch that was broken off leaves its cases behind
            layer.reading_in_training = self.may_read(engine.state.epoch)

    def _stage(self) -> None:
        for layer, staged in zip(self.layers, self._staged):
            if layer.latest is not None:
                staged.append(layer.latest)
                layer.latest = None

    def _write(self, engine: Engine) -> None:
        epoch = engine.state.epoch - 1 if self.update == "moving_average" else None
        for layer, staged in zip(self.layers, self._staged):
            if not staged:
                raise ValueError(
                    "no sample ids reached the memory, so nothing was stored: hand sample_ids to the network, as by "
                    "PrepareBatchExtraInput(extra_keys={'sample_ids': 'sample_id', 'group_ids': 'group_id'})."
                )
            ids, groups, keys, values = (_gather(staged, name) for name in ("ids", "groups", "keys", "values"))
            staged.clear()
            layer.bank.update(ids, keys, values, groups, epoch)


def _gather(staged: list[CaseSnapshot], name: str) -> Tensor:
    """One field of all staged cases, of all ranks."""
    return evenly_divisible_all_gather(torch.cat([getattr(snapshot, name) for snapshot in staged]), concat=True)
