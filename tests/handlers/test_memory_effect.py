"""The metric with the memory minus the metric without it."""

from __future__ import annotations

import warnings

import pytest
from ignite.engine import Engine, Events

from monai_memvit import MemoryEffectHandler
from monai_memvit.memory import memory_layers


def _run(network, with_memory: float, without: float) -> Engine:
    (layer,) = memory_layers(network)
    evaluator = Engine(lambda engine, batch: None)
    evaluator.run_once, evaluator.run = evaluator.run, lambda: evaluator.run_once([0], max_epochs=1)
    evaluator.add_event_handler(
        Events.EPOCH_COMPLETED,
        lambda: evaluator.state.metrics.update(val_auc=with_memory if layer.reading else without),
    )
    trainer = Engine(lambda engine, batch: None)
    MemoryEffectHandler(network, evaluator).attach(trainer)
    trainer.run([0])
    assert layer.reading
    return trainer


def test_difference_goes_into_the_trainers_metrics(make_network):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metrics = _run(make_network(), 0.9, 0.8).state.metrics
    assert metrics == pytest.approx({"memory_on_val_auc": 0.9, "memory_off_val_auc": 0.8, "memory_effect_val_auc": 0.1})


@pytest.mark.parametrize("without", [0.9, 0.904])
def test_no_difference_is_warned_about(make_network, without):
    with pytest.warns(UserWarning, match="val_auc changes by .* when the memory is switched off"):
        _run(make_network(), 0.9, without)


def test_a_memory_that_harms_is_reported_as_it_is(make_network):
    assert _run(make_network(), 0.5, 0.8).state.metrics["memory_effect_val_auc"] == pytest.approx(-0.3)
