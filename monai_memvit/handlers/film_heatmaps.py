"""Where in a film the evidence for a finding was gathered: a picture and a map in the film's own pixels."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn as nn
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents
from monai.networks.utils import eval_mode
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..data.atomic import atomic_write, atomic_write_text
from ..data.radiographs.film_cache import load_film_record
from ..transforms.radiograph.film_geometry import FilmGeometry
from ..transforms.radiograph.load_cached_film import LoadCachedFilmd
from .operating_points import OperatingPoints

__all__ = ["FilmHeatmaps", "contribution_overlay"]

_FOR, _AGAINST = np.array([0.84, 0.10, 0.11], np.float32), np.array([0.17, 0.48, 0.71], np.float32)
_OPACITY = 0.6  # of the largest contribution
_load_film = LoadCachedFilmd("image")
_HEADER = ["sample_id", "finding", "probability", "logit", "sum_of_contributions", "full_colour", "picture", "map"]


class FilmHeatmaps:
    """Saves, film by film, what its patches contribute to the logits of the findings shown.

    Red patches speak for the finding, blue ones against it. These are contributions to a sum, not causes: what a patch
    holds has met all others on its way through the network, and the film need not look so to a human eye. Shown are
    the findings from their operating point on (0.5 where they have none), most probable first; the most probable one in
    any case.

    Of each: ``<sample_id>_<finding>.png``, the film in its own rows and columns with the contributions laid over it;
    ``.npy``, these alone, ``(rows, columns)`` float32 in logits per patch, 0 outside of what the network saw; and a row
    of ``heatmaps.csv`` with the logit, the sum over the patches, and the contribution drawn in full colour.

    Args:
        network: whose predictions are shown.
        contributions: of network, images ``(B, 1, H, W)``, ``sample_ids`` and ``group_ids``, to ``(B, K, h, w)`` on the
            grid of patches: ``monai_memvit.networks.contributions.contribution_maps``.
        output_dir: where to write; made when absent.
        class_names: the findings, in the order of the labels.
        queries: items of the evaluated films (``sample_id``, ``image``): prepared ones, their records beside them.
        points: file of the operating points; empty for none.
        films: how many are shown, spread evenly over ``queries``; None shows all.
        top: findings per film, at most.

    Raises:
        ValueError: while running, when the points are malformed or for other findings, or a film's record is missing.
    """

    def __init__(
        self,
        network: nn.Module,
        contributions: Callable[..., Tensor],
        output_dir: str,
        class_names: Sequence[str],
        queries: Sequence[Mapping[str, Any]],
        points: str = "",
        films: int | None = None,
        top: int = 3,
    ) -> None:
        self.network = network
        self.contributions = contributions
        self.folder = Path(output_dir)
        self.class_names = list(class_names)
        self.file_names = _file_names(class_names)
        chosen = range(len(queries)) if films is None else _spread(len(queries), films)
        self.paths = {int(queries[i]["sample_id"]): Path(queries[i]["image"]) for i in chosen}
        self.points = points
        self.top = top
        self._rows: list[list[Any]] = []

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator of the network, whose outputs are logits before its postprocessing.

        Args:
            engine: the evaluator.
        """
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(IterationEvents.FORWARD_COMPLETED, self._show)
        engine.add_event_handler(Events.COMPLETED, self._write_table)

    def _start(self) -> None:
        chosen = OperatingPoints.load(self.points, self.class_names).thresholds if self.points else {}
        known = [chosen.get(name) for name in self.class_names]
        self.thresholds = torch.tensor([0.5 if value is None else value for value in known], dtype=torch.float64)
        self._rows.clear()

    def _show(self, engine: Engine) -> None:
        batch, output = engine.state.batch, engine.state.output
        ids = torch.as_tensor(batch["sample_id"]).tolist()
        shown = [place for place, sample_id in enumerate(ids) if sample_id in self.paths]
        if not shown:
            return
        images = output["image"]
        names = [name for name in ("sample_id", "group_id") if name in batch]
        known = {f"{name}s": torch.as_tensor(batch[name]).to(images.device) for name in names}
        # The whole batch: what a memory noted of it last is read by others afterwards.
        # MONAI's evaluator has gone back to the training mode by now, in which paths are dropped.
        with eval_mode(self.network), torch.enable_grad():
            maps = self.contributions(self.network, images, **known).float().cpu()
        logits = output["pred"].detach().float().cpu()
        for place in shown:
            self._save(ids[place], logits[place], maps[place])

    def _save(self, sample_id: int, logits: Tensor, maps: Tensor) -> None:
        film, geometry = _prepared_film(self.paths[sample_id])
        self.folder.mkdir(parents=True, exist_ok=True)
        probabilities = logits.sigmoid().tolist()
        for k in self._findings(logits):
            name = f"{sample_id}_{self.file_names[k]}"
            values = geometry.to_film(maps[k : k + 1])[0].numpy()
            full_colour = float(np.abs(values).max())
            picture = Image.fromarray(contribution_overlay(film, values, full_colour))
            with atomic_write(self.folder / f"{name}.png") as file:
                picture.save(file, format="png", compress_level=1)  # megapixels: the size hardly shrinks above
            with atomic_write(self.folder / f"{name}.npy") as file:
                np.save(file, values)
            figures = (probabilities[k], float(logits[k]), float(maps[k].sum()), full_colour)
            texts = [f"{value:.6g}" for value in figures]
            self._rows.append([sample_id, self.class_names[k], *texts, f"{name}.png", f"{name}.npy"])

    def _findings(self, logits: Tensor) -> list[int]:
        probabilities = logits.double().sigmoid()
        order = probabilities.argsort(descending=True).tolist()
        present = [k for k in order if probabilities[k] >= self.thresholds[k]]
        return present[: self.top] or order[:1]

    def _write_table(self) -> None:
        text = io.StringIO(newline="")
        csv.writer(text).writerows([_HEADER, *self._rows])
        self.folder.mkdir(parents=True, exist_ok=True)
        atomic_write_text(self.folder / "heatmaps.csv", text.getvalue())


def contribution_overlay(
    film: NDArray[np.float32], contributions: NDArray[np.float32], full_colour: float
) -> NDArray[np.uint8]:
    """A film with red where contributions are positive and blue where they are negative.

    Args:
        film: display values ``(rows, columns)`` in [0, 1].
        contributions: ``(rows, columns)``.
        full_colour: the contribution of the strongest colour; where it is 0 nothing is coloured.

    Returns:
        ``(rows, columns, 3)``.
    """
    share = np.clip(contributions / (full_colour or 1), -1, 1)[..., None]
    opacity = _OPACITY * np.abs(share)
    colour = np.where(share > 0, _FOR, _AGAINST)
    return ((film[..., None] * (1 - opacity) + colour * opacity) * 255).round().astype(np.uint8)


def _prepared_film(path: Path) -> tuple[NDArray[np.float32], FilmGeometry]:
    """Display values in the film's own geometry, and the latter."""
    try:
        geometry = FilmGeometry.from_record(load_film_record(path))
    except ValueError as error:
        raise ValueError(f"{path}: {error}: prepare the films again") from None
    square = _load_film({"image": path})["image"]
    return geometry.to_film(square)[0].clamp(0, 1).numpy(), geometry


def _file_names(class_names: Sequence[str]) -> list[str]:
    """Names of the findings for files; of two that would be the same, each gets its number."""
    plain = [re.sub(r"\W+", "_", name) for name in class_names]
    folded = [name.casefold() for name in plain]  # some file systems take no notice of capitals
    return [f"{name}_{k}" if folded.count(folded[k]) > 1 else name for k, name in enumerate(plain)]


def _spread(count: int, wanted: int) -> list[int]:
    shown = min(wanted, count)
    return np.linspace(0, count - 1, shown).astype(int).tolist() if shown else []
