"""The paired study: its pairs, its baseline against a plain fit, its runs on a tiny cohort."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_memvit.__main__ import main
from monai_memvit.benchmarks.patches import patches_study
from monai_memvit.benchmarks.patches.colour_baseline import colour_baseline, colour_by_folds
from monai_memvit.benchmarks.patches.patches_study import (
    add_arguments,
    colour_table,
    paired_table,
    run_benchmark,
    why_table,
)
from monai_memvit.data import load_fingerprint

ARMS = ("plain", "movit", "plain, late class token", "movit, similar")
RECORDED = Path(__file__).parents[3] / "docs" / "results" / "histology_patches.jsonl"


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    main(["simulate", "patches", str(folder / "cohort.npz"), "--patients", "9", "--patches-per-patient", "12"])
    main(["prepare", "patches", str(folder / "cohort.npz"), str(folder / "data")])
    return folder / "data"


def _rows(seeds: int) -> list[dict]:
    random, rows = np.random.default_rng(0), []
    for seed in range(seeds):
        for arm in ARMS:
            row = {"seed": seed, "fraction": 0.1, "arm": arm, "cases": 50}
            for metric in ("balanced_accuracy", "accuracy", "auc"):
                row |= {metric + reading: random.random() for reading in ("", "_memory_off", "_prototypes")}
            rows.append(row)
    return rows


def test_each_memory_has_the_partner_of_its_own_network():
    table = paired_table(_rows(5)[:-1])
    for pair, seeds in {ARMS[:2]: 5, ARMS[2:]: 4, (ARMS[0], ARMS[2]): 5}.items():
        assert f"50 ({seeds}) | {' → '.join(pair)} | AUC |" in table
    assert paired_table(_rows(1)[:1]).count("\n") == 1


def test_the_baseline_sees_colours_only(cohort):
    summary, folds = colour_baseline(cohort, "test"), colour_by_folds(cohort, folds=3)
    assert 0.25 < summary["accuracy"] <= 1 and summary["auc"] > 0.5 and folds["auc"] > 0.5
    by_class = [value for name, value in folds.items() if name.startswith("auc_")]
    assert np.mean(by_class) == pytest.approx(folds["auc"], abs=1e-6)


def test_the_reason_is_told_of_the_runs_that_were_asked():
    asked = {
        "fraction": 0.1,
        "arm": "movit",
        "cases": 50,
        "memory_purity_chance": 0.25,
        "memory_effective_facts_logit": 30.0,
    }
    asked |= {"memory_purity_logit": 0.5, "memory_purity_cosine": 0.7, "auc": 0.8, "auc_same_for_all": 0.75}
    line = why_table([*_rows(2), asked, asked | {"auc": 0.82}, asked | {"arm": "movit, similar"}]).splitlines()
    assert (
        len(line) == 4
        and "50, movit (2)" in line[2]
        and "| 50.0 ± 0.0 | 70.0 ± 0.0 | 30.0 ± 0.0 | -6.00 ± 1.41 |" in line[2]
    )


@pytest.mark.slow
def test_finished_runs_are_not_repeated(cohort, tmp_path, capsys):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    options = [str(cohort), "--out", str(tmp_path / "study.jsonl"), "--fractions", "0.5", "--images", "1"]
    options += ["--arms", "plain", "movit, similar"]
    run_benchmark(parser.parse_args([*options, "--seeds", "0"]))
    first = (tmp_path / "study.jsonl").read_text()
    run_benchmark(parser.parse_args([*options, "--seeds", "0", "1"]))
    found = [json.loads(line) for line in (tmp_path / "study.jsonl").read_text().splitlines()]
    assert (tmp_path / "study.jsonl").read_text().startswith(first)
    assert [row["arm"] for row in found[:2]] == ["colour", "colour, five folds"]
    assert all((row["images"], row["section"], row["overrides"]) == (1, "test", {}) for row in found)
    assert {row["fingerprint"] for row in found} == {load_fingerprint(cohort / "datalist.json")}
    rows = found[2:]
    assert [(r["seed"], r["arm"]) for r in rows] == [(seed, arm) for seed in (0, 1) for arm in (ARMS[0], ARMS[3])]
    assert 0 < rows[1]["memory_purity_cosine"] < 1 and rows[1]["auc_same_for_all"] != rows[1]["auc"]
    assert len({r["cases"] for r in rows}) == 1 and {r["epochs"] for r in rows} == {12}
    assert (
        "gate0_final" in rows[1]
        and {"auc_memory_off", "auc_shuffled", "auc_prototypes"} <= rows[1].keys()
        and "gate0_final" not in rows[0]
    )
    printed = capsys.readouterr().out
    assert "movit, similar (2)" in printed and "the tested section" in printed
    with pytest.raises(ValueError, match=r"different images \(1, 2\)"):
        run_benchmark(parser.parse_args([*options, "--images", "2"]))


def test_rows_of_the_time_before_settings_were_recorded_are_still_shown(capsys):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert not run_benchmark(parser.parse_args(["unused", "--out", str(RECORDED), "--report-only"]))
    printed = capsys.readouterr().out
    assert "| 5682 (5) | plain → movit | AUC | 89.0 ± 0.3 | 89.3 ± 0.2 | +0.23 ± 0.46 [-0.34, +0.79] |" in printed


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


def test_arms_begin_with_the_same_weights(cohort):
    """Whatever two networks both have is equal, to the last bit; the memory brings none that it draws."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    args = parser.parse_args([str(cohort), "--out", "unused.jsonl"])
    states = []
    for arm in ARMS:
        settings = {"dataset_dir": str(cohort), "seed": 3} | patches_study._ARMS[arm]
        network = patches_study._job(args, settings).get_parsed_content("network")
        states.append({name.replace(".local.", "."): value for name, value in network.state_dict().items()})
        assert network.class_token_from == (2 if "late" in arm or "similar" in arm else 0)
    assert all(torch.equal(value, state[name]) for state in states for name, value in states[0].items())
    memories = [{name for name in state if name not in states[0]} for state in states]
    assert not memories[0] and not memories[2]
    assert {name.rsplit(".", 2)[-2] for name in memories[3] - memories[1]} == {"gating", "fact_labels"}
