"""Bounds the length of the gradient: one odd batch must not undo an epoch."""

from __future__ import annotations

import torch
import torch.nn as nn
from ignite.engine import Engine
from monai.engines.utils import IterationEvents

__all__ = ["GradientClipper"]


class GradientClipper:
    """Scales the gradient of all parameters together to at most a given length, after every backward pass.

    Attach it to MONAI's ``SupervisedTrainer``; with mixed precision the gradient is unscaled first.

    Args:
        network: whose gradient is bounded.
        max_norm: the greatest length (2-norm).

    Raises:
        ValueError: when ``max_norm`` is not positive.
    """

    def __init__(self, network: nn.Module, max_norm: float = 1.0) -> None:
        if not max_norm > 0:
            raise ValueError(f"max_norm must be positive, got {max_norm}.")
        self.network = network
        self.max_norm = max_norm

    def attach(self, engine: Engine) -> None:
        """Register with a trainer.

        Args:
            engine: the trainer.
        """
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self._clip)

    def _clip(self, engine: Engine) -> None:
        scaler = getattr(engine, "scaler", None)
        if scaler is not None:
            scaler.unscale_(engine.optimizer)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.max_norm)
