"""How exactly and how fast MR sequences are co-registered: simulated heads with known poses, and real volumes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..tools.tables import markdown_table

__all__ = ["add_arguments", "report", "run_benchmark"]

_PARTS = ("cases", "volumes", "timing")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options.

    Args:
        parser: of this benchmark.
    """
    parser.add_argument(
        "--cases", type=int, default=200, metavar="N", help="simulated patients; 0: none (default: 200)"
    )
    parser.add_argument(
        "--size", choices=["small", "clinical", "full"], default="small", help="of their grids (default: small)"
    )
    parser.add_argument("--kind", choices=["rigid", "affine"], default="rigid", help="of transform (default: rigid)")
    parser.add_argument("--rotation", type=float, default=10.0, metavar="DEG", help="largest, in degrees (default: 10)")
    parser.add_argument("--shift", type=float, default=10.0, metavar="MM", help="largest, in mm (default: 10)")
    parser.add_argument("--seed", type=int, default=0, help="of the simulated cohort (default: 0)")
    parser.add_argument(
        "--volumes",
        metavar="FOLDER",
        help="real volumes of one patient, named <sequence>.nii[.gz], with t1gd among them",
    )
    parser.add_argument(
        "--timing",
        action="store_true",
        help="time a whole case of five 240x240x155 volumes, resampled too, by one thread and by --threads",
    )
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="for --timing (default: 2)")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="timed runs of each arm (default: 3)")
    parser.add_argument("--json", metavar="FILE", help="where to write all figures")


def run_benchmark(args: argparse.Namespace) -> int:
    """Measure and print.

    Args:
        args: the options of :func:`add_arguments`.

    Returns:
        0, or 1 when a failure went unnoticed.

    Raises:
        ValueError: when a number is out of its range, or the folder holds no t1gd.
    """
    _check(args)
    # torch, MONAI and SimpleITK take seconds to import: not for --help.
    import torch

    from ...data.atomic import atomic_write_json
    from ...transforms.mri import RegistrationOptions
    from ..tools.timing import machine_facts
    from .registration_measure import measure_cases, measure_times, measure_volumes

    options = RegistrationOptions(kind=args.kind)
    results: dict[str, Any] = {"machine": machine_facts(torch.device("cpu")), "kind": args.kind}
    if args.volumes:
        results["volumes"] = measure_volumes(Path(args.volumes), options)
    if args.cases:
        results["cases"] = measure_cases(
            args.cases, args.size, args.rotation, args.shift, args.seed, options, _progress
        )
    if args.timing:
        results["timing"] = measure_times(args.threads, args.repeats, options)
    print(report(results))
    if args.json:
        atomic_write_json(args.json, results)
    return 1 if args.cases and results["cases"]["summary"]["all"]["unnoticed"] else 0


def _progress(done: int, of: int) -> None:
    print(f"\r{done}/{of} cases", end="" if done < of else "\n", file=sys.stderr, flush=True)


def _check(args: argparse.Namespace) -> None:
    for name, least in {"cases": 0, "seed": 0, "threads": 1, "repeats": 1}.items():
        if getattr(args, name) < least:
            raise ValueError(f"--{name} must be at least {least}, got {getattr(args, name)}.")
    if not (args.cases or args.volumes or args.timing):
        raise ValueError("there is nothing to measure: give --cases, --volumes or --timing.")
    if args.volumes and not Path(args.volumes).is_dir():
        raise ValueError(f"--volumes {args.volumes} is no folder.")


def report(results: dict[str, Any]) -> str:
    """The figures as Markdown.

    Args:
        results: ``machine`` and ``kind``, and any of ``cases``, ``volumes`` and ``timing``.

    Returns:
        a table of each.
    """
    machine = ", ".join(f"{name} {value}" for name, value in results["machine"].items())
    tables = {"cases": _cases, "volumes": _volumes, "timing": _timing}
    shown = [tables[part](results[part]) for part in _PARTS if part in results]
    return "\n\n".join([f"{results['kind'].capitalize()} registration; {machine}.", *shown])


def _cases(found: dict[str, Any]) -> str:
    rows = [
        [
            name,
            row["registrations"],
            *(f"{row[key]:.2f}" for key in ("start_mm", "median_mm", "p95_mm", "max_mm", "worst_point_mm")),
            row["flagged"],
            row["unnoticed"],
            f"{row['processor_seconds']:.1f}",
        ]
        for name, row in found["summary"].items()
    ]
    header = ["target registration error, mm", "n", "before", "median", "95 %", "max", "worst point"]
    head = (
        f"{found['patients']} simulated patients, {found['size']} grids, up to {found['rotation_deg']:g} degrees and "
        f"{found['shift_mm']:g} mm. Each registration counts with its median error over points of the brain, unless "
        f"it is flagged; unnoticed: a point more than {found['unnoticed_above_mm']:g} mm off, and no flag. Time: of "
        "the processor, resampled too."
    )
    return head + "\n\n" + markdown_table([*header, "flagged", "unnoticed", "s each"], rows)


def _volumes(found: dict[str, Any]) -> str:
    rows = [
        [
            name,
            *(f"{row[f'mutual_information_{when}']:.3f}" for when in ("before", "after")),
            f"{row['shift_mm']:.1f}",
            f"{row['rotation_deg']:.1f}",
            "in place" if row["identical_space"] else "registered" if row["succeeded"] else row["reason"],
            f"{row['seconds']:.1f}",
        ]
        for name, row in found.items()
    ]
    return markdown_table(["real", "nats before", "nats after", "moved, mm", "turned, degrees", "", "s"], rows)


def _timing(found: dict[str, Any]) -> str:
    rows = [
        [name, f"{row['median_seconds']:.1f}", f"{row['lowest_seconds']:.1f}", f"{row['highest_seconds']:.1f}"]
        for name, row in found.items()
    ]
    head = "Five simulated 240x240x155 volumes of 1 mm, four of them moved, registered and resampled; wall clock."
    return head + "\n\n" + markdown_table(["", "median s", "lowest", "highest"], rows)
