"""What attention costs as images grow: sequence norm in both forms against SimA, a feature map and softmax."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

from ..tools.tables import markdown_table

__all__ = ["add_arguments", "report", "run_benchmark"]

_PARTS = ("sublayer", "network", "streaming")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options.

    Args:
        parser: of this benchmark.
    """
    parser.add_argument("--parts", nargs="+", choices=_PARTS, default=list(_PARTS), help="what to measure")
    parser.add_argument("--widths", type=int, nargs="+", default=[192, 768], help="channels of the sub-layer")
    parser.add_argument(
        "--tokens", type=int, nargs="+", default=[196, 1024, 4096, 16_384, 65_536, 262_144], help="of the sub-layer"
    )
    parser.add_argument("--softmax-up-to", type=int, default=16_384, help="most tokens that softmax attention is given")
    parser.add_argument("--image", type=int, default=2048, help="pixels per axis for the whole ViT-Tiny")
    parser.add_argument(
        "--stream", type=int, nargs="+", default=[16_384, 131_072, 1_048_576], help="tokens of the streamed ViT-Tiny"
    )
    parser.add_argument("--chunk", type=int, default=4096, help="tokens that streaming has at work at a time")
    parser.add_argument("--repeats", type=int, default=5, help="timed rounds; of the whole network at most 3")
    parser.add_argument("--threads", type=int, help="of torch on the CPU (default: torch's own choice)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, … (default: cpu)")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--json", metavar="FILE", help="where to write all figures, in seconds and bytes")
    parser.add_argument("--picture", metavar="FILE", help="where to draw time and memory of the sub-layer over tokens")


def run_benchmark(args: argparse.Namespace) -> int:
    """Measure and print.

    Args:
        args: the options of :func:`add_arguments`.

    Returns:
        0.

    Raises:
        ValueError: when a width is no multiple of 64 or the device is absent.
    """
    # torch and MONAI take seconds to import: not for --help.
    import torch

    from ...data.atomic import atomic_write_json
    from ..tools.timing import Stopwatch, machine_facts
    from .attention_arms import measure_networks, measure_streaming, measure_sublayers
    from .attention_picture import draw_costs

    if odd := [width for width in args.widths if width < 64 or width % 64]:
        raise ValueError(f"--widths must be multiples of 64, the width of a head; got {odd}.")
    if args.device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"--device {args.device} was asked for, but torch finds no usable GPU: take --device cpu.")
    if args.threads:
        torch.set_num_threads(args.threads)
    stopwatch, dtype = Stopwatch(torch.device(args.device)), getattr(torch, args.dtype)
    results: dict[str, Any] = {"machine": machine_facts(stopwatch.device), "dtype": args.dtype, "rounds": args.repeats}
    results |= {part: [] for part in _PARTS}
    if "sublayer" in args.parts:
        for width, tokens in product(args.widths, args.tokens):
            _say(f"sub-layer, {width} channels, {tokens} tokens")
            softmax = tokens <= args.softmax_up_to
            results["sublayer"] += measure_sublayers(width, tokens, softmax, args.repeats, dtype, stopwatch)
    if "network" in args.parts:
        _say(f"ViT-Tiny, {args.image} pixels")
        results["network"] = measure_networks(args.image, min(3, args.repeats), dtype, stopwatch)
    if "streaming" in args.parts:
        for tokens in args.stream:
            _say(f"streaming, {tokens} tokens")
            results["streaming"].append(measure_streaming(tokens, args.chunk, torch.get_num_threads()))
    print(report(results))
    if args.json:
        atomic_write_json(args.json, results)
    if args.picture:
        draw_costs(results["sublayer"], args.picture)
    return 0


def report(results: dict[str, Any]) -> str:
    """The figures as Markdown.

    Args:
        results: the machine and the rows of each part.

    Returns:
        a table per part that was measured; ratios are over sequence norm.
    """
    machine = ", ".join(f"{name} {value}" for name, value in results["machine"].items())
    rounds = results["rounds"]
    parts = [
        f"Medians: sub-layer of {rounds}, network of {min(3, rounds)} interleaved rounds in {results['dtype']}; "
        f"streaming on the CPU in float32, of 3 runs up to 131,072 tokens, one run beyond; {machine}."
    ]
    if results["sublayer"]:
        header = ["", "arm", "ms", "× sequence norm", "peak, MB", "kept for backward, MB"]
        parts.append(markdown_table(header, _sublayer_rows(results["sublayer"])))
    if results["network"]:
        base = results["network"][0]["seconds"]
        rows = ([r["arm"], f"{r['seconds']:.2f}", f"{r['seconds'] / base:.2f}", _mb(r)] for r in results["network"])
        parts.append(markdown_table(["ViT-Tiny", "s", "× sequence norm", "peak, MB"], rows))
    if results["streaming"]:
        rows = (
            [r["tokens"], f"{r['seconds']:.2f}", f"{r['microseconds_per_token']:.1f}", _mb(r, "beyond_tokens_bytes")]
            for r in results["streaming"]
        )
        parts.append(markdown_table(["tokens", "s", "µs per token", "beyond the tokens, MB"], rows))
    return "\n\n".join(parts)


def _sublayer_rows(rows: Sequence[dict[str, Any]]) -> Iterable[Sequence[object]]:
    base = {(r["width"], r["tokens"], r["work"]): r["seconds"] for r in rows if r["arm"] == "sequence norm"}
    for r in rows:
        ratio = r["seconds"] / base[r["width"], r["tokens"], r["work"]]
        setting = f"{r['work']}, {r['width']} channels, {r['tokens']} tokens"
        kept = _mb(r, "saved_bytes") if "saved_bytes" in r else ""
        yield [setting, r["arm"], f"{1000 * r['seconds']:.2f}", f"{ratio:.2f}", _mb(r), kept]


def _mb(row: dict[str, Any], name: str = "peak_bytes") -> str:
    return f"{row[name] / 1e6:.1f}"


def _say(what: str) -> None:
    print(f"measuring {what} …", file=sys.stderr, flush=True)
