"""A pre-trained network and few labels: what a memory of cases adds to the usual ways of using them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...data import load_section
from ..studies.patient_intervals import run_figures
from ..studies.study_runs import add_study_options, overrides_of, run_study, study_settings
from .case_encoders import encoder_of, encoders_digest
from .case_features import CaseFeatures, case_class_names, features_of, home_and_site
from .few_labels_readings import WAYS, FewLabels, read_few_labels
from .few_labels_tables import gain_table, way_table

__all__ = ["add_arguments", "run_benchmark"]

_ALIKE = ("section", "screen", "bundle", "encoders", "overrides", "fingerprint")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command line of the study.

    Args:
        parser: gains the options.
    """
    parser.add_argument("data", type=Path, help="prepared folder")
    add_study_options(parser)
    parser.add_argument("--bundle", type=Path, required=True, help="bundle that fine-tunes the network")
    parser.add_argument(
        "--encoders", type=Path, required=True, help="folder of pre-trained weights, *.pt: the seeds take them in turns"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[*range(10)])
    parser.add_argument("--sizes", type=int, nargs="+", default=[60, 150, 400], help="labelled cases")
    parser.add_argument("--arms", nargs="+", choices=[*WAYS], default=[*WAYS])
    parser.add_argument("--screen", action="store_true", help="test on a quarter of the training patients instead")


def run_benchmark(args: argparse.Namespace) -> int:
    """Run what is not finished yet, then print the tables.

    Args:
        args: see :func:`add_arguments`.

    Returns:
        exit code 0.

    Raises:
        ValueError: when ``--out`` holds runs of other settings, or there is no encoder.
    """
    rows = run_study(args, _settings, _ALIKE, _plan, _work)
    for table in (way_table(rows), gain_table(rows)):
        print(table, end="\n\n")
    return 0


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    known = {"screen": args.screen, "bundle": args.bundle.resolve().name, "encoders": encoders_digest(args.encoders)}
    return study_settings(args.data, args.section, args.override, {}) | known


def _plan(args: argparse.Namespace, settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Seed by seed, so that an early stop leaves whole pairs."""
    for seed in args.seeds:
        for size in args.sizes:
            for arm in args.arms:
                yield settings | {"seed": seed, "labelled": size, "arm": arm}


def _work(args: argparse.Namespace, run: dict[str, Any]) -> dict[str, Any]:
    cases = _cases(args, run)
    told = read_few_labels(run["arm"], cases, len(case_class_names(args.data / "datalist.json")))
    figures = {name: float(value[0]) for name, value in run_figures(told[:, None], cases.asked.labels).items()}
    return figures | {"patients": len(cases.labelled.groups.unique())}


def _cases(args: argparse.Namespace, run: dict[str, Any]) -> FewLabels:
    seed, size, alike = run["seed"], run["labelled"], {name: run[name] for name in _ALIKE}
    encoder, folder = encoder_of(args.encoders, seed), args.out.with_name(f"{args.out.stem}_features")
    settings: dict[str, Any] = {
        "dataset_dir": str(args.data),
        "bundle_root": str(args.bundle),
        "study_encoder": str(encoder),
    }
    settings |= {"memory_layers": [], "seed": seed} | overrides_of(args.override)
    parts = home_and_site(args.data, args.section, seed, size, args.screen, -1)
    every = {"home": load_section(args.data / "datalist.json", "training"), "test": parts["test"]}
    seen = features_of(folder / f"{encoder.stem}.npz", args.bundle, settings, every, ["none"], "pretrained", alike)
    drawn = alike | {"seed": seed, "labelled": size}
    tuned = features_of(folder / f"{seed}_{size}.npz", args.bundle, settings, parts, ["none"], "trained", drawn)
    frozen, test = seen["home"], seen["home" if args.screen else "test/none"]
    return FewLabels(
        labelled=_of(frozen, tuned["home"]),
        unlabelled=_of(frozen, tuned["site/none"]),
        asked=_of(test, tuned["test/none"]),
        tuned_labelled=tuned["home"],
        tuned_unlabelled=tuned["site/none"],
        tuned_asked=tuned["test/none"],
    )


def _of(features: CaseFeatures, wanted: CaseFeatures) -> CaseFeatures:
    """The same cases in the same order."""
    row_of = {case: row for row, case in enumerate(features.ids.tolist())}
    return features.where([row_of[case] for case in wanted.ids.tolist()])
