"""How fast tiles of a slide are read, against openslide alone and MONAI's reader, and what its tissue mask costs."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from ..tools.tables import markdown_table

__all__ = ["add_arguments", "report", "run_benchmark"]

_PARTS = ("reading", "workers", "mask")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options.

    Args:
        parser: of this benchmark.
    """
    parser.add_argument("--slide", metavar="FILE", help="read tiles of it (default: the large slide that is made)")
    parser.add_argument("--content", metavar="FILE", help="slide the large one is made of (default: simulated tissue)")
    parser.add_argument("--parts", nargs="+", choices=_PARTS, default=list(_PARTS), help="what to measure")
    parser.add_argument(
        "--size", type=int, nargs=2, default=(100_000, 80_000), metavar=("WIDTH", "HEIGHT"), help="of the large slide"
    )
    parser.add_argument("--tile", type=int, default=256, metavar="PIXELS", help="default 256")
    parser.add_argument("--tiles", type=int, default=1024, metavar="N", help="that are read, about (default: 1024)")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="timed calls of each arm (default: 7)")
    parser.add_argument("--wall-clock", action="store_true", help="time reading by it, not by the processor's time")
    parser.add_argument("--folder", help="for the large slide (default: the system's temporary one)")
    parser.add_argument("--json", metavar="FILE", help="where to write all figures")


def run_benchmark(args: argparse.Namespace) -> int:
    """Measure and print.

    Args:
        args: the options of :func:`add_arguments`.

    Returns:
        0.

    Raises:
        ValueError: when a number is out of its range, or a slide cannot be used.
    """
    for name, value, least in (
        ("size", min(args.size), 2048),
        ("tile", args.tile, 16),
        ("tiles", args.tiles, 1),
        ("rounds", args.rounds, 1),
    ):
        if value < least:
            raise ValueError(f"--{name} must be at least {least}, got {value}.")
    # torch and MONAI take seconds to import: not for --help.
    import torch

    from ...data.atomic import atomic_write_json
    from ..tools.timing import machine_facts

    results: dict[str, Any] = {"machine": machine_facts(torch.device("cpu")), "versions": _versions()}
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        results |= _measure(args, Path(folder))
    print(report(results))
    if args.json:
        atomic_write_json(args.json, results)
    return 0


def _versions() -> dict[str, str]:
    import monai
    import openslide

    return {"openslide": openslide.__library_version__, "monai": monai.__version__}


def _measure(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    from .slides_large import slide_content, write_large_slide
    from .slides_timing import measure_mask, measure_reading, measure_workers

    content, mpp = slide_content(args.content)
    large, flat = folder / "pyramid.tif", folder / "one_level.tif"
    write_large_slide(large, content, mpp, tuple(args.size))
    read = Path(args.slide) if args.slide else large
    found: dict[str, Any] = {}
    if "reading" in args.parts:
        found["reading"] = measure_reading(read, args.tile, args.tiles, args.rounds, args.wall_clock)
    if "workers" in args.parts:
        found["workers"] = measure_workers(read, args.tile, args.tiles, args.rounds)
    if "mask" in args.parts:
        write_large_slide(flat, content, mpp, tuple(args.size), (1,))
        found["mask"] = {"pyramid": measure_mask(large), "one level": measure_mask(flat)}
    return found


def report(results: dict[str, Any]) -> str:
    """The figures as Markdown.

    Args:
        results: ``machine`` and ``versions``, and any of ``reading``, ``workers`` and ``mask``.

    Returns:
        a table of each.
    """
    facts = {**results["machine"], **results["versions"]}
    parts = [", ".join(f"{name} {value}" for name, value in facts.items()) + "."]
    if "reading" in results:
        parts.append(_reading(results["reading"]))
    if "workers" in results:
        found = results["workers"]
        rows = [[name, f"{rate:.0f}"] for name, rate in found["per_second"].items()]
        parts += [markdown_table(["workers", "tiles/s"], rows), f"Two reach {found['of_linear']:.2f} of twice one."]
    if "mask" in results:
        parts.append(_mask(results["mask"]))
    return "\n\n".join(parts)


def _reading(found: dict[str, Any]) -> str:
    rows = []
    for name, rate in found["per_second"].items():
        over = found["ours_over"][name]
        rows.append([name, f"{rate:.0f}", f"{over['median']:.2f}", f"{over['lowest']:.2f}–{over['highest']:.2f}"])
    head = f"{found['tiles']} tiles of {found['tile']} pixels"
    return markdown_table([head, "tiles/s", "ours is faster by", "rounds"], rows)


def _mask(found: dict[str, Any]) -> str:
    rows = [
        [
            f"{name}, {row['size'][0]} x {row['size'][1]}",
            f"{row['seconds']:.2f}",
            f"{row['peak_bytes'] / 1e6:.0f}",
            f"{row['beyond_libraries_bytes'] / 1e6:.0f}",
            row["level"],
            f"{row['tissue']:.2f}",
        ]
        for name, row in found.items()
    ]
    header = ["tissue mask of a slide with", "s", "peak, MB", "beyond libraries, MB", "level read", "tissue"]
    return markdown_table(header, rows)
