"""A whole slide through :class:`SlideViT`, tile batch by tile batch, and what every tile contributes to the logits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor
from torch.distributed import ProcessGroup
from torch.utils.checkpoint import checkpoint

from .blocks import MemoryAttention, PeakPool, TileEmbedding
from .blocks.tile_embedding import check_places
from .layers import TokenMoments, WeightedMean
from .nets import SlideViT
from .token_stream import BeforeLastBlock, TokenStream

__all__ = [
    "SlideContributions",
    "StreamedSlideViT",
    "TileEvidence",
    "streamed_evidence",
    "tile_contributions",
    "tile_evidence",
]

_CHUNKS_AT_ONCE = 32


class SlideContributions(NamedTuple):
    """A slide's logits, and the share of every tile in them.

    Args:
        logits: ``(1, K)``.
        contributions: ``(N, K)``, in the order of the tiles; where ranks share the slide, of this rank's.
        weights: ``(N,)``, of the tiles in the pooled mean, 1 together; None where a class token is read instead.
    """

    logits: Tensor
    contributions: Tensor
    weights: Tensor | None


class TileEvidence(NamedTuple):
    """What the tiles of a batch of slides say; zero at padding.

    Args:
        contributions: ``(B, K, N)``, what every tile adds to every logit, see :meth:`StreamedSlideViT.contributions`.
        weights: ``(B, N)``, how much every tile counts, 1 together: in the pooled mean, or where a class token is read
            instead the tile's part of all absolute contributions.
    """

    contributions: Tensor
    weights: Tensor


class StreamedSlideViT(TokenStream):
    """Runs a :class:`SlideViT` over a slide of any size: tiles come in batches, and only their tokens are kept.

    See :class:`TokenStream` for how. In training the batches are kept as they come (bytes take a quarter of the space
    of floats) and embedded again in the backward pass. Features of an encoder that runs along:
    ``streamed((encoder(tiles), places) for tiles, places in batches)``.

    Args:
        network: the network; its weights are shared. A memory is supported in the last block.
        chunk_size: how many tokens are at work at a time.
        store: makes a tensor ``(1, n, D)`` that holds the tokens of 32 chunks, as often as the slide needs it:
            :func:`torch.empty` in RAM, ``functools.partial(torch.empty, device="cuda")`` on a GPU,
            :func:`memory_mapped` in files.
        group: ranks that share every slide, each with batches of its own, or none; None for one process.

    Raises:
        ValueError: when the network cannot be streamed.

    Example::

        logits = StreamedSlideViT(network).eval()((b["image"], b["position_um"]) for b in loader)
    """

    def __init__(
        self,
        network: SlideViT,
        chunk_size: int = 2048,
        store: Callable[[Sequence[int]], Tensor] = torch.empty,
        group: ProcessGroup | None = None,
    ) -> None:
        super().__init__(network, chunk_size, store, group)
        if not isinstance(network.embedding, TileEmbedding):
            raise ValueError(f"{type(network.embedding).__name__} embeds no tiles: stream a SlideViT.")

    def forward(
        self,
        batches: Iterable[tuple[Tensor, Tensor]],
        sample_ids: Tensor | None = None,
        group_ids: Tensor | None = None,
    ) -> Tensor:
        """Classify one slide.

        Args:
            batches: tiles or features ``(n, *tile)`` and their centres ``(n, 2)``, x and y in micrometres; any number
                of batches of any size, each used once.
            sample_ids: opaque int64 id ``(1,)``; needed while training with a memory.
            group_ids: opaque int64 id of the patient ``(1,)``.

        Returns:
            logits ``(1, num_classes)``.

        Raises:
            ValueError: when shapes do not fit, there is no tile, or a coordinate is not finite.
        """
        with torch.set_grad_enabled(self.network.training and torch.is_grad_enabled()):
            return self.stream(self._embed(batches), sample_ids, group_ids)

    def contributions(
        self,
        batches: Iterable[tuple[Tensor, Tensor]],
        sample_ids: Tensor | None = None,
        group_ids: Tensor | None = None,
    ) -> SlideContributions:
        """Classify one slide, and tell what every tile adds to the logits: arithmetic shares, not causes.

        With ``pool="mean"``, ``"gated"`` and ``"peak"`` logits are a weighted mean of ``W norm(token) + b`` over the
        tokens, so a tile's contribution is the sum of its tokens' terms: exact, all contributions and the head's bias
        sum to the logits. With ``"peak"`` a tile's weight is the mean of those of its channels. With ``pool="cls"`` no
        such sum exists. Given is the derivative of the logits by the weight that the tile's tokens have in the moments
        that the last attention is made of: what a little more of such a tissue would do. Over all tokens, the class
        token's included, these sum to zero.

        Args:
            batches: as in :meth:`forward`.
            sample_ids: as there.
            group_ids: as there.

        Returns:
            logits, contributions and weights, without a gradient.

        Raises:
            ValueError: as :meth:`forward`.
        """
        sizes: list[tuple[int, int]] = []

        def noted() -> Iterator[tuple[Tensor, Tensor]]:
            for tiles, coordinates in batches:
                sizes.append((len(tiles), self.network.embedding.tokens_per_tile(tiles)))
                yield tiles, coordinates

        with torch.no_grad():
            entering = self.before_last(self._embed(noted()))
            read = entering.token is not None
            logits, of_tokens = self._influences(entering, sample_ids, group_ids) if read else self._shares(entering)
            parts = of_tokens.split([tiles * tokens for tiles, tokens in sizes])
            of_tiles = torch.cat([*(part.unflatten(0, size).sum(1) for part, size in zip(parts, sizes)), of_tokens[:0]])
            return SlideContributions(logits, *((of_tiles, None) if read else (of_tiles[:, :-1], of_tiles[:, -1])))

    def scored(self, tokens: Tensor) -> tuple[Tensor, Tensor | None]:
        """Tokens with the scores by which they are pooled.

        Args:
            tokens: normalised, ``(1, n, D)``.

        Returns:
            the tokens, and scores ``(1, n)`` or None when all count the same; or each channel by itself, ``(D, n, 1)``
            and ``(D, n)``.
        """
        return self.network.scored(tokens)

    def _embed(self, batches: Iterable[tuple[Tensor, Tensor]]) -> list[Tensor]:
        """Chunks of tokens; none where ranks share the slide and this one has no tile."""
        gather = self._kept if torch.is_grad_enabled() else self._stored
        chunks = list(gather(batch for batch in batches if len(batch[0])))
        if not chunks and self.group is not None:
            weight = self.network.norm.weight
            return [weight.new_empty(1, 0, len(weight))]
        return chunks

    def _kept(self, batches: Iterable[tuple[Tensor, Tensor]]) -> Iterator[Tensor]:
        for tiles, coordinates in batches:
            batch = _unshared(tiles), _unshared(coordinates)
            tokens = checkpoint(self.network.embedding.of_slide, *batch, use_reentrant=False)
            yield from tokens.split(self.chunk_size, dim=1)

    def _stored(self, batches: Iterable[tuple[Tensor, Tensor]]) -> Iterator[Tensor]:
        """Tokens of all batches in chunks of one size, the last one apart."""
        free = self._free_chunks()
        chunk, used = next(free), 0
        for tokens in self._pieces(batches):
            while tokens.shape[1]:
                fitting = tokens[:, : self.chunk_size - used]
                chunk[:, used : used + fitting.shape[1]] = fitting
                used, tokens = used + fitting.shape[1], tokens[:, fitting.shape[1] :]
                if used == self.chunk_size:
                    yield chunk
                    chunk, used = next(free), 0
        if used:
            yield chunk[:, :used]

    def _free_chunks(self) -> Iterator[Tensor]:
        """Room for tokens without an end, many chunks at a time: single ones would break up the heap."""
        shape = (1, _CHUNKS_AT_ONCE * self.chunk_size, len(self.network.norm.weight))
        while True:
            yield from self.store(shape).split(self.chunk_size, dim=1)

    def _pieces(self, batches: Iterable[tuple[Tensor, Tensor]]) -> Iterator[Tensor]:
        """Tokens of tiles, about a chunk's worth at a time however large the batches."""
        embedding = self.network.embedding
        for tiles, coordinates in batches:
            check_places(tiles.shape[:1], coordinates)
            size = max(1, self.chunk_size // embedding.tokens_per_tile(tiles))
            for part, places in zip(tiles.split(size), coordinates.split(size)):
                yield embedding.of_slide(part, places)

    def _shares(self, entering: BeforeLastBlock) -> tuple[Tensor, Tensor]:
        """Logits, and the tokens' exact shares and weights ``(n, K + 1)``: by their chunk's peak, then the slide's."""
        if isinstance(self.network.pooling, PeakPool):
            return self._channel_shares(entering)
        finish, head = self.last_step(entering), self.network.head

        def work(chunk: Tensor) -> tuple[WeightedMean, Tensor]:
            tokens, scores = self.scored(finish(chunk))
            part = WeightedMean.from_tokens(tokens, scores)
            terms = torch.cat([tokens[0] @ head.weight.mT, tokens.new_ones(tokens.shape[1], 1)], 1)
            return part, terms if scores is None else terms * (scores - part.peak)[0, :, None].exp()

        sizes = [chunk.shape[1] for chunk in entering.chunks]
        shares = head.weight.new_empty(sum(sizes), head.out_features + 1)
        peaks = shares.new_empty(len(shares), 1)

        def parts() -> Iterator[WeightedMean]:
            rows = zip(shares.split(sizes), peaks.split(sizes))
            for (own_shares, own_peaks), (part, terms) in zip(rows, self.each(entering.chunks, work)):
                own_shares.copy_(terms)
                own_peaks.copy_(part.peak)
                yield part

        pooled = self.of_ranks(reduce(WeightedMean.merge, parts()))
        return head(pooled.mean), shares.mul_((peaks - pooled.peak).exp() / pooled.weight)

    def _channel_shares(self, entering: BeforeLastBlock) -> tuple[Tensor, Tensor]:
        """The same where every channel has weights of its own: first their sums, then the shares."""
        finish, head = self.last_step(entering), self.network.head
        sums = self.each(entering.chunks, lambda chunk: WeightedMean.from_tokens(*self.scored(finish(chunk))))
        pooled = self.of_ranks(reduce(WeightedMean.merge, sums))

        def work(chunk: Tensor) -> Tensor:
            values, scores = self.scored(finish(chunk))
            weights = ((scores - pooled.peak[:, None]).exp() / pooled.weight[:, None]).mT
            return torch.cat([(weights * values[..., 0].mT) @ head.weight.mT, weights.mean(1, keepdim=True)], 1)

        return head(pooled.mean.reshape(1, -1)), torch.cat(list(self.each(entering.chunks, work)))

    def _influences(
        self, entering: BeforeLastBlock, sample_ids: Tensor | None, group_ids: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Logits, and their derivatives by the tokens' weights in the last moments, ``(n, K)``."""
        leaves = TokenMoments(*(t.detach().requires_grad_() for t in entering.moments))
        with torch.enable_grad():
            logits = self.read_token(entering._replace(moments=leaves), sample_ids, group_ids)
            slopes = [
                TokenMoments(*torch.autograd.grad(logit, leaves, retain_graph=True)) for logit in logits[0].unbind()
            ]
        norm = self.network.blocks[-1].norm1
        sizes = [chunk.shape[1] for chunk in entering.chunks]
        influences = logits.detach().new_empty(sum(sizes), logits.shape[1])
        found = self.each(entering.chunks, lambda chunk: _influence(norm(chunk)[0], entering.moments, slopes))
        for own, part in zip(influences.split(sizes), found):
            own.copy_(part)
        return logits.detach(), influences


def tile_evidence(
    network: SlideViT,
    features: Tensor,
    coordinates: Tensor,
    mask: Tensor | None = None,
    sample_ids: Tensor | None = None,
    group_ids: Tensor | None = None,
) -> TileEvidence:
    """What every tile contributes to every logit, and how much it counts.

    Args:
        network: in evaluation mode, with sequence-norm attention.
        features: of tiles ``(B, N, F)``, or tiles ``(B, N, C, P, P)``.
        coordinates: centres of the tiles ``(B, N, 2)``, x and y in micrometres.
        mask: valid tiles ``(B, N)`` bool; None when all are.
        sample_ids: opaque int64 ids ``(B,)``, for a memory; None for anonymous slides.
        group_ids: opaque int64 ids of the patients ``(B,)``, for a memory.

    Returns:
        contributions and weights, without a gradient.

    Raises:
        ValueError: when shapes do not fit, a slide has no tile, or a coordinate is not finite.
    """
    valid = coordinates.new_ones(coordinates.shape[:2], dtype=torch.bool) if mask is None else mask
    out = features.new_zeros(*valid.shape, network.head.out_features, dtype=network.head.weight.dtype)
    weights = out.new_zeros(valid.shape)
    with _unnoticed(network):
        for i, own in enumerate(valid):
            sample, group = (None if known is None else known[i : i + 1] for known in (sample_ids, group_ids))
            whole = slice(None) if own.all() else own  # a view: tiles of pixels take gigabytes
            batches = [(features[i][whole], coordinates[i][whole])]
            _, contributions, of_tiles = streamed_evidence(network, batches, sample, group)
            out[i, own] = contributions.to(out)
            weights[i, own] = of_tiles.to(out)
    return TileEvidence(out.mT, weights)


def streamed_evidence(
    network: SlideViT,
    batches: Iterable[tuple[Tensor, Tensor]],
    sample_ids: Tensor | None = None,
    group_ids: Tensor | None = None,
    store: Callable[[Sequence[int]], Tensor] = torch.empty,
) -> tuple[Tensor, Tensor, Tensor]:
    """Classify a slide of any size, and tell what every tile contributes and how much it counts.

    Args:
        network: in evaluation mode, with sequence-norm attention.
        batches: as :class:`StreamedSlideViT` takes them.
        sample_ids: opaque int64 id ``(1,)``, for a memory; None for an anonymous slide.
        group_ids: opaque int64 id of the patient ``(1,)``, for a memory.
        store: of the tokens, as :class:`StreamedSlideViT` takes it.

    Returns:
        logits ``(1, K)``, contributions ``(N, K)``, and weights ``(N,)`` as those of :class:`TileEvidence`; without a
        gradient.

    Raises:
        ValueError: when shapes do not fit, the slide has no tile, or a coordinate is not finite.
    """
    found = StreamedSlideViT(network, store=store).contributions(batches, sample_ids, group_ids)
    weights = _parts(found.contributions) if found.weights is None else found.weights
    return found.logits, found.contributions, weights


def tile_contributions(network: SlideViT, features: Tensor, coordinates: Tensor, mask: Tensor | None = None) -> Tensor:
    """The contributions of :func:`tile_evidence` alone.

    Args:
        network: as there.
        features: as there.
        coordinates: as there.
        mask: as there.

    Returns:
        ``(B, K, N)`` without a gradient; zero at padding.

    Raises:
        ValueError: as there.
    """
    return tile_evidence(network, features, coordinates, mask).contributions


@contextmanager
def _unnoticed(network: SlideViT) -> Iterator[None]:
    """What the memory noted of the last batch stays: others read it afterwards."""
    noted = [(layer, layer.latest) for layer in network.modules() if isinstance(layer, MemoryAttention)]
    try:
        yield
    finally:
        for layer, latest in noted:
            layer.latest = latest


def _unshared(tensor: Tensor) -> Tensor:
    """To be kept: what a loader's worker has made holds one of our open files as long as it lives."""
    return tensor.clone() if tensor.device.type == "cpu" and tensor.is_shared() else tensor


def _parts(contributions: Tensor) -> Tensor:
    amounts = contributions.abs().sum(1)
    return amounts / amounts.sum().clamp(min=torch.finfo(amounts.dtype).tiny)


def _influence(tokens: Tensor, moments: TokenMoments, slopes: Sequence[TokenMoments]) -> Tensor:
    """One more such token moves the mean by its n-th part and adds an outer product to the co-moment."""
    offsets = (tokens.double() - moments.mean).to(moments.comoment)
    columns = [
        slope.count
        + offsets @ (slope.mean[0] / moments.count).to(offsets)
        + ((offsets @ slope.comoment[0]) * offsets).sum(1)
        for slope in slopes
    ]
    return torch.stack(columns, 1)
