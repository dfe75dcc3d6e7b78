"""Asks at the end of training what the memory is worth: the metric with it minus the metric without it."""

from __future__ import annotations

import warnings

import torch.nn as nn
from ignite.engine import Engine, Events
from monai.apps import get_logger
from monai.engines import Evaluator

from ..memory import memory_off

__all__ = ["MemoryEffectHandler"]


class MemoryEffectHandler:
    """Evaluates the trained network twice, reading its memory and not, and adds the difference to the metrics.

    ``engine.state.metrics`` of the trainer gains ``memory_effect_<metric>`` (on - off). A difference about zero is
    answered with a warning: the network has then not learned to use what it retrieves.

    Args:
        network: a network with memory layers.
        evaluator: an evaluator over validation cases that computes ``metric`` and logs or saves nothing.
        metric: name in the evaluator's metrics.
        about_zero: differences up to this size are warned about.
    """

    def __init__(
        self, network: nn.Module, evaluator: Evaluator, metric: str = "val_auc", about_zero: float = 0.005
    ) -> None:
        self.network = network
        self.evaluator = evaluator
        self.metric = metric
        self.about_zero = about_zero

    def attach(self, engine: Engine) -> None:
        """Register with a trainer, before the handler that logs metrics at its end.

        Args:
            engine: the trainer.
        """
        engine.add_event_handler(Events.COMPLETED, self._compare)

    def _compare(self, engine: Engine) -> None:
        with_memory = self._evaluate()
        with memory_off(self.network):
            without = self._evaluate()
        difference = with_memory - without
        engine.state.metrics |= {
            f"memory_on_{self.metric}": with_memory,
            f"memory_off_{self.metric}": without,
            f"memory_effect_{self.metric}": difference,
        }
        get_logger(__name__).info(
            "memory on - off, %s: %.4f - %.4f = %+.4f", self.metric, with_memory, without, difference
        )
        if abs(difference) <= self.about_zero:
            warnings.warn(
                f"{self.metric} changes by {difference:+.4f} when the memory is switched off: it contributes nothing "
                "measurable to this network's answers. Its evidence (similar cases) is of use all the same.",
                stacklevel=2,
            )

    def _evaluate(self) -> float:
        self.evaluator.run()
        return float(self.evaluator.state.metrics[self.metric])
