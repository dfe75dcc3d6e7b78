"""Shares of the tokens: they sum to the logits, and follow the head and the mask by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from monai_memvit import MemViT, SeqNormViT
from monai_memvit.memory import memory_off
from monai_memvit.networks.blocks import ChannelEmbedding, MemoryAttention, SoftmaxAttention
from monai_memvit.networks.contributions import contribution_maps, token_contributions

SIZES = {"in_channels": 2, "img_size": 16, "patch_size": 4, "num_classes": 3, "hidden_size": 24, "mlp_dim": 32}
SIZES |= {"num_layers": 2, "num_heads": 3}


def make(**changes: object) -> MemViT:
    torch.manual_seed(0)
    network = SeqNormViT(**(SIZES | {"pool": "mean"} | changes)).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(2, 2, 16, 24, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("attention", [None, SoftmaxAttention])
def test_shares_and_bias_sum_to_the_logits(attention: type | None, images: torch.Tensor) -> None:
    network = make(**({} if attention is None else {"attention": attention})).double()
    found = token_contributions(network, images.double())
    assert found.shape == (2, 3, 24) and not found.requires_grad
    torch.testing.assert_close(found.sum(2) + network.head.bias, network(images.double()), atol=1e-10, rtol=0)


def test_in_single_precision_to_a_millionth(images: torch.Tensor) -> None:
    network = MemViT(**SIZES, pool="mean").eval()
    found = token_contributions(network, images[..., :16])
    torch.testing.assert_close(found.sum(2) + network.head.bias, network(images[..., :16]), atol=1e-6, rtol=1e-6)


def test_a_share_is_what_the_head_makes_of_the_token(images: torch.Tensor) -> None:
    network = make()
    tokens = network.forward_features(images)[1, 5]
    expected = network.head.weight @ tokens / 24
    torch.testing.assert_close(token_contributions(network, images)[1, :, 5], expected)


def test_padding_has_no_share(images: torch.Tensor) -> None:
    network = make().double()
    valid = torch.ones(2, 24, dtype=torch.bool)
    valid[0, 20:] = False
    found = token_contributions(network, images.double(), mask=valid)
    assert not found[0, :, 20:].any() and found[1].all()
    logits = network(images.double(), mask=valid)
    torch.testing.assert_close(found.sum(2) + network.head.bias, logits, atol=1e-10, rtol=0)


def test_with_a_memory_that_is_read(images: torch.Tensor, fill: Callable[..., torch.nn.Module]) -> None:
    softmax = {"attention": SoftmaxAttention, "memory_layers": (-1,), "memory": MemoryAttention}
    network = fill(make(**softmax), 6).double()
    known = {"sample_ids": torch.tensor([50, 51]), "group_ids": torch.tensor([50, 51])}
    found = token_contributions(network, images.double(), **known)
    logits = network(images.double(), **known)
    with memory_off(network):
        assert not torch.allclose(logits, network(images.double(), **known), atol=1e-3)
    torch.testing.assert_close(found.sum(2) + network.head.bias, logits, atol=1e-6, rtol=0)


def test_class_token_networks_give_gradient_times_token(images: torch.Tensor) -> None:
    network = make(pool="cls").double()
    images = images.double()
    found = token_contributions(network, images)
    assert found.shape == (2, 3, 24) and not found.requires_grad
    entering = network.embedding(images)
    entering = torch.cat([network.class_token.expand(2, -1, -1), entering], 1)
    entering = network.blocks[0](entering).detach().requires_grad_()
    logits = network.head(network.norm(network.blocks[1](entering))[:, 0])
    (gradient,) = torch.autograd.grad(logits[1, 2], entering)
    expected = torch.einsum("td,td->t", gradient[1], entering[1])[1:]
    torch.testing.assert_close(found[1, 2], expected.detach(), atol=1e-10, rtol=1e-8)
    assert all(parameter.grad is None for parameter in network.parameters()) and torch.is_grad_enabled()


def test_the_hook_is_gone_afterwards(images: torch.Tensor) -> None:
    network = make(pool="cls")
    with pytest.raises(ValueError):
        token_contributions(network, images[..., :15])
    token_contributions(network, images)
    assert not network.blocks[-1]._forward_pre_hooks and not network(images).isnan().any()


def test_maps_lie_on_the_grid_of_patches(images: torch.Tensor) -> None:
    network = make()
    found = contribution_maps(network, images)
    assert found.shape == (2, 3, 4, 6)
    assert torch.equal(found[0, 1, 2, 3], token_contributions(network, images)[0, 1, 2 * 6 + 3])


def test_tokens_of_channels_are_added_up(images: torch.Tensor) -> None:
    network = make(embedding=ChannelEmbedding)
    present = torch.tensor([[True, True], [True, False]])
    single = token_contributions(network, images, channel_mask=present)
    found = contribution_maps(network, images, channel_mask=present)
    torch.testing.assert_close(found.flatten(2), single[..., :24] + single[..., 24:])
    assert not single[1, :, 24:].any()
