"""What the memory costs: MoViT against the same network without memory, side by side in one run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from ..tools.tables import markdown_table

__all__ = ["add_arguments", "report", "run_benchmark"]


class _Setting(NamedTuple):
    preset: str
    image_size: int
    source_size: int
    rounds: int


_SETTINGS = {"tiny224": _Setting("tiny", 224, 224, 5), "micro": _Setting("micro", 24, 27, 30)}
_PARTS = ("scores", "selection", "exclusion", "gathering", "attention")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options.

    Args:
        parser: of this benchmark.
    """
    parser.add_argument(
        "--setting",
        choices=[*_SETTINGS, "all"],
        default="all",
        help="tiny224: MoViT-Tiny at 224 pixels; micro: 27-pixel images cropped to 24, for a CPU (default: all)",
    )
    parser.add_argument(
        "--facts", type=int, nargs="+", default=[1_000, 10_000, 100_000], metavar="N", help="sizes of the memory"
    )
    parser.add_argument("--batch", type=int, default=64, help="images per step (default: 64)")
    parser.add_argument(
        "--prototypes", type=int, default=288, help="9 classes x 32 by default, distilled from the largest memory"
    )
    parser.add_argument(
        "--repeats",
        type=int,
        help="timed training steps, a third of the inferences (default: 5 for tiny224, 30 for micro)",
    )
    parser.add_argument("--threads", type=int, help="of torch on the CPU (default: torch's own choice)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, … (default: cpu)")
    parser.add_argument(
        "--processor-time",
        action="store_true",
        help="count the processor's time, for a CPU that others use (with --threads 1); else the wall clock's",
    )
    parser.add_argument("--json", metavar="FILE", help="where to write all figures, in seconds and bytes")


def run_benchmark(args: argparse.Namespace) -> int:
    """Measure and print.

    Args:
        args: the options of :func:`add_arguments`.

    Returns:
        0.

    Raises:
        ValueError: when a number is not positive or the device is absent.
    """
    _check_positive(args)
    # torch and MONAI take seconds to import: not for --help.
    import torch

    from ...data.atomic import atomic_write_json
    from ..tools.timing import Stopwatch, machine_facts
    from .memory_measure import measure

    if args.device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"--device {args.device} was asked for, but torch finds no usable GPU: take --device cpu.")
    if args.threads:
        torch.set_num_threads(args.threads)
    stopwatch = Stopwatch(torch.device(args.device), args.processor_time)
    names = list(_SETTINGS) if args.setting == "all" else [args.setting]
    results: dict[str, Any] = {
        "machine": machine_facts(stopwatch.device),
        "clock": "processor time" if args.processor_time else "wall clock",
        "batch": args.batch,
        "settings": {},
    }
    for name in names:
        setting = _SETTINGS[name]
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        results["settings"][name] = asdict(
            measure(
                setting.preset,
                setting.image_size,
                setting.source_size,
                sorted(set(args.facts)),
                args.prototypes,
                args.batch,
                args.repeats or setting.rounds,
                stopwatch,
            )
        )
    print(report(results))
    if args.json:
        atomic_write_json(args.json, results)
    return 0


def _check_positive(args: argparse.Namespace) -> None:
    single = {f"--{name}": getattr(args, name) for name in ("batch", "prototypes", "repeats", "threads")}
    for option, value in {**single, "--facts": min(args.facts)}.items():
        if value is not None and value < 1:
            raise ValueError(f"{option} must be at least 1, got {value}.")


def report(results: dict[str, Any]) -> str:
    """The figures as Markdown.

    Args:
        results: the machine, the batch and, by setting, the fields of ``Measurement``.

    Returns:
        tables of the ratios, of the parts and of the banks.
    """
    settings = results["settings"]
    machine = ", ".join(f"{name} {value}" for name, value in results["machine"].items())
    tables = (
        markdown_table(
            ["", "without, ms", "with, ms", "ratio", "lowest", "highest", "epoch's write, ms", "ratio with write"],
            (_comparison(name, row) for name, found in settings.items() for row in found["comparisons"]),
        ),
        markdown_table(
            ["ms", *_PARTS, "sum", "1 + sum / without", "unexplained"],
            (_parts(name, row) for name, found in settings.items() for row in found["comparisons"]),
        ),
        markdown_table(
            ["", "facts, bytes", "bank, bytes", "ratio"],
            (_bytes(name, row) for name, found in settings.items() for row in found["banks"]),
        ),
    )
    distilled = "; ".join(
        f"{name}: {x['prototypes']} prototypes of {x['distilled_facts']} facts in {x['distil_seconds']:.1f} s"
        for name, x in settings.items()
    )
    head = (
        f"Batch {results['batch']}, {results['clock']}; {machine}.\n"
        "Medians of interleaved rounds; ratios are taken round by round."
    )
    return "\n\n".join([head, *tables, f"Distilled {distilled}."])


def _comparison(setting: str, row: dict[str, Any]) -> Sequence[str]:
    write = row["write_seconds"]
    return [
        f"{setting}, {row['work']}, {row['memory']}",
        _ms(row["without_seconds"]),
        _ms(row["with_seconds"]),
        *(f"{value:.3f}" for value in row["ratio"]),
        "" if write is None else _ms(write),
        "" if write is None else f"{row['ratio_with_write']:.3f}",
    ]


def _parts(setting: str, row: dict[str, Any]) -> Sequence[str]:
    parts, without = row["parts"], row["without_seconds"]
    total = sum(parts.values())
    return [
        f"{setting}, {row['work']}, {row['memory']}",
        *(_ms(parts[name]) if name in parts else "" for name in _PARTS),
        _ms(total),
        f"{1 + total / without:.3f}",
        _ms(row["with_seconds"] - without - total),
    ]


def _bytes(setting: str, row: dict[str, int]) -> Sequence[str]:
    facts, bank = row["fact_bytes"], row["bank_bytes"]
    return [f"{setting}, {row['facts']} facts", str(facts), str(bank), f"{bank / facts:.3f}"]


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.2f}"
