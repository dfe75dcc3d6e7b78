"""Whether chest films are shown as the standard says, and how fast: against highdicom, pydicom and MONAI."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..tools.tables import markdown_table

__all__ = ["add_arguments", "report", "run_benchmark"]

_LEAST_SIZE = 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options.

    Args:
        parser: of this benchmark.
    """
    parser.add_argument(
        "--films", nargs="+", default=[], metavar="FOLDER", help="compare every DICOM file below these folders, too"
    )
    parser.add_argument("--no-combinations", action="store_true", help="leave out the simulated combinations")
    parser.add_argument(
        "--size", type=int, nargs=2, default=(96, 80), metavar=("ROWS", "COLUMNS"), help="of them (default: 96 80)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the simulated film (default: 0)")
    parser.add_argument("--timing", action="store_true", help="time a simulated film of --shape, by one thread")
    parser.add_argument(
        "--shape", type=int, nargs=2, default=(3056, 2544), metavar=("ROWS", "COLUMNS"), help="default: 3056 2544"
    )
    parser.add_argument("--repeats", type=int, default=9, metavar="N", help="timed runs of each arm (default: 9)")
    parser.add_argument("--wall-clock", action="store_true", help="time by it, not by the processor's time")
    parser.add_argument("--json", metavar="FILE", help="where to write all figures")


def run_benchmark(args: argparse.Namespace) -> int:
    """Compare, time and print.

    Args:
        args: the options of :func:`add_arguments`.

    Returns:
        0, or 1 when a film is shown otherwise than the standard says, or than highdicom does without a known reason.

    Raises:
        ValueError: when a number is out of its range, or a folder is none or empty.
    """
    _check(args)
    # torch, MONAI and highdicom take seconds to import: not for --help.
    import torch

    from ...data.atomic import atomic_write_json
    from ..tools.timing import machine_facts
    from .radiograph_equality import compare_combinations, compare_films, unexplained

    results: dict[str, Any] = {"machine": machine_facts(torch.device("cpu")), "versions": _versions()}
    if not args.no_combinations:
        results["combinations"] = compare_combinations(tuple(args.size), args.seed, progress=True)
    if args.films:
        results["films"] = compare_films([Path(folder) for folder in args.films])
    if args.timing:
        from .radiograph_timing import measure_times

        results["timing"] = measure_times(tuple(args.shape), args.repeats, args.seed, not args.wall_clock)
    print(report(results))
    if args.json:
        atomic_write_json(args.json, results)
    return 1 if any(unexplained(results[part]) for part in ("combinations", "films") if part in results) else 0


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in (
        "pydicom",
        "highdicom",
        "monai",
        "numpy",
        "python-gdcm",
        "pylibjpeg-openjpeg",
        "pyjpegls",
        "pillow",
    ):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def _check(args: argparse.Namespace) -> None:
    if args.no_combinations and not args.films and not args.timing:
        raise ValueError("there is nothing to do: leave out --no-combinations, or give --films or --timing.")
    for name, value, least in (
        ("size", min(args.size), _LEAST_SIZE),
        ("shape", min(args.shape), _LEAST_SIZE),
        ("seed", args.seed, 0),
        ("repeats", args.repeats, 1),
    ):
        if value < least:
            raise ValueError(f"--{name} must be at least {least}, got {value}.")
    for folder in args.films:
        if not Path(folder).is_dir():
            raise ValueError(f"--films {folder} is no folder.")


def report(results: dict[str, Any]) -> str:
    """The figures as Markdown.

    Args:
        results: ``machine`` and ``versions``, and any of ``combinations``, ``films`` and ``timing``.

    Returns:
        tables of each.
    """
    facts = {**results["machine"], **results["versions"]}
    parts = [", ".join(f"{name} {value}" for name, value in facts.items()) + "."]
    if "combinations" in results:
        parts += ["## Combinations", *_equality(results["combinations"]), _syntaxes(results["combinations"])]
    if "films" in results:
        parts += ["## Films", *_equality(results["films"]), _films(results["films"])]
    if "timing" in results:
        parts += ["## Time", *_timing(results["timing"])]
    return "\n\n".join(parts)


def _equality(found: dict[str, Any]) -> list[str]:
    standard, theirs = found["standard"], found["highdicom"]
    lines = [
        f"{found['files']} files. As the standard says, within 1e-6: {standard['equal']}, the largest difference "
        f"{standard['largest']:.1e}. Otherwise: {', '.join(standard['unequal']) or 'none'}.",
        f"highdicom shows {theirs['equal']} alike (largest difference {theirs['largest']:.1e}), {theirs['differs']} "
        f"otherwise, and refuses {theirs['refuses']}. Without a known reason: "
        f"{', '.join(theirs['unexplained']) or 'none'}.",
    ]
    if theirs["reasons"]:
        lines.append(_reasons(theirs["reasons"]))
    return lines


def _reasons(reasons: dict[str, dict[str, float]]) -> str:
    from .radiograph_departures import DEPARTURES

    rows = [
        [
            name,
            row["differs"],
            row["refuses"],
            f"{row['largest']:.1e}",
            DEPARTURES[name][1] if name in DEPARTURES else "",
        ]
        for name, row in sorted(reasons.items())
    ]
    return markdown_table(["where highdicom departs", "differs", "refuses", "largest", "it"], rows)


def _syntaxes(found: dict[str, Any]) -> str:
    rows = [[name, row["files"], f"{row['largest']:.1e}"] for name, row in found["standard"]["by_syntax"].items()]
    return markdown_table(["transfer syntax", "files", "largest difference to the standard"], rows)


def _films(found: dict[str, Any]) -> str:
    films = [[row["film"], f"{row['standard']:.1e}", _said(row["highdicom"])] for row in found["films"]]
    refused = [[name, "refused", reason] for name, reason in found["refused"].items()]
    return markdown_table(["film", "to the standard", "highdicom, or why it is refused"], [*films, *refused])


def _said(verdict: dict[str, Any]) -> str:
    if verdict["outcome"] == "equal":
        return f"equal, {verdict['difference']:.1e}"
    shown = f"{verdict['outcome']}, {verdict['difference']:.1e}" if verdict["difference"] else verdict["outcome"]
    return f"{shown}: {verdict['reason']}"


_TITLES = {
    "display": "display transform, pixels at hand",
    "load": "whole load, explicit little endian",
    "cached": "cached load",
    "syntaxes": "whole load by transfer syntax",
}


def _timing(found: dict[str, Any]) -> list[str]:
    rows, columns = found["shape"]
    how = f"one thread, {found['rounds']} rounds in turns, {found['clock']} time"
    head = f"One simulated film of {rows} x {columns}; {how}."
    tables = []
    for part, title in _TITLES.items():
        lines = [
            [name, *(f"{row[key]:.1f}" for key in ("median_ms", "lowest_ms", "highest_ms")), _ratio(row)]
            for name, row in found[part].items()
        ]
        tables.append(markdown_table([title, "median ms", "lowest", "highest", "ours over it"], lines))
    return [head, *tables]


def _ratio(row: dict[str, float]) -> str:
    return f"{row['ours_over']:.2f}" if "ours_over" in row else ""
