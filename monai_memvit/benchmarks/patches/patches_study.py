"""Does the memory help with few cases? Both ways of reading it against the same network without one, on patches."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...data import load_section
from ...memory import PrototypicalAttentionLearning, memory_layers
from ..studies.memory_readings import memory_readings
from ..studies.memory_tables import memory_table
from ..studies.resnet_arm import resnet_settings
from ..studies.study_runs import (
    add_study_options,
    overrides_of,
    run_study,
    run_training,
    signed,
    spread,
    study_settings,
    tested_figures,
    training_job,
)
from ..tools.tables import markdown_table
from .colour_baseline import colour_baseline, colour_by_folds

__all__ = ["add_arguments", "colour_table", "paired_table", "run_benchmark", "why_table"]

_ARMS: dict[str, dict[str, Any]] = {
    "plain": {"memory_layers": []},
    "movit": {"memory_layers": [-1]},
    "plain, late class token": {"memory_layers": [], "preset_memory": "similar"},
    "movit, similar": {"memory_layers": [-1], "preset_memory": "similar"},
    "resnet": resnet_settings("@num_channels", spare_stem=True),
}
_PAIRS = [
    ("plain", "movit"),
    ("plain, late class token", "movit, similar"),
    ("plain", "plain, late class token"),
    ("plain", "resnet"),
]
_METRICS = {"balanced_accuracy": "balanced accuracy", "accuracy": "accuracy", "auc": "AUC"}
_COLOUR = {"colour": "the tested section", "colour, five folds": "five folds of all patients"}
_ALIKE = ("images", "section", "overrides", "fingerprint")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command line of the study.

    Args:
        parser: gains the options.
    """
    parser.add_argument("data", type=Path, help="folder made by `prepare patches`")
    add_study_options(parser)
    parser.add_argument("--bundle", type=Path, default=Path("bundles/histology_patch_classification"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--arms", nargs="+", choices=_ARMS, default=list(_ARMS))
    parser.add_argument("--fractions", type=float, nargs="+", default=[0.01, 0.03, 0.1, 1.0])
    parser.add_argument(
        "--images", type=int, default=30_000, help="images seen per run, at least 12 and at most 100 epochs"
    )


def run_benchmark(args: argparse.Namespace) -> int:
    """Run what is not finished yet, then print the table.

    Args:
        args: see :func:`add_arguments`.

    Returns:
        exit code 0.

    Raises:
        ValueError: when ``--out`` holds runs of other settings.
    """
    done = run_study(args, _settings, _ALIKE, _plan, _work)
    for table in (paired_table(done), why_table(done), colour_table(done)):
        print(table, end="\n\n")
    return 0


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    return study_settings(args.data, args.section, args.override, {"images": args.images})


def _plan(args: argparse.Namespace, settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Seed by seed, so that an early stop leaves whole pairs at every fraction."""
    for arm in _COLOUR:
        yield settings | {"arm": arm}
    for seed in args.seeds:
        for fraction in args.fractions:
            for arm in args.arms:
                yield settings | {"seed": seed, "fraction": fraction, "arm": arm}


def _work(args: argparse.Namespace, run: dict[str, Any]) -> dict[str, Any]:
    if run["arm"] in _COLOUR:
        return colour_by_folds(args.data) if "folds" in run["arm"] else colour_baseline(args.data, args.section)
    return _train_and_test(args, run)


def _train_and_test(args: argparse.Namespace, run: dict[str, Any]) -> dict[str, Any]:
    cases = len(load_section(args.data / "datalist.json", "training", run["fraction"], run["seed"]))
    epochs = min(100, max(12, math.ceil(args.images / cases)))
    settings = {
        "dataset_dir": str(args.data),
        "bundle_root": str(args.bundle),
        "seed": run["seed"],
        "training_fraction": run["fraction"],
        "max_epochs": epochs,
    }
    settings |= _ARMS[run["arm"]] | overrides_of(args.override)
    parser = _job(args, settings)
    run_training(parser)
    network = parser.get_parsed_content("network")
    metrics = tested_figures(parser)
    if settings["memory_layers"]:
        metrics |= memory_readings(network, partial(tested_figures, parser)) | _other_readings(network, parser)
    return {"cases": cases, "epochs": epochs} | metrics


def _job(args: argparse.Namespace, settings: dict[str, Any]) -> Any:
    report = {"_target_": "monai_memvit.handlers.ClassificationReport", "class_names": "@class_names", "prefix": ""}
    statistics = {"_target_": "monai_memvit.handlers.MemoryStatisticsHandler", "network": "@network"}
    statistics |= {"_disabled_": "$not @memory_layers", "cases": "@cases", "k": "@num_neighbors"}
    return training_job(args.bundle, args.section, settings, [report, statistics])


def _other_readings(network: torch.nn.Module, parser: Any) -> dict[str, float]:
    layer = memory_layers(network)[-1]
    with _same_for_all(layer, parser):
        blind = tested_figures(parser)
    classes = len(parser.get_parsed_content("class_names"))
    layer.bank = layer.bank.distil(PrototypicalAttentionLearning(num_prototypes=32 * classes))
    found = {"_same_for_all": blind, "_prototypes": tested_figures(parser)}
    gates = {f"gate{head}_final": gate for head, gate in enumerate(layer.gate.tolist())}
    return gates | {f"{name}{reading}": value for reading, summary in found.items() for name, value in summary.items()}


@contextmanager
def _same_for_all(layer: torch.nn.Module, parser: Any) -> Iterator[None]:
    """Every case's class token receives from this attention what the mean case receives: does its answer matter?"""
    received: list[torch.Tensor] = []
    with layer.register_forward_hook(lambda _, __, out: received.append(out[:, 0].detach())):
        tested_figures(parser)
    mean = torch.cat(received).mean(0)

    def replace(_: torch.nn.Module, __: Any, out: torch.Tensor) -> torch.Tensor:
        return torch.cat([mean.expand(len(out), 1, -1), out[:, 1:]], dim=1)

    with layer.register_forward_hook(replace):
        yield


def paired_table(rows: list[dict[str, Any]]) -> str:
    """Markdown table: with a memory and without, and what is left when the memory is disturbed.

    Args:
        rows: results of finished runs.

    Returns:
        as of :func:`~monai_memvit.benchmarks.studies.memory_tables.memory_table`, with prototypes instead of all facts.
    """
    return memory_table(rows, _PAIRS, _METRICS, {"all facts − prototypes": "_prototypes"})


def colour_table(rows: list[dict[str, Any]]) -> str:
    """Markdown table: what a logistic regression on colour statistics reaches.

    Args:
        rows: results of finished runs.

    Returns:
        the table; without lines where the colours were not asked.
    """
    found = {row["arm"]: row for row in rows if row["arm"] in _COLOUR}
    lines = [[_COLOUR[arm], *(f"{100 * row[name]:.1f}" for name in _METRICS)] for arm, row in found.items()]
    return markdown_table(["colour statistics alone, on", *_METRICS.values()], lines)


def why_table(rows: list[dict[str, Any]]) -> str:
    """Markdown table: what the memory finds, and what the class token's attention in the memory's block is worth.

    Args:
        rows: results of finished runs.

    Returns:
        the table, one line per number of training cases and arm, over the runs with a memory that were asked why.
    """
    asked = [row for row in rows if "auc_same_for_all" in row]
    lines = ["| training cases, arm (seeds) | own class among the retrieved: chance | by q·k | by key cosine |"]
    lines[0] += " effective facts of 32, q·k | AUC: class token's last attention replaced by its mean − whole |"
    lines.append("|---|---|---|---|---|---|")
    for cases, arm in sorted({(row["cases"], row["arm"]) for row in asked}):
        runs = [row for row in asked if (row["cases"], row["arm"]) == (cases, arm)]
        names = ["memory_purity_chance", "memory_purity_logit", "memory_purity_cosine"]
        cells = [f"{cases}, {arm} ({len(runs)})", *(spread(100 * _values(runs, name)) for name in names)]
        cells.append(spread(_values(runs, "memory_effective_facts_logit")))
        cells.append(signed(100 * (_values(runs, "auc_same_for_all") - _values(runs, "auc"))))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _values(runs: list[dict[str, Any]], name: str) -> np.ndarray:
    return np.array([run[name] for run in runs])
