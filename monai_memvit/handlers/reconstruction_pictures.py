"""Some images as they are, as a masked auto-encoder saw them, and as it completed them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import Tensor

from ..data import atomic_write
from .pictures import Panel, evidence_picture

__all__ = ["ReconstructionPictures"]

_HIDDEN = 0.5  # grey


class ReconstructionPictures:
    """Writes ``reconstruction_<epoch>.png`` after an evaluation: original, masked and completed, a row per channel.

    The first images are taken, so the pictures of all epochs show the same ones. Of 3-D images the middle slice of the
    first axis is shown. No name is written, but these are images of patients.

    Args:
        restore: completes images, ``(pred, images) -> images``, such as :meth:`MaskedPatchLoss.restored`.
        output_dir: where the pictures are written.
        images: how many.
        evaluator: whose images are shown; None takes the engine that the handler is attached to.
        log: called with the path of every picture, such as :meth:`RunRecorder.log_file`.

    Raises:
        ValueError: when no image is to be shown.
    """

    def __init__(
        self,
        restore: Callable[[Any, Tensor], Tensor],
        output_dir: str,
        images: int = 4,
        evaluator: Engine | None = None,
        log: Callable[[str], None] | None = None,
    ) -> None:
        if images < 1:
            raise ValueError(f"images must be at least 1, got {images}.")
        self.restore = restore
        self.output_dir = Path(output_dir)
        self.images = images
        self.evaluator = evaluator
        self.log = log
        self._rows: list[list[Panel]] = []
        self._shown = 0

    def attach(self, engine: Engine) -> None:
        """Register.

        Args:
            engine: an evaluator whose outputs are batches (``decollate=False``), or any engine where ``evaluator`` is
                given.
        """
        engine = engine if self.evaluator is None else self.evaluator
        engine.add_event_handler(Events.EPOCH_STARTED, self._begin)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._write)

    def _begin(self) -> None:
        self._rows, self._shown = [], 0

    @torch.no_grad()
    def _collect(self, engine: Engine) -> None:
        count = self.images - self._shown
        if count <= 0:
            return
        output = engine.state.output
        pred = {name: value[:count] for name, value in output["pred"].items()}
        images = torch.as_tensor(output["label"][:count]).as_subclass(Tensor)
        restored = self.restore(pred, images)
        for image, guess, hidden in zip(images.float().cpu(), restored.cpu(), pred["hidden"].cpu()):
            self._shown += 1
            for channel in range(len(image)):
                if hidden[channel].any():  # an absent channel has nothing to show
                    title = f"image {self._shown}" + (f", channel {channel + 1}" if len(image) > 1 else "")
                    self._rows.append(_panels(image[channel], guess[channel], hidden[channel], title))

    def _write(self, engine: Engine) -> None:
        if not self._rows:
            return
        caption = "hidden patches in grey\ncompleted: with the true mean and contrast of hidden patches"
        figure = evidence_picture(self._rows, caption)
        self.output_dir.mkdir(parents=True, exist_ok=True)
        path = self.output_dir / f"reconstruction_{engine.state.epoch:04d}.png"
        with atomic_write(path) as file:
            figure.savefig(file, format="png", dpi=250)
        self._begin()
        if self.log is not None:
            self.log(str(path))


def _panels(image: Tensor, guess: Tensor, hidden: Tensor, title: str) -> list[Panel]:
    for axis in range(image.ndim):
        hidden = hidden.repeat_interleave(image.shape[axis] // hidden.shape[axis], axis)
    if image.ndim == 3:
        image, guess, hidden = (x[len(x) // 2] for x in (image, guess, hidden))
    low, high = image.aminmax()
    image, guess = ((x - low) / (high - low).clamp(min=1e-6) for x in (image, guess))
    shown = {title: image, "seen": torch.where(hidden, _HIDDEN, image), "completed": guess.clamp(0, 1)}
    # As colours: a grey image would be scaled by its own extremes.
    return [Panel(x[..., None].expand(-1, -1, 3).numpy(), name, None) for name, x in shown.items()]
