"""What cases cost that are added after training: to take them in, beside the forward pass over them, and a million."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import Tensor

from ...memory import CaseMemory
from ..tools.peak_memory import forget_resident_peak, resident_peak
from ..tools.tables import markdown_table
from ..tools.timing import Stopwatch, machine_facts, paired_ratio

__all__ = ["add_arguments", "run_benchmark"]

_CLASSES, _BATCH = 4, 64
_SIZES = {"micro": 24, "tiny": 224}
_PART = 50_000  # cases of the large memory that are made at a time


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options.

    Args:
        parser: of this benchmark.
    """
    parser.add_argument("--presets", nargs="+", choices=[*_SIZES], default=[*_SIZES], help="micro: 24 px; tiny: 224 px")
    parser.add_argument("--stored", type=int, nargs="+", default=[1_000, 10_000], help="cases in the memory before")
    parser.add_argument("--added", type=int, default=1_000, help="cases that are added")
    parser.add_argument("--large", type=int, default=1_000_000, help="cases of the large memory")
    parser.add_argument("--width", type=int, default=768, help="features of the large memory")
    parser.add_argument("--group", type=int, default=20, help="cases of one patient or slide")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())


def run_benchmark(args: argparse.Namespace) -> int:
    """Measure and print.

    Args:
        args: the options of :func:`add_arguments`.

    Returns:
        0.

    Raises:
        ValueError: when a number is not positive.
    """
    if min(*args.stored, args.added, args.large, args.width, args.group, args.repeats, args.threads) < 1:
        raise ValueError("--stored, --added, --large, --width, --group, --repeats and --threads must be at least 1.")
    torch.set_num_threads(args.threads)
    stopwatch = Stopwatch(torch.device("cpu"))
    header = ["network", "stored", "added", "forward pass, s", "taken in, s", "removed, s", "(pass + taking in) / pass"]
    lines = [_adding(preset, stored, args, stopwatch) for preset in args.presets for stored in args.stored]
    print(json.dumps(machine_facts(stopwatch.device)), markdown_table(header, lines), sep="\n\n", end="\n\n")
    print(markdown_table(["large memory", ""], _large(args, stopwatch)))
    return 0


def _adding(preset: str, stored: int, args: argparse.Namespace, stopwatch: Stopwatch) -> list[str]:
    from ...networks.nets import MoViT

    size = _SIZES[preset]
    network = MoViT.from_preset(preset, in_channels=3, img_size=size, num_classes=_CLASSES, memory_layers=[]).eval()
    images, width = torch.rand(args.added, 3, size, size), network.head.in_features
    memory = CaseMemory(width, [str(k) for k in range(_CLASSES)])
    memory.extend(*_cases(0, stored, width, args.group), learned=True)
    new = _cases(stored, args.added, width, args.group)

    @torch.no_grad()
    def look() -> None:
        for batch in images.split(_BATCH):
            network(batch)

    steps = {"look": look, "take in": lambda: _take_in(memory, new), "remove": lambda: memory.remove(new[0])}
    times = _rounds(steps, args.repeats, stopwatch)
    ratio = paired_ratio([a + b for a, b in zip(times["look"], times["take in"], strict=True)], times["look"])
    seconds = [f"{median(found):.3f}" for found in times.values()]
    spread = f"{ratio.median:.2f} ({ratio.lowest:.2f}–{ratio.highest:.2f})"
    return [f"{preset}, {size} px", f"{stored:,}", f"{args.added:,}", *seconds, spread]


def _rounds(steps: dict[str, Callable[[], Any]], rounds: int, stopwatch: Stopwatch) -> dict[str, list[float]]:
    """Each step needs the one before it, so their order stays; the first round is not counted."""
    times = [{name: stopwatch(step) for name, step in steps.items()} for _ in range(rounds + 1)]
    return {name: [found[name] for found in times[1:]] for name in steps}


def _take_in(memory: CaseMemory, new: tuple[Tensor, ...]) -> None:
    memory.extend(*new)
    memory(new[1][:1], new[2][:1])  # penalty and calibration are chosen when a case is first asked


def _large(args: argparse.Namespace, stopwatch: Stopwatch) -> list[list[str]]:
    count, width = args.large, args.width
    memory = CaseMemory(width, [str(k) for k in range(_CLASSES)])
    asked = _cases(count, _BATCH, width, args.group)
    start = forget_resident_peak()

    def fill() -> None:
        parts = [_cases(first, min(_PART, count - first), width, args.group) for first in range(0, count, _PART)]
        memory.extend(*(torch.cat(column) for column in zip(*parts, strict=True)))

    filled = stopwatch(fill)
    fitted = stopwatch(lambda: memory(asked[1], asked[2]))
    peak = resident_peak() - start
    held = sum(t.numel() * t.element_size() for t in memory.state_dict().values() if isinstance(t, Tensor))
    consulted = stopwatch(lambda: memory(asked[1], asked[2]))
    shown = stopwatch(lambda: memory.neighbours(asked[1], k=5))
    added = stopwatch(lambda: _take_in(memory, asked))
    removed = stopwatch(lambda: (memory.remove(asked[0]), memory(asked[1], asked[2])))
    return [
        ["cases × features; cases of a patient", f"{count:,} × {width}; {args.group:,}"],
        ["made at random and stored, s", f"{filled:.1f}"],
        ["moments, penalty and calibration, s", f"{fitted:.1f}"],
        ["bytes of its cases, GB; most resident on the way, GB", f"{held / 1e9:.2f}; {peak / 1e9:.2f}"],
        [f"consulted for {_BATCH} cases, s", f"{consulted:.4f}"],
        [f"five neighbours of {_BATCH} cases, s", f"{shown:.2f}"],
        [f"{_BATCH} cases more, s", f"{added:.2f}"],
        [f"these {_BATCH} removed, s", f"{removed:.2f}"],
    ]


def _cases(first: int, count: int, width: int, group: int) -> tuple[Tensor, ...]:
    """Ids, features, logits, labels and groups of random cases: they change no cost."""
    ids, draw = torch.arange(first, first + count), torch.Generator().manual_seed(first)
    labels, groups = ids % _CLASSES, ids // group
    return ids, torch.randn(count, width, generator=draw), torch.randn(count, _CLASSES, generator=draw), labels, groups
