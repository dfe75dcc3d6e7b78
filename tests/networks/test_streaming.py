"""Streaming against the network itself, which holds all tokens at once."""

from __future__ import annotations

import copy
import functools
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from monai.utils import set_determinism

from monai_memvit.networks.blocks import ConfidenceGate, FactLabelEmbedding, MemoryAttention, SoftmaxAttention
from monai_memvit.networks.nets import MemViT, SeqNormViT
from monai_memvit.networks.streaming import StreamedViT, memory_mapped

SIZES = {"in_channels": 2, "img_size": 16, "patch_size": 4, "num_classes": 3, "hidden_size": 24, "mlp_dim": 32}
SIZES |= {"num_layers": 3, "num_heads": 3}
LABELS = functools.partial(FactLabelEmbedding, num_classes=3)


def _network(**changes) -> MemViT:
    set_determinism(0)
    network = SeqNormViT(**(SIZES | changes)).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network


def _half(network: MemViT) -> MemViT:
    return copy.deepcopy(network).bfloat16()


@pytest.mark.parametrize("pool", ["cls", "mean"])
@pytest.mark.parametrize("pos_embed", ["learnable", "sincos", "none"])
@pytest.mark.parametrize("chunk_size", [1, 20, 10_000])
def test_equals_the_network_for_any_chunk_and_image_size(pool, pos_embed, chunk_size):
    network = _network(pool=pool, pos_embed=pos_embed)
    for size in ((16, 16), (40, 12)):
        image = torch.randn(2, 2, *size)
        with torch.no_grad():
            torch.testing.assert_close(StreamedViT(network, chunk_size)(image), network(image), atol=1e-6, rtol=1e-5)


def test_equals_the_network_in_3d():
    network, image = _network(spatial_dims=3, img_size=8), torch.randn(1, 2, 16, 8, 12)
    with torch.no_grad():
        torch.testing.assert_close(StreamedViT(network, 5)(image), network(image), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("pool", ["cls", "mean"])
def test_gradients_equal_those_of_the_network(pool):
    network, image = _network(pool=pool, dropout_rate=0.0).double().train(), torch.randn(2, 2, 24, 16).double()
    image.requires_grad_()
    wanted = [image, *network.parameters()]
    found, reference = (
        torch.autograd.grad(net(image).square().sum(), wanted) for net in (StreamedViT(network, 7), network)
    )
    for mine, theirs in zip(found, reference):
        torch.testing.assert_close(mine, theirs, atol=1e-9, rtol=1e-7)


@pytest.mark.parametrize("late", [0, 1, 2])
@pytest.mark.parametrize("chunk_size", [1, 20, 10_000])
def test_a_late_class_token_joins_the_stream_too(fill, late, chunk_size):
    memory = functools.partial(
        MemoryAttention, retrieval="cosine", gate=ConfidenceGate, fact_labels=LABELS, num_neighbors=4
    )
    network = fill(_network(class_token_from=late, memory_layers=[-1], memory=memory), 9)
    network.blocks[-1].attention.bank.label(torch.arange(9), torch.arange(9) % 3)
    for size in ((16, 16), (40, 12)):
        image = torch.randn(2, 2, *size)
        with torch.no_grad():
            torch.testing.assert_close(StreamedViT(network, chunk_size)(image), network(image), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("late", [1, 2])
def test_gradients_of_a_late_class_token_equal_those_of_the_network(late):
    network = _network(class_token_from=late, dropout_rate=0.0).double().train()
    image, wanted = torch.randn(2, 2, 24, 16).double(), [*network.parameters()]
    found, reference = (
        torch.autograd.grad(net(image).square().sum(), wanted) for net in (StreamedViT(network, 7), network)
    )
    for mine, theirs in zip(found, reference):
        torch.testing.assert_close(mine, theirs, atol=1e-9, rtol=1e-7)


def test_training_keeps_no_more_than_tokens_for_the_backward_pass(saved_bytes):
    network, image = _network(dropout_rate=0.0).train(), torch.randn(1, 2, 256, 256)
    tokens = 64 * 64 * 24 * 4
    whole, streamed = (saved_bytes(lambda net=net: net(image), network) for net in (network, StreamedViT(network, 512)))
    assert whole > 20 * tokens
    assert streamed < (SIZES["num_layers"] + 1) * tokens + image.numel() * 4 + 200_000


def test_evaluation_records_no_gradients_and_training_does():
    network, image = _network(), torch.randn(1, 2, 16, 16)
    assert not StreamedViT(network)(image).requires_grad
    assert StreamedViT(network.train())(image).requires_grad


def test_dropout_acts_in_training_as_in_the_network():
    network, image = _network(dropout_rate=0.0).train(), torch.randn(1, 2, 16, 16)
    streamed = StreamedViT(network, 8)
    assert torch.equal(streamed(image), streamed(image))
    network.blocks[0].attention.out_dropout.p = 0.9
    assert not torch.equal(streamed(image), streamed(image))
    with pytest.raises(ValueError, match="dropout_rate=0"):
        StreamedViT(network, group=object())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("memory_layers", [[], [-1]])
def test_under_autocast_moments_of_many_chunks_keep_their_precision(fill, dtype, memory_layers):
    network, image = _network(memory_layers=memory_layers), torch.randn(1, 2, 1200, 4)
    if memory_layers:
        fill(network, facts=20)
    wanted = network(image)
    with torch.autocast("cpu", dtype):
        found, whole = StreamedViT(network, 1)(image), network(image)
    torch.testing.assert_close(found.float(), wanted, atol=0.05, rtol=0.05)
    torch.testing.assert_close(whole.float(), wanted, atol=0.05, rtol=0.05)
    network.train()
    with torch.autocast("cpu", dtype):
        loss = StreamedViT(network, 100)(image, torch.tensor([77])).square().sum()
    loss.backward()
    assert all(p.grad.isfinite().all() for p in network.parameters())


def test_a_half_precision_network_with_a_memory_streams(fill):
    network, image = fill(_network(memory_layers=[-1]), facts=20), torch.randn(1, 2, 16, 16)
    found = StreamedViT(_half(network), 8)(image.bfloat16())
    torch.testing.assert_close(found.float(), network(image), atol=0.1, rtol=0.1)


@pytest.mark.parametrize("training", [False, True])
def test_a_memory_in_the_last_block_is_read_and_left_a_fact(fill, training):
    network = fill(_network(memory_layers=[-1]), facts=20, groups=[i % 5 for i in range(20)]).train(training)
    image, ids, groups = torch.randn(2, 2, 16, 24), torch.tensor([3, 90]), torch.tensor([3, 4])
    layer = network.blocks[-1].attention
    with torch.no_grad():
        logits, left = network(image, ids, groups), layer.latest
        streamed, left_streamed = [], []
        for i in range(2):
            streamed.append(StreamedViT(network, 8)(image[i : i + 1], ids[i : i + 1], groups[i : i + 1]))
            left_streamed.append(layer.latest)
        layer.reading = False
        without = network(image, ids, groups)
    torch.testing.assert_close(torch.cat(streamed), logits, atol=1e-6, rtol=1e-5)
    assert (logits - without).abs().max() > 1e-3
    for name in ("ids", "groups", "queries", "keys", "values"):
        found = torch.cat([getattr(snapshot, name) for snapshot in left_streamed])
        torch.testing.assert_close(found, getattr(left, name), atol=1e-5, rtol=1e-4)
    assert network.cases.sample_ids is None


def test_tokens_may_lie_in_a_file_that_goes_with_them(tmp_path):
    network, image = _network(), torch.randn(1, 2, 32, 32)
    with torch.no_grad():
        found = StreamedViT(network, 16, store=memory_mapped(tmp_path))(image)
        torch.testing.assert_close(found, network(image), atol=1e-6, rtol=1e-5)
    assert not list(tmp_path.iterdir())


def test_a_store_that_does_not_fit_the_disk_is_refused(tmp_path):
    with pytest.raises(ValueError, match="choose another folder"):
        memory_mapped(tmp_path)((1, 2**50, 192))


def test_images_of_bytes_are_converted_row_by_row():
    network, image = _network(), torch.randint(0, 255, (1, 2, 16, 16), dtype=torch.uint8)
    with torch.no_grad():
        torch.testing.assert_close(StreamedViT(network)(image), network(image.float()))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (lambda: MemViT(**SIZES), "SoftmaxAttention"),
        (lambda: _network(memory_layers=[0]), "MemoryAttention"),
        (lambda: MemViT(attention=SoftmaxAttention, memory_layers=[-1], **SIZES), "SoftmaxAttention"),
        (lambda: _network(embedding=torch.nn.Identity()), "Identity cannot embed"),
    ],
)
def test_networks_that_cannot_be_streamed_are_refused(network, message):
    with pytest.raises(ValueError, match=message):
        StreamedViT(network())


def test_blocks_that_training_would_skip_are_refused_there_only():
    network, image = _network(drop_path_rate=0.1), torch.randn(1, 2, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(StreamedViT(network)(image), network(image), atol=1e-6, rtol=1e-5)
    with pytest.raises(ValueError, match="drop_path_rate=0"):
        StreamedViT(network.train())(image)


def test_bad_sizes_are_refused():
    with pytest.raises(ValueError, match="chunk_size must be at least 1, got 0"):
        StreamedViT(_network(), chunk_size=0)
    with pytest.raises(ValueError, match="at least one token"):
        StreamedViT(_network()).stream([])
    with pytest.raises(ValueError, match=r"an image of \(18, 16\) pixels is no multiple"):
        StreamedViT(_network())(torch.zeros(1, 2, 18, 16))


def test_loads_and_saves_as_the_network_it_holds(tmp_path):
    network, other = _network(), _network(num_classes=3)
    torch.save(StreamedViT(network).state_dict(), tmp_path / "weights.pt")
    streamed = StreamedViT(other)
    streamed.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    image = torch.randn(1, 2, 16, 16)
    with torch.no_grad():
        assert torch.equal(streamed(image), StreamedViT(network)(image))


@pytest.mark.slow
def test_two_ranks_that_share_every_image_agree_with_one_process(tmp_path):
    script = str(Path(__file__).with_name("two_rank_streaming.py"))
    subprocess.run([sys.executable, script, str(tmp_path)], check=True, timeout=300)
    for pool in ("cls", "mean"):
        alone = runpy.run_path(script)["classify"](pool, shared=False)
        for rank in range(2):
            shared = torch.load(tmp_path / f"{pool}_rank{rank}.pt", weights_only=True)
            assert shared.keys() == alone.keys()
            for name, tensor in alone.items():
                torch.testing.assert_close(shared[name], tensor, atol=1e-9, rtol=1e-7, msg=f"{pool}, {rank}, {name}")
