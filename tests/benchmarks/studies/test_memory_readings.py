"""A memory switched off, and one that answers with other cases' values."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from monai_memvit.benchmarks.studies.memory_readings import OFF, SHUFFLED, memory_readings, values_shuffled
from monai_memvit.memory import memory_layers, memory_off
from monai_memvit.networks.blocks import ConfidenceGate, FactLabelEmbedding, MemoryAttention
from monai_memvit.networks.nets import MoViT

IMAGES = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def network() -> MoViT:
    torch.manual_seed(0)
    memory = partial(
        MemoryAttention,
        num_neighbors=3,
        retrieval="cosine",
        gate=ConfidenceGate,
        fact_labels=partial(FactLabelEmbedding, num_classes=3),
    )
    network = MoViT.from_preset("micro", in_channels=1, img_size=8, num_classes=2, memory=memory).eval()
    (layer,) = memory_layers(network)
    torch.nn.init.normal_(layer.fact_labels.weight)
    ids = torch.arange(9)
    layer.bank.update(ids, *torch.randn(2, 9, 3, 32))
    layer.bank.label(ids, ids % 3)
    return network


@torch.no_grad()
def _answer(network: MoViT) -> torch.Tensor:
    return network(IMAGES)


def test_keys_lead_to_value_and_class_of_another_case(network):
    (layer,) = memory_layers(network)
    before, answer = layer.bank.facts, _answer(network)
    with values_shuffled(network):
        inside = layer.bank.facts
        assert torch.equal(inside.keys, before.keys) and torch.equal(inside.ids, before.ids)
        order = torch.cdist(inside.values.flatten(1), before.values.flatten(1)).argmin(1)
        assert sorted(order.tolist()) == [*range(9)] and order.tolist() != [*range(9)]
        assert torch.equal(inside.values, before.values[order]) and torch.equal(inside.labels, before.labels[order])
        assert not torch.equal(_answer(network), answer)
    assert all(one is other for one, other in zip(layer.bank.facts, before)) and torch.equal(_answer(network), answer)


def test_a_memory_whose_cases_all_say_the_same_is_not_disturbed(network):
    (layer,) = memory_layers(network)
    layer.bank.values[:] = layer.bank.values[:1].clone()
    layer.bank.labels[:] = 1
    answer = _answer(network)
    with values_shuffled(network):
        assert torch.equal(_answer(network), answer)


def test_an_error_leaves_the_memory_as_it_was(network):
    (layer,) = memory_layers(network)
    values = layer.bank.values
    with pytest.raises(ZeroDivisionError), values_shuffled(network):
        raise ZeroDivisionError
    assert layer.bank.values is values


def test_both_readings_are_told(network):
    found = memory_readings(network, lambda: {"sum": float(_answer(network).sum())})
    with memory_off(network):
        without = float(_answer(network).sum())
    assert found.keys() == {f"sum{OFF}", f"sum{SHUFFLED}"} and found[f"sum{OFF}"] == without
    assert len({float(_answer(network).sum()), *found.values()}) == 3
