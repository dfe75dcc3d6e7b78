"""The command line: ``python -m monai_memvit simulate | prepare | memory | benchmark``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from monai_memvit import __version__
from monai_memvit.commands import memory, mri, patches, radiographs, slides

__all__ = ["main"]

# What a command needs is imported where it runs: help answers at once, and only benchmarks wait for torch and MONAI.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the words after the program's name; by default those of the process.

    Returns:
        Exit code: 0 done, 3 done but some files were left out, 2 not done (1 is Python's, for a crash).
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    namespace = _parser(with_benchmarks=words[:1] == ["benchmark"]).parse_args(words)
    try:
        return int(namespace.run(namespace) or 0)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser(with_benchmarks: bool) -> argparse.ArgumentParser:
    about = "Image classifiers with a memory of past cases."
    parser = argparse.ArgumentParser("python -m monai_memvit", description=about)
    parser.add_argument("--version", action="version", version=f"monai_memvit {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    simulate = commands.add_parser("simulate", help="make a cohort with known truth, without any patient")
    simulations = simulate.add_subparsers(title="modalities", required=True, metavar="MODALITY")
    prepare = commands.add_parser("prepare", help="check images and write a datalist")
    preparations = prepare.add_subparsers(title="modalities", required=True, metavar="MODALITY")
    for modality in (patches, mri, radiographs, slides):
        modality.add_simulation(simulations)
        modality.add_preparation(preparations)
    memory.add_commands(commands)
    benchmark = commands.add_parser("benchmark", help="measure speed and memory")
    if with_benchmarks:
        from monai_memvit.benchmarks import register

        register(benchmark.add_subparsers(title="benchmarks", required=True, metavar="BENCHMARK"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
