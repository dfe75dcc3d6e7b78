"""The paired study: its table against SciPy, its baseline against a plain fit, its runs on a tiny cohort."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from monai_memvit.__main__ import main
from monai_memvit.benchmarks.colour_baseline import colour_baseline, colour_by_folds
from monai_memvit.benchmarks.patches_study import (
    add_arguments,
    colour_table,
    paired_table,
    run_benchmark,
    why_table,
)
from monai_memvit.data import load_fingerprint

RECORDED = Path(__file__).parents[2] / "docs" / "results" / "histology_patches.jsonl"


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    main(["simulate", "patches", str(folder / "cohort.npz"), "--patients", "9", "--patches-per-patient", "12"])
    main(["prepare", "patches", str(folder / "cohort.npz"), str(folder / "data")])
    return folder / "data"


def _rows(seeds: int) -> list[dict]:
    random, rows = np.random.default_rng(0), []
    for seed in range(seeds):
        for arm in ("plain", "movit"):
            row = {"seed": seed, "fraction": 0.1, "arm": arm, "cases": 50}
            for metric in ("balanced_accuracy", "accuracy", "auc"):
                row |= {metric + reading: random.random() for reading in ("", "_memory_off", "_prototypes")}
            rows.append(row)
    return rows


def test_the_interval_is_that_of_a_paired_t_test():
    rows = _rows(5)
    plain, movit = (np.array([r["auc"] for r in rows if r["arm"] == arm]) for arm in ("plain", "movit"))
    interval = stats.ttest_rel(movit, plain).confidence_interval(0.95)
    cells = next(line for line in paired_table(rows).splitlines() if "| auc |" in line).split("|")
    assert cells[3].strip() == f"{100 * plain.mean():.1f} ± {100 * plain.std(ddof=1):.1f}"
    found = [float(x) for x in re.findall(r"[-+][\d.]+", cells[5])]
    np.testing.assert_allclose([found[0], *found[-2:]], 100 * np.array([(movit - plain).mean(), *interval]), atol=0.006)


def test_a_run_without_its_pair_is_left_out():
    assert "50 (4)" in paired_table(_rows(5)[:-1])
    assert paired_table(_rows(1)[:1]).count("\n") == 1


def test_the_baseline_sees_colours_only(cohort):
    summary, folds = colour_baseline(cohort, "test"), colour_by_folds(cohort, folds=3)
    assert 0.25 < summary["accuracy"] <= 1 and summary["auc"] > 0.5 and folds["auc"] > 0.5
    by_class = [value for name, value in folds.items() if name.startswith("auc_")]
    assert np.mean(by_class) == pytest.approx(folds["auc"], abs=1e-6)


def test_the_reason_is_told_of_the_runs_that_were_asked():
    asked = {"fraction": 0.1, "cases": 50, "memory_purity_chance": 0.25, "memory_effective_facts_logit": 30.0}
    asked |= {"memory_purity_logit": 0.5, "memory_purity_cosine": 0.7, "auc": 0.8, "auc_same_for_all": 0.75}
    line = why_table([*_rows(2), asked, asked | {"auc": 0.82}]).splitlines()
    assert (
        len(line) == 3 and "50 (2)" in line[2] and "| 50.0 ± 0.0 | 70.0 ± 0.0 | 30.0 ± 0.0 | -6.00 ± 1.41 |" in line[2]
    )


@pytest.mark.slow
def test_finished_runs_are_not_repeated_and_arms_share_everything(cohort, tmp_path, capsys):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    options = [str(cohort), "--out", str(tmp_path / "study.jsonl"), "--fractions", "0.5", "--images", "1"]
    run_benchmark(parser.parse_args([*options, "--seeds", "0"]))
    first = (tmp_path / "study.jsonl").read_text()
    run_benchmark(parser.parse_args([*options, "--seeds", "0", "1"]))
    found = [json.loads(line) for line in (tmp_path / "study.jsonl").read_text().splitlines()]
    assert (tmp_path / "study.jsonl").read_text().startswith(first)
    assert [row["arm"] for row in found[:2]] == ["colour", "colour, five folds"]
    assert all((row["images"], row["section"], row["overrides"]) == (1, "test", {}) for row in found)
    assert {row["fingerprint"] for row in found} == {load_fingerprint(cohort / "datalist.json")}
    rows = found[2:]
    assert [(r["seed"], r["arm"]) for r in rows] == [(0, "plain"), (0, "movit"), (1, "plain"), (1, "movit")]
    assert 0 < rows[1]["memory_purity_cosine"] < 1 and rows[1]["auc_same_for_all"] != rows[1]["auc"]
    assert len({r["cases"] for r in rows}) == 1 and {r["epochs"] for r in rows} == {12}
    assert (
        "gate0_final" in rows[1]
        and "auc_memory_off" in rows[1]
        and "memory_purity_cosine" in rows[1]
        and "gate0_final" not in rows[0]
    )
    printed = capsys.readouterr().out
    assert "MoViT − plain [95 % over seeds]" in printed and "the tested section" in printed
    with pytest.raises(ValueError, match=r"different images \(1, 2\)"):
        run_benchmark(parser.parse_args([*options[:-1], "2"]))


def test_rows_of_the_time_before_settings_were_recorded_are_still_shown(capsys):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert not run_benchmark(parser.parse_args(["unused", "--out", str(RECORDED), "--report-only"]))
    printed = capsys.readouterr().out
    assert "| 5682 (5) | auc | 89.0 ± 0.3 | 89.3 ± 0.2 | +0.23 ± 0.46 [-0.34, +0.79] |" in printed


def test_old_rows_and_new_ones_do_not_mix(tmp_path):
    out = tmp_path / "study.jsonl"
    new = json.loads(RECORDED.read_text().splitlines()[0]) | {"section": "test", "images": 5}
    out.write_text(RECORDED.read_text() + json.dumps(new) + "\n")
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    with pytest.raises(ValueError, match=r"different images \(5, not recorded\)"):
        run_benchmark(parser.parse_args(["unused", "--out", str(out), "--report-only"]))


def test_colours_have_a_table_of_their_own():
    colour = {"arm": "colour", "auc": 0.9, "accuracy": 0.7, "balanced_accuracy": 0.6}
    assert colour_table([*_rows(1), colour]).splitlines()[2:] == ["| the tested section | 60.0 | 70.0 | 90.0 |"]
    assert paired_table([*_rows(2), colour]) == paired_table(_rows(2))
