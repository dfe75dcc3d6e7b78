"""Where on a slide the evidence for a class was gathered: for QuPath, for the eye, and as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn as nn
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents
from monai.networks.utils import eval_mode
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from ..data.atomic import atomic_write, atomic_write_text
from ..data.slides.heatmap import TileHeatmap
from ..data.slides.heatmap_background import slide_in_grey
from ..data.slides.heatmap_geojson import save_heatmap_geojson
from ..data.slides.heatmap_table import save_heatmap_table
from ..data.slides.heatmap_tiff import save_heatmap_tiff
from ..data.slides.tile_index import TileIndex
from .film_heatmaps import _file_names, _spread
from .slide_heatmap_picture import heatmap_picture

__all__ = ["SlideHeatmaps"]

_HEADER = "sample_id class probability logit sum_of_contributions full_colour picture tiles geojson image".split()
_KNOWN = {"mask": "mask", "sample_ids": "sample_id", "group_ids": "group_id"}


class _Seen(NamedTuple):
    """Of one slide: logits ``(K,)``; of n tiles contributions ``(K, n)``, weights ``(n,)`` and places ``(n, 2)``."""

    logits: NDArray[np.float64]
    contributions: NDArray[np.float64]
    weights: NDArray[np.float64]
    position_um: NDArray[np.float64]


class SlideHeatmaps:
    """Saves, slide by slide, what its tiles contribute to the class shown.

    Classes exclude each other, so only differences of logits count: a tile's contribution to a class is what it adds to
    the class's logit, less the mean of what it adds to the others'; with two classes a share of the log odds. It is a
    share of an arithmetic, not a cause: a tile's tokens have met all others by then.

    Of each slide: ``<sample_id>.ome.tif``, a channel of contributions per class and one of the weights. Of each class
    shown: ``<sample_id>_<class>.png``, the contributions over the slide; ``.geojson``, its tiles for QuPath; ``.csv``,
    its tiles, strongest first; and a row of ``heatmaps.csv``. Measured of a tile are its ``contribution``; its
    ``weight``, 1 together; and ``probability_share``: by how much the class's probability would fall if its
    contributions were taken out of the logits.

    A batch holds slides: the network's input under ``image``, ``position_um`` ``(B, N, 2)``, ``mask`` ``(B, N)`` where
    slides are padded, ``sample_id``, and ``group_id`` where there is one. A tile is found in the slide's index by its
    place, so some of its tiles will do, in any order.

    Args:
        network: whose predictions are shown.
        evidence: of network, features (or tiles), ``coordinates``, and ``mask``, ``sample_ids`` and ``group_ids`` where
            the batch has them, to contributions ``(B, K, N)`` in logits and weights ``(B, N)``:
            ``monai_memvit.networks.slide_streaming.tile_evidence``.
        output_dir: where to write; made when absent.
        class_names: two or more, in the order of the labels; they exclude each other.
        queries: items of the evaluated slides (``sample_id``, and under ``index_key`` the slide's ``tiles.parquet`` as
            ``prepare slides`` wrote it, ``thumbnail.png`` beside it).
        slides: how many are shown, spread evenly over ``queries``; None shows all.
        classes: that are shown of every slide, or one; None shows the most probable one.
        top: tiles that are marked in pictures and in QuPath.
        index_key: of the queries.

    Raises:
        ValueError: for a class that is unknown, and while running, when a tile index is missing or not the slide's.
    """

    def __init__(
        self,
        network: nn.Module,
        evidence: Callable[..., tuple[Tensor, Tensor]],
        output_dir: str,
        class_names: Sequence[str],
        queries: Sequence[Mapping[str, Any]],
        slides: int | None = None,
        classes: Sequence[str] | str | None = None,
        top: int = 5,
        index_key: str = "image",
    ) -> None:
        self.network = network
        self.evidence = evidence
        self.folder = Path(output_dir)
        self.class_names = list(class_names)
        if len(self.class_names) < 2:
            raise ValueError(f"class_names are {self.class_names}: give two or more, as the labels count them")
        self.file_names = _file_names(class_names)
        wanted = [classes] if isinstance(classes, str) else list(classes or ())  # a command line hands over one word
        unknown = [name for name in wanted if name not in self.class_names]
        if unknown:
            raise ValueError(f"class {unknown[0]!r} is unknown: take some of {', '.join(self.class_names)}")
        self.classes = [self.class_names.index(name) for name in wanted]
        chosen = range(len(queries)) if slides is None else _spread(len(queries), slides)
        self.paths = {int(queries[i]["sample_id"]): Path(queries[i][index_key]) for i in chosen}
        self.top = top
        self._rows: list[list[Any]] = []

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator of the network, whose outputs are logits before its postprocessing.

        Args:
            engine: the evaluator.
        """
        engine.add_event_handler(Events.STARTED, lambda: self._rows.clear())
        engine.add_event_handler(IterationEvents.FORWARD_COMPLETED, self._show)
        engine.add_event_handler(Events.COMPLETED, self._write_table)

    def _show(self, engine: Engine) -> None:
        batch, output = engine.state.batch, engine.state.output
        ids = torch.as_tensor(batch["sample_id"]).tolist()
        places = [place for place, sample_id in enumerate(ids) if sample_id in self.paths]
        if not places:
            return
        shown = slice(None) if len(places) == len(ids) else places  # a view: tiles of pixels take gigabytes
        tiles = output["image"][shown]
        names = {"coordinates": "position_um"} | {name: key for name, key in _KNOWN.items() if key in batch}
        known = {name: torch.as_tensor(batch[key])[shown].to(tiles.device) for name, key in names.items()}
        # MONAI's evaluator has gone back to the training mode by now, in which tokens are dropped.
        with eval_mode(self.network):
            contributions, weights = self.evidence(self.network, tiles, **known)
        valid = known.get("mask", torch.ones_like(weights, dtype=torch.bool)).to(weights.device)
        logits = output["pred"].detach()[shown]
        for i, place in enumerate(places):
            own = valid[i]
            parts = (logits[i], contributions[i][:, own], weights[i][own], known["coordinates"][i][own])
            self._save(ids[place], _Seen(*(part.double().cpu().numpy() for part in parts)))

    def _save(self, sample_id: int, seen: _Seen) -> None:
        path = self.paths[sample_id]
        index = TileIndex.load(path)
        rows = _rows_of(index, seen.position_um, path)
        contributions = _against_others(seen.contributions)
        channels = _at_rows(np.concatenate([contributions, seen.weights[None]]), rows, len(index))
        self.folder.mkdir(parents=True, exist_ok=True)
        image = f"{sample_id}.ome.tif"
        save_heatmap_tiff(self.folder / image, index, channels, [*self.class_names, "weight"], str(sample_id))
        slide = slide_in_grey(index, path.with_name("thumbnail.png"))
        probabilities = _softmax(seen.logits)
        without = _softmax(seen.logits[:, None] - seen.contributions)
        for k in self.classes or [int(probabilities.argmax())]:
            share = _at_rows(probabilities[k] - without[k], rows, len(index))
            measured = {"contribution": channels[k], "weight": channels[-1], "probability_share": share}
            heatmap = TileHeatmap(index, self.class_names[k], measured)
            title = f"{sample_id}: {self.class_names[k]}, probability {probabilities[k]:.3f}"
            files = self._write(f"{sample_id}_{self.file_names[k]}", heatmap, slide, title)
            own = contributions[k]
            figures = (probabilities[k], _against_others(seen.logits)[k], own.sum(), np.abs(own).max())
            texts = [f"{value:.6g}" for value in figures]
            self._rows.append([sample_id, self.class_names[k], *texts, *files, image])

    def _write(self, name: str, heatmap: TileHeatmap, slide: NDArray[np.float32], title: str) -> list[str]:
        names = [f"{name}.{kind}" for kind in ("png", "csv", "geojson")]
        with atomic_write(self.folder / names[0]) as file:
            heatmap_picture(slide, heatmap, title, self.top).save(file, format="png")
        save_heatmap_table(self.folder / names[1], heatmap)
        save_heatmap_geojson(self.folder / names[2], heatmap, self.top)
        return names

    def _write_table(self) -> None:
        text = io.StringIO(newline="")
        csv.writer(text).writerows([_HEADER, *self._rows])
        self.folder.mkdir(parents=True, exist_ok=True)
        atomic_write_text(self.folder / "heatmaps.csv", text.getvalue())


def _against_others(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of K classes ``(K, ...)``: each less the mean of the others."""
    others = len(values) - 1
    return values - (values.sum(0) - values) / others


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logits - logits.max(0))
    shares: NDArray[np.float64] = powers / powers.sum(0)
    return shares


def _rows_of(index: TileIndex, position_um: NDArray[np.float64], path: Path) -> NDArray[np.int64]:
    """Rows of the tiles whose centres are these, to half of one of their pixels."""
    away, rows = cKDTree(index.positions_um()).query(position_um)
    if away.max() > index.mpp_target / 2 or len(np.unique(rows)) < len(rows):
        raise ValueError(
            f"{path} has no tile of its own where one was seen ({away.max():.1f} µm from the next): prepare the slides "
            "again, and make their features of these tiles"
        )
    found: NDArray[np.int64] = rows
    return found


def _at_rows(values: NDArray[np.float64], rows: NDArray[np.int64], tiles: int) -> NDArray[np.float64]:
    """Values ``(..., n)`` of some tiles at the rows ``(..., tiles)`` of the index, NaN elsewhere."""
    out = np.full((*values.shape[:-1], tiles), np.nan)
    out[..., rows] = values
    return out
