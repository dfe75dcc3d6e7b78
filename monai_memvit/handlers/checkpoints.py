"""Checkpoints that survive a kill at any moment and continue bit for bit.

MONAI's ``CheckpointSaver`` removes the old file, then writes the new one in place: a process that is killed in between
leaves no checkpoint at all. These write beside the old file and rename.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import is_zipfile

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events
from monai.apps import get_logger

from ..data import atomic_write

__all__ = ["BestModelSaver", "ResumeCheckpoint"]


class ResumeCheckpoint:
    """Saves everything a trainer needs to continue, at the end of every epoch, and loads it when asked to.

    Attach it after the handlers that change what is saved (memory update, schedule, validation).

    Args:
        objects: what to save, by name: network, optimizer, lr_scheduler, random state, best model, ...; each with
            ``state_dict`` and ``load_state_dict``. The trainer's epoch and iteration are added, and the scale of the
            loss where it trains with mixed precision.
        path: the checkpoint file.
        resume: load ``path`` when training starts; a file that does not exist yet starts from scratch.
        interval: epochs between two checkpoints.

    Raises:
        ValueError: when the file is unreadable or does not hold what is asked for; the message names it.
    """

    def __init__(self, objects: Mapping[str, Any], path: str, resume: bool = False, interval: int = 1) -> None:
        self.objects = dict(objects)
        self.path = Path(path)
        self.resume = resume
        self.interval = interval

    def attach(self, engine: Engine) -> None:
        """Register with a trainer.

        Args:
            engine: the trainer.
        """
        if self.resume:
            engine.add_event_handler(Events.STARTED, self.load)
        engine.add_event_handler(Events.EPOCH_COMPLETED(every=self.interval), self.save)

    def save(self, engine: Engine) -> None:
        """Write the checkpoint, by rank 0 only; every rank has to call it, for some states are gathered from all.

        Args:
            engine: the trainer.
        """
        state = {name: value.state_dict() for name, value in self.objects.items()}
        if idist.get_rank() == 0:
            save_atomically(state | {"trainer": _progress(engine)}, self.path)

    def load(self, engine: Engine) -> None:
        """Continue where the checkpoint was written.

        Args:
            engine: the trainer.

        Raises:
            ValueError: when the file is unreadable or incomplete.
        """
        if not self.path.exists():
            get_logger(__name__).info("no checkpoint at %s yet: starting from scratch", self.path)
            return
        state = load_safely(self.path)
        absent = sorted({*self.objects, "trainer"} - set(state))
        if absent:
            raise ValueError(f"{self.path} lacks {absent}: it was not written by this training configuration.")
        for name, value in self.objects.items():
            value.load_state_dict(state[name])
        _go_on(engine, state["trainer"])


class BestModelSaver:
    """Saves the network whenever a validation metric reaches a new best.

    As long as the metric never was a number (the AUC of cases of one class is none) the newest network is saved, with a
    warning, so that a training never ends without one. As one of the objects of a :class:`ResumeCheckpoint` it
    remembers its best across interruptions.

    Args:
        network: saved as its ``state_dict``, memory included.
        path: the model file.
        metric: name in the evaluator's metrics; larger is better.
    """

    def __init__(self, network: torch.nn.Module, path: str, metric: str) -> None:
        self.network = network
        self.path = Path(path)
        self.metric = metric
        self.best = float("-inf")
        self.best_epoch = 0

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator, after the handlers that compute its metrics.

        Args:
            engine: the evaluator; its epoch is the trainer's.
        """
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._compare)

    def _compare(self, engine: Engine) -> None:
        value = float(engine.state.metrics[self.metric])
        if value > self.best:
            self.best = value
            self._save(engine)
        elif math.isnan(value) and self.best == float("-inf"):
            warnings.warn(
                f"{self.metric} is not a number (are the validation cases of one class only?), so no best network can "
                f"be told: {self.path} holds the newest.",
                stacklevel=2,
            )
            self._save(engine)

    def _save(self, engine: Engine) -> None:
        self.best_epoch = engine.state.epoch
        if idist.get_rank() == 0:
            save_atomically(self.network.state_dict(), self.path)

    def state_dict(self) -> dict[str, Any]:
        """The best value so far and its epoch."""
        return {"best": self.best, "best_epoch": self.best_epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from an earlier best.

        Args:
            state: what :meth:`state_dict` gave.
        """
        self.best, self.best_epoch = state["best"], state["best_epoch"]


def save_atomically(state: Mapping[str, Any], path: Path) -> None:
    """``torch.save`` that leaves either the old file or the new one.

    Args:
        state: tensors and plain containers.
        path: file to replace; its folder is made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        torch.save(state, file)


def load_safely(path: Path) -> dict[str, Any]:
    """``torch.load`` on the CPU with ``weights_only=True``.

    Args:
        path: file to read.

    Returns:
        the saved object.

    Raises:
        ValueError: when the file is damaged or holds more than tensors and plain containers.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise  # absent or not to be read: it names the file
    except Exception as error:  # torch tells in a dozen coloured lines how to run foreign code all the same
        if isinstance(error, UnpicklingError) and is_zipfile(path):
            cause = "it holds more than tensors and plain containers, which could run code: save a state_dict"
        else:
            cause = "it is damaged or of another kind: restore a copy of it, or remove it and train anew"
        raise ValueError(f"{path} is not a readable checkpoint: {cause} ({type(error).__name__}).") from None


def _progress(engine: Engine) -> dict[str, Any]:
    progress = {"epoch": engine.state.epoch, "iteration": engine.state.iteration}
    scaler = getattr(engine, "scaler", None)
    return progress if scaler is None else progress | {"scaler": scaler.state_dict()}


def _go_on(engine: Engine, progress: Mapping[str, Any]) -> None:
    engine.state.epoch, engine.state.iteration = progress["epoch"], progress["iteration"]
    scaler = getattr(engine, "scaler", None)
    if scaler is not None and progress.get("scaler"):  # a checkpoint without mixed precision has none
        scaler.load_state_dict(progress["scaler"])
