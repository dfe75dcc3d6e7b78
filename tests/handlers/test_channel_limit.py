"""Channels taken away for a while: the network's masks are those of a plain call, and nothing stays behind."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn as nn
from torch import Tensor

from monai_memvit import MemViT
from monai_memvit.handlers import only_channels
from monai_memvit.networks.blocks import ChannelEmbedding

LIMITED = torch.tensor([True, False, True])


@pytest.fixture
def network():
    torch.manual_seed(0)
    return MemViT(3, 8, 4, 2, 12, 24, 2, 3, embedding=ChannelEmbedding(3, 8, 4, 12)).eval()


@pytest.fixture
def images():
    return torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def has():
    """All, some, and none but the channel that is taken away."""
    return torch.tensor([[1, 1, 1], [0, 1, 1], [1, 1, 0], [0, 1, 0], [1, 0, 1], [0, 0, 1]], dtype=torch.bool)


class _Recorder(nn.Module):
    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        return args, kwargs


@pytest.mark.parametrize("by_name", [True, False])
def test_the_answer_is_that_of_the_smaller_mask(network, images, has, by_name):
    with only_channels(network, (0, 2)) as served:
        found = network(images, channel_mask=has) if by_name else network(images, None, None, has)
        whole = network(images)
    assert torch.equal(found, network(images, channel_mask=has & LIMITED))
    assert torch.equal(whole, network(images, channel_mask=LIMITED.expand(6, -1)))
    assert not torch.equal(found, network(images, channel_mask=has))
    assert [s.tolist() for s in served] == [[True, True, True, False, True, True], [True] * 6]


def test_what_is_taken_away_is_not_looked_at(network, images, has):
    other = images.clone()
    other[:, 1] = torch.rand(6, 8, 8)
    with only_channels(network, (0, 2)) as served:
        first, second = network(images, channel_mask=has), network(other, channel_mask=has)
    assert torch.equal(first[served[0]], second[served[1]])


def test_all_other_arguments_arrive(images):
    ids = torch.arange(6)
    with only_channels(recorder := _Recorder(), [1]):
        args, kwargs = recorder(images, ids, ids + 1, group_names=["a"])
        positional, _ = recorder(images, ids)
    assert [a.tolist() for a in args] == [ids.tolist(), (ids + 1).tolist()] and positional[0] is ids
    assert kwargs["group_names"] == ["a"] and kwargs["channel_mask"].tolist() == [[False, True, False]] * 6


def test_the_mask_lies_where_the_images_are(has):
    with only_channels(recorder := _Recorder(), [1]):
        _, kwargs = recorder(torch.empty(6, 3, 8, 8))
        assert kwargs["channel_mask"].device.type == "cpu"
    hidden = torch.empty(6, 3, 8, 8, device="meta")
    mask: list[str] = []
    recorder.register_forward_pre_hook(lambda _, __, k: mask.append(k["channel_mask"].device.type), with_kwargs=True)
    recorder(hidden, channel_mask=has.to("meta"))
    assert mask == ["meta"]


def test_one_limit_within_another(images, has):
    with only_channels(recorder := _Recorder(), [0, 1]) as outer, only_channels(recorder, [1, 2]) as inner:
        _, kwargs = recorder(images, channel_mask=has)
    assert torch.equal(kwargs["channel_mask"], has & torch.tensor([False, True, False]))
    assert torch.equal(outer[0], has[:, :2].any(1)) and torch.equal(inner[0], has[:, 1])


def test_no_channel_serves_nobody(images, has):
    with only_channels(recorder := _Recorder(), []) as served:
        recorder(images, channel_mask=has)
    assert served[0].tolist() == [False] * 6


def test_a_mask_in_the_caller_stays_as_it_was(network, images, has):
    before = has.clone()
    with only_channels(network, [0]):
        network(images, channel_mask=has)
    assert torch.equal(has, before)


def test_it_ends_with_an_error(network):
    with pytest.raises(RuntimeError), only_channels(network, (0,)):
        raise RuntimeError
    assert not network._forward_pre_hooks
