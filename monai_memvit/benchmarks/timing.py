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

__all__ = ["Ratio", "interleave", "machine_facts", "paired_ratio", "seconds"]


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


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Wall-clock time of one call, the work it left on a GPU included.

    Args:
        work: what to time.
        device: where it computes.

    Returns:
        seconds.
    """
    _synchronize(device)
    start = time.perf_counter()
    work()
    _synchronize(device)
    return time.perf_counter() - start


def interleave(
    arms: Mapping[str, Callable[[], object]], rounds: int, device: torch.device, warmup: int = 1
) -> dict[str, list[float]]:
    """Time all arms in turn, round after round: A B C, C B A, A B C and so on.

    What else the machine does then falls on all arms alike, and turning the order round cancels a drift.

    Args:
        arms: callables by name.
        rounds: timed calls of each.
        device: where they compute.
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
            times[name].append(seconds(arms[name], device))
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


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _processor() -> str:
    described = Path("/proc/cpuinfo")  # platform.processor() is empty or "x86_64" on Linux
    for line in described.read_text().splitlines() if described.is_file() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
