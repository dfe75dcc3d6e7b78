"""A slide of any size in MONAI's evaluators: its tiles are read batch by batch, only their tokens are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn as nn
from monai.inferers import Inferer
from torch import Tensor

from ..data.slides.tile_source import TileSource

__all__ = ["StreamedSlideInferer"]


class StreamedSlideInferer(Inferer):
    """Runs a slide network over slides that no memory holds, to the same logits.

    A batch is one slide: under ``image`` the numbers of its tiles, with ``position_um``, as :class:`LoadTilePlacesd`
    loads them, and ``sample_id``. What the tiles contribute is found along the way, so that heatmaps cost no second
    reading: give :meth:`evidence` of this object to :class:`SlideHeatmaps`.

    Args:
        cases: the slides (``sample_id``, and under ``index_key`` the path of the ``tiles.parquet``).
        source: of their tiles.
        classify: of network, batches of tiles and places, ``sample_ids`` and ``group_ids``, to logits ``(1, K)``,
            contributions ``(N, K)`` and weights ``(N,)``: ``monai_memvit.networks.slide_streaming.streamed_evidence``.
        index_key: of the cases.

    Raises:
        ValueError: while running, when a batch is not one of these slides, or other tiles were read than it has.
    """

    def __init__(
        self,
        cases: Sequence[Mapping[str, Any]],
        source: TileSource,
        classify: Callable[..., tuple[Tensor, Tensor, Tensor]],
        index_key: str = "image",
    ) -> None:
        super().__init__()
        self.paths = {int(case["sample_id"]): Path(case[index_key]) for case in cases}
        self.source = source
        self.classify = classify
        self._found: tuple[list[int], Tensor, Tensor] | None = None

    def __call__(  # an evaluator hands over what its prepare_batch names
        self,
        inputs: Tensor,
        network: nn.Module,
        coordinates: Tensor,
        mask: Tensor | None = None,
        sample_ids: Tensor | None = None,
        group_ids: Tensor | None = None,
    ) -> Tensor:
        """Classify a slide.

        Args:
            inputs: numbers of the tiles ``(1, N)`` int64.
            network: as ``classify`` takes it.
            coordinates: not looked at: tiles come with their places.
            mask: not looked at: one slide has no padding.
            sample_ids: opaque int64 id ``(1,)``; needed.
            group_ids: opaque int64 id of the patient ``(1,)``.

        Returns:
            logits ``(1, K)``.

        Raises:
            ValueError: see the class.
        """
        if len(inputs) != 1 or sample_ids is None:
            raise ValueError(f"{len(inputs)} slides with ids {sample_ids}: a batch holds one slide with its sample_id")
        if int(sample_ids) not in self.paths:
            raise ValueError(f"sample_id {int(sample_ids)} is none of the {len(self.paths)} slides: name it in cases")
        path, read = self.paths[int(sample_ids)], list[Tensor]()
        with torch.autocast(inputs.device.type, enabled=False):  # tokens lie in the store as float32
            logits, contributions, weights = self.classify(network, self._batches(path, read), sample_ids, group_ids)
        tiles = _known(torch.cat(read), inputs[0].cpu(), path).to(weights.device)
        wanted = inputs[0].to(weights.device)
        self._found = sample_ids.tolist(), *(_placed(v, tiles, wanted)[None] for v in (contributions.mT, weights))
        return logits

    def evidence(
        self, network: nn.Module, features: Tensor, coordinates: Tensor, sample_ids: Tensor, **known: Any
    ) -> tuple[Tensor, Tensor]:
        """What the tiles of the slide that was just classified say.

        Args:
            network: not looked at.
            features: numbers of the tiles ``(1, N)``.
            coordinates: not looked at.
            sample_ids: ``(1,)``.
            **known: not looked at.

        Returns:
            contributions ``(1, K, N)`` and weights ``(1, N)``, as ``tile_evidence`` gives them; NaN of tiles that
            cannot be decoded.

        Raises:
            ValueError: when it was another slide.
        """
        if self._found is None or self._found[0] != sample_ids.tolist():
            raise ValueError(f"slide {sample_ids.tolist()} is not the one that was classified last")
        return self._found[1:]

    def _batches(self, path: Path, read: list[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        for batch in self.source.batches(path):
            read.append(batch.tile.clone())  # a worker's own tensor would keep one of our files open
            yield batch.values, batch.position_um


def _known(read: Tensor, wanted: Tensor, path: Path) -> Tensor:
    """Numbers of the tiles that were read; those that cannot be decoded are missing, others must not be there."""
    if len(read) != len(read.unique()) or not torch.isin(read, wanted).all():
        raise ValueError(f"{path}: {len(read)} tiles were read, not the {len(wanted)} that it has: prepare it again")
    return read


def _placed(values: Tensor, read: Tensor, wanted: Tensor) -> Tensor:
    """Values ``(..., n)`` of the tiles that were read, in the order of the wanted ones; NaN where one was not."""
    out = values.new_full((*values.shape[:-1], len(wanted)), torch.nan)
    numbers, place = wanted.sort()
    out[..., place[torch.searchsorted(numbers, read)]] = values
    return out
