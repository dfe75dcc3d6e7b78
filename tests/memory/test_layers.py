"""Finding and naming memory layers, and switching their reading off."""

from __future__ import annotations

import pytest
import torch

from monai_memvit.memory import MemoryBank, memory_layers, memory_off
from monai_memvit.memory.layers import metric_prefixes


class _Layer(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bank = MemoryBank(1, 2)
        self.reading = True


@pytest.fixture
def network():
    return torch.nn.Sequential(_Layer(), torch.nn.Linear(2, 2), torch.nn.Sequential(_Layer()))


def test_layers_come_in_the_order_of_the_network(network):
    assert memory_layers(network) == [network[0], network[2][0]]


def test_a_wrapper_does_not_hide_them(network):
    assert memory_layers(torch.nn.DataParallel(network)) == memory_layers(network)


def test_metrics_of_several_layers_are_told_apart(network):
    assert metric_prefixes(memory_layers(network)) == ["layer0_", "layer1_"]
    assert metric_prefixes(memory_layers(network[0])) == [""]


@pytest.mark.slow
def test_a_compiler_does_not_hide_them(network):
    assert memory_layers(torch.compile(network)) == memory_layers(network)


def test_memory_off_restores_what_was_before(network):
    network[0].reading = False
    with memory_off(network):
        assert [layer.reading for layer in memory_layers(network)] == [False, False]
    assert [layer.reading for layer in memory_layers(network)] == [False, True]


def test_memory_off_restores_after_an_error(network):
    with pytest.raises(KeyError), memory_off(network):
        raise KeyError
    assert all(layer.reading for layer in memory_layers(network))


def test_a_network_without_memory_is_an_error():
    with pytest.raises(ValueError, match="Linear has no memory layer"):
        memory_layers(torch.nn.Linear(2, 2))
