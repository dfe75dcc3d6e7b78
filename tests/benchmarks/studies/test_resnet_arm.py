"""The convolutional network of the studies: its size, what it ignores, and its place in a bundle."""

import pytest
import torch
from monai.bundle import ConfigParser

from monai_memvit.benchmarks.studies.resnet_arm import SmallResNet, resnet_settings


@pytest.mark.parametrize(("spare", "cells"), [(True, 3), (False, 1)])
def test_a_spare_stem_keeps_the_cells_of_small_images(spare, cells):
    network, maps = SmallResNet(3, 4, spare).eval(), []
    network.layer4.register_forward_hook(lambda _, __, found: maps.append(found.shape))
    assert network(torch.randn(2, 3, 24, 24)).shape == (2, 4)
    assert maps == [(2, 256, cells, cells)]
    assert 1.1e6 < sum(p.numel() for p in network.parameters()) < 1.4e6


def test_absent_channels_count_as_zero_and_other_words_do_not_count():
    torch.manual_seed(0)
    network, images = SmallResNet(2, 3, True).eval(), torch.randn(2, 2, 16, 16)
    there = torch.tensor([[True, False], [True, True]])
    told = network(images, channel_mask=there, sample_ids=torch.arange(2), group_ids=torch.arange(2))
    images[0, 1] = 0
    assert torch.equal(told, network(images))


def test_it_learns():
    torch.manual_seed(0)
    network = SmallResNet(1, 2, True)
    network(torch.randn(4, 1, 16, 16)).logsumexp(1).sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


def test_a_bundle_makes_it():
    settings = resnet_settings("@channels", spare_stem=False) | {"channels": 5, "class_names": ["a", "b"]}
    parser = ConfigParser(settings)
    network = parser.get_parsed_content("network_def")
    assert isinstance(network, SmallResNet) and parser["memory_layers"] == []
    assert (network.conv1.in_channels, network.conv1.stride, network.fc.out_features) == (5, (2, 2), 2)
