"""What a slide of up to millions of tokens costs SlideViT, streamed: time, and memory beyond the tokens."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ..tools.tables import markdown_table

__all__ = ["add_arguments", "report", "run_benchmark"]

_SOURCES = ("features", "tiles")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options.

    Args:
        parser: of this benchmark.
    """
    parser.add_argument("--tokens", type=int, nargs="+", default=[65_536, 262_144, 1_048_576], help="of the slide")
    parser.add_argument("--store", choices=["ram", "mapped"], default="ram", help="where the tokens lie")
    parser.add_argument("--folder", default=".", help="of the mapped store; on a local disk (default: here)")
    parser.add_argument("--source", choices=_SOURCES, default="features", help="1024 features or 256 pixels per token")
    parser.add_argument("--preset", default="tiny", help="size of the network (default: tiny, 12 layers of 192)")
    parser.add_argument("--pool", choices=["cls", "mean", "gated"], default="gated", help="how tokens are pooled")
    parser.add_argument("--chunk", type=int, default=2048, help="tokens that are at work at a time")
    parser.add_argument("--contributions", action="store_true", help="also what every tile adds to the logits")
    parser.add_argument("--threads", type=int, help="of torch (default: torch's own choice)")
    parser.add_argument("--json", metavar="FILE", help="where to write all figures, in seconds and bytes")


def run_benchmark(args: argparse.Namespace) -> int:
    """Measure and print.

    Args:
        args: the options of :func:`add_arguments`.

    Returns:
        0.

    Raises:
        ValueError: when a number is not positive, or no multiple of a tile's tokens.
    """
    if bad := [
        f"--{name}" for name in ("chunk", "threads") if getattr(args, name) is not None and getattr(args, name) < 1
    ]:
        raise ValueError(f"{bad[0]} must be at least 1, got {getattr(args, bad[0][2:])}.")
    if odd := [tokens for tokens in args.tokens if tokens < 256 or tokens % 256]:
        raise ValueError(f"--tokens must be multiples of 256, the tokens of a tile; got {odd}.")
    # torch and MONAI take seconds to import: not for --help.
    import torch

    from ...data.atomic import atomic_write_json
    from ..tools.timing import machine_facts
    from .slide_network_measure import SlideRun, measure_slide

    if args.threads:
        torch.set_num_threads(args.threads)
    results: dict[str, Any] = {"machine": machine_facts(torch.device("cpu")), "runs": []}
    for tokens in args.tokens:
        print(f"measuring {tokens} tokens …", file=sys.stderr, flush=True)
        folder = args.folder if args.store == "mapped" else None
        run = SlideRun(
            tokens, args.source, args.preset, args.pool, args.chunk, folder, args.contributions, torch.get_num_threads()
        )
        results["runs"].append(measure_slide(run))
    print(report(results))
    if args.json:
        atomic_write_json(args.json, results)
    return 0


def report(results: dict[str, Any]) -> str:
    """The figures as Markdown.

    Args:
        results: the machine and the runs.

    Returns:
        a table with a row per run; the ratio is that of the time per token over the first run's.
    """
    runs = results["runs"]
    machine = ", ".join(f"{name} {value}" for name, value in results["machine"].items())
    first = runs[0]
    head = (
        f"SlideViT {first['preset']}, pool {first['pool']}, from {first['source']}, store {first['store']}, chunks of "
        f"{first['chunk_size']} tokens, float32 on the CPU, one run each; {machine}."
    )
    rows = [
        [
            run["tokens"],
            f"{run['seconds']:.1f}",
            f"{run['microseconds_per_token']:.1f}",
            f"{run['microseconds_per_token'] / first['microseconds_per_token']:.2f}",
            f"{run['store_bytes'] / 1e6:.0f}",
            f"{run['beyond_tokens_bytes'] / 1e6:.0f}",
        ]
        for run in runs
    ]
    header = ["tokens", "s", "µs per token", "× first", "tokens, MB", "resident beyond the tokens, MB"]
    return f"{head}\n\n{markdown_table(header, rows)}"
