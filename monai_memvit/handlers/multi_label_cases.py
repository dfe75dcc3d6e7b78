"""What handlers of multi-label evaluations share: the probabilities and labels of a whole epoch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import torch
from ignite.engine import Engine, Events
from torch import Tensor

__all__ = ["MultiLabelCases", "MultiLabelHandler"]


class MultiLabelCases(NamedTuple):
    """The images of an epoch, as they came.

    Args:
        probabilities: ``(N, K)`` float32.
        labels: ``(N, K)`` of 0, 1, or −1 where unknown.
        groups: patients ``(N,)`` int64; None where they were not asked for.
        sample_ids: ``(N,)`` int64; None where the batches have none.
    """

    probabilities: Tensor
    labels: Tensor
    groups: Tensor | None
    sample_ids: Tensor | None


class MultiLabelHandler(ABC):
    """Collects what its own process evaluates: of several ranks, let one evaluate all images.

    Args:
        group_key: whole number of the patient in the decollated batch; None collects none.
        pred_key: probabilities ``(K,)`` in the decollated output.
        label_key: labels ``(K,)`` in the decollated output; images without are of unknown labels.

    Raises:
        ValueError: while running, when predictions are NaN or outside [0, 1].
    """

    def __init__(self, group_key: str | None = None, pred_key: str = "pred", label_key: str = "label") -> None:
        self.group_key = group_key
        self.pred_key = pred_key
        self.label_key = label_key
        self._rows: list[tuple[Tensor, Tensor, int | None, int | None]] = []

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator, before the handlers that log metrics.

        Args:
            engine: an evaluator with decollated batches and outputs.
        """
        engine.add_event_handler(Events.EPOCH_STARTED, self._rows.clear)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._conclude)

    @abstractmethod
    def conclude(self, engine: Engine, cases: MultiLabelCases) -> None:
        """What to do with an epoch.

        Args:
            engine: the evaluator.
            cases: all its images.
        """

    def _collect(self, engine: Engine) -> None:
        for output, source in zip(engine.state.output, engine.state.batch):
            probabilities = _row(output[self.pred_key])
            labels = output.get(self.label_key)
            labels = torch.full_like(probabilities, -1) if labels is None else _row(labels)
            group = None if self.group_key is None else int(source[self.group_key])
            self._rows.append((probabilities, labels, group, _number(source, "sample_id")))

    def _conclude(self, engine: Engine) -> None:
        probabilities, labels, groups, ids = zip(*self._rows)
        cases = MultiLabelCases(torch.stack(probabilities), torch.stack(labels), _column(groups), _column(ids))
        self._rows.clear()
        _check(cases.probabilities)
        self.conclude(engine, cases)


def _check(probabilities: Tensor) -> None:
    """NaN would be compared with thresholds, and be absent."""
    strange = ~((probabilities >= 0) & (probabilities <= 1)).all(1)
    if strange.any():
        raise ValueError(
            f"the predictions of {int(strange.sum())} of {len(strange)} images are no probabilities from 0 to 1. Where "
            "they are NaN, the training has diverged (lower the learning rate) or half precision has overflowed (train "
            "and predict without amp); where they are logits, the postprocessing lacks its sigmoid."
        )


def _row(values: Any) -> Tensor:
    return torch.as_tensor(values).detach().as_subclass(Tensor).float().cpu()


def _number(source: Any, name: str) -> int | None:
    return int(source[name]) if name in source else None


def _column(values: tuple[int | None, ...]) -> Tensor | None:
    return None if None in values else torch.tensor(values)
