"""Does the memory help with few cases? MoViT against the same network without memory, paired, on prepared patches."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..data import Datalist, load_section
from ..memory import PrototypicalAttentionLearning, memory_layers, memory_off
from ..metrics import classification_summary

__all__ = ["add_arguments", "colour_baseline", "paired_table", "run_benchmark"]

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
    print(paired_table(done))
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
    parser["validate"]["handlers"] = [{"_target_": report, "class_names": "@class_names", "prefix": ""}]
    return parser


def _is_kept(handler: dict[str, Any]) -> bool:
    return handler["_target_"].rsplit(".", 1)[-1] in _KEPT_HANDLERS


def _other_readings(network: torch.nn.Module, parser: Any) -> dict[str, dict[str, float]]:
    with memory_off(network):
        without = _test(parser)
    layer = memory_layers(network)[-1]
    classes = len(parser.get_parsed_content("class_names"))
    layer.bank = layer.bank.distil(PrototypicalAttentionLearning(num_prototypes=32 * classes))
    gates = {f"gate{head}": gate for head, gate in enumerate(layer.gate.tolist())}
    return {"_memory_off": without, "_prototypes": _test(parser), "_final": gates}


def _test(parser: Any) -> dict[str, float]:
    evaluator = parser.get_parsed_content("validate::evaluator")
    evaluator.run()
    return dict(evaluator.state.metrics)


def colour_baseline(data: Path, tested: str = "test") -> dict[str, float]:
    """Logistic regression on colour statistics of the whole training section: what any network has to beat.

    Args:
        data: prepared folder.
        tested: the section to test on.

    Returns:
        :func:`classification_summary` on it.
    """
    from PIL import Image
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def features(section: str) -> tuple[np.ndarray, np.ndarray]:
        items = load_section(data / "datalist.json", section)
        pixels = (np.asarray(Image.open(item["image"]), dtype=float).reshape(-1, 3) for item in items)
        rows = [np.concatenate([p.mean(0), p.std(0), *np.quantile(p, [0.1, 0.5, 0.9], axis=0)]) for p in pixels]
        return np.stack(rows), np.array([item["label"] for item in items])

    train, test = features("training"), features(tested)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(*train)
    classes = len(Datalist.load(data / "datalist.json").class_names)
    probabilities = torch.zeros(len(test[1]), classes)
    probabilities[:, model.classes_] = torch.from_numpy(model.predict_proba(test[0])).float()
    return classification_summary(probabilities, torch.from_numpy(test[1]))


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
