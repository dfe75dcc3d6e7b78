"""Attentions, pre-training, memories and a linear model of few pixels on chest films: same films, seeds and budget."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from ...data import load_class_names
from ...metrics import multi_label_summary
from ..studies.memory_readings import memory_readings
from ..studies.resnet_arm import resnet_settings
from ..studies.slice_predictions import predictions_path, save_predictions
from ..studies.study_runs import (
    add_study_options,
    overrides_of,
    run_study,
    run_training,
    study_settings,
    training_job,
)
from .film_pretraining import encoder_path, pretrain
from .film_scores import FilmScores, pixel_scores, score_films
from .film_tables import (
    ARMS,
    PRETRAINED,
    PRETRAINING,
    SHORTCUT,
    effect_table,
    films_table,
    patients_table,
    pretraining_table,
)

__all__ = ["add_arguments", "run_benchmark"]

_BLOCKS = "monai_memvit.networks.blocks"
_SOFTMAX = {"attention": {"_target_": f"{_BLOCKS}.SoftmaxAttention", "_mode_": "callable"}}
_ONE_RATE = {
    "optimizer::lr": "@learning_rate",
    "optimizer::params": {
        "_target_": "monai_memvit.networks.weight_decay.weight_decay_groups",
        "network": "@network",
        "weight_decay": "@weight_decay",
    },
}
_SETTINGS: dict[str, dict[str, Any]] = {
    "softmax": _SOFTMAX,
    "SimA": {"attention": {"_target_": f"{_BLOCKS}.SimaAttention", "_mode_": "callable"}},
    "sequence norm, linear probe": {"freeze_backbone": True},
    "plain": _SOFTMAX | {"pool": "cls", "memory_layers": []},
    "MoViT": _SOFTMAX | {"pool": "cls", "memory_layers": [-1]},
    "plain, late class token": _SOFTMAX | {"pool": "cls", "memory_layers": [], "preset_memory": "similar"},
    "MoViT, similar": _SOFTMAX | {"pool": "cls", "memory_layers": [-1], "preset_memory": "similar"},
    "resnet": resnet_settings("@in_channels", spare_stem=False) | _ONE_RATE,
}
_FINE_TUNED = "sequence norm, pre-trained"
_EFFORT = ("epochs", "pretrain_epochs")
_OVERRIDES = ("pretrain_overrides", "finetune_overrides")
_ALIKE = (*_EFFORT, "section", "overrides", *_OVERRIDES, "fingerprint")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command line of the study.

    Args:
        parser: gains the options.
    """
    parser.add_argument("data", type=Path, help="folder made by `prepare radiographs`")
    add_study_options(parser)
    parser.add_argument("--bundle", type=Path, default=Path("bundles/chest_xray_classification"))
    parser.add_argument("--pretrain-bundle", type=Path, default=Path("bundles/chest_xray_mae_pretraining"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--pretrain-epochs", type=int, default=400)
    _add_overrides(parser, "--pretrain-override", "further settings of the pre-training's train.yaml")
    _add_overrides(parser, "--finetune-override", f"further settings of the arm {_FINE_TUNED!r} only")


def _add_overrides(parser: argparse.ArgumentParser, option: str, words: str) -> None:
    parser.add_argument(option, action="append", default=[], metavar="KEY=JSON", help=words)


def run_benchmark(args: argparse.Namespace) -> int:
    """Run what is not finished yet, then print the tables.

    Args:
        args: see :func:`add_arguments`.

    Returns:
        exit code 0.

    Raises:
        ValueError: when ``--out`` holds runs of other settings.
    """
    rows = run_study(args, _settings, _ALIKE, _plan, _work)
    for table in (films_table(rows), effect_table(rows), patients_table(rows, args.out), pretraining_table(rows)):
        print(table, end="\n\n")
    return 0


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    effort = {name: getattr(args, name) for name in _EFFORT}
    settings = study_settings(args.data, args.section, args.override, effort)
    further = zip(_OVERRIDES, (args.pretrain_override, args.finetune_override))
    return settings | {name: overrides_of(options) for name, options in further}


def _plan(args: argparse.Namespace, settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Seed by seed, so that an early stop leaves whole pairs."""
    yield settings | {"arm": SHORTCUT}
    for seed in args.seeds:
        needed = [PRETRAINING] if {*PRETRAINED} & {*args.arms} else []
        for arm in [*needed, *args.arms]:
            yield settings | {"seed": seed, "arm": arm}


def _work(args: argparse.Namespace, run: dict[str, Any]) -> dict[str, Any]:
    if run["arm"] == PRETRAINING:
        return pretrain(args.pretrain_bundle, args.data, run, encoder_path(args.out, run["seed"]))
    found: dict[str, Any] = {}
    if run["arm"] == SHORTCUT:
        scores = pixel_scores(args.data, args.section)
    else:
        scores, found = _train_and_test(args, run)
    save_predictions(predictions_path(args.out, run), scores)
    counts = {"films": len(scores.labels), "patients": len(scores.groups.unique())}
    return _figures(args.data, scores) | found | counts


def _train_and_test(args: argparse.Namespace, run: dict[str, Any]) -> tuple[FilmScores, dict[str, Any]]:
    """What the trained network says, and what its memory, where it has one, has to do with it."""
    parser = _job(args, run)
    run_training(parser)
    network, films = (parser.get_parsed_content(name) for name in ("network", "validate::dataloader"))
    found: dict[str, Any] = {"cases": len(parser.get_parsed_content("train::dataset"))}
    if parser["memory_layers"]:
        found |= memory_readings(network, lambda: _means(_figures(args.data, score_films(network, films))))
    return score_films(network, films), found


def _figures(data: Path, scores: FilmScores) -> dict[str, float]:
    return multi_label_summary(scores.probabilities, scores.labels, load_class_names(data / "datalist.json"))


def _means(figures: dict[str, float]) -> dict[str, float]:
    return {name: figures[name] for name in ("auc", "auprc")}


def _job(args: argparse.Namespace, run: dict[str, Any]) -> Any:
    """The bundle's training with the network as its ``initialize`` leaves it."""
    parser = _parser(args, run)
    network = parser.get_parsed_content("network")  # first of all: data loaders draw random numbers too
    if run["arm"] in ("softmax", "SimA"):
        _begin_like(network, _parser(args, run | {"arm": ARMS[0]}).get_parsed_content("network"))
    parser.get_parsed_content("pretrained_weights")
    if parser.get_parsed_content("backbone_frozen"):
        network.requires_grad_(False).head.requires_grad_(True)
    return parser


def _begin_like(network: torch.nn.Module, other: torch.nn.Module) -> None:
    """Some attentions have biases, which draw: one seed alone would give the layers behind them other weights."""
    own = network.state_dict()
    alike = {name: value for name, value in other.state_dict().items() if name in own}
    network.load_state_dict(alike, strict=False)


def _parser(args: argparse.Namespace, run: dict[str, Any]) -> Any:
    settings = {"dataset_dir": str(args.data), "bundle_root": str(args.bundle), "seed": run["seed"]}
    settings |= {"max_epochs": args.epochs} | run["overrides"] | _SETTINGS.get(run["arm"], {})
    if run["arm"] in PRETRAINED:
        settings |= {"pretrained": str(_encoder(args.out, run["seed"]))}
    if run["arm"] == _FINE_TUNED:
        settings |= run["finetune_overrides"]
    return training_job(args.bundle, args.section, settings, reports=[])


def _encoder(out: Path, seed: int) -> Path:
    path = encoder_path(out, seed)
    if not path.exists():
        raise ValueError(
            f"{path} is missing: put it back, or take the line of {PRETRAINING!r} and seed {seed} out of {out} to "
            "repeat it."
        )
    return path
