"""Learning rates by depth and by step."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch

from monai_memvit import CosineQueryKey, MemViT, SeqNormViT, SoftmaxAttention
from monai_memvit.networks.blocks import ChannelEmbedding
from monai_memvit.networks.layer_decay import WarmupCosineFactor, layer_decay_groups

SIZES = {"in_channels": 2, "img_size": 16, "patch_size": 4, "num_classes": 3, "hidden_size": 24, "mlp_dim": 32}
SIZES |= {"num_layers": 3, "num_heads": 3}


def settings(network: torch.nn.Module, **options: float) -> dict[str, tuple[float, float]]:
    """Learning rate and weight decay by name of the parameter."""
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    groups = layer_decay_groups(network, **options)
    found = [(names[id(p)], (group["lr"], group["weight_decay"])) for group in groups for p in group["params"]]
    assert len(found) == len(dict(found)), "no parameter twice"
    return dict(found)


def test_rates_fall_from_the_head_to_the_image() -> None:
    network = MemViT(**SIZES)
    found = settings(network, learning_rate=0.1, decay=0.5, weight_decay=0.05)
    assert found.keys() == dict(network.named_parameters()).keys()
    rates = {name: rate for name, (rate, _) in found.items()}
    assert rates["head.weight"] == rates["norm.bias"] == 0.1
    assert [rates[f"blocks.{i}.mlp.linear1.weight"] for i in (2, 1, 0)] == pytest.approx([0.05, 0.025, 0.0125])
    before = ("embedding.patch_embeddings.weight", "embedding.positions.table", "class_token")
    assert [rates[name] for name in before] == pytest.approx([0.1 / 16] * 3)


@pytest.mark.parametrize(
    "network",
    [
        MemViT(**SIZES),
        SeqNormViT(**SIZES, memory_layers=(-1,)),
        MemViT(**SIZES, embedding=ChannelEmbedding),
        MemViT(**SIZES, attention=partial(SoftmaxAttention, qk_norm=CosineQueryKey)),
    ],
)
def test_only_matrices_decay(network: MemViT) -> None:
    found = settings(network, learning_rate=0.1, weight_decay=0.05)
    decaying = {name for name, (_, decay) in found.items() if decay}
    endings = ("qkv.weight", "out_proj.weight", "linear1.weight", "linear2.weight", "patch_embeddings.weight")
    assert decaying == {name for name in found if name.endswith(endings)} | {"head.weight"}
    assert {rate for rate, _ in found.values()} == {0.1}


def test_frozen_parameters_are_left_out() -> None:
    network = MemViT(**SIZES).requires_grad_(False)
    network.head.requires_grad_(True)
    assert settings(network, learning_rate=0.1, decay=0.5).keys() == {"head.weight", "head.bias"}
    with pytest.raises(ValueError, match="unfreeze"):
        layer_decay_groups(network.requires_grad_(False), 0.1)


@pytest.mark.parametrize("decay", [0.0, -1.0, 1.5])
def test_a_decay_out_of_range_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match=str(decay)):
        layer_decay_groups(MemViT(**SIZES), 0.1, decay)


def test_an_optimizer_keeps_the_ratios_through_warm_up_and_fall() -> None:
    optimizer = torch.optim.AdamW(layer_decay_groups(MemViT(**SIZES), 1.0, 0.5))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, WarmupCosineFactor(4, 12, 0.1))
    rates = []
    for _ in range(13):
        given = [group["lr"] for group in optimizer.param_groups]
        assert given[0] / given[-1] == pytest.approx(0.5**4)
        rates.append(given[-1])
        optimizer.step()
        schedule.step()
    assert rates[:5] == pytest.approx([0.25, 0.5, 0.75, 1, 1])
    assert rates[4:] == pytest.approx([0.1 + 0.45 * (1 + math.cos(math.pi * i / 8)) for i in range(9)])


def test_the_schedule_goes_on_where_it_was() -> None:
    optimizer = torch.optim.AdamW(layer_decay_groups(MemViT(**SIZES), 1.0))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, WarmupCosineFactor(2, 9))
    for _ in range(5):
        optimizer.step()
        schedule.step()
    again = torch.optim.lr_scheduler.LambdaLR(optimizer, WarmupCosineFactor(2, 9))
    again.load_state_dict(schedule.state_dict())
    assert again.get_last_lr() == schedule.get_last_lr() and again.last_epoch == 5


@pytest.mark.parametrize("arguments", [(1, 0), (-1, 3), (1, 3, 1.5), (1, 3, -0.1)])
def test_impossible_schedules_are_refused(arguments: tuple[float, ...]) -> None:
    with pytest.raises(ValueError):
        WarmupCosineFactor(*arguments)


def test_no_warm_up_and_more_warm_up_than_steps() -> None:
    assert WarmupCosineFactor(0, 4)(0) == 1
    assert [WarmupCosineFactor(9, 2)(step) for step in range(2)] == [0.5, 1]
