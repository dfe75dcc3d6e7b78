"""A whole sequence-norm network chunk by chunk: images of any size in memory that does not grow with them."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.distributed import ProcessGroup
from torch.utils.checkpoint import checkpoint

from .blocks import GridEmbedding
from .nets import MemViT
from .token_stream import TokenStream

__all__ = ["StreamedViT", "memory_mapped"]


class StreamedViT(TokenStream):
    """Runs a :class:`MemViT` with sequence-norm attention layer by layer over chunks of tokens, to the same logits.

    See :class:`TokenStream` for how; an image is a sequence of its own.

    Args:
        network: the network; its weights are shared. A memory is supported in the last block, with a class token.
        chunk_size: about how many tokens are at work at a time; at least a row of patches.
        store: makes the tensor ``(1, N, D)`` float32 that holds the tokens, from its shape: :func:`torch.empty` in RAM,
            ``functools.partial(torch.empty, device="cuda")`` on a GPU, :func:`memory_mapped` in a file.
        group: ranks that share every image, each streaming rows of its own; None for one process.

    Raises:
        ValueError: when the network cannot be streamed.

    Example::

        image = torch.from_numpy(numpy.load("film.npy", mmap_mode="r"))  # (C, H, W)
        logits = StreamedViT(network).eval()(image[None])
    """

    def __init__(
        self,
        network: MemViT,
        chunk_size: int = 4096,
        store: Callable[[Sequence[int]], Tensor] = torch.empty,
        group: ProcessGroup | None = None,
    ) -> None:
        super().__init__(network, chunk_size, store, group)
        if not isinstance(network.embedding, GridEmbedding):
            raise ValueError(f"{type(network.embedding).__name__} cannot embed an image by rows: take a GridEmbedding.")

    def forward(self, x: Tensor, sample_ids: Tensor | None = None, group_ids: Tensor | None = None) -> Tensor:
        """Classify images, one after the other.

        Args:
            x: images ``(B, C, *spatial)`` of any dtype and on any device, memory-mapped ones too; only the rows at work
                are converted and moved to the network.
            sample_ids: opaque int64 ids ``(B,)``; needed while training with a memory.
            group_ids: opaque int64 ids of patient or slide ``(B,)``.

        Returns:
            logits ``(B, num_classes)``.

        Raises:
            ValueError: when the image is no multiple of the patch, or channels were to be hidden while training.
        """
        if self.network.training and self.network.channel_sampling is not None:
            raise ValueError("a stream hides no channels: train with network.channel_sampling = None.")
        ids = [[None] * len(x) if t is None else t.split(1) for t in (sample_ids, group_ids)]
        with torch.set_grad_enabled(self.network.training and torch.is_grad_enabled()):
            return torch.cat([self.stream(self._embed(image), *own) for image, *own in zip(x.split(1), *ids)])

    def _embed(self, image: Tensor) -> Sequence[Tensor]:
        embedding = self.network.embedding
        grid = embedding.grid_of(image.shape[2:])
        spans = _spans(grid, self.chunk_size, self.group)
        if torch.is_grad_enabled():
            return [checkpoint(embedding.rows, image, *span, use_reentrant=False) for span in spans]
        row = math.prod(grid[1:])
        store = self.store((1, row * (spans[-1][1] - spans[0][0]), self.network.norm.normalized_shape[0]))
        chunks = store.split([row * (stop - start) for start, stop in spans], dim=1)
        for chunk, span in zip(chunks, spans):
            chunk.copy_(embedding.rows(image, *span))
        return chunks


def memory_mapped(folder: str | Path) -> Callable[[Sequence[int]], Tensor]:
    """A store of tokens in a file, for sequences that RAM does not hold.

    Args:
        folder: where; on a local disk. The file has no name and goes with its tensor.

    Returns:
        a function that makes a tensor from its shape; it raises ``ValueError`` where the disk is too full.
    """

    def make(shape: Sequence[int]) -> Tensor:
        size = math.prod(shape)
        free = shutil.disk_usage(folder).free
        if 4 * size > free:
            raise ValueError(f"the tokens need {4 * size} bytes, {folder} has {free} left: choose another folder.")
        with tempfile.NamedTemporaryFile(dir=folder, prefix="tokens-") as file:
            return torch.from_file(file.name, shared=True, size=size).view(*shape)

    return make


def _spans(grid: Sequence[int], chunk_size: int, group: ProcessGroup | None) -> list[tuple[int, int]]:
    """Rows of patches ``(start, stop)`` of this rank, a chunk's worth each."""
    rank, ranks = (0, 1) if group is None else (group.rank(), group.size())
    if grid[0] < ranks:
        raise ValueError(f"{grid[0]} rows of patches cannot be shared by {ranks} ranks.")
    first, end = (grid[0] * r // ranks for r in (rank, rank + 1))
    rows = max(1, chunk_size // math.prod(grid[1:]))
    return [(start, min(start + rows, end)) for start in range(first, end, rows)]
