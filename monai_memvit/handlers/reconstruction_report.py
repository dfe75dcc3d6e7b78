"""How well a masked auto-encoder predicts what was hidden, at the end of an evaluation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import Tensor

from ..data import atomic_write_json

__all__ = ["ReconstructionReport"]


class ReconstructionReport:
    """Adds ``loss`` and ``explained`` of an epoch to the metrics.

    ``explained`` is the share of the hidden pixels' variance within their patches that the prediction explains: 0 for
    one that knows no more than each patch's mean, 1 for a perfect one; larger is better. Where the loss normalises no
    patches it is the share of their mean square: 0 for a prediction of zeros. Both are over all hidden pixels, however
    the images are batched. It reports what its own process evaluates.

    Args:
        loss: of the predictions and the images, such as :class:`MaskedPatchLoss`.
        prefix: put before every metric's name.
        output_dir: where ``metrics.json`` is written; None writes nothing.
    """

    def __init__(
        self, loss: Callable[[Any, Tensor], Tensor], prefix: str = "val_", output_dir: str | None = None
    ) -> None:
        self.loss = loss
        self.prefix = prefix
        self.output_dir = output_dir
        self._begin()

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator, before the handlers that log metrics.

        Args:
            engine: an evaluator whose outputs are batches (``decollate=False``): ``pred`` as of
                :class:`MaskedAutoencoder`, ``label`` the whole images.
        """
        engine.add_event_handler(Events.EPOCH_STARTED, self._begin)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._report)

    def _begin(self) -> None:
        self._images, self._patches, self._loss, self._of_zeros = 0, 0, 0.0, 0.0

    @torch.no_grad()
    def _collect(self, engine: Engine) -> None:
        pred, images = engine.state.output["pred"], engine.state.output["label"]
        nothing = {**pred, "reconstruction": torch.zeros_like(pred["reconstruction"])}
        patches = int(pred["hidden"].sum())  # the loss is a mean over these: absent channels hide fewer
        self._images += len(images)
        self._patches += patches
        self._loss += patches * float(self.loss(pred, images))
        self._of_zeros += patches * float(self.loss(nothing, images))

    def _report(self, engine: Engine) -> None:
        explained = 1 - self._loss / self._of_zeros if self._of_zeros else float("nan")
        figures = {"loss": self._loss / max(1, self._patches), "explained": explained}
        engine.state.metrics |= {self.prefix + name: value for name, value in figures.items()}
        if self.output_dir is not None:
            known = {name: None if value != value else value for name, value in figures.items()}
            Path(self.output_dir).mkdir(parents=True, exist_ok=True)
            atomic_write_json(Path(self.output_dir) / "metrics.json", known | {"images": self._images})
