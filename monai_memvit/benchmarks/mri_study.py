"""MoViT against the same network without memory on slices of MRI, with and without a sequence missing."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..handlers import only_channels
from ..memory import memory_off
from ..metrics import classification_summary
from .slice_shortcut import shortcut_baseline
from .study_runs import each_run, finished_runs, interval_of, signed, spread, training_job

__all__ = ["add_arguments", "missing_table", "run_benchmark", "slices_table"]

_ARMS: dict[str, dict[str, Any]] = {
    "plain, zeros": {"memory_layers": [], "sequence_tokens": False},
    "MoViT, zeros": {"memory_layers": [-1], "sequence_tokens": False},
    "plain, tokens": {"memory_layers": [], "sequence_tokens": True},
    "MoViT, tokens": {"memory_layers": [-1], "sequence_tokens": True},
}
_PAIRS = [("plain, zeros", "MoViT, zeros"), ("plain, tokens", "MoViT, tokens"), ("MoViT, zeros", "MoViT, tokens")]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command line of the study.

    Args:
        parser: gains the options.
    """
    parser.add_argument("data", type=Path, help="folder made by `prepare mri`")
    parser.add_argument(
        "--out", type=Path, required=True, help="JSON lines, one per run; finished runs are not repeated"
    )
    parser.add_argument("--bundle", type=Path, default=Path("bundles/glioma_mri_classification"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--arms", nargs="+", choices=list(_ARMS), default=list(_ARMS))
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--section", default="test", help="section of the datalist to test on; never used in training")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--override", action="append", default=[], metavar="KEY=JSON", help="further settings of train.yaml"
    )
    parser.add_argument("--report-only", action="store_true", help="print the tables of the finished runs")


def run_benchmark(args: argparse.Namespace) -> int:
    """Run what is not finished yet, then print the tables.

    Args:
        args: see :func:`add_arguments`.

    Returns:
        exit code 0.
    """
    torch.set_num_threads(args.threads)
    if not args.report_only:
        for row in each_run(args.out, _plan(args), partial(_train_and_test, args)):
            print(json.dumps(row), flush=True)
        print("position and brain area alone:", json.dumps(shortcut_baseline(args.data, args.section)))
    rows = finished_runs(args.out)
    print(slices_table(rows))
    print(missing_table(rows))
    return 0


def _plan(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Seed by seed, so that an early stop leaves whole pairs."""
    for seed in args.seeds:
        for arm in args.arms:
            yield {"seed": seed, "arm": arm}


def _train_and_test(args: argparse.Namespace, run: dict[str, Any]) -> dict[str, Any]:
    settings = {"dataset_dir": str(args.data), "bundle_root": str(args.bundle), "seed": run["seed"]}
    settings |= {"max_epochs": args.epochs} | _ARMS[run["arm"]]
    settings |= {k: json.loads(v) for k, v in (o.split("=", 1) for o in args.override)}
    parser = training_job(args.bundle, args.section, settings, reports=[])
    parser.get_parsed_content("train::trainer").run()
    network = parser.get_parsed_content("network")
    names = parser.get_parsed_content("channel_names")
    found = _figures(parser, "")
    if settings["memory_layers"]:
        with memory_off(network):
            found |= {f"{name}_memory_off": value for name, value in _figures(parser, "").items()}
    for missing, name in enumerate(names):
        with only_channels(network, [c for c in range(len(names)) if c != missing]):
            found |= _figures(parser, f"_without_{name}")
    return {"epochs": args.epochs} | found


def _figures(parser: Any, reading: str) -> dict[str, float]:
    """Of all test slices, and of those that lack a sequence by themselves."""
    probabilities, labels, whole = _predict(parser)
    found = classification_summary(probabilities, labels)
    if not reading and not whole.all():
        found |= {
            f"{k}_incomplete": v for k, v in classification_summary(probabilities[~whole], labels[~whole]).items()
        }
    return {name + reading: value for name, value in found.items()}


def _predict(parser: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Probabilities ``(N, K)``, labels and whether all sequences are there ``(N,)``."""
    network = parser.get_parsed_content("network").eval()
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    with torch.no_grad():
        for batch in parser.get_parsed_content("validate::dataloader"):
            logits = network(batch["image"], channel_mask=batch["channel_mask"])
            found.append((logits.softmax(-1), batch["label"], batch["channel_mask"].all(1)))
    probabilities, labels, whole = (torch.cat(column) for column in zip(*found))
    return probabilities, labels, whole


def slices_table(rows: list[dict[str, Any]]) -> str:
    """Markdown tables: every arm's figures, then the paired differences with their 95 % intervals.

    Args:
        rows: results of finished runs.

    Returns:
        two tables.
    """
    arms = {arm: [row for row in rows if row["arm"] == arm] for arm in _ARMS}
    metrics = ("auc", "balanced_accuracy", "accuracy")
    lines = ["| arm (seeds) | AUC | balanced accuracy | accuracy | AUC, memory off |", "|---|---|---|---|---|"]
    for arm, runs in arms.items():
        if runs:
            shown = [name for name in (*metrics, "auc_memory_off") if name in runs[0]]
            cells = [spread(_column(runs, name)) for name in shown] + [""] * (4 - len(shown))
            lines.append("| " + " | ".join([f"{arm} ({len(runs)})", *cells]) + " |")
    lines += [
        "",
        "| difference (pairs) | AUC [95 %] | balanced accuracy [95 %] | accuracy [95 %] |",
        "|---|---|---|---|",
    ]
    for base, other in _PAIRS:
        pairs = _paired(arms[base], arms[other])
        if pairs:
            gains = [_column([b for _, b in pairs], m) - _column([a for a, _ in pairs], m) for m in metrics]
            cells = [f"{signed(gain)} {interval_of(gain)}" for gain in gains]
            lines.append("| " + " | ".join([f"{other} − {base} ({len(pairs)})", *cells]) + " |")
    return "\n".join(lines)


def missing_table(rows: list[dict[str, Any]]) -> str:
    """Markdown table: AUC with each sequence taken away, and on the slices that lack one by themselves.

    Args:
        rows: results of finished runs.

    Returns:
        the table.
    """
    names = list(dict.fromkeys(key for row in rows for key in row if key.startswith("auc_without_")))
    heads = [name.removeprefix("auc_").replace("_", " ") for name in names]
    lines = ["| AUC | " + " | ".join(["all", *heads, "incomplete by themselves"]) + " |"]
    lines.append("|---" * (len(names) + 3) + "|")
    for arm in _ARMS:
        runs = [row for row in rows if row["arm"] == arm]
        if runs:
            columns = ["auc", *names, *(["auc_incomplete"] if "auc_incomplete" in runs[0] else [])]
            lines.append("| " + " | ".join([arm, *(spread(_column(runs, name)) for name in columns)]) + " |")
    return "\n".join(lines)


def _paired(base: list[dict[str, Any]], other: list[dict[str, Any]]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    seeds = {row["seed"]: row for row in other}
    return [(row, seeds[row["seed"]]) for row in base if row["seed"] in seeds]


def _column(runs: list[dict[str, Any]], name: str) -> np.ndarray:
    return 100 * np.array([run[name] for run in runs])
