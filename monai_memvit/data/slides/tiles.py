"""The tiles of slides as batches with their places, read in the order in which they lie on the disk."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from monai.transforms import Compose, Randomizable
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from .readers.open_slide import open_slide
from .readers.slide import SlideError, SlideReader
from .tile_index import TileIndex
from .tile_pixels import read_tile

__all__ = ["SlideTiles"]

_LOGGER = logging.getLogger(__name__)
_DTYPES = (torch.uint8, torch.float32)
_ON_ERROR = ("raise", "skip")


class SlideTiles(IterableDataset[dict[str, Any]]):
    """Batches of the tiles of one or several slides, row by row, each resampled to exactly the index's scale.

    A batch holds tiles of one slide: ``image`` ``(b, 3, P, P)``, ``position_um`` ``(b, 2)`` float64, the centres (x, y)
    in micrometres, ``tile`` ``(b,)`` int64, the rows in the slide's index, and ``slide``, the number of the slide. All
    workers of a loader together give each tile once; every worker has a part that lies together, and handles of its
    own, opened when they are needed. Batches exist already, so the loader makes none:
    ``torch.utils.data.DataLoader(SlideTiles(index), batch_size=None, num_workers=2)``.

    Args:
        indices: one or several tile indices, or their files.
        batch_size: b; the last batch of a slide, or of a worker, may be smaller.
        transform: MONAI's dictionary transform of a single tile: an item with ``image`` ``(3, P, P)``,
            ``position_um``, ``tile`` and ``slide``; of what it gives the image is kept. None leaves tiles as they are.
        leave_out: tiles with one of these flags are not read, see ``FLAGS``.
        on_error: ``raise``, or ``skip``: tiles and slides that cannot be read are logged and left out.
        dtype: of the image: ``torch.uint8``, or ``torch.float32`` in [0, 1].
        share: ``(rank, ranks)``: of all tiles only this one of so many parts, for several processes.
        seed: of random transforms; a tile is transformed alike, whatever the workers, and anew after
            :meth:`set_epoch`.
        slide_paths: where the slides lie now, in the order of the indices; by default where they were indexed.

    Raises:
        ValueError: for an argument out of range, or a file that is no tile index.

    Example::

        loader = DataLoader(SlideTiles("OUT/slides/…/tiles.parquet"), batch_size=None, num_workers=2)
        logits = StreamedSlideViT(network).eval()((b["image"], b["position_um"]) for b in loader)
    """

    def __init__(
        self,
        indices: TileIndex | str | os.PathLike[str] | Sequence[TileIndex | str | os.PathLike[str]],
        batch_size: int = 32,
        transform: Callable[[dict[str, Any]], Any] | None = None,
        leave_out: Sequence[str] = ("unreadable",),
        on_error: str = "raise",
        dtype: torch.dtype = torch.uint8,
        share: tuple[int, int] = (0, 1),
        seed: int = 0,
        slide_paths: Sequence[str | os.PathLike[str]] | None = None,
    ) -> None:
        alone = isinstance(indices, TileIndex | str | os.PathLike)
        several: Sequence[Any] = [indices] if alone else indices  # type: ignore[assignment]
        self.indices = [index if isinstance(index, TileIndex) else TileIndex.load(index) for index in several]
        paths = [index.slide_path for index in self.indices] if slide_paths is None else list(slide_paths)
        _check(len(self.indices), len(paths), batch_size, on_error, dtype, share)
        self.slide_paths = [os.fspath(path) for path in paths]
        self.batch_size = batch_size
        self.transform = transform
        self.on_error = on_error
        self.dtype = dtype
        self.share = share
        self.seed = seed
        self.epoch = 0
        self._rows = [_row_major(index, leave_out) for index in self.indices]

    @property
    def num_tiles(self) -> int:
        """Tiles of all slides that are to be read, by all shares together."""
        return sum(map(len, self._rows))

    def set_epoch(self, epoch: int) -> None:
        """Let random transforms draw anew; call it before the loader starts its workers.

        Args:
            epoch: number of the epoch.
        """
        self.epoch = epoch

    def __iter__(self) -> Iterator[dict[str, Any]]:
        first, last = self._part()
        before = 0
        for slide, rows in enumerate(self._rows):
            mine = rows[max(first - before, 0) : max(last - before, 0)]
            before += len(rows)
            if len(mine):
                yield from self._batches(slide, mine)

    def _part(self) -> tuple[int, int]:
        """First tile of this worker's part of this share, and the one after its last, counted over all slides."""
        worker = get_worker_info()
        number, workers = (0, 1) if worker is None else (worker.id, worker.num_workers)
        part, parts = self.share[0] * workers + number, self.share[1] * workers
        return self.num_tiles * part // parts, self.num_tiles * (part + 1) // parts

    def _batches(self, slide: int, rows: np.ndarray) -> Iterator[dict[str, Any]]:
        index = self.indices[slide]
        try:
            reader = _opened(self.slide_paths[slide], index)
        except SlideError as error:
            self._tell(error)
            return
        positions = index.positions_um()
        for start in range(0, len(rows), self.batch_size):
            wanted = rows[start : start + self.batch_size]
            images, read = self._read(reader, index, wanted)
            if len(read):
                batch = {"image": images, "position_um": torch.from_numpy(positions[read])}
                yield self._transformed({**batch, "tile": torch.from_numpy(read), "slide": slide})

    def _read(self, reader: SlideReader, index: TileIndex, rows: np.ndarray) -> tuple[Tensor, np.ndarray]:
        """Images ``(b, 3, P, P)`` of those rows that can be read, and these rows."""
        room = _room((len(rows), 3, index.tile, index.tile))
        images = room.numpy()
        places = [index.table[name][rows].tolist() for name in ("x", "y", "width", "height")]
        read: list[int] = []
        for row, x, y, width, height in zip(rows.tolist(), *places, strict=True):
            try:
                pixels = read_tile(reader, x, y, width, height, index.level, index.tile)
            except SlideError as error:
                self._tell(error)
                continue
            images[len(read)] = pixels.transpose(2, 0, 1)
            read.append(row)
        found = room[: len(read)]
        return (found if self.dtype == torch.uint8 else found.float().div_(255)), np.array(read, np.int64)

    def _tell(self, error: SlideError) -> None:
        if self.on_error == "raise":
            raise error
        _LOGGER.warning("left out: %s", error)

    def _transformed(self, batch: dict[str, Any]) -> dict[str, Any]:
        if self.transform is None:
            return batch
        images = []
        for i, tile in enumerate(batch["tile"].tolist()):
            item = {name: batch[name][i] for name in ("image", "position_um")}
            self._seed(batch["slide"], tile)
            images.append(self.transform({**item, "tile": tile, "slide": batch["slide"]})["image"])
        return {**batch, "image": torch.stack([torch.as_tensor(image) for image in images])}

    def _seed(self, slide: int, tile: int) -> None:
        parts = self.transform.transforms if type(self.transform) is Compose else [self.transform]  # type: ignore[union-attr]
        random = [part for part in parts if isinstance(part, Randomizable)]
        if random:
            # Philox starts from a key at once, where a Mersenne Twister takes longer to seed than a tile to transform.
            key = (self.seed % 2**32) << 96 | (self.epoch % 2**32) << 64 | slide << 32 | tile
            stream = np.random.RandomState(np.random.Philox(key=key))
            for part in random:
                part.set_random_state(state=stream)


def _check(slides: int, paths: int, batch_size: int, on_error: str, dtype: torch.dtype, share: tuple[int, int]) -> None:
    if not slides or slides != paths:
        raise ValueError(f"{slides} tile indices and {paths} slide_paths: give one index or more, and a path for each")
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}: give 1 or more")
    if on_error not in _ON_ERROR:
        raise ValueError(f"on_error is {on_error!r}: take one of {', '.join(_ON_ERROR)}")
    if dtype not in _DTYPES:
        raise ValueError(f"dtype is {dtype}: take one of {', '.join(map(str, _DTYPES))}")
    if not 0 <= share[0] < share[1]:
        raise ValueError(f"share is {share}: give a rank and the number of ranks, such as (0, 2) and (1, 2)")


def _room(shape: tuple[int, ...]) -> Tensor:
    """Bytes to fill; in a worker of a loader those that it shares with the loader's process, which saves a copy.

    torch's own ``default_collate`` takes its room for a batch in the same way.
    """
    if get_worker_info() is None:
        return torch.empty(shape, dtype=torch.uint8)
    return torch.empty(0, dtype=torch.uint8).set_(torch.UntypedStorage._new_shared(math.prod(shape))).view(shape)


def _row_major(index: TileIndex, leave_out: Sequence[str]) -> np.ndarray:
    kept = np.lexsort((index.table["x"], index.table["y"]))
    return kept[~index.flagged(*leave_out)[kept]] if leave_out else kept


def _opened(path: str, index: TileIndex) -> SlideReader:
    reader = open_slide(path, None if index.header["slide"].get("tells_mpp") else index.slide_mpp[0])
    if reader.fingerprint != index.header["slide"]["fingerprint"] or index.level >= len(reader.levels):
        raise SlideError(f"{path} is not the slide that was indexed, or has changed since: prepare it again")
    return reader
