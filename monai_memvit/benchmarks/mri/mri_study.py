"""MoViT against the same network without memory on slices of MRI, with and without a sequence missing."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from ...handlers import only_channels
from ...metrics import classification_summary
from ..studies.memory_readings import memory_readings
from ..studies.resnet_arm import resnet_settings
from ..studies.slice_predictions import SlicePredictions, predict_slices, predictions_path, save_predictions
from ..studies.study_runs import (
    add_study_options,
    overrides_of,
    run_study,
    run_training,
    study_settings,
    training_job,
)
from .mri_tables import ARMS, SHORTCUT, effect_table, missing_table, patients_table, slices_table
from .slice_shortcut import shortcut_predictions

__all__ = ["add_arguments", "run_benchmark"]

_SETTINGS: dict[str, dict[str, Any]] = {
    "plain, zeros": {"memory_layers": [], "sequence_tokens": False},
    "MoViT, zeros": {"memory_layers": [-1], "sequence_tokens": False},
    "plain, tokens": {"memory_layers": [], "sequence_tokens": True},
    "MoViT, tokens": {"memory_layers": [-1], "sequence_tokens": True},
    "plain, late class token, zeros": {
        "memory_layers": [],
        "sequence_tokens": False,
        "preset_memory": "similar",
    },
    "MoViT, similar, zeros": {"memory_layers": [-1], "sequence_tokens": False, "preset_memory": "similar"},
    "resnet, zeros": resnet_settings("@in_channels", spare_stem=False) | {"sequence_tokens": False},
}
_ALIKE = ("epochs", "section", "overrides", "fingerprint")

# The training slices once more as they are tested: whole, and none of their sequences taken away by chance.
_REFRESH: dict[str, Any] = {
    "dataloader": {
        "_target_": "monai.data.DataLoader",
        "dataset": "@refresh::dataset",
        "batch_size": "$4 * @batch_size",
        "num_workers": "@num_workers",
    },
    "evaluator": {
        "_target_": "monai.engines.SupervisedEvaluator",
        "device": "@device",
        "val_data_loader": "@refresh::dataloader",
        "network": "@network",
        "prepare_batch": "@prepare_batch",
        "val_handlers": [
            {
                "_target_": "monai_memvit.handlers.MemoryUpdateHandler",
                "network": "@network",
                "update": "refresh",
                "id_map": "@id_map",
            }
        ],
        "amp": "$@device.type == 'cuda'",
    },
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command line of the study.

    Args:
        parser: gains the options.
    """
    parser.add_argument("data", type=Path, help="folder made by `prepare mri`")
    add_study_options(parser)
    parser.add_argument("--bundle", type=Path, default=Path("bundles/glioma_mri_classification"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--epochs", type=int, default=15)


def run_benchmark(args: argparse.Namespace) -> int:
    """Run what is not finished yet, then print the tables.

    Args:
        args: see :func:`add_arguments`.

    Returns:
        exit code 0.

    Raises:
        ValueError: when ``--out`` holds runs of other settings, or such that do not tell theirs.
    """
    rows = _telling(run_study(args, _settings, _ALIKE, _plan, _work), args.out)
    for table in (slices_table(rows), effect_table(rows), missing_table(rows), patients_table(rows, args.out)):
        print(table, end="\n\n")
    return 0


def _telling(rows: list[dict[str, Any]], out: Path) -> list[dict[str, Any]]:
    if any(name not in row for row in rows for name in (*_ALIKE, "slices")):
        raise ValueError(f"{out}: an earlier version wrote these runs, uncounted: repeat the study with a new --out.")
    return rows


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    return study_settings(args.data, args.section, args.override, {"epochs": args.epochs})


def _plan(args: argparse.Namespace, settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Seed by seed, so that an early stop leaves whole pairs."""
    yield settings | {"arm": SHORTCUT}
    for seed in args.seeds:
        for arm in args.arms:
            yield settings | {"seed": seed, "arm": arm}


def _work(args: argparse.Namespace, run: dict[str, Any]) -> dict[str, Any]:
    if run["arm"] == SHORTCUT:
        predictions = shortcut_predictions(args.data, args.section)
        found = _figures(predictions)
    else:
        predictions, found = _train_and_test(args, run)
    save_predictions(predictions_path(args.out, run), predictions)
    return found | _counts(predictions)


def _train_and_test(args: argparse.Namespace, run: dict[str, Any]) -> tuple[SlicePredictions, dict[str, Any]]:
    parser = _job(args, run)
    run_training(parser)
    remembers = bool(parser["memory_layers"])
    found: dict[str, Any] = {"cases": len(parser.get_parsed_content("train::dataset"))}
    if remembers:
        found |= _figures(_predict(parser), "_unrefreshed")
        parser.get_parsed_content("refresh::evaluator").run()
    predictions = _predict(parser)
    found |= _figures(predictions) | _figures_incomplete(predictions)
    if remembers:
        found |= memory_readings(parser.get_parsed_content("network"), lambda: _figures(_predict(parser)))
    names = parser.get_parsed_content("channel_names")
    for missing in range(len(names)):
        found |= _figures_without(parser, missing, names)
    return predictions, found


def _job(args: argparse.Namespace, run: dict[str, Any]) -> Any:
    settings = {"dataset_dir": str(args.data), "bundle_root": str(args.bundle), "seed": run["seed"]}
    settings |= {"max_epochs": args.epochs} | _SETTINGS[run["arm"]] | overrides_of(args.override)
    parser = training_job(args.bundle, args.section, settings, reports=[])
    dataset = parser["train"]["dataset"] | {"transform": "@validate::preprocessing", "cache_rate": 0.0}
    parser["refresh"] = {"dataset": dataset} | _REFRESH
    return parser


def _predict(parser: Any) -> SlicePredictions:
    return predict_slices(parser.get_parsed_content("network"), parser.get_parsed_content("validate::dataloader"))


def _figures(predictions: SlicePredictions, reading: str = "") -> dict[str, float]:
    if not len(predictions.labels):
        return {}
    summary = classification_summary(predictions.probabilities, predictions.labels)
    return {name + reading: value for name, value in summary.items()}


def _figures_incomplete(predictions: SlicePredictions) -> dict[str, float]:
    """Of the slices that lack a sequence by themselves."""
    return _figures(predictions.where(~predictions.complete), "_incomplete")


def _figures_without(parser: Any, missing: int, names: list[str]) -> dict[str, float]:
    """Of the slices that have any other sequence."""
    others = [channel for channel in range(len(names)) if channel != missing]
    with only_channels(parser.get_parsed_content("network"), others) as served:
        predictions = _predict(parser)
    kept = predictions.where(torch.cat(served))
    return {f"cases_without_{names[missing]}": len(kept.labels)} | _figures(kept, f"_without_{names[missing]}")


def _counts(predictions: SlicePredictions) -> dict[str, int]:
    incomplete = predictions.where(~predictions.complete)
    return {
        "slices": len(predictions.labels),
        "patients": len(predictions.groups.unique()),
        "incomplete_slices": len(incomplete.labels),
        "incomplete_patients": len(incomplete.groups.unique()),
    }
