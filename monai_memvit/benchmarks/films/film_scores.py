"""What one run of a study says of every film it was tested on, and what a linear model of few pixels says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn as nn
from torch import Tensor

from ...data import load_section
from ..studies.slice_predictions import load_arrays

__all__ = ["FilmScores", "load_scores", "pixel_scores", "score_films"]


class FilmScores(NamedTuple):
    """One row per film, on the CPU.

    Args:
        probabilities: of the findings ``(N, K)`` float32.
        labels: ``(N, K)`` float32 of 1, 0, or −1 where unknown.
        groups: opaque ids of the patients ``(N,)`` int64.
    """

    probabilities: Tensor
    labels: Tensor
    groups: Tensor

    def of_both_kinds(self) -> FilmScores:
        """The findings with a curve: some films show them, others do not.

        Returns:
            these only.
        """
        shown = (self.labels == 1).any(0) & (self.labels == 0).any(0)
        return FilmScores(self.probabilities[:, shown], self.labels[:, shown], self.groups)


def score_films(network: nn.Module, batches: Iterable[Mapping[str, Tensor]]) -> FilmScores:
    """Ask a network about every film.

    Args:
        network: takes images ``(B, 1, H, W)``, on any device; put into evaluation mode.
        batches: ``image``, ``labels`` and ``group_id``.

    Returns:
        its answers, in the order of the batches.
    """
    network.eval()
    device = next(network.parameters()).device
    found: list[tuple[Tensor, ...]] = []
    with torch.no_grad():
        for batch in batches:
            logits = network(batch["image"].to(device)).cpu().float()
            found.append((logits.sigmoid(), batch["labels"], batch["group_id"]))
    return FilmScores(*(torch.cat(column) for column in zip(*found)))


def pixel_scores(data: Path, tested: str = "test") -> FilmScores:
    """What a logistic regression of 32 x 32 pixels says of every film: how far brightness, view and device lead.

    It is the model of the preparation's shortcut report, fitted to the whole training section.

    Args:
        data: prepared folder of films.
        tested: the section to test on.

    Returns:
        in the order of the section; 0.5 for a finding that the training films do not tell.

    Raises:
        ValueError: when the data are no films of several findings.
    """
    from ...data.radiographs.shortcuts import pixel_model

    path = data / "datalist.json"
    pixels, labels, _ = _small_films(path, "training")
    shown, truth, groups = _small_films(path, tested)
    models = [pixel_model(pixels, column) for column in labels.T]
    columns = [np.full(len(shown), 0.5) if model is None else model.predict_proba(shown)[:, 1] for model in models]
    scores = torch.from_numpy(np.stack(columns, axis=1)).float()
    return FilmScores(scores, torch.from_numpy(truth), torch.from_numpy(groups))


def _small_films(path: Path, section: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels ``(N, 1024)``, labels ``(N, K)`` and patients ``(N,)``."""
    from ...data.radiographs.thumbnails import film_looks

    items = load_section(path, section)
    if any("labels" not in item for item in items):
        raise ValueError(f"{path}: items of {section!r} have no findings: prepare films by `prepare radiographs`")
    looks = film_looks([Path(item["image"]) for item in items], progress=False)
    pixels = np.stack([look.thumbnail.ravel() for look in looks])
    labels = np.array([item["labels"] for item in items], dtype=np.float32)
    return pixels, labels, np.array([item["group_id"] for item in items], dtype=np.int64)


def load_scores(path: Path) -> FilmScores:
    """Read what ``save_predictions`` wrote of films.

    Args:
        path: the ``npz``.

    Returns:
        the same scores.

    Raises:
        ValueError: when there is no such file.
    """
    return FilmScores(**load_arrays(path))
