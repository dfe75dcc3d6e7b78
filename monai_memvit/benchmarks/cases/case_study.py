"""What cases are worth that are added to a network after its training: at its own site, at another, of a new class."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from ...data import load_fingerprint
from ...metrics import one_against_rest_auc
from ..studies.patient_intervals import run_figures
from ..studies.slice_predictions import SlicePredictions, predictions_path, save_predictions
from ..studies.study_runs import add_study_options, overrides_of, run_study, study_settings
from .case_encoders import encoder_of, encoders_digest
from .case_features import CaseFeatures, case_class_names, chosen_cases, features_of, home_and_other, home_and_site
from .case_picture import draw_gains
from .case_readings import READINGS, read_cases
from .case_shifts import SHIFTS
from .case_tables import case_table, gap_table, patients_table

__all__ = ["add_arguments", "run_benchmark"]

_ALIKE = (
    "home_cases",
    "section",
    "screen",
    "body",
    "new_class",
    "other",
    "bundle",
    "encoders",
    "overrides",
    "fingerprint",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command line of the study.

    Args:
        parser: gains the options.
    """
    parser.add_argument("data", type=Path, help="prepared folder")
    add_study_options(parser)
    parser.add_argument("--bundle", type=Path, required=True, help="bundle that trains the network")
    parser.add_argument("--seeds", type=int, nargs="+", default=[*range(10)])
    parser.add_argument("--home-cases", type=int, default=150, help="cases to train on; default 150")
    parser.add_argument("--sizes", type=int, nargs="+", default=[5, 10, 25, 50, 100, 300], help="added cases per class")
    parser.add_argument("--shifts", nargs="+", choices=[*SHIFTS], default=["none"], help="how the site's images differ")
    parser.add_argument("--arms", nargs="+", choices=[*READINGS], default=[*READINGS])
    parser.add_argument("--new-class", default="", help="class that the home has no case of")
    parser.add_argument(
        "--encoders", type=Path, help="folder of pre-trained weights, *.pt: the seeds take them in turns"
    )
    parser.add_argument(
        "--body", choices=["trained", "frozen"], default="trained", help="frozen: the head alone learns"
    )
    parser.add_argument(
        "--picture", type=Path, metavar="PNG", help="also draw what the arms gain, over the added cases"
    )
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--screen", action="store_true", help="test on a quarter of the training patients instead")
    place.add_argument(
        "--other", type=Path, help="prepared folder of another hospital: half of its patients are added, half tested"
    )


def run_benchmark(args: argparse.Namespace) -> int:
    """Run what is not finished yet, then print the tables.

    Args:
        args: see :func:`add_arguments`.

    Returns:
        exit code 0.

    Raises:
        ValueError: when ``--out`` holds runs of other settings, ``--new-class`` is no class, or the two hospitals do
            not have the same ones.
    """
    rows = run_study(args, _settings, _ALIKE, _plan, _work)
    for table in (case_table(rows), gap_table(rows), patients_table(rows, args.out)):
        print(table, end="\n\n")
    if args.picture:
        draw_gains(rows, "network alone", str(args.picture))
    return 0


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    names = case_class_names(args.data / "datalist.json")
    if args.new_class and args.new_class not in names:
        raise ValueError(f"--new-class {args.new_class}: name one of {', '.join(names)}.")
    known = {"home_cases": args.home_cases, "screen": args.screen, "body": args.body, "new_class": args.new_class}
    known |= {"bundle": args.bundle.resolve().name}
    if args.encoders:
        known |= {"encoders": encoders_digest(args.encoders)}
    if args.other:
        known |= {"other": load_fingerprint(args.other / "datalist.json")}
    return study_settings(args.data, args.section, args.override, {}) | known


def _plan(args: argparse.Namespace, settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Seed by seed, so that an early stop leaves whole pairs."""
    for seed in args.seeds:
        for shift in args.shifts:
            for size in args.sizes:
                for arm in args.arms:
                    yield settings | {"seed": seed, "shift": shift, "added": size, "arm": arm}


def _work(args: argparse.Namespace, run: dict[str, Any]) -> dict[str, Any]:
    names = case_class_names(args.data / "datalist.json")
    found = _features(args, run, names)
    added = chosen_cases(found[f"site/{run['shift']}"], run["added"], run["seed"])
    figures: dict[str, Any] = {"cases": len(found["home"].labels) + len(added.labels)}
    at_home = found.get("home test/none", found["test/none"])
    for place, asked in {"site": found[f"test/{run['shift']}"], "home": at_home}.items():
        told = read_cases(run["arm"], found["home"], added, asked, names)
        if place == "site":
            every = torch.ones_like(asked.labels, dtype=torch.bool)
            said = SlicePredictions(told.float(), asked.labels, asked.groups, every)
            save_predictions(predictions_path(args.out, run), said)
        scores = run_figures(told[:, None], asked.labels)
        figures |= {f"{place}_{name}": float(value[0]) for name, value in scores.items()}
        if args.new_class:
            aucs = one_against_rest_auc(told, asked.labels)
            figures[f"{place}_auc_new_class"] = float(aucs[names.index(args.new_class)])
    return figures


def _features(args: argparse.Namespace, run: dict[str, Any], names: list[str]) -> dict[str, CaseFeatures]:
    new, seed = names.index(args.new_class) if args.new_class else -1, run["seed"]
    common = seed, args.home_cases
    if args.other:
        parts = home_and_other(args.data, args.other, args.section, *common, new)
    else:
        parts = home_and_site(args.data, args.section, *common, args.screen, new)
    settings = {"dataset_dir": str(args.data), "bundle_root": str(args.bundle), "seed": seed}
    settings |= {"memory_layers": []} | overrides_of(args.override)
    if args.encoders:
        settings |= {"study_encoder": str(encoder_of(args.encoders, seed))}
    path = args.out.with_name(f"{args.out.stem}_features") / f"{seed}.npz"
    shifts = ["none", *(s for s in args.shifts if s != "none")]
    made_of = {name: run[name] for name in (*_ALIKE, "seed") if name in run}
    found = features_of(path, args.bundle, settings, parts, shifts, args.body, made_of)
    return {part: _without(cases, new) for part, cases in found.items()}


def _without(cases: CaseFeatures, new: int) -> CaseFeatures:
    """The network gives no probability to a class that it was never taught."""
    if new < 0:
        return cases
    logits = cases.logits.clone()
    logits[:, new] = -torch.inf
    return cases._replace(logits=logits)
