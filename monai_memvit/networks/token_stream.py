"""Sequence-norm networks layer by layer over chunks of tokens, in memory that does not grow with the sequence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial, reduce
from typing import Any, NamedTuple

import torch
import torch.nn as nn
from monai.networks.layers import DropPath
from torch import Tensor
from torch.distributed import ProcessGroup
from torch.utils.checkpoint import checkpoint

from .blocks import EncoderBlock, MemoryAttention, SequenceNormAttention
from .layers import TokenMap, TokenMoments, WeightedMean
from .nets import MemViT

__all__ = ["BeforeLastBlock", "TokenStream"]


class BeforeLastBlock(NamedTuple):
    """A sequence that has been through all blocks but the last.

    Args:
        chunks: parts of the sequence, this rank's, each ``(1, n, D)``.
        moments: of what enters the last attention: tokens of all ranks and the class token, behind its norm.
        token: the class token ``(1, 1, D)``, or None.
    """

    chunks: Sequence[Tensor]
    moments: TokenMoments
    token: Tensor | None


class TokenStream(nn.Module):
    """Runs the blocks of a :class:`MemViT` with sequence-norm attention over chunks of tokens, to the same logits.

    The moments of all tokens collapse the attention of a layer to one affine map, which every chunk then takes on its
    own; the pass that writes the tokens of a layer also takes the moments for the next one. So each layer reads and
    writes every token once, and the last one computes only what the head reads. In evaluation no gradients are
    recorded; in training the tokens of every layer are kept, without ``store``, and all else is computed again in the
    backward pass. There is no padding: tokens that shall not count are left out.

    Args:
        network: the network; its weights are shared. A memory is supported in the last block, with a class token.
        chunk_size: about how many tokens are at work at a time.
        store: makes a tensor ``(1, n, D)`` float32 that holds tokens, from its shape: :func:`torch.empty` in RAM,
            ``functools.partial(torch.empty, device="cuda")`` on a GPU, :func:`memory_mapped` in a file.
        group: ranks that share every sequence, each streaming tokens of its own; None for one process.

    Raises:
        ValueError: when the network cannot be streamed.
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

    def stream(
        self, chunks: Sequence[Tensor], sample_ids: Tensor | None = None, group_ids: Tensor | None = None
    ) -> Tensor:
        """Classify one sequence of tokens that are embedded already.

        Args:
            chunks: parts of the sequence, each ``(1, n, D)``; overwritten unless gradients are recorded. At least one
                token is needed; where ranks share the sequence one of them may have none, and hands over n = 0.
            sample_ids: opaque int64 id ``(1,)``.
            group_ids: opaque int64 id of patient or slide ``(1,)``.

        Returns:
            logits ``(1, num_classes)``.

        Raises:
            ValueError: when there is no token, or blocks were to be skipped while training.
        """
        entering = self.before_last(chunks)
        if entering.token is not None:
            return self.read_token(entering, sample_ids, group_ids)
        finish = self.last_step(entering)
        parts = self.each(entering.chunks, lambda chunk: WeightedMean.from_tokens(*self.scored(finish(chunk))))
        return self.network.head(self.of_ranks(reduce(WeightedMean.merge, parts)).mean.reshape(1, -1))

    def before_last(self, chunks: Sequence[Tensor]) -> BeforeLastBlock:
        """Take a sequence through all blocks but the last.

        Args:
            chunks: as in :meth:`stream`.

        Returns:
            what enters the last block.

        Raises:
            ValueError: when there is no token, or blocks were to be skipped while training.
        """
        blocks = self.network.blocks
        joining, token = {self.network.class_token_from: self.network.class_token}, None
        if self.network.training and any(isinstance(block.drop_path, DropPath) for block in blocks):
            raise ValueError("stochastic depth skips a block for a whole image, chunks cannot: set drop_path_rate=0.")
        if not chunks or (self.group is None and not all(chunk.shape[1] for chunk in chunks)):
            raise ValueError(f"a sequence needs chunks of at least one token, got {[tuple(c.shape) for c in chunks]}.")
        moments = self._shared(TokenMoments.from_parts(self.each(chunks, partial(_moments, blocks[0]))))
        if not moments.count.all():
            raise ValueError("a sequence needs at least one token, and no rank has any.")
        for number, (block, following) in enumerate(zip(blocks, blocks[1:])):
            token = joining.get(number, token)
            step = block.attention.collapse(_with_token(block, moments, token))
            token = None if token is None else _advance(block, step, token)
            chunks, moments = self._advance_all(chunks, block, step, following)
        token = joining.get(len(blocks) - 1, token)
        return BeforeLastBlock(chunks, _with_token(blocks[-1], moments, token), token)

    def read_token(
        self, entering: BeforeLastBlock, sample_ids: Tensor | None = None, group_ids: Tensor | None = None
    ) -> Tensor:
        """The class token through the last block, and the head.

        Args:
            entering: a sequence with a class token.
            sample_ids: opaque int64 id ``(1,)``.
            group_ids: opaque int64 id of patient or slide ``(1,)``.

        Returns:
            logits ``(1, num_classes)``.
        """
        block, token = self.network.blocks[-1], entering.token
        self.network.cases.arrive(sample_ids, group_ids)
        try:
            token = token + block.attention.among(entering.moments, block.norm1(token))
            token = token + block.mlp(block.norm2(token))
        finally:
            self.network.cases.leave()
        return self.network.head(self.network.norm(token)[:, 0])

    def last_step(self, entering: BeforeLastBlock) -> Callable[[Tensor], Tensor]:
        """The last block and the norm behind it.

        Args:
            entering: a sequence without a class token.

        Returns:
            what makes of a chunk ``(1, n, D)`` of it the tokens that the network returns.
        """
        block = self.network.blocks[-1]
        step = block.attention.collapse(entering.moments)
        return lambda chunk: self.network.norm(_advance(block, step, chunk))

    def scored(self, tokens: Tensor) -> tuple[Tensor, Tensor | None]:
        """Tokens with the scores by which they are pooled.

        Args:
            tokens: normalised, ``(1, n, D)``.

        Returns:
            the tokens, and scores ``(1, n)`` or None when all count the same; or each channel by itself, ``(D, n, 1)``
            and ``(D, n)``.
        """
        return tokens, None

    def each(self, chunks: Iterable[Tensor], work: Callable[[Tensor], Any]) -> Iterator[Any]:
        """What the work makes of every chunk, on the network's device; recomputed where gradients are recorded.

        Args:
            chunks: parts of a sequence.
            work: what is to be done; it returns tensors.

        Yields:
            its results.
        """
        if torch.is_grad_enabled():
            work = partial(checkpoint, work, use_reentrant=False)
        weight = self.network.norm.weight
        return (work(chunk.to(weight)) for chunk in chunks)

    def of_ranks(self, part: WeightedMean) -> WeightedMean:
        """The mean over the tokens of all ranks.

        Args:
            part: this rank's.

        Returns:
            the whole.
        """
        return part if self.group is None else part.all_reduce(self.group)

    def _shared(self, moments: TokenMoments) -> TokenMoments:
        return moments if self.group is None else moments.all_reduce(self.group)

    def _advance_all(
        self, chunks: Sequence[Tensor], block: EncoderBlock, step: TokenMap, following: EncoderBlock
    ) -> tuple[Sequence[Tensor], TokenMoments]:
        def work(chunk: Tensor) -> tuple[Tensor, TokenMoments]:
            tokens = _advance(block, step, chunk)
            return tokens, _moments(following, tokens)

        advanced: list[Tensor] = []

        def parts() -> Iterator[TokenMoments]:  # merged as they come: kept, they would break up the heap
            for chunk, (tokens, part) in zip(chunks, self.each(chunks, work)):
                advanced.append(tokens if torch.is_grad_enabled() else chunk.copy_(tokens))
                yield part

        moments = TokenMoments.from_parts(parts())
        return advanced, self._shared(moments)


def _moments(block: EncoderBlock, tokens: Tensor) -> TokenMoments:
    return TokenMoments.from_tokens(block.norm1(tokens))


def _with_token(block: EncoderBlock, moments: TokenMoments, token: Tensor | None) -> TokenMoments:
    """Moments of the tokens of all ranks and the class token, which every rank has."""
    return moments if token is None else moments.merge(_moments(block, token))


def _advance(block: EncoderBlock, step: TokenMap, tokens: Tensor) -> Tensor:
    tokens = tokens + block.attention.out_dropout(step(block.norm1(tokens)))
    return tokens + block.mlp(block.norm2(tokens))


def _check(network: MemViT, group: ProcessGroup | None) -> None:
    *attentions, last = (block.attention for block in network.blocks)
    local = last.local if isinstance(last, MemoryAttention) else last
    odd = [type(a).__name__ for a in (*attentions, local) if not isinstance(a, SequenceNormAttention)]
    if odd:
        raise ValueError(f"only sequence-norm attention can be streamed, with a memory in the last block; got {odd}.")
    if local is not last and network.class_token is None:
        raise ValueError("a memory can be streamed with a class token only: build the network with pool='cls'.")
    if group is not None and any(isinstance(m, nn.Dropout) and m.p for m in network.modules()):
        raise ValueError("ranks that share an image would draw dropouts of their own: set dropout_rate=0.")
