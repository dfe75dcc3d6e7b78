"""Does the memory help with few cases? MoViT against the same network without memory, paired, on prepared patches."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..data import load_section
from ..memory import PrototypicalAttentionLearning, memory_layers, memory_off
from .colour_baseline import colour_baseline, colour_by_folds

__all__ = ["add_arguments", "paired_table", "run_benchmark", "why_table"]

_ARMS: dict[str, dict[str, Any]] = {"plain": {"memory_layers": []}, "movit": {"memory_layers": [-1]}}
_KEPT_HANDLERS = ("MemoryUpdateHandler", "LrScheduleHandler")
_METRICS = ("balanced_accuracy", "accuracy", "auc")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command line of the study.

    Args:
        parser: gains the options.
    """
    parser.add_argument("data", type=Path, help="folder made by `prepare patches`")
    parser.add_argument(
        "--out", type=Path, required=True, help="JSON lines, one per run; finished runs are not repeated"
    )
    parser.add_argument("--bundle", type=Path, default=Path("bundles/histology_patch_classification"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--fractions", type=float, nargs="+", default=[0.01, 0.03, 0.1, 1.0])
    parser.add_argument(
        "--images", type=int, default=30_000, help="images seen per run, at least 12 and at most 100 epochs"
    )
    parser.add_argument("--section", default="test", help="section of the datalist to test on; never used in training")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--override", action="append", default=[], metavar="KEY=JSON", help="further settings of train.yaml"
    )
    parser.add_argument("--report-only", action="store_true", help="print the table of the finished runs")


def run_benchmark(args: argparse.Namespace) -> int:
    """Run what is not finished yet, then print the table.

    Args:
        args: see :func:`add_arguments`.

    Returns:
        exit code 0.
    """
    torch.set_num_threads(args.threads)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    done = _finished(args.out)
    for seed, fraction, arm in [] if args.report_only else _plan(args):
        if (seed, fraction, arm) in {(r["seed"], r["fraction"], r["arm"]) for r in done}:
            continue
        row = {"seed": seed, "fraction": fraction, "arm": arm} | _train_and_test(args, seed, fraction, _ARMS[arm])
        with args.out.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)
        done.append(row)
    if not args.report_only:
        print("colour statistics, logistic regression:", json.dumps(colour_baseline(args.data, args.section)))
        print("the same, five folds of all patients:", json.dumps(colour_by_folds(args.data)))
    print(paired_table(done))
    print(why_table(done))
    return 0


def _plan(args: argparse.Namespace) -> Iterator[tuple[int, float, str]]:
    """Seed by seed, so that an early stop leaves whole pairs at every fraction."""
    for seed in args.seeds:
        for fraction in args.fractions:
            for arm in _ARMS:
                yield seed, fraction, arm


def _finished(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _train_and_test(args: argparse.Namespace, seed: int, fraction: float, arm: dict[str, Any]) -> dict[str, Any]:
    cases = len(load_section(args.data / "datalist.json", "training", fraction, seed))
    epochs = min(100, max(12, math.ceil(args.images / cases)))
    settings = {
        "dataset_dir": str(args.data),
        "bundle_root": str(args.bundle),
        "seed": seed,
        "training_fraction": fraction,
    }
    settings |= {"max_epochs": epochs} | arm | {k: json.loads(v) for k, v in (o.split("=", 1) for o in args.override)}
    parser = _parse(args.bundle, args.section, settings)
    parser.get_parsed_content("train::trainer").run()
    network = parser.get_parsed_content("network")
    found = {"": _test(parser)}
    if arm["memory_layers"]:
        found |= _other_readings(network, parser)
    metrics = {f"{name}{reading}": value for reading, summary in found.items() for name, value in summary.items()}
    return {"cases": cases, "epochs": epochs} | metrics


def _parse(bundle: Path, section: str, settings: dict[str, Any]) -> Any:
    """The bundle's own training job without tracking, checkpoints and validation: the last weights are tested."""
    from monai.bundle import ConfigParser
    from monai.data import set_track_meta
    from monai.utils import set_determinism

    set_determinism(seed=settings["seed"])
    set_track_meta(False)
    parser = ConfigParser()
    parser.read_config(str(bundle / "configs" / "train.yaml"))
    parser.update(settings)
    parser["train"]["handlers"] = [h for h in parser["train"]["handlers"] if _is_kept(h)]
    parser["train"]["dataset"]["progress"] = False
    parser["validate"]["dataset"] |= {"progress": False}
    parser["validate"]["dataset"]["data"]["section"] = section
    report = "monai_memvit.handlers.ClassificationReport"
    statistics = [h for h in parser["validate"]["handlers"] if "MemoryStatisticsHandler" in str(h)]
    parser["validate"]["handlers"] = [{"_target_": report, "class_names": "@class_names", "prefix": ""}, *statistics]
    return parser


def _is_kept(handler: dict[str, Any]) -> bool:
    return handler["_target_"].rsplit(".", 1)[-1] in _KEPT_HANDLERS


def _other_readings(network: torch.nn.Module, parser: Any) -> dict[str, dict[str, float]]:
    with memory_off(network):
        without = _test(parser)
    layer = memory_layers(network)[-1]
    with _same_for_all(layer, parser):
        blind = _test(parser)
    classes = len(parser.get_parsed_content("class_names"))
    layer.bank = layer.bank.distil(PrototypicalAttentionLearning(num_prototypes=32 * classes))
    gates = {f"gate{head}": gate for head, gate in enumerate(layer.gate.tolist())}
    return {"_memory_off": without, "_same_for_all": blind, "_prototypes": _test(parser), "_final": gates}


@contextmanager
def _same_for_all(layer: torch.nn.Module, parser: Any) -> Iterator[None]:
    """Every case's class token receives from this attention what the mean case receives: does its answer matter?"""
    received: list[torch.Tensor] = []
    with layer.register_forward_hook(lambda _, __, out: received.append(out[:, 0].detach())):
        _test(parser)
    mean = torch.cat(received).mean(0)

    def replace(_: torch.nn.Module, __: Any, out: torch.Tensor) -> torch.Tensor:
        return torch.cat([mean.expand(len(out), 1, -1), out[:, 1:]], dim=1)

    with layer.register_forward_hook(replace):
        yield


def _test(parser: Any) -> dict[str, float]:
    evaluator = parser.get_parsed_content("validate::evaluator")
    evaluator.run()
    return dict(evaluator.state.metrics)


def paired_table(rows: list[dict[str, Any]]) -> str:
    """Markdown table: mean ± s.d. over seeds of both arms, and the paired difference with its 95 % interval.

    Args:
        rows: results of finished runs.

    Returns:
        the table; fractions without a whole pair are left out.
    """
    columns = ["training cases (seeds)", "metric", "plain ViT", "MoViT", "MoViT − plain [95 %]", "memory on − off"]
    lines = [" | ".join(["", *columns, "prototypes − plain", ""]).strip(), "|---|---|---|---|---|---|---|"]
    for fraction in sorted({row["fraction"] for row in rows}):
        arms = {arm: {r["seed"]: r for r in rows if (r["fraction"], r["arm"]) == (fraction, arm)} for arm in _ARMS}
        seeds = sorted(set(arms["plain"]) & set(arms["movit"]))
        if seeds:
            plain, movit = ([arms[arm][seed] for seed in seeds] for arm in ("plain", "movit"))
            lines += [_line(plain, movit, metric) for metric in _METRICS]
    return "\n".join(lines)


def _line(plain: list[dict[str, Any]], movit: list[dict[str, Any]], metric: str) -> str:
    def column(runs: list[dict[str, Any]], reading: str = "") -> np.ndarray:
        return 100 * np.array([r[metric + reading] for r in runs])

    base, ours, off, distilled = (
        column(plain),
        column(movit),
        column(movit, "_memory_off"),
        column(movit, "_prototypes"),
    )
    cells = [f"{plain[0]['cases']} ({len(plain)})", metric.replace("_", " "), _spread(base), _spread(ours)]
    cells += [f"{_signed(ours - base)} {_interval(ours - base)}", _signed(ours - off), _signed(distilled - base)]
    return "| " + " | ".join(cells) + " |"


def why_table(rows: list[dict[str, Any]]) -> str:
    """Markdown table: what the memory finds, and what the class token's attention in the memory's block is worth.

    Args:
        rows: results of finished runs.

    Returns:
        the table, one line per number of training cases, over the runs with a memory that were asked why.
    """
    asked = [row for row in rows if "auc_same_for_all" in row]
    lines = ["| training cases (seeds) | own class among the retrieved: chance | by q·k | by key cosine |"]
    lines[0] += " effective facts of 32, q·k | AUC: class token's last attention replaced by its mean − whole |"
    lines.append("|---|---|---|---|---|---|")
    for fraction in sorted({row["fraction"] for row in asked}):
        runs = [row for row in asked if row["fraction"] == fraction]
        names = ["memory_purity_chance", "memory_purity_logit", "memory_purity_cosine"]
        cells = [f"{runs[0]['cases']} ({len(runs)})", *(_spread(100 * _values(runs, name)) for name in names)]
        cells.append(_spread(_values(runs, "memory_effective_facts_logit")))
        cells.append(_signed(100 * (_values(runs, "auc_same_for_all") - _values(runs, "auc"))))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _values(runs: list[dict[str, Any]], name: str) -> np.ndarray:
    return np.array([run[name] for run in runs])


def _spread(values: np.ndarray) -> str:
    return f"{values.mean():.1f} ± {values.std(ddof=1) if len(values) > 1 else math.nan:.1f}"


def _signed(values: np.ndarray) -> str:
    return f"{values.mean():+.2f} ± {values.std(ddof=1) if len(values) > 1 else math.nan:.2f}"


def _interval(values: np.ndarray) -> str:
    from scipy.stats import t

    if len(values) < 2:
        return ""
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
    return f"[{values.mean() - half:+.2f}, {values.mean() + half:+.2f}]"
