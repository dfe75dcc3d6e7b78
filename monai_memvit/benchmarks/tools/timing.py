"""Timing callables against each other on a machine that others may share."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

__all__ = ["Ratio", "Stopwatch", "interleave", "machine_facts", "paired_ratio"]


class Ratio(NamedTuple):
    """How one arm compares with another, round by round.

    Args:
        median: of the rounds' ratios.
        lowest: the smallest of them.
        highest: the largest of them.
    """

    median: float
    lowest: float
    highest: float


class Stopwatch:
    """Times one call, the work it left on a GPU included.

    Args:
        device: where the work computes.
        processor_time: count the processor's time instead of the wall clock's. On a CPU that others use this leaves out
            the time they had it; take one thread then, for threads that wait for each other count too.

    Raises:
        ValueError: when processor time is asked for on a GPU, whose work it would not see.
    """

    def __init__(self, device: torch.device, processor_time: bool = False) -> None:
        if processor_time and device.type != "cpu":
            raise ValueError(f"the processor's time does not see work on {device}: take the wall clock.")
        self.device = device
        self._now = time.process_time if processor_time else time.perf_counter

    def __call__(self, work: Callable[[], object]) -> float:
        """Run and time.

        Args:
            work: what to time.

        Returns:
            seconds.
        """
        self._synchronize()
        start = self._now()
        work()
        self._synchronize()
        return self._now() - start

    def _synchronize(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def interleave(
    arms: Mapping[str, Callable[[], object]], rounds: int, stopwatch: Stopwatch, warmup: int = 1
) -> dict[str, list[float]]:
    """Time all arms in turn, round after round: A B C, C B A, A B C and so on.

    What else the machine does then falls on all arms alike, and turning the order round cancels a drift.

    Args:
        arms: callables by name.
        rounds: timed calls of each.
        stopwatch: what times a call.
        warmup: calls of each that are not timed.

    Returns:
        the seconds of every round, by arm.

    Raises:
        ValueError: when there is no round to time.
    """
    if rounds < 1:
        raise ValueError(f"at least 1 round must be timed, got {rounds}.")
    for _ in range(warmup):
        for work in arms.values():
            work()
    times: dict[str, list[float]] = {name: [] for name in arms}
    for turn in range(rounds):
        for name in list(arms)[:: -1 if turn % 2 else 1]:
            times[name].append(stopwatch(arms[name]))
    return times


def paired_ratio(times: Sequence[float], baseline: Sequence[float]) -> Ratio:
    """Ratios of the rounds, each time over the baseline's of the same round.

    Args:
        times: seconds of the arm in question.
        baseline: seconds of the arm it is compared with, as many.

    Returns:
        their median, smallest and largest.

    Raises:
        ValueError: when the lengths differ or there is no round.
    """
    if len(times) != len(baseline) or not times:
        raise ValueError(f"ratios need equally many rounds of both arms, got {len(times)} and {len(baseline)}.")
    ratios = [mine / other for mine, other in zip(times, baseline, strict=True)]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios))


def machine_facts(device: torch.device) -> dict[str, str]:
    """What a reader must know to judge a figure.

    Args:
        device: where the benchmark computes.

    Returns:
        names and values: processor, cores, threads, torch, and the GPU where one is used.
    """
    facts = {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
        "torch": torch.__version__,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
    }
    if device.type == "cuda":
        facts["gpu"] = torch.cuda.get_device_name(device)
    return facts


def _processor() -> str:
    described = Path("/proc/cpuinfo")  # platform.processor() is empty or "x86_64" on Linux
    for line in described.read_text().splitlines() if described.is_file() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
