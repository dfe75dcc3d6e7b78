"""Distilling at the end of a run."""

from __future__ import annotations

import warnings

import pytest
import torch
from ignite.engine import Engine

from monai_memvit import MemoryDistillHandler, PrototypicalAttentionLearning
from monai_memvit.memory import memory_layers


def _run(network, learning, **options) -> Engine:
    engine = Engine(lambda engine, batch: None)
    MemoryDistillHandler(network, learning, **options).attach(engine)
    engine.run([0])
    return engine


@pytest.fixture
def network(make_network, fill_bank):
    network = make_network().eval()
    fill_bank(memory_layers(network)[0].bank)
    return network


def test_bank_becomes_its_prototypes_and_is_saved(network, make_network, tmp_path):
    (layer,) = memory_layers(network)
    expected = layer.bank.distil(PrototypicalAttentionLearning(4, tau=0.05))
    engine = _run(network, PrototypicalAttentionLearning(4, tau=0.05), path=str(tmp_path / "deep" / "model.pt"))
    assert torch.equal(layer.bank.keys, expected.keys) and torch.equal(layer.bank.values, expected.values)
    assert engine.state.metrics["prototypes"] == 4
    report = expected.distillation
    assert engine.state.metrics["prototypes_mmd2"] == pytest.approx(float(report.mmd.mean()))
    sizes = float(report.effective_sample_size.mean())
    assert engine.state.metrics["prototypes_effective_sample_size"] == pytest.approx(sizes)

    fresh, images = make_network().eval(), torch.rand(2, 1, 8, 8)
    fresh.load_state_dict(torch.load(tmp_path / "deep" / "model.pt", weights_only=True))
    assert torch.equal(fresh(images), network(images))


def test_the_whole_memory_is_saved_before_it_is_distilled(network, tmp_path):
    whole = {name: tensor.clone() for name, tensor in network.state_dict().items() if torch.is_tensor(tensor)}
    _run(network, PrototypicalAttentionLearning(4), whole_path=str(tmp_path / "whole.pt"))
    saved = torch.load(tmp_path / "whole.pt", weights_only=True)
    assert all(torch.equal(saved[name], tensor) for name, tensor in whole.items())
    assert len(memory_layers(network)[0].bank) == 4


def test_several_layers_report_under_their_own_names(make_network, fill_bank):
    network = make_network((0, 1))
    layers = memory_layers(network)
    for layer in layers:
        fill_bank(layer.bank)
    layers[1].bank.keys.mul_(torch.rand_like(layers[1].bank.keys))
    learning = PrototypicalAttentionLearning(4, value_mode="none")
    expected = {
        f"layer{n}_prototypes_mmd2": float(layer.bank.distil(learning).distillation.mmd.mean())
        for n, layer in enumerate(layers)
    }
    metrics = _run(network, learning).state.metrics
    assert {name: metrics[name] for name in expected} == pytest.approx(expected)
    assert metrics["layer0_prototypes"] == metrics["layer1_prototypes"] == 4 and "prototypes" not in metrics


def test_classes_come_from_the_cases(network, cases):
    _run(network, PrototypicalAttentionLearning(4, stratify="class", value_mode="none"), cases=cases)
    ids = memory_layers(network)[0].bank.ids
    for head in ids.T.tolist():
        assert sorted(cases[i].label for i in head) == [0, 0, 1, 1]


def test_values_that_are_nearly_equal_are_warned_about(network):
    with pytest.warns(UserWarning, match="averages over more than half of the facts"):
        _run(network, PrototypicalAttentionLearning(4, tau=10.0))


def test_distinct_values_are_not(network):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _run(network, PrototypicalAttentionLearning(4, value_mode="none"))
