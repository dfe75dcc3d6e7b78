"""Streamed slides against the network that holds all tokens at once, and against definitions."""

from __future__ import annotations

import runpy
import subprocess
import sys
import weakref
from functools import partial
from pathlib import Path

import pytest
import torch

from monai_memvit.networks.blocks import SoftmaxAttention, TilePatchEmbedding
from monai_memvit.networks.layers import TokenMoments
from monai_memvit.networks.nets import SeqNormViT, SlideViT
from monai_memvit.networks.slide_streaming import StreamedSlideViT, tile_contributions, tile_evidence
from monai_memvit.networks.streaming import memory_mapped

SIZES = {"in_features": 5, "num_classes": 3, "hidden_size": 24, "mlp_dim": 32, "num_layers": 3, "num_heads": 3}
PIXELS = {"in_features": 2, "embedding": partial(TilePatchEmbedding, patch_size=4, mpp=0.5)}
POOLS = ["cls", "mean", "gated", "peak"]
CLOSE = {"atol": 1e-10, "rtol": 1e-8}
in_float64 = partial(torch.empty, dtype=torch.float64)


def _network(**changes) -> SlideViT:
    torch.manual_seed(0)
    network = SlideViT(**(SIZES | changes)).eval().double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network


def _slide(tiles: int, pixels: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(tiles, *((2, 8, 8) if pixels else (5,))).double(), 1000 * torch.rand(tiles, 2).double()


def _batches(tiles: torch.Tensor, places: torch.Tensor, size: int):
    return zip(tiles.split(size), places.split(size))


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("pixels", [False, True])
@pytest.mark.parametrize(("batch", "chunk_size"), [(1, 5), (7, 1), (5, 20), (1000, 4), (1000, 10_000)])
def test_equals_the_network_for_any_batch_and_chunk(pool, pixels, batch, chunk_size):
    network, (tiles, places) = _network(pool=pool, **(PIXELS if pixels else {})), _slide(41, pixels)
    streamed = StreamedSlideViT(network, chunk_size, in_float64)
    with torch.no_grad():
        wanted = network(tiles[None], places[None])
    torch.testing.assert_close(streamed(_batches(tiles, places, batch)), wanted, **CLOSE)
    assert not streamed(_batches(tiles, places, batch)).requires_grad


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("pixels", [False, True])
def test_gradients_equal_those_of_the_network(pool, pixels):
    network, (tiles, places) = _network(pool=pool, **(PIXELS if pixels else {})).train(), _slide(30, pixels)
    tiles.requires_grad_()
    wanted = [tiles, *network.parameters()]
    streamed = StreamedSlideViT(network, 7)
    assert streamed.training
    loss = streamed(_batches(tiles, places, 4)).square().sum()
    whole = network(tiles[None], places[None]).square().sum()
    for mine, theirs in zip(torch.autograd.grad(loss, wanted), torch.autograd.grad(whole, wanted)):
        torch.testing.assert_close(mine, theirs, atol=1e-9, rtol=1e-7)


def test_training_keeps_pixels_and_tokens_and_evaluation_only_a_store(saved_bytes):
    network = _network(**PIXELS).float().train()
    tiles, places = torch.randint(0, 256, (512, 2, 8, 8), dtype=torch.uint8), 1e4 * torch.rand(512, 2)
    streamed, tokens = StreamedSlideViT(network, 256), 512 * 4 * 24 * 4
    kept = saved_bytes(lambda: streamed(_batches(tiles, places, 64)), network)
    assert kept < (SIZES["num_layers"] + 1) * tokens + tiles.nbytes + 200_000
    assert saved_bytes(lambda: network(tiles[None], places[None]), network) > 10 * tokens
    held: list[int] = []

    def store(shape: tuple[int, ...]) -> torch.Tensor:
        held.append(shape[1])
        return torch.empty(shape)

    StreamedSlideViT(network.eval(), 10, store)(_batches(tiles, places, 64))
    assert held == [320] * 7  # 2,048 tokens, 32 chunks at a time


def test_training_keeps_nothing_that_workers_share():
    """Each such tensor holds an open file."""
    network, (tiles, places) = _network(**PIXELS).train(), _slide(40, True)
    alive, most = weakref.WeakSet[torch.Tensor](), []

    def batches():
        for own, at in _batches(tiles, places, 2):
            shared = own.clone().share_memory_(), at.clone().share_memory_()
            alive.update(shared)
            most.append(len(alive))
            yield shared
            del shared

    logits = StreamedSlideViT(network, 5)(batches())
    assert len(most) == 20 and max(most) <= 6
    torch.testing.assert_close(logits, network(tiles[None], places[None]), **CLOSE)


def test_tokens_may_lie_in_files_that_go_with_them(tmp_path):
    network, (tiles, places) = _network().float(), _slide(50)
    found = StreamedSlideViT(network, 16, memory_mapped(tmp_path))(_batches(tiles, places, 9))
    torch.testing.assert_close(found, network(tiles[None], places[None]).detach(), atol=1e-5, rtol=1e-4)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("training", [False, True])
def test_a_memory_is_read_and_left_a_fact(fill, training):
    network = fill(_network(memory_layers=[-1], pool="cls"), facts=20, groups=[i % 5 for i in range(20)])
    layer, ids, groups = network.train(training).blocks[-1].attention, torch.tensor([3]), torch.tensor([3])
    tiles, places = _slide(40)
    with torch.no_grad():
        logits, left = network(tiles[None], places[None], None, ids, groups), layer.latest
        streamed = StreamedSlideViT(network, 8, in_float64)(_batches(tiles, places, 6), ids, groups)
        torch.testing.assert_close(streamed, logits, atol=1e-7, rtol=1e-6)
        torch.testing.assert_close(layer.latest.keys, left.keys, atol=1e-5, rtol=1e-4)
        layer.reading = False
        assert (network(tiles[None], places[None]) - logits).abs().max() > 1e-3


@pytest.mark.parametrize("pool", ["mean", "gated", "peak"])
@pytest.mark.parametrize("pixels", [False, True])
@pytest.mark.parametrize(("batch", "chunk_size"), [(1, 1), (7, 3), (1000, 10), (1000, 10_000)])
def test_contributions_and_bias_sum_to_the_logits_and_are_the_tokens_own(pool, pixels, batch, chunk_size):
    network, (tiles, places) = _network(pool=pool, **(PIXELS if pixels else {})), _slide(23, pixels)
    if pool == "gated":
        network.pooling.weight.weight.data *= 30  # a few tokens carry nearly all weight
    found = StreamedSlideViT(network, chunk_size, in_float64).contributions(_batches(tiles, places, batch))
    with torch.no_grad():
        tokens = network.forward_features(tiles[None], places[None])[0]
        weights = torch.ones(len(tokens)).double() / len(tokens)
        if pool == "gated":
            gate = network.pooling.gate(tokens).sigmoid() * network.pooling.value(tokens).tanh()
            weights = network.pooling.weight(gate)[:, 0].softmax(0)
        weights = weights[:, None].expand(-1, tokens.shape[1])
        if pool == "peak":
            weights = (network.pooling.sharpness * tokens).softmax(0)
        wanted = ((weights * tokens) @ network.head.weight.T).reshape(23, -1, 3).sum(1)
    torch.testing.assert_close(found.contributions, wanted, **CLOSE)
    torch.testing.assert_close(found.weights, weights.mean(1).reshape(23, -1).sum(1), **CLOSE)
    torch.testing.assert_close(found.contributions.sum(0) + network.head.bias, found.logits[0], **CLOSE)
    torch.testing.assert_close(found.logits, network(tiles[None], places[None]), **CLOSE)


@pytest.mark.parametrize("memory", [False, True])
def test_with_a_class_token_contributions_are_derivatives_by_the_tokens_weights(fill, memory):
    """Against differences of logits whose last moments are weighted ones, by their definition."""
    network = _network(pool="cls", **(PIXELS | ({"memory_layers": [-1]} if memory else {})))
    if memory:
        fill(network, facts=20)
    tiles, places = _slide(9, pixels=True)
    streamed = StreamedSlideViT(network, 7, in_float64)
    found = streamed.contributions(_batches(tiles, places, 2))
    with torch.no_grad():
        entering = streamed.before_last([network.embedding.of_slide(tiles, places)])
        tokens = network.blocks[-1].norm1(torch.cat([entering.token, *entering.chunks], 1))[0]

        def logits(weights: torch.Tensor) -> torch.Tensor:
            mean = (weights @ tokens) / weights.sum()
            comoment = (weights[:, None] * (tokens - mean)).T @ (tokens - mean)
            moments = TokenMoments(weights.sum()[None], mean[None], comoment[None])
            return streamed.read_token(entering._replace(moments=moments))[0]

        step, ones = 1e-2 if memory else 1e-5, torch.ones(len(tokens)).double()
        slopes = []
        for unit in torch.eye(len(tokens)).double():
            slopes.append((logits(ones + step * unit) - logits(ones - step * unit)) / (2 * step))
    slopes = torch.stack(slopes)
    wanted = slopes[1:].reshape(9, 4, 3).sum(1)
    tolerance = {"atol": 5e-5, "rtol": 1e-3} if memory else {"atol": 1e-8, "rtol": 1e-5}  # facts are float32
    torch.testing.assert_close(found.contributions, wanted, **tolerance)
    torch.testing.assert_close(found.contributions.sum(0), -slopes[0], **tolerance)
    assert found.contributions.abs().max() > 1e-3
    torch.testing.assert_close(found.logits, network(tiles[None], places[None]), atol=1e-6, rtol=1e-5)
    assert all(p.grad is None for p in network.parameters())


@pytest.mark.parametrize("pool", POOLS)
def test_contributions_of_padded_slides_follow_their_tiles(pool):
    network, slides, order = _network(pool=pool), [_slide(12), _slide(5)], torch.randperm(12)
    features, coordinates = torch.full((2, 12, 5), float("nan")).double(), torch.full((2, 12, 2), float("nan")).double()
    mask = torch.zeros(2, 12, dtype=torch.bool)
    for i, (tiles, places) in enumerate(slides):
        features[i, : len(tiles)], coordinates[i, : len(tiles)], mask[i, : len(tiles)] = tiles, places, True
    found = tile_contributions(network, features, coordinates, mask)
    assert found.shape == (2, 3, 12) and not found[1, :, 5:].any()
    for i, (tiles, places) in enumerate(slides):
        alone = StreamedSlideViT(network).contributions([(tiles, places)]).contributions
        torch.testing.assert_close(found[i, :, : len(tiles)], alone.T, **CLOSE)
    moved = tile_contributions(network, features[:1, order], coordinates[:1, order])
    torch.testing.assert_close(moved, found[:1, :, order], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("pool", POOLS)
def test_weights_of_tiles_sum_to_one_and_padding_has_none(pool):
    network, (tiles, places) = _network(pool=pool), _slide(12)
    mask = torch.arange(12)[None] < torch.tensor([12, 5])[:, None]
    found = tile_evidence(network, tiles.repeat(2, 1, 1), places.repeat(2, 1, 1), mask)
    assert torch.equal(
        found.contributions, tile_contributions(network, tiles.repeat(2, 1, 1), places.repeat(2, 1, 1), mask)
    )
    torch.testing.assert_close(found.weights.sum(1), torch.ones(2).double(), **CLOSE)
    assert (found.weights >= 0).all() and not found.weights[1, 5:].any()
    if pool == "mean":
        torch.testing.assert_close(found.weights[1, :5], torch.full((5,), 0.2).double(), atol=1e-7, rtol=0)
    elif pool == "cls":
        amounts = found.contributions[0].abs().sum(0)
        torch.testing.assert_close(found.weights[0], amounts / amounts.sum(), **CLOSE)


def test_evidence_is_of_the_same_memory_as_the_logits_and_leaves_what_was_noted(fill):
    network = fill(_network(pool="cls", memory_layers=[-1]), facts=20, groups=[i % 2 for i in range(20)])
    layer, known = network.blocks[-1].attention, {"sample_ids": torch.tensor([10**6]), "group_ids": torch.tensor([1])}
    tiles, places = _slide(9)
    anyones = tile_evidence(network, tiles[None], places[None]).contributions
    layer.writing = True  # leaves out the patient's own facts
    wanted, noted = network(tiles[None], places[None], **known), layer.latest
    found = StreamedSlideViT(network).contributions([(tiles, places)], **known)
    torch.testing.assert_close(found.logits, wanted.detach(), atol=1e-6, rtol=1e-5)
    layer.latest = noted
    own = tile_evidence(network, tiles[None], places[None], **known)
    torch.testing.assert_close(own.contributions[0].T, found.contributions, atol=1e-6, rtol=1e-5)
    assert noted is not None and layer.latest is noted
    assert (own.contributions - anyones).abs().max() > 1e-6


def test_many_tokens_far_from_the_origin_keep_their_digits():
    network = _network(hidden_size=12, mlp_dim=12, num_layers=2).float()
    tiles, places = torch.randn(30_000, 5), 1e5 + 1000 * torch.rand(30_000, 2)
    found = StreamedSlideViT(network, 512)(_batches(tiles, places, 4096))
    wanted = network.double()(tiles.double()[None], places[None]).detach()
    torch.testing.assert_close(found.double(), wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "at least one token"),
        ([(torch.zeros(0, 5), torch.zeros(0, 2))], "at least one token"),
        ([(torch.zeros(9, 5), torch.zeros(10, 2))], r"coordinates must be floating point \(9, 2\)"),
        ([(torch.zeros(4, 5), torch.zeros(8, 2))], r"coordinates must be floating point \(4, 2\)"),
        ([(torch.zeros(4, 5), torch.full((4, 2), float("inf")))], "NaN or infinity"),
        ([(torch.zeros(4, 7), torch.zeros(4, 2))], "made for 5 per tile"),
    ],
)
@pytest.mark.parametrize("training", [False, True])
def test_slides_that_do_not_fit_are_refused(batches, message, training):
    streamed = StreamedSlideViT(_network().float(), 4).train(training)
    with pytest.raises(ValueError, match=message):
        streamed(batches)


def test_networks_that_cannot_be_streamed_are_refused():
    with pytest.raises(ValueError, match="SoftmaxAttention"):
        StreamedSlideViT(_network(attention=SoftmaxAttention))
    sizes = {name: SIZES[name] for name in SIZES if name != "in_features"}
    with pytest.raises(ValueError, match="stream a SlideViT"):
        StreamedSlideViT(SeqNormViT(in_channels=1, img_size=8, patch_size=4, **sizes))


def test_loads_and_saves_as_the_network_it_holds(tmp_path):
    network, (tiles, places) = _network(), _slide(6)
    torch.save(StreamedSlideViT(network).state_dict(), tmp_path / "weights.pt")
    other = StreamedSlideViT(SlideViT(**SIZES).eval().double(), store=in_float64)
    other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    assert torch.equal(other([(tiles, places)]), StreamedSlideViT(network, store=in_float64)([(tiles, places)]))


@pytest.mark.slow
def test_two_ranks_that_share_a_slide_agree_with_one_process(tmp_path):
    script = str(Path(__file__).with_name("two_rank_slides.py"))
    subprocess.run([sys.executable, script, str(tmp_path)], check=True, timeout=300)
    names = runpy.run_path(script)
    for pool in POOLS:
        alone = names["classify"](pool, shared=False, first=0)
        for first in names["TILES"]:
            shared = [torch.load(tmp_path / f"{pool}_{first}_rank{rank}.pt", weights_only=True) for rank in range(2)]
            assert [len(found["contributions"]) for found in shared] == [first, 11 - first]
            together = torch.cat([found.pop("contributions") for found in shared])
            torch.testing.assert_close(together, alone["contributions"], atol=1e-9, rtol=1e-7)
            for found in shared:
                for name, tensor in found.items():
                    message = f"{pool}, {first}, {name}"
                    torch.testing.assert_close(tensor, alone[name], atol=1e-9, rtol=1e-7, msg=message)
