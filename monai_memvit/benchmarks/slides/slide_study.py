"""SlideViT against MONAI's MILModel on simulated slides: are the slides found, and the lesions on them?"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn as nn
from torch import Tensor

from ...data.slides import TileIndex
from ...metrics import classification_summary
from ...networks.slide_streaming import tile_contributions
from ..studies.slice_predictions import SlicePredictions, predictions_path, save_predictions
from ..studies.study_runs import add_study_options, run_study, run_training, study_settings, training_job
from .filter_features import NUM_FEATURES, write_features
from .mil_arm import MilArm
from .slide_tables import ARMS, patients_table, slides_table
from .slide_truth import lesion_shares, top_hits

__all__ = ["add_arguments", "run_benchmark"]

_ALIKE = ("epochs", "section", "overrides", "fingerprint", "pixels")
_DECAY = {
    "_target_": "monai_memvit.networks.weight_decay.weight_decay_groups",
    "network": "@network",
    "weight_decay": "@weight_decay",
}


def _mil(mode: str) -> dict[str, Any]:
    network = {
        "_target_": "monai_memvit.benchmarks.slides.mil_arm.MilArm",
        "in_features": "@in_features",
        "num_classes": "$len(@class_names)",
        "embedding": "$@feature_embedding if @features_dir else @tile_embedding",
        "hidden_size": "@hidden_size",
        "mil_mode": mode,
    }
    return {"network_def": network, "optimizer::params": _DECAY, "optimizer::lr": "@learning_rate"}


_SETTINGS: dict[str, dict[str, Any]] = {
    "SlideViT": {},
    "SlideViT, gated": {"pool": "gated"},
    "MILModel att": _mil("att"),
    "MILModel att_trans": _mil("att_trans"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command line of the study.

    Args:
        parser: gains the options.
    """
    parser.add_argument("data", type=Path, help="folder made by `prepare slides` with labels")
    parser.add_argument("--truth", type=Path, required=True, help="the folder truth of the simulated cohort")
    add_study_options(parser)
    parser.add_argument("--bundle", type=Path, default=Path("bundles/slide_classification"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument(
        "--pixels", action="store_true", help="train from pixels; else on the answers of filters learned without labels"
    )


def run_benchmark(args: argparse.Namespace) -> int:
    """Run what is not finished yet, then print the tables.

    Args:
        args: see :func:`add_arguments`.

    Returns:
        exit code 0.

    Raises:
        ValueError: when ``--out`` holds runs of other settings.
    """
    if not (args.report_only or args.pixels):
        write_features(args.data, _features(args.out))
    rows = run_study(args, _settings, _ALIKE, _plan, _work)
    for table in (slides_table(rows), patients_table(rows, args.out)):
        print(table, end="\n\n")
    return 0


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    settings = study_settings(args.data, args.section, args.override, {"epochs": args.epochs})
    return settings | {"pixels": args.pixels}


def _plan(args: argparse.Namespace, settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Seed by seed, so that an early stop leaves whole pairs."""
    for seed in args.seeds:
        for arm in args.arms:
            yield settings | {"seed": seed, "arm": arm}


def _work(args: argparse.Namespace, run: dict[str, Any]) -> dict[str, Any]:
    settings = {"dataset_dir": str(args.data), "bundle_root": str(args.bundle), "seed": run["seed"]}
    if not args.pixels:
        settings |= {"features_dir": str(_features(args.out)), "in_features": NUM_FEATURES}
    settings |= {"max_epochs": args.epochs} | run["overrides"] | _SETTINGS[run["arm"]]
    parser = training_job(args.bundle, args.section, settings, reports=[])
    if args.pixels:
        parser.get_parsed_content("learned_filters")
    run_training(parser)
    network, dataset = parser.get_parsed_content("network"), parser.get_parsed_content("validate::dataset")
    predictions, hits, chance = _tested(network.eval(), dataset, args.truth)
    save_predictions(predictions_path(args.out, run), predictions)
    figures = classification_summary(predictions.probabilities, predictions.labels)
    counts = {"slides": len(predictions.labels), "patients": len(predictions.groups.unique()), "lesions": len(hits)}
    return figures | counts | {"top5_hits": float(np.mean(hits)), "chance_hits": float(np.mean(chance))}


def _features(out: Path) -> Path:
    return out.with_name(f"{out.stem}_features")


def _tested(network: nn.Module, dataset: Any, truth: Path) -> tuple[SlicePredictions, list[float], list[float]]:
    """Predictions; of slides with a lesion, the share of the top tiles, and of all tiles, that lie on it."""
    device = next(network.parameters()).device
    rows, hits, chance = [], [], []
    for source, item in zip(dataset.data, dataset):
        tiles, places = item["image"].to(device), item["position_um"].to(device)
        with torch.no_grad():
            probabilities = network(tiles[None], places[None]).softmax(-1)[0].cpu().float()
        rows.append((probabilities, torch.tensor(item["label"]), torch.tensor(item["group_id"]), torch.tensor(True)))
        index = TileIndex.load(source["image"])
        shares = lesion_shares(index, truth)
        if shares is not None:
            row_at = {tuple(place): row for row, place in enumerate(index.positions_um().tolist())}
            shares = shares[[row_at[tuple(place)] for place in item["position_um"].tolist()]]
            hits.append(top_hits(_for_the_lesion(network, tiles, places).cpu().numpy(), shares))
            chance.append(float((shares > 0).mean()))
    return SlicePredictions(*(torch.stack(column) for column in zip(*rows))), hits, chance


def _for_the_lesion(network: Any, tiles: Tensor, places: Tensor) -> Tensor:
    """What every tile adds to the last class's logit beyond what it adds to the first one's, ``(N,)``."""
    if isinstance(network, MilArm):
        found = network.contributions(tiles)
    else:
        found = tile_contributions(network, tiles[None], places[None])[0].mT
    return found[:, -1] - found[:, 0]
