"""What a network can do with every subset of its channels, as a table and a picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn as nn
from ignite.engine import Engine, Events
from monai.engines import Evaluator
from torch import Tensor

from ..data import atomic_write, atomic_write_text
from ..metrics import classification_summary
from .channel_limit import only_channels
from .pictures import subsets_picture

__all__ = ["ChannelSubsetReport"]


class _Row(NamedTuple):
    channels: tuple[int, ...]
    cases: int
    left_out: int
    figures: dict[str, float]


class ChannelSubsetReport:
    """Evaluates a network once with each of the 2^C - 1 subsets of its channels, when another evaluation is over.

    A channel outside the subset is handed to the network as missing, beside those that a case lacks by itself. Cases
    that have none of a subset's channels are left out of its figures and counted; so subsets need not share their
    cases. ``engine.state.metrics`` gains ``channels_<metric>_size<m>``, the mean over the subsets of m channels, and
    ``channels_<metric>_without_<name>`` with all channels but one.

    Args:
        network: the evaluator's network, which takes ``channel_mask``.
        evaluator: an evaluator with decollated outputs that logs and saves nothing; it calls the network once a batch.
        channel_names: of all C channels, in their order.
        output_dir: where ``channel_subsets.csv`` and ``channel_subsets.png`` are written; None writes nothing.
        sizes: how many channels the subsets have, such as ``(4, 5)``; None takes all, 31 evaluations with C = 5.
        metric: one of :func:`~monai_memvit.metrics.classification_summary`, for the picture and the metrics.
        prefix: put before the metrics' names.
        pred_key: probabilities ``(K,)`` in the decollated output.
        label_key: label in the decollated output.

    Raises:
        ValueError: when a size is not between 1 and C; while running, when the network was not called once a batch.
    """

    def __init__(
        self,
        network: nn.Module,
        evaluator: Evaluator,
        channel_names: Sequence[str],
        output_dir: str | None = None,
        sizes: Sequence[int] | None = None,
        metric: str = "auc",
        prefix: str = "channels_",
        pred_key: str = "pred",
        label_key: str = "label",
    ) -> None:
        every = range(1, len(channel_names) + 1)
        outside = sorted(set(sizes or ()) - set(every))
        if outside:
            raise ValueError(f"{len(channel_names)} channels have no subsets of {outside} channels.")
        self.network = network
        self.evaluator = evaluator
        self.channel_names = list(channel_names)
        self.output_dir = output_dir
        self.sizes = sorted(set(every if sizes is None else sizes))
        self.metric = metric
        self.prefix = prefix
        self.pred_key = pred_key
        self.label_key = label_key

    def attach(self, engine: Engine) -> None:
        """Register with another evaluator, or a trainer, before the handler that logs metrics at its end.

        Args:
            engine: the engine whose completion starts the evaluations.
        """
        engine.add_event_handler(Events.COMPLETED, self._report)

    def _report(self, engine: Engine) -> None:
        rows = [
            self._evaluate(subset) for m in self.sizes for subset in combinations(range(len(self.channel_names)), m)
        ]
        engine.state.metrics |= self._by_size(rows) | self._without_one(rows)
        if self.output_dir is not None:
            self._write(Path(self.output_dir), rows)

    def _evaluate(self, subset: tuple[int, ...]) -> _Row:
        predictions: list[Tensor] = []
        labels: list[int] = []

        def collect(evaluator: Engine) -> None:
            for item in evaluator.state.output:
                predictions.append(torch.as_tensor(item[self.pred_key]).detach().float().cpu().as_subclass(Tensor))
                labels.append(int(item[self.label_key]))

        with only_channels(self.network, subset) as seen:
            with self.evaluator.add_event_handler(Events.ITERATION_COMPLETED, collect):
                self.evaluator.run()
        served = torch.cat(seen) if seen else torch.zeros(0, dtype=torch.bool)
        if len(served) != len(labels):
            raise ValueError(
                f"the network was handed {len(served)} samples while the evaluator saw {len(labels)} cases: give the "
                "network of this evaluator, and an inferer that calls it once a batch, such as SimpleInferer."
            )
        count = int(served.sum())
        kept = (torch.stack(predictions)[served], torch.tensor(labels)[served]) if count else None
        return _Row(subset, count, len(labels) - count, classification_summary(*kept) if kept else {})

    def _value(self, row: _Row) -> float:
        return row.figures[self.metric] if row.figures else float("nan")

    def _by_size(self, rows: Sequence[_Row]) -> dict[str, float]:
        return {
            f"{self.prefix}{self.metric}_size{size}": float(
                torch.tensor([self._value(row) for row in rows if len(row.channels) == size]).nanmean()
            )
            for size in self.sizes
        }

    def _without_one(self, rows: Sequence[_Row]) -> dict[str, float]:
        names, every = self.channel_names, set(range(len(self.channel_names)))
        return {
            f"{self.prefix}{self.metric}_without_{names[(every - {*row.channels}).pop()]}": self._value(row)
            for row in rows
            if len(row.channels) == len(names) - 1
        }

    def _write(self, folder: Path, rows: Sequence[_Row]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write_text(folder / "channel_subsets.csv", self._table(rows))
        figure = subsets_picture(
            self.channel_names, [row.channels for row in rows], [self._value(row) for row in rows], self.metric
        )
        with atomic_write(folder / "channel_subsets.png") as file:
            figure.savefig(file, format="png", dpi=150)

    def _table(self, rows: Sequence[_Row]) -> str:
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        names = list(dict.fromkeys(name for row in rows for name in row.figures))
        writer.writerow(["channels", "size", "cases", "left_out", *names])
        for row in rows:
            channels = "+".join(self.channel_names[c] for c in row.channels)
            figures: list[Any] = [f"{row.figures[name]:.6f}" if row.figures else "" for name in names]
            writer.writerow([channels, len(row.channels), row.cases, row.left_out, *figures])
        return text.getvalue()
