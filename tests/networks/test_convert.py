"""MONAI's networks with a memory."""

from __future__ import annotations

import copy

import pytest
import torch
from monai.networks.blocks import TransformerBlock
from monai.networks.nets import UNETR, ViT

from monai_memvit import memorize
from monai_memvit.memory import memory_layers
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
