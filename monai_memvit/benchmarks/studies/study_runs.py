"""What the studies share: a bundle's own training job without tracking, and a file of the runs that are finished."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...data import load_fingerprint

__all__ = [
    "add_study_options",
    "check_one_setting",
    "each_run",
    "finished_runs",
    "half_interval",
    "interval_of",
    "overrides_of",
    "run_study",
    "run_training",
    "signed",
    "spread",
    "study_settings",
    "tested_figures",
    "training_job",
]

_KEPT_HANDLERS = ("MemoryUpdateHandler", "LrScheduleHandler", "GradientClipper")


def add_study_options(parser: argparse.ArgumentParser) -> None:
    """What every study's command line has: where the runs go, what is tested, with what, and the tables alone.

    Args:
        parser: gains ``--out``, ``--section``, ``--threads``, ``--override`` and ``--report-only``.
    """
    import torch

    parser.add_argument(
        "--out", type=Path, required=True, help="JSON lines, one per run; finished runs are not repeated"
    )
    parser.add_argument("--section", default="test", help="section of the datalist to test on; never used in training")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--override", action="append", default=[], metavar="KEY=JSON", help="further settings of train.yaml"
    )
    parser.add_argument("--report-only", action="store_true", help="print the tables of the finished runs")


def run_study(
    args: argparse.Namespace,
    settings: Callable[[argparse.Namespace], dict[str, Any]],
    alike: Iterable[str],
    plan: Callable[[argparse.Namespace, dict[str, Any]], Iterable[dict[str, Any]]],
    work: Callable[[argparse.Namespace, dict[str, Any]], dict[str, Any]],
) -> list[dict[str, Any]]:
    """Do and print what is not finished yet, but for ``--report-only``.

    Args:
        args: with the options of :func:`add_study_options`.
        settings: what all rows of one table have in common.
        alike: names of the settings that must not differ between rows.
        plan: gives the runs of some settings.
        work: gives the figures of a run.

    Returns:
        the rows of all finished runs.

    Raises:
        ValueError: when ``--out`` holds runs of other settings.
    """
    import torch

    torch.set_num_threads(args.threads)
    if not args.report_only:
        common = settings(args)
        check_one_setting([*finished_runs(args.out), common], alike, args.out)
        for row in each_run(args.out, plan(args, common), partial(work, args)):
            print(json.dumps(row), flush=True)
    rows = finished_runs(args.out)
    check_one_setting(rows, alike, args.out)
    return rows


def each_run(
    out: Path, plan: Iterable[dict[str, Any]], work: Callable[[dict[str, Any]], dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Do the runs that are not finished; a run that is stopped halfway is done again.

    Args:
        out: JSON lines, one per run; grows with every run.
        plan: what tells each run from all others: its settings (:func:`study_settings`), seed and arm.
        work: gives the figures of a run.

    Yields:
        every new row: the run and its figures.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    done = finished_runs(out)
    for run in plan:
        if any(run.items() <= row.items() for row in done):
            continue
        row = run | work(run)
        with out.open("a") as file:
            file.write(json.dumps(row) + "\n")
        yield row


def finished_runs(path: Path) -> list[dict[str, Any]]:
    """The rows of a study.

    Args:
        path: JSON lines; may be absent.

    Returns:
        one dictionary per run.
    """
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def study_settings(data: Path, section: str, options: Iterable[str], effort: dict[str, int]) -> dict[str, Any]:
    """What all rows of one table must have in common.

    Args:
        data: prepared folder.
        section: of the datalist, to test on.
        options: further settings of ``train.yaml`` as typed, ``KEY=JSON``.
        effort: how long is trained, by the name of the option that says so.

    Returns:
        ``section``, ``overrides``, the datalist's ``fingerprint`` and the effort.

    Raises:
        ValueError: as :func:`overrides_of`, or when the datalist cannot be read.
    """
    fingerprint = load_fingerprint(data / "datalist.json")
    return effort | {"section": section, "overrides": overrides_of(options), "fingerprint": fingerprint}


def overrides_of(options: Iterable[str]) -> dict[str, Any]:
    """Further settings of ``train.yaml``.

    Args:
        options: as typed, ``KEY=JSON``.

    Returns:
        values by key.

    Raises:
        ValueError: when one is not of this form.
    """
    found = {}
    for option in options:
        key, _, value = option.partition("=")
        try:
            found[key] = json.loads(value)
        except json.JSONDecodeError:
            raise ValueError(f"--override {option}: give KEY=JSON, words in quotes: preset='\"micro\"'") from None
    return found


def check_one_setting(rows: Iterable[dict[str, Any]], names: Iterable[str], origin: Path) -> None:
    """Refuse to compare what was not made alike.

    Args:
        rows: of a study; rows written before a setting was recorded lack it, which is a value like any other.
        names: of the settings.
        origin: where the rows are.

    Raises:
        ValueError: when a setting differs between rows.
    """
    rows = list(rows)
    for name in names:
        values = sorted({json.dumps(row[name], sort_keys=True) if name in row else "not recorded" for row in rows})
        if len(values) > 1:
            raise ValueError(
                f"{origin}: runs of different {name} ({', '.join(values)}) do not go into one table: give each setting "
                "an --out of its own."
            )


def training_job(bundle: Path, section: str, settings: dict[str, Any], reports: list[dict[str, Any]]) -> Any:
    """A bundle's training job without tracking, checkpoints and validation: the last weights are tested.

    Args:
        bundle: its folder.
        section: of the datalist, to test on.
        settings: overrides of ``train.yaml``; ``seed`` among them.
        reports: handlers of the test.

    Returns:
        MONAI's ``ConfigParser``: ``train::trainer``, ``validate::evaluator`` and ``network`` are in it.
    """
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
    parser["validate"]["handlers"] = reports
    return parser


def _is_kept(handler: dict[str, Any]) -> bool:
    return handler["_target_"].rsplit(".", 1)[-1] in _KEPT_HANDLERS


def run_training(parser: Any) -> None:
    """Train, with the same random numbers in every arm however many its parts drew when they were built.

    Args:
        parser: see :func:`training_job`.
    """
    import torch

    trainer = parser.get_parsed_content("train::trainer")
    torch.manual_seed(parser["seed"])
    trainer.run()


def tested_figures(parser: Any) -> dict[str, float]:
    """Run the test of a job as its network now stands.

    Args:
        parser: see :func:`training_job`.

    Returns:
        the metrics that its reports leave.
    """
    evaluator = parser.get_parsed_content("validate::evaluator")
    evaluator.run()
    return dict(evaluator.state.metrics)


def spread(values: np.ndarray) -> str:
    """Mean ± standard deviation.

    Args:
        values: one per run.

    Returns:
        with one digit.
    """
    return f"{values.mean():.1f} ± {values.std(ddof=1) if len(values) > 1 else math.nan:.1f}"


def signed(values: np.ndarray) -> str:
    """Mean ± standard deviation of differences.

    Args:
        values: one per pair of runs.

    Returns:
        with a sign and two digits; of one pair, the difference alone.
    """
    return f"{values.mean():+.2f}" + (f" ± {values.std(ddof=1):.2f}" if len(values) > 1 else "")


def interval_of(values: np.ndarray) -> str:
    """95 % interval of a mean difference, by Student's t.

    Args:
        values: one per pair of runs.

    Returns:
        in brackets; nothing for less than two pairs.
    """
    if len(values) < 2:
        return ""
    half = half_interval(values)
    return f"[{values.mean() - half:+.2f}, {values.mean() + half:+.2f}]"


def half_interval(values: np.ndarray) -> float:
    """Half the width of the 95 % interval of a mean difference, by Student's t.

    Args:
        values: one per pair of runs.

    Returns:
        0 for less than two pairs.
    """
    from scipy.stats import t

    if len(values) < 2:
        return 0.0
    return float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values)))
