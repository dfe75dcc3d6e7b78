"""A whole sequence-norm network chunk by chunk: images of any size in memory that does not grow with them."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import torch
import torch.nn as nn
from torch import Tensor
from torch.distributed import ProcessGroup
from torch.distributed.nn.functional import all_reduce
from torch.utils.checkpoint import checkpoint

from .blocks import EncoderBlock, GridEmbedding, MemoryAttention, SequenceNormAttention
from .layers import TokenMap, TokenMoments
from .nets import MemViT

__all__ = ["StreamedViT", "memory_mapped"]


class StreamedViT(nn.Module):
    """Runs a :class:`MemViT` with sequence-norm attention layer by layer over chunks of tokens, to the same logits.

    The moments of all tokens collapse the attention of a layer to one affine map, which every chunk then takes on its
    own; the pass that writes the tokens of a layer also takes the moments for the next one. So each layer reads and
    writes every token once, and the last one computes only what the head reads. In evaluation no gradients are
    recorded; in training the tokens of every layer are kept, without ``store``, and all else is computed again in the
    backward pass. There is no padding: an image is a sequence of its own, and tokens that shall not count are left out.

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
        super().__init__()
        if chunk_size < 1:
            raise ValueError(f"chunk_size must be at least 1, got {chunk_size}.")
        _check(network, group)
        self.network = network
        self.chunk_size = chunk_size
        self.store = store
        self.group = group

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

    def stream(
        self, chunks: Sequence[Tensor], sample_ids: Tensor | None = None, group_ids: Tensor | None = None
    ) -> Tensor:
        """Classify one sequence of patch tokens that are embedded already.

        Args:
            chunks: parts of the sequence, at least one, each ``(1, n, D)`` with n > 0; overwritten unless gradients are
                recorded.
            sample_ids: opaque int64 id ``(1,)``.
            group_ids: opaque int64 id of patient or slide ``(1,)``.

        Returns:
            logits ``(1, num_classes)``.

        Raises:
            ValueError: when there is no token.
        """
        if not chunks or not all(chunk.shape[1] for chunk in chunks):
            raise ValueError(f"a sequence needs chunks of at least one token, got {[tuple(c.shape) for c in chunks]}.")
        network, (*blocks, last) = self.network, self.network.blocks
        token = network.class_token
        moments = TokenMoments.from_parts(self._each(chunks, partial(_moments, network.blocks[0])))
        for block, following in zip(blocks, network.blocks[1:]):
            step = block.attention.collapse(self._of_all(block, moments, token))
            token = None if token is None else _advance(block, step, token)
            chunks, moments = self._advance_all(chunks, block, step, following)
        moments = self._of_all(last, moments, token)
        if token is not None:
            return network.head(network.norm(self._last_token(last, moments, token, sample_ids, group_ids))[:, 0])
        return network.head(self._last_mean(last, last.attention.collapse(moments), chunks))

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

    def _of_all(self, block: EncoderBlock, moments: TokenMoments, token: Tensor | None) -> TokenMoments:
        """Moments of the tokens of all ranks and the class token, which every rank has."""
        if self.group is not None:
            moments = moments.all_reduce(self.group)
        return moments if token is None else moments.merge(_moments(block, token))

    def _advance_all(
        self, chunks: Sequence[Tensor], block: EncoderBlock, step: TokenMap, following: EncoderBlock
    ) -> tuple[Sequence[Tensor], TokenMoments]:
        def work(chunk: Tensor) -> tuple[Tensor, TokenMoments]:
            tokens = _advance(block, step, chunk)
            return tokens, _moments(following, tokens)

        advanced: list[Tensor] = []

        def parts() -> Iterator[TokenMoments]:  # merged as they come: kept, they would break up the heap
            for chunk, (tokens, part) in zip(chunks, self._each(chunks, work)):
                advanced.append(tokens if torch.is_grad_enabled() else chunk.copy_(tokens))
                yield part

        moments = TokenMoments.from_parts(parts())
        return advanced, moments

    def _last_token(
        self,
        block: EncoderBlock,
        moments: TokenMoments,
        token: Tensor,
        sample_ids: Tensor | None,
        group_ids: Tensor | None,
    ) -> Tensor:
        self.network.cases.arrive(sample_ids, group_ids)
        try:
            token = token + block.attention.among(moments, block.norm1(token))
            return token + block.mlp(block.norm2(token))
        finally:
            self.network.cases.leave()

    def _last_mean(self, block: EncoderBlock, step: TokenMap, chunks: Sequence[Tensor]) -> Tensor:
        def work(chunk: Tensor) -> Tensor:
            return self.network.norm(_advance(block, step, chunk)).sum(1)

        total = sum(self._each(chunks, work))
        count = total.new_tensor(sum(chunk.shape[1] for chunk in chunks))
        if self.group is not None:
            total, count = (all_reduce(t, group=self.group) for t in (total, count))
        return total / count

    def _each(self, chunks: Sequence[Tensor], work: Callable[[Tensor], Tensor]) -> Iterable[Tensor]:
        """What the work makes of every chunk, on the network's device; recomputed where gradients are recorded."""
        if torch.is_grad_enabled():
            work = partial(checkpoint, work, use_reentrant=False)
        weight = self.network.norm.weight
        return (work(chunk.to(weight)) for chunk in chunks)


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


def _moments(block: EncoderBlock, tokens: Tensor) -> TokenMoments:
    return TokenMoments.from_tokens(block.norm1(tokens))


def _advance(block: EncoderBlock, step: TokenMap, tokens: Tensor) -> Tensor:
    tokens = tokens + block.attention.out_dropout(step(block.norm1(tokens)))
    return tokens + block.mlp(block.norm2(tokens))


def _spans(grid: Sequence[int], chunk_size: int, group: ProcessGroup | None) -> list[tuple[int, int]]:
    """Rows of patches ``(start, stop)`` of this rank, a chunk's worth each."""
    rank, ranks = (0, 1) if group is None else (group.rank(), group.size())
    if grid[0] < ranks:
        raise ValueError(f"{grid[0]} rows of patches cannot be shared by {ranks} ranks.")
    first, end = (grid[0] * r // ranks for r in (rank, rank + 1))
    rows = max(1, chunk_size // math.prod(grid[1:]))
    return [(start, min(start + rows, end)) for start in range(first, end, rows)]


def _check(network: MemViT, group: ProcessGroup | None) -> None:
    *attentions, last = (block.attention for block in network.blocks)
    local = last.local if isinstance(last, MemoryAttention) else last
    odd = [type(a).__name__ for a in (*attentions, local) if not isinstance(a, SequenceNormAttention)]
    if odd:
        raise ValueError(f"only sequence-norm attention can be streamed, with a memory in the last block; got {odd}.")
    if local is not last and network.class_token is None:
        raise ValueError("a memory can be streamed with a class token only: build the network with pool='cls'.")
    if not isinstance(network.embedding, GridEmbedding):
        raise ValueError(f"{type(network.embedding).__name__} cannot embed an image by rows: take a GridEmbedding.")
    if group is not None and any(isinstance(m, nn.Dropout) and m.p for m in network.modules()):
        raise ValueError("ranks that share an image would draw dropouts of their own: set dropout_rate=0.")
    if any(not isinstance(block.drop_path, nn.Identity) for block in network.blocks):
        raise ValueError("stochastic depth skips a block for a whole image, chunks cannot: set drop_path_rate=0.")
