"""The share of the steps that is spent waiting for data, with a clock that is told the time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ignite.engine import Engine

from monai_memvit.handlers import DataTimeShare, data_time_share


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Loader:
    def __init__(self, clock: Clock, waits: list[float]) -> None:
        self.clock, self.waits = clock, waits

    def __iter__(self) -> Iterator[int]:
        for wait in self.waits:
            self.clock.now += wait
            yield 0

    def __len__(self) -> int:
        return len(self.waits)


def test_waiting_against_waiting_and_working(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(data_time_share, "perf_counter", clock)

    def step(engine: Engine, batch: int) -> None:
        clock.now += 4.0

    engine = Engine(step)
    DataTimeShare().attach(engine)
    shares = []

    def validate(engine: Engine) -> None:
        shares.append(engine.state.metrics["data_time_share"])
        clock.now += 1000.0

    engine.add_event_handler("EPOCH_COMPLETED", validate)
    engine.run(Loader(clock, [2.0, 1.0, 1.0]), max_epochs=2)
    assert shares == pytest.approx([4 / 16, 4 / 16])
