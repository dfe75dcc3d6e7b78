"""What the memory holds and how pure its retrieval is."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from monai_memvit import MemoryStatisticsHandler
from monai_memvit.memory import memory_layers

K = 4


def test_numbers_equal_a_loop_over_all_cases(make_network, make_evaluator, fill_bank, items, cases):
    network = make_network()
    (layer,) = memory_layers(network)
    fill_bank(layer.bank)
    layer.gate_bias.data = torch.tensor([-1.0, 0.0, 1.0])
    evaluator = make_evaluator(network, MemoryStatisticsHandler(network, cases, k=K))
    evaluator.run()
    found = {n.removeprefix("memory_"): v for n, v in evaluator.state.metrics.items() if n.startswith("memory_")}

    network.eval()(torch.stack([i["image"] for i in items]), torch.tensor([i["sample_id"] for i in items]))
    labels, keys = np.array([i["label"] for i in items]), layer.bank.keys.double().numpy()
    unit = keys / np.linalg.norm(keys, axis=2, keepdims=True)
    own_keys, queries = layer.latest.keys.double().numpy(), layer.latest.queries.double().numpy()
    own_keys = own_keys / np.linalg.norm(own_keys, axis=2, keepdims=True)
    expected = {"facts": 12, "megabytes": layer.bank.nbytes / 2**20, "purity_chance": 0.5}
    expected |= {f"gate_head{h}": 1 / (1 + np.exp(1 - h)) for h in range(3)}
    logits = {"cosine": np.einsum("bhd,shd->bhs", own_keys, unit) / 0.1,
              "logit": np.einsum("bhd,shd->bhs", queries, keys) / 8**0.5}  # fmt: skip
    for name, scores in logits.items():
        best = np.argsort(-scores, axis=2)[:, :, :K]
        weights = np.exp(np.take_along_axis(scores, best, axis=2))
        weights /= weights.sum(2, keepdims=True)
        expected[f"purity_{name}"] = (labels[best] == labels[:, None, None]).mean()
        expected[f"effective_facts_{name}"] = np.exp(-(weights * np.log(weights)).sum(2)).mean()
    assert found == pytest.approx(expected, rel=1e-4)


def test_an_empty_memory_reports_its_size_and_gates_only(make_network, make_evaluator, cases):
    network = make_network()
    evaluator = make_evaluator(network, MemoryStatisticsHandler(network, cases))
    evaluator.run()
    assert evaluator.state.metrics["memory_facts"] == 0
    assert not any("purity" in name for name in evaluator.state.metrics)


def test_every_epoch_is_counted_anew(make_network, make_evaluator, fill_bank, cases):
    network = make_network()
    fill_bank(memory_layers(network)[0].bank)
    evaluator = make_evaluator(network, MemoryStatisticsHandler(network, cases))
    evaluator.run()
    first = dict(evaluator.state.metrics)
    evaluator.run()
    assert evaluator.state.metrics == first


def test_fewer_facts_than_neighbours_are_warned_of_once(make_network, make_evaluator, fill_bank, cases):
    network = make_network()
    evaluator = make_evaluator(network, MemoryStatisticsHandler(network, cases))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for fill in (lambda bank: None, fill_bank, fill_bank):
            fill(memory_layers(network)[0].bank)
            evaluator.run()
    assert sum("12 facts, fewer than the 32 neighbours" in str(warning.message) for warning in told) == 1
    assert not any("holds 0 facts" in str(warning.message) for warning in told)


def test_enough_facts_are_not_warned_of(make_network, make_evaluator, fill_bank, cases):
    network = make_network()
    (layer,) = memory_layers(network)
    layer.num_neighbors = 12
    fill_bank(layer.bank)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*neighbours")
        make_evaluator(network, MemoryStatisticsHandler(network, cases)).run()


def test_several_layers_report_under_their_own_names(make_network, make_evaluator, fill_bank, cases):
    network = make_network((0, 1))
    first, second = memory_layers(network)
    fill_bank(first.bank)
    first.gate_bias.data.fill_(1.0)
    evaluator = make_evaluator(network, MemoryStatisticsHandler(network, cases, k=K))
    evaluator.run()
    metrics = evaluator.state.metrics
    assert (metrics["memory_layer0_facts"], metrics["memory_layer1_facts"]) == (12, 0)
    assert metrics["memory_layer0_gate_head0"] == pytest.approx(1 / (1 + np.exp(-1)))
    assert metrics["memory_layer1_gate_head0"] == 0.5
    assert "memory_layer0_purity_cosine" in metrics and "memory_layer1_purity_cosine" not in metrics
    assert not {"memory_facts", "memory_gate_head0"} & metrics.keys()
