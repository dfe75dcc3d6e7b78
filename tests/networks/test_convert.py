"""MONAI's networks with a memory, and with sequence-norm attention."""

from __future__ import annotations

import copy
import io
import itertools
from functools import partial

import numpy as np
import pytest
import torch
from monai.networks.blocks import SABlock, TransformerBlock
from monai.networks.nets import UNETR, ViT

from monai_memvit import MemViT, memorize
from monai_memvit.memory import memory_layers
from monai_memvit.networks.blocks import CosineQueryKey, SequenceNormAttention, SoftmaxAttention
from monai_memvit.networks.convert import sequence_normalize
from monai_memvit.networks.layers import class_token_fact, mean_token_fact


def _vit() -> ViT:
    torch.manual_seed(0)
    net = ViT(1, (8, 8), (4, 4), 24, 48, num_layers=3, num_heads=3, classification=True, spatial_dims=2, save_attn=True)
    return net.eval()


def _unetr() -> UNETR:
    torch.manual_seed(0)
    return UNETR(1, 2, (16, 16), feature_size=4, hidden_size=24, mlp_dim=48, num_heads=3, spatial_dims=2).eval()


NETWORKS = [(_vit, (2, 1, 8, 8)), (_unetr, (2, 1, 16, 16))]


def _flat(output) -> list[torch.Tensor]:
    return [output] if isinstance(output, torch.Tensor) else [output[0], *output[1]]


@pytest.mark.parametrize(("build", "shape"), NETWORKS)
@pytest.mark.parametrize("facts", [0, 9])
def test_gives_the_same_numbers_with_an_empty_memory_or_a_closed_gate(build, shape, facts, fill):
    plain, images = build(), torch.rand(shape)
    net = memorize(copy.deepcopy(plain), layers=(0, -1), gate_bias=-torch.inf if facts else 0.0)
    if facts:
        fill(net, facts)
    for found, expected in zip(_flat(net(images)), _flat(plain(images)), strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize(("build", "shape"), NETWORKS)
def test_a_filled_memory_is_read_and_trained(build, shape, fill):
    net, images = memorize(build(), layers=(-1,)), torch.rand(shape)
    before = _flat(net(images))[0]
    fill(net, 9).train()
    after = _flat(net(images, sample_ids=torch.tensor([0, 1]), group_ids=torch.tensor([7, 8])))[0]
    assert not torch.allclose(after, before)
    after.square().sum().backward()
    (layer,) = memory_layers(net)
    assert (layer.gate_bias.grad != 0).any()
    assert layer.latest.ids.tolist() == [0, 1] and layer.latest.groups.tolist() == [7, 8]
    with pytest.raises(ValueError, match="needs sample_ids"):
        net(images)


@pytest.mark.parametrize(("build", "fact"), [(_vit, class_token_fact), (_unetr, mean_token_fact)])
def test_the_fact_follows_the_class_token(build, fact):
    assert memory_layers(memorize(build()))[0].fact is fact


def test_one_asking_token_gives_a_classifiers_logits(fill):
    images = torch.rand(2, 1, 8, 8)
    short, full = (fill(memorize(_vit(), query_tokens=n), 9)(images)[0] for n in (1, None))
    torch.testing.assert_close(short, full)


def test_memorizing_layer_by_layer_is_memorizing_at_once(fill):
    images, ids = torch.rand(2, 1, 8, 8), torch.tensor([0, 1])
    at_once = fill(memorize(_vit(), layers=(0, 1)), 9).train()
    in_turn = fill(memorize(memorize(_vit(), layers=(0,)), layers=(1,)), 9).train()
    assert torch.equal(in_turn(images, sample_ids=ids)[0], at_once(images, sample_ids=ids)[0])


def test_a_copy_is_independent(fill):
    net = fill(memorize(_vit()), 9)
    twin = copy.deepcopy(net)
    twin(torch.rand(2, 1, 8, 8), sample_ids=torch.tensor([0, 1]))
    assert memory_layers(net)[0].latest is None and memory_layers(twin)[0].latest is not None


@pytest.mark.parametrize("training", [False, True])
def test_the_memory_joins_the_network_where_and_as_it_stands(training):
    with torch.device("meta"):
        plain = _vit().train(training)
    net = memorize(plain)
    assert {t.device.type for t in net.state_dict().values()} == {"meta"}
    assert {m.training for m in net.modules()} == {training}


def test_ids_leave_even_when_the_forward_pass_fails():
    net = memorize(_vit())
    with pytest.raises(RuntimeError):
        net(torch.rand(2, 5, 8, 8), sample_ids=torch.tensor([0, 1]))
    assert net.cases.sample_ids is None


@pytest.mark.parametrize(
    ("build", "layers", "message"),
    [
        (_vit, (0, 3), "layer 3 does not exist: ViT has 3 blocks"),
        (lambda: torch.nn.Linear(2, 2), (-1,), "Linear holds no"),
        (lambda: memorize(_vit()), (0, 2), "layer 2 of ViT has a memory already"),
    ],
)
def test_errors_leave_the_network_as_it_was(build, layers, message):
    net = build()
    names = list(net.state_dict())
    with pytest.raises(ValueError, match=message):
        memorize(net, layers=layers)
    assert list(net.state_dict()) == names


def test_an_unsupported_attention_is_named():
    block = TransformerBlock(24, 48, 3, use_combined_linear=False)
    with pytest.raises(ValueError, match="use_combined_linear=False"):
        memorize(torch.nn.Sequential(block))


# sequence-norm attention


def _vit_with_bias() -> ViT:
    torch.manual_seed(0)
    return ViT(
        1, (8, 8), (4, 4), 24, 48, 3, 3, classification=True, dropout_rate=0.25, spatial_dims=2, qkv_bias=True
    ).eval()


def _unetr_of_four_tokens() -> UNETR:
    torch.manual_seed(0)
    return UNETR(1, 2, (32, 32), feature_size=4, hidden_size=24, mlp_dim=48, num_heads=3, spatial_dims=2).eval()


def _memvit(**options) -> MemViT:
    torch.manual_seed(0)
    return MemViT(1, 8, 4, 2, 24, 48, 3, 3, **options).eval()


SMALL = (2, 1, 8, 8)
CONVERTIBLE = [(_vit, SMALL), (_vit_with_bias, SMALL), (_memvit, SMALL), (_unetr_of_four_tokens, (2, 1, 32, 32))]


def _converted_layers(net: torch.nn.Module) -> list[SequenceNormAttention]:
    return [m for m in net.modules() if isinstance(m, SequenceNormAttention)]


@pytest.mark.parametrize(("build", "shape"), CONVERTIBLE)
def test_normalizing_keeps_all_weights_and_trains(build, shape):
    plain = build()
    net, before = sequence_normalize(plain), build().state_dict()
    assert net is plain
    after = net.state_dict()
    new = {name.rsplit(".", 1)[1] for name in after.keys() - before.keys()}
    assert new == {"weight", "bias"} and all(name.endswith("qkv.bias") for name in before.keys() - after.keys())
    assert all(torch.equal(after[name], before[name]) for name in after.keys() & before.keys())
    out = _flat(net.train()(torch.rand(shape)))
    sum(t.square().sum() for t in out).backward()
    for layer in _converted_layers(net):
        assert all(torch.isfinite(p.grad).all() and (p.grad != 0).any() for p in (layer.weight, layer.qkv.weight))


@pytest.mark.parametrize("build", [_vit, _vit_with_bias, _memvit, _unetr_of_four_tokens])
def test_what_a_normalized_layer_computes(build, sequence_norm_by_hand):
    x = torch.randn(9, 24, generator=torch.Generator().manual_seed(5))
    for old, new in zip(_attentions(build()), _converted_layers(sequence_normalize(build())), strict=True):
        q, k, v = (t.reshape(9, 3, 8).transpose(0, 1).double().numpy() for t in old.qkv(x).detach().chunk(3, -1))
        received = sequence_norm_by_hand(q, k, v, np.ones((3, 24)), np.zeros((3, 24)))
        expected = old.out_proj(torch.from_numpy(np.concatenate(list(received), 1)).float())
        torch.testing.assert_close(new(x[None])[0], expected, atol=1e-5, rtol=1e-5)


def _attentions(net: torch.nn.Module) -> list[torch.nn.Module]:
    return [m for m in net.modules() if hasattr(m, "qkv")]


@pytest.mark.parametrize(("build", "shape"), CONVERTIBLE)
def test_a_normalized_network_is_saved_and_loaded(build, shape):
    net, file, images = sequence_normalize(build()), io.BytesIO(), torch.rand(shape)
    for p in net.parameters():
        p.data += 0.01 * torch.randn_like(p)
    torch.save(net.state_dict(), file)
    file.seek(0)
    fresh = sequence_normalize(build())
    fresh.load_state_dict(torch.load(file, weights_only=True))
    for found, expected in zip(_flat(fresh(images)), _flat(net(images)), strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("build", [_vit_with_bias, _memvit])
def test_chosen_layers_only(build):
    net = sequence_normalize(build(), layers=(0, -1), eps=1e-3)
    kinds = [isinstance(m, SequenceNormAttention) for m in _attentions(net)]
    assert kinds == [True, False, True] and {layer.eps for layer in _converted_layers(net)} == {1e-3}


def test_a_normalized_layer_stands_where_and_as_the_old_one_did():
    for training, device in itertools.product([False, True], ["meta", "cpu"]):
        with torch.device(device):
            plain = _vit_with_bias().double().train(training).requires_grad_(False)
        old = plain.blocks[0].attn
        net = sequence_normalize(plain)
        assert {(t.device.type, t.dtype) for t in net.parameters()} == {(device, torch.float64)}
        assert {m.training for m in net.modules()} == {training}
        new = net.blocks[0].attn
        assert new.qkv.weight is old.qkv.weight and new.out_proj.weight is old.out_proj.weight
        assert new.weight.requires_grad and not new.qkv.weight.requires_grad and new.out_dropout.p == 0.25


def test_a_monai_block_still_hands_over_its_mask():
    block, x = sequence_normalize(TransformerBlock(24, 48, 3)), torch.randn(2, 5, 24)
    mask = torch.tensor([[1.0] * 5, [1.0, 1.0, 0.0, 0.0, 0.0]])
    expected = block(x[1:, :2])
    torch.testing.assert_close(block(x, attn_mask=mask)[1:, :2], expected)


def test_normalized_and_memorized(fill):
    images, ids = torch.rand(2, 1, 8, 8), torch.tensor([0, 1])
    plain = sequence_normalize(_vit())
    net = memorize(copy.deepcopy(plain), query_tokens=1)
    assert torch.equal(net(images)[0], plain(images)[0])
    assert not torch.allclose(fill(net, 9).train()(images, sample_ids=ids)[0], plain(images)[0])


def test_an_empty_memory_stays_when_its_attention_is_normalized_and_a_filled_one_refuses(fill):
    with pytest.raises(ValueError, match="holds facts"):
        sequence_normalize(fill(_memvit(memory_layers=(-1,)), 9))
    net = _memvit(memory_layers=(-1,))
    (layer,) = memory_layers(sequence_normalize(net))
    assert layer is fill(net, 9).blocks[-1].attention and len(layer.bank) == 9
    assert isinstance(layer.local, SequenceNormAttention) and torch.isfinite(net(torch.rand(2, 1, 8, 8))).all()


def _with_relative_positions() -> torch.nn.Module:
    block = TransformerBlock(24, 48, 3)
    block.attn = SABlock(24, 3, rel_pos_embedding="decomposed", input_size=(4, 4))
    return torch.nn.Sequential(block)


@pytest.mark.parametrize(
    ("build", "layers", "message"),
    [
        (_with_relative_positions, None, "relative positions"),
        (lambda: _memvit(attention=partial(SoftmaxAttention, qk_norm=CosineQueryKey)), None, "norms of its own"),
        (lambda: torch.nn.Linear(2, 2), None, "Linear holds no transformer block"),
        (_vit, (0, 3), "layer 3 does not exist: ViT has 3 blocks"),
        (_vit, (-4,), "layer -4"),
        (lambda: sequence_normalize(_vit(), layers=(1,)), None, "cannot convert .*SequenceNormAttention"),
        (lambda: memorize(_vit()), None, "cannot convert SplitSABlock"),
        *(
            (lambda options=options: torch.nn.Sequential(TransformerBlock(24, 48, 3, **options)), None, "SABlock")
            for options in (
                {"use_combined_linear": False},
                {"include_fc": False},
                {"causal": True, "sequence_length": 4},
            )
        ),
    ],
)
def test_what_cannot_be_normalized_stays_as_it_was(build, layers, message):
    net = build()
    names = list(net.state_dict())
    with pytest.raises(ValueError, match=message):
        sequence_normalize(net, layers=layers)
    assert list(net.state_dict()) == names
