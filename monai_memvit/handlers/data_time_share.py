"""How much of the training time is spent waiting for data."""

from __future__ import annotations

from time import perf_counter

from ignite.engine import Engine, Events

__all__ = ["DataTimeShare"]


class DataTimeShare:
    """Adds the share of an epoch's steps in which the trainer waited for its next batch to the metrics.

    With enough workers it is near 0: the accelerator is busy. A step ends when its optimizer step is done as far as the
    process can tell; with mixed precision torch waits for the gradients there. What happens between the epochs, such as
    validation, does not count, the start of the workers does.

    Args:
        name: of the metric.
    """

    def __init__(self, name: str = "data_time_share") -> None:
        self.name = name
        self._waited = self._worked = self._since = 0.0

    def attach(self, engine: Engine) -> None:
        """Register with a trainer, before the handlers that log metrics.

        Args:
            engine: the trainer.
        """
        engine.add_event_handler(Events.EPOCH_STARTED, self._start)
        engine.add_event_handler(Events.GET_BATCH_STARTED, self._ask)
        engine.add_event_handler(Events.GET_BATCH_COMPLETED, self._receive)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._finish)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._report)

    def _start(self) -> None:
        self._waited = self._worked = 0.0

    def _ask(self) -> None:
        self._since = perf_counter()

    def _receive(self) -> None:
        now = perf_counter()
        self._waited += now - self._since
        self._since = now

    def _finish(self) -> None:
        self._worked += perf_counter() - self._since

    def _report(self, engine: Engine) -> None:
        total = self._waited + self._worked
        engine.state.metrics[self.name] = self._waited / total if total else 0.0
