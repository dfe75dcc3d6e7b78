"""The softmax-free vision transformer: sizes, padding, precision, memory, export."""

from __future__ import annotations

import pytest
import torch

from monai_memvit.memory import memory_layers
from monai_memvit.networks.blocks import SequenceNormAttention, SimaAttention
from monai_memvit.networks.nets import MemViT, SeqNormViT

SIZES = {"in_channels": 2, "img_size": 16, "patch_size": 4, "num_classes": 3, "hidden_size": 24, "mlp_dim": 32}
SIZES |= {"num_layers": 2, "num_heads": 3}


def _network(**changes) -> SeqNormViT:
    torch.manual_seed(0)
    network = SeqNormViT(**(SIZES | changes)).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network


@pytest.mark.parametrize(("preset", "width", "layers"), [("micro", 96, 4), ("tiny", 192, 12)])
def test_presets_have_sequence_norm_attention_throughout(preset, width, layers):
    network = SeqNormViT.from_preset(preset, in_channels=1, img_size=32, num_classes=2)
    assert [type(block.attention) for block in network.blocks] == [SequenceNormAttention] * layers
    assert network.head.in_features == width
    assert network(torch.rand(2, 1, 32, 32)).shape == (2, 2)


def test_the_attention_is_all_that_differs_from_a_peer():
    ours, peer = (MemViT(attention=kind, **SIZES) for kind in (SequenceNormAttention, SimaAttention))
    names = [{n for n in net.state_dict() if ".attention." not in n} for net in (ours, peer)]
    assert names[0] == names[1]


@pytest.mark.parametrize("pool", ["cls", "mean"])
@pytest.mark.parametrize("hidden", [24, 8 * 24])
@pytest.mark.parametrize("poison", [float("nan"), 1e30])
def test_images_padded_to_one_size_are_classified_as_alone(pool, hidden, poison):
    network = _network(pool=pool, hidden_size=hidden)
    small, large = torch.randn(1, 2, 24, 16), torch.randn(1, 2, 32, 40)
    padded = torch.full((2, 2, 32, 40), poison)
    padded[0, :, :24, :16], padded[1] = small, large
    valid = torch.zeros(2, 8, 10, dtype=torch.bool)
    valid[0, :6, :4] = valid[1] = True
    padded.requires_grad_()
    logits = network(padded, mask=valid.flatten(1))
    torch.testing.assert_close(logits, torch.cat([network(small), network(large)]), atol=2e-5, rtol=1e-4)
    logits.sum().backward()
    inside = valid[:, None].repeat_interleave(4, 2).repeat_interleave(4, 3).expand_as(padded)
    assert padded.grad[inside].abs().max() > 0 and not padded.grad[~inside].any()
    assert all(p.grad.isfinite().all() for p in network.parameters())


def test_the_same_for_any_number_of_pixels_without_new_weights():
    network = _network()
    for size in ((16, 16), (64, 8), (128, 128)):
        assert network(torch.randn(1, 2, *size)).isfinite().all()
    with pytest.raises(ValueError, match=r"\(16, 18\) pixels is no multiple of patches of \(4, 4\).*DivisiblePad"):
        network(torch.randn(1, 2, 16, 18))


def test_a_memory_last_stores_normalised_facts_and_is_read(fill):
    network = fill(_network(memory_layers=[-1]), facts=40)
    layer = memory_layers(network)[0]
    image, ids = torch.randn(3, 2, 16, 16), torch.arange(3)
    read = network(image, ids)
    tokens = network.embedding(image)
    tokens = torch.cat([network.class_token.expand(3, -1, -1), tokens], 1)
    for block in network.blocks[:-1]:
        tokens = block(tokens)
    q, k, v = layer.local.project(network.blocks[-1].norm1(tokens))
    for found, drawn in zip((layer.latest.queries, layer.latest.keys, layer.latest.values), (q, k, v)):
        torch.testing.assert_close(found, drawn[:, :, 0])
    layer.reading = False
    assert (network(image) - read).abs().max() > 1e-3


def test_a_memory_last_takes_the_gram_form_for_many_tokens(fill, saved_bytes, monkeypatch):
    sizes = {"num_layers": 1, "memory_layers": [-1], "img_size": 64}
    network, image, ids = fill(_network(**sizes), facts=40), torch.randn(1, 2, 64, 64), torch.arange(1)
    layer = memory_layers(network)[0]
    assert layer.local.gram_form_from < 257
    found, left = network(image, ids), layer.latest
    kept = saved_bytes(lambda: network(image, ids), network)
    monkeypatch.setattr(type(layer.local), "gram_form_from", 10_000)
    torch.testing.assert_close(network(image, ids), found, atol=1e-5, rtol=1e-4)
    for name in ("queries", "keys", "values"):
        torch.testing.assert_close(getattr(layer.latest, name), getattr(left, name), atol=1e-5, rtol=1e-4)
    assert saved_bytes(lambda: network(image, ids), network) > 1.5 * kept


def test_mean_tokens_are_no_facts():
    with pytest.raises(ValueError, match="pool='cls'"):
        _network(pool="mean", memory_layers=[-1])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_near_float32(dtype):
    network, image = _network(), torch.randn(1, 2, 64, 64)
    found = _network().to(dtype)(image.to(dtype))
    torch.testing.assert_close(found.float(), network(image), atol=0.1, rtol=0.05)


def test_loads_with_weights_only(tmp_path):
    network, other = _network(), _network(num_classes=3)
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    torch.nn.init.zeros_(other.head.weight)
    other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    image = torch.randn(1, 2, 16, 16)
    assert torch.equal(other(image), network(image))


@pytest.mark.slow
@pytest.mark.parametrize("size", [16, 64])
def test_compiled_and_exported_networks_give_the_same_logits(size):
    network, image = _network(), torch.randn(1, 2, size, size)
    with torch.no_grad():
        wanted = network(image)
        torch.testing.assert_close(torch.export.export(network, (image,)).module()(image), wanted)
        torch.testing.assert_close(torch.compile(network)(image), wanted, atol=1e-5, rtol=1e-4)
