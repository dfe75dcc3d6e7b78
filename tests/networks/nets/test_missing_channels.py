"""A vision transformer with missing channels: as tokens that are not there, or as zeros and a scale."""

from __future__ import annotations

import functools
import io

import pytest
import torch

from monai_memvit import MemViT, MoViT, SequenceNormAttention, SoftmaxAttention, StreamedViT
from monai_memvit.memory import memory_layers
from monai_memvit.networks.blocks import (
    ChannelEmbedding,
    GridEmbedding,
    HierarchicalChannelSampling,
    MemoryAttention,
    NoPositions,
    SinCosPositions,
)

SIZES = {"in_channels": 5, "img_size": 16, "patch_size": 4, "num_classes": 3, "hidden_size": 24, "mlp_dim": 48}
SIZES |= {"num_layers": 3, "num_heads": 3}
MASK = torch.tensor([[True, False, True, True, False], [False, True, True, False, True]])
ATTENTIONS = [SoftmaxAttention, SequenceNormAttention]


@pytest.fixture
def make_net():
    def make(tokens: bool = True, kind: type = MemViT, **options) -> MemViT:
        torch.manual_seed(0)
        embedding = ChannelEmbedding if tokens else GridEmbedding
        net = kind(**{**SIZES, "embedding": embedding, **options}).eval()
        for block in net.blocks:
            getattr(block.attention, "local", block.attention).qkv.weight.data *= 20
        return net.double()

    return make


@pytest.fixture
def images():
    return torch.rand(2, 5, 16, 16, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def _without_tokens(net: MemViT, image: torch.Tensor, channels: list[int]) -> torch.Tensor:
    """Logits of one image from the tokens of some channels only, none masked."""
    tokens = net.embedding(image[None]).unflatten(1, (5, 16))[:, channels].flatten(1, 2)
    if net.class_token is not None:
        tokens = torch.cat([net.class_token, tokens], 1)
    for block in net.blocks:
        tokens = block(tokens)
    tokens = net.norm(tokens)
    return net.head(tokens.mean(1) if net.class_token is None else tokens[:, 0])


def test_the_embedding_gets_the_networks_sizes(make_net):
    net = make_net(pos_embed="sincos", dropout_rate=0.2)
    assert net.embedding.channels.shape == (5, 24)
    assert isinstance(net.embedding.patches.positions, SinCosPositions)
    assert (net.embedding.patches.patch_size, net.embedding.dropout.p) == ((4, 4), 0.2)
    own = ChannelEmbedding(5, 16, 4, 24)
    assert make_net(embedding=own).embedding is own


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("pool", ["cls", "mean"])
def test_a_missing_channel_is_as_if_its_tokens_were_taken_out(make_net, images, attention, pool):
    net = make_net(attention=attention, pool=pool)
    expected = [_without_tokens(net, x, m.nonzero().flatten().tolist()) for x, m in zip(images, MASK)]
    found = net(images, channel_mask=MASK)
    torch.testing.assert_close(found, torch.cat(expected))
    assert not torch.allclose(found, net(images))


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("pool", ["cls", "mean"])
@pytest.mark.parametrize("mask", [None, MASK])
def test_the_order_of_the_channels_is_irrelevant(make_net, images, attention, pool, mask):
    net, order = make_net(attention=attention, pool=pool), [3, 0, 4, 2, 1]
    expected = net(images, channel_mask=mask)
    net.embedding.channels.data = net.embedding.channels[order]
    found = net(images[:, order], channel_mask=None if mask is None else mask[:, order])
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(net(images, channel_mask=mask), expected)


@pytest.mark.parametrize("tokens", [True, False])
@pytest.mark.parametrize("options", [{}, {"attention": SequenceNormAttention}, {"pool": "mean"}, {"kind": MoViT}])
def test_nothing_of_a_missing_channel_is_seen(make_net, fill, images, tokens, options):
    net = make_net(tokens, **options)
    net = fill(net, 9) if "kind" in options else net
    clean, spoilt = images.clone(), images.clone()
    clean[~MASK], spoilt[~MASK] = 0, float("nan")
    expected = net(clean, channel_mask=MASK)
    expected.square().sum().backward()
    gradients = {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}
    net.zero_grad()
    found = net(spoilt, channel_mask=MASK)
    found.square().sum().backward()
    assert torch.isfinite(found).all() and torch.equal(found, expected)
    assert all(torch.equal(net.get_parameter(name).grad, wanted) for name, wanted in gradients.items())


@pytest.mark.parametrize("tokens", [True, False])
@pytest.mark.parametrize("attention", ATTENTIONS)
def test_all_present_is_no_mask(make_net, images, tokens, attention):
    net = make_net(tokens, attention=attention)
    torch.testing.assert_close(net(images, None, None, torch.ones(2, 5, dtype=torch.bool)), net(images))


def test_zeros_and_scale_against_the_closed_form(images):
    embedding = GridEmbedding(5, 16, 16, 24, NoPositions).double()
    weight, bias = embedding.patch_embeddings.weight, embedding.patch_embeddings.bias
    found = embedding(images, channel_mask=MASK)
    for b, present in enumerate(([0, 2, 3], [1, 2, 4])):
        by_channel = torch.einsum("chw,dchw->dc", images[b], weight)
        torch.testing.assert_close(found[b, 0], by_channel[:, present].sum(1) * 5 / 3 + bias)


@pytest.mark.parametrize("tokens", [True, False])
@pytest.mark.parametrize("pool", ["cls", "mean"])
@pytest.mark.parametrize("attention", ATTENTIONS)
def test_a_sample_without_any_channel_is_finite_and_disturbs_no_other(make_net, images, tokens, pool, attention):
    net = make_net(tokens, pool=pool, attention=attention)
    none = MASK.clone()
    none[0] = False
    found = net(images, channel_mask=none)
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found[1:], net(images[1:], channel_mask=MASK[1:]))


@pytest.mark.parametrize("tokens", [True, False])
def test_patches_and_channels_may_be_missing_together(make_net, images, tokens):
    net, valid = make_net(tokens), torch.ones(2, 4, 4, dtype=torch.bool)
    valid[0, 2:], valid[1, :, 3] = False, False
    found = net(images, channel_mask=MASK, mask=valid.flatten(1))
    spoilt = images.clone()
    spoilt[0, :, 8:], spoilt[1, :, :, 12:] = float("nan"), float("nan")
    spoilt[~MASK] = float("nan")
    torch.testing.assert_close(net(spoilt, channel_mask=MASK, mask=valid.flatten(1)), found)
    if not tokens:
        scaled = torch.where(MASK[:, :, None, None], images * 5 / 3, 0)
        torch.testing.assert_close(found, net(scaled, mask=valid.flatten(1)))


@pytest.mark.parametrize("layers", [(-1,), (0,)])
@pytest.mark.parametrize("pool", ["cls", "mean"])
def test_a_memory_sees_the_same_with_masks_as_without_the_tokens(make_net, fill, images, layers, pool):
    net = fill(make_net(memory_layers=layers, pool=pool, memory=functools.partial(MemoryAttention, num_neighbors=4)), 9)
    found = net(images, torch.tensor([20, 21]), torch.tensor([1, 2]), MASK)
    (layer,) = memory_layers(net)
    latest = layer.latest
    assert latest.ids.tolist() == [20, 21]
    for i, (image, present) in enumerate(zip(images, MASK)):
        net.cases.arrive(torch.tensor([20 + i]))
        torch.testing.assert_close(found[i], _without_tokens(net, image, present.nonzero().flatten().tolist())[0])
        torch.testing.assert_close(latest.keys[i], layer.latest.keys[0])
        net.cases.leave()


@pytest.mark.parametrize("tokens", [True, False])
def test_a_fresh_network_takes_the_weights_from_a_file(make_net, images, tokens):
    net = make_net(tokens, channel_sampling=HierarchicalChannelSampling())
    file = io.BytesIO()
    torch.save(net.state_dict(), file)
    file.seek(0)
    fresh = MemViT(**SIZES, embedding=ChannelEmbedding if tokens else GridEmbedding).double().eval()
    fresh.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(fresh(images, channel_mask=MASK), net(images, channel_mask=MASK))


# channel sampling


class _First(torch.nn.Module):
    """Keeps the first channel that there is."""

    def forward(self, channel_mask: torch.Tensor) -> torch.Tensor:
        return channel_mask & (channel_mask.cumsum(1) == 1)


@pytest.mark.parametrize("tokens", [True, False])
@pytest.mark.parametrize("pool", ["cls", "mean"])
def test_sampling_hides_channels_while_training_only(make_net, images, tokens, pool):
    net, plain = make_net(tokens, pool=pool, channel_sampling=_First()), make_net(tokens, pool=pool)
    for given in (None, MASK):
        assert torch.equal(net.eval()(images, channel_mask=given), plain(images, channel_mask=given))
        kept = _First()(torch.ones(2, 5, dtype=torch.bool) if given is None else given)
        torch.testing.assert_close(net.train()(images, channel_mask=given), plain(images, channel_mask=kept))


def test_training_with_sampling_continues_bit_for_bit(make_net, images):
    net = make_net(channel_sampling=HierarchicalChannelSampling()).train()
    torch.manual_seed(4)
    state = torch.get_rng_state()
    first = [net(images) for _ in range(4)]
    torch.set_rng_state(state)
    assert all(torch.equal(net(images), logits) for logits in first)
    assert len({tuple(logits.flatten().tolist()) for logits in first}) > 1


def test_gradients_reach_everything(make_net, images):
    net = make_net(channel_sampling=HierarchicalChannelSampling(), memory_layers=(-1,)).train()
    net(images, torch.tensor([1, 2])).square().sum().backward()
    without = {name for name, p in net.named_parameters() if p.grad is None}
    assert without == {"blocks.2.attention.gate_bias"}


def test_a_stream_that_would_forget_the_sampling_is_refused():
    options = {"attention": SequenceNormAttention, "pos_embed": "sincos", "channel_sampling": _First()}
    net, x = MemViT(**SIZES, **options), torch.rand(1, 5, 16, 16)
    stream = StreamedViT(net)
    with pytest.raises(ValueError, match="hides no channels"):
        stream.train()(x)
    torch.testing.assert_close(stream.eval()(x), net.eval()(x), atol=1e-5, rtol=1e-5)


# compilers


@pytest.mark.slow
@pytest.mark.parametrize("tokens", [True, False])
@pytest.mark.parametrize("attention", ATTENTIONS)
def test_compiles_to_one_graph(make_net, images, tokens, attention):
    torch.compiler.reset()  # what other tests compiled counts against the limit
    net = make_net(tokens, attention=attention)
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(images, channel_mask=MASK), net(images, channel_mask=MASK))


@pytest.mark.slow
@pytest.mark.parametrize("tokens", [True, False])
def test_exports(make_net, images, tokens):
    net = make_net(tokens)
    exported = torch.export.export(net, (images,), {"channel_mask": MASK})
    for mask in (MASK, ~MASK):
        found = exported.module()(images, channel_mask=mask)
        torch.testing.assert_close(found, net(images, channel_mask=mask))


@pytest.mark.slow
@pytest.mark.parametrize("shared", [False, True])
def test_a_compiled_training_step_samples(make_net, images, shared):
    net = make_net(channel_sampling=HierarchicalChannelSampling(shared)).train()
    compiled = torch.compile(net, backend="aot_eager")
    torch.manual_seed(5)
    expected = net(images)
    torch.manual_seed(5)
    torch.testing.assert_close(compiled(images), expected)
