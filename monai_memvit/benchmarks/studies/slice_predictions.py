"""What one run of a study says of every slice it was tested on, and the file that keeps it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn as nn
from torch import Tensor

from ...data import atomic_write

__all__ = [
    "SlicePredictions",
    "load_arrays",
    "load_predictions",
    "predict_slices",
    "predictions_path",
    "save_predictions",
]


class SlicePredictions(NamedTuple):
    """One row per slice, on the CPU.

    Args:
        probabilities: ``(N, K)`` float32.
        labels: ``(N,)`` int64.
        groups: opaque ids of the patients ``(N,)`` int64.
        complete: whether all sequences are there ``(N,)`` bool.
    """

    probabilities: Tensor
    labels: Tensor
    groups: Tensor
    complete: Tensor

    def where(self, kept: Tensor) -> SlicePredictions:
        """Some of the slices.

        Args:
            kept: ``(N,)`` bool.

        Returns:
            these only.
        """
        return SlicePredictions(*(column[kept] for column in self))


def predict_slices(network: nn.Module, batches: Iterable[Mapping[str, Tensor]]) -> SlicePredictions:
    """Ask a network about every slice.

    Args:
        network: takes images ``(B, C, H, W)`` and ``channel_mask`` ``(B, C)``, on any device; put into evaluation mode.
        batches: ``image``, ``channel_mask``, ``label`` and ``group_id``.

    Returns:
        its answers, in the order of the batches.
    """
    network.eval()
    device = next(network.parameters()).device
    found: list[tuple[Tensor, ...]] = []
    with torch.no_grad():
        for batch in batches:
            there = batch["channel_mask"]
            logits = network(batch["image"].to(device), channel_mask=there.to(device)).cpu().float()
            found.append((logits.softmax(-1), batch["label"], batch["group_id"], there.all(1)))
    return SlicePredictions(*(torch.cat(column) for column in zip(*found)))


def predictions_path(out: Path, run: dict[str, Any]) -> Path:
    """Where the predictions of a run lie.

    Args:
        out: the study's JSON lines.
        run: ``arm``; and ``seed``, ``shift`` and ``added`` where it has them.

    Returns:
        in the folder ``<stem of out>_predictions`` beside them.
    """
    words = [str(run[name]) for name in ("seed", "shift", "added") if name in run]
    name = "_".join([*words, *re.findall(r"\w+", run["arm"])])
    return out.with_name(f"{out.stem}_predictions") / f"{name}.npz"


def save_predictions(path: Path, predictions: NamedTuple) -> None:
    """Write them, whole or not at all.

    Args:
        path: a compressed ``npz``; its folder is made.
        predictions: tensors on the CPU; they are kept by the names of their fields.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {name: column.numpy() for name, column in predictions._asdict().items()}
    with atomic_write(path) as file:
        np.savez_compressed(file, **arrays)


def load_predictions(path: Path) -> SlicePredictions:
    """Read the predictions of slices that :func:`save_predictions` wrote.

    Args:
        path: the ``npz``.

    Returns:
        the same predictions.

    Raises:
        ValueError: when there is no such file.
    """
    return SlicePredictions(**load_arrays(path))


def load_arrays(path: Path) -> dict[str, Tensor]:
    """Read what :func:`save_predictions` wrote.

    Args:
        path: the ``npz``.

    Returns:
        tensors by the names of the fields.

    Raises:
        ValueError: when there is no such file.
    """
    if not path.exists():
        raise ValueError(f"{path} is missing: put it back, or take the run's line out of the study to repeat it.")
    with np.load(path, allow_pickle=False) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
