"""Tables of added cases, against SciPy."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from scipy import stats

from monai_memvit.benchmarks.cases.case_tables import case_table, gap_table, patients_table
from monai_memvit.benchmarks.studies.patient_intervals import patient_intervals, run_figures
from monai_memvit.benchmarks.studies.slice_predictions import SlicePredictions, predictions_path, save_predictions

ARMS = ["network alone", "refitted head", "memory, ridge"]


def _rows(seeds: int = 4, new: bool = False) -> list[dict]:
    draw, rows = np.random.default_rng(0), []
    for seed in range(seeds):
        for shift in ("none", "stain"):
            for arm in ARMS:
                figures = {f"{p}_{f}": draw.random() for p in ("site", "home") for f in ("auc", "balanced_accuracy")}
                if new:
                    figures["site_auc_new_class"] = draw.random()
                rows.append({"seed": seed, "shift": shift, "added": 10, "arm": arm} | figures)
    return rows


def _cells(table: str, *words: str) -> list[str]:
    line = next(line for line in table.splitlines() if all(word in line for word in words))
    return [cell.strip() for cell in line.strip("|").split("|")]


def _column(rows: list[dict], arm: str, figure: str, shift: str = "stain") -> np.ndarray:
    return np.array([r[figure] for r in rows if (r["arm"], r["shift"]) == (arm, shift)])


def test_gains_are_paired_with_students_interval():
    rows = _rows()
    cells = _cells(case_table(rows), "stain", "memory, ridge (4)")
    ours, alone = (_column(rows, arm, "site_auc") for arm in ("memory, ridge", "network alone"))
    interval = stats.ttest_rel(ours, alone).confidence_interval(0.95)
    assert cells[3] == f"{100 * ours.mean():.1f} ± {100 * ours.std(ddof=1):.1f}"
    found = [float(x) for x in re.findall(r"[-+][\d.]+", cells[4])]
    np.testing.assert_allclose(found, 100 * np.array([(ours - alone).mean(), *interval]), atol=0.06)


def test_an_arm_is_not_compared_with_itself():
    assert _cells(case_table(_rows()), "stain", "network alone")[4] == "–"


def test_the_old_sites_auc_and_balanced_accuracy_have_columns():
    rows = _rows()
    table = case_table(rows)
    heads = [cell.strip() for cell in table.splitlines()[0].strip("|").split("|")]
    cells = _cells(table, "stain", "memory, ridge")
    for name, figure in {"AUC": "home_auc", "balanced accuracy": "home_balanced_accuracy"}.items():
        ours, alone = (_column(rows, arm, figure) for arm in ("memory, ridge", "network alone"))
        cell = cells[heads.index(f"{name} at home, − alone")]
        assert cell.startswith(f"{100 * (ours - alone).mean():+.1f} [")


def test_the_new_class_has_a_column_where_there_is_one():
    rows = _rows(new=True)
    assert "AUC of the new class" not in case_table(_rows())
    told = 100 * _column(rows, "memory, ridge", "site_auc_new_class")
    assert _cells(case_table(rows), "stain", "memory, ridge")[-1] == f"{told.mean():.1f} ± {told.std(ddof=1):.1f}"


def test_the_gap_is_what_the_network_loses_at_the_site():
    rows = _rows()
    home, site = (100 * _column(rows, "network alone", f"{p}_balanced_accuracy").mean() for p in ("home", "site"))
    now = 100 * _column(rows, "memory, ridge", "site_balanced_accuracy").mean()
    table = gap_table(rows)
    assert _cells(table, "memory, ridge")[3:] == [
        f"{home:.1f}",
        f"{site:.1f}",
        f"{now:.1f}",
        f"{(now - site) / (home - site):.0%}",
    ]
    assert "none" not in table


@pytest.fixture
def study(tmp_path):
    """Rows and predictions of two seeds: 60 cases of 12 patients."""
    out, rows = tmp_path / "study.jsonl", _rows(seeds=2)
    labels, groups = torch.arange(60) % 3, torch.arange(60) // 5 - 2**60
    generator = torch.Generator().manual_seed(0)
    for row in rows:
        logits = torch.randn(60, 3, generator=generator) + torch.eye(3)[labels]
        said = SlicePredictions(logits.softmax(-1), labels, groups, torch.ones(60, dtype=torch.bool))
        save_predictions(predictions_path(out, row), said)
        row["said"] = said
    return rows, out


def test_patients_are_drawn_at_every_site_and_size(study):
    rows, out = study
    table = patients_table(rows, out, resamples=40)
    assert "AUC [95 % over 12 patients]" in table and len(table.splitlines()) == 2 + 2 * 2
    runs = {(r["shift"], r["arm"], r["seed"]): r["said"] for r in rows}
    pair = {"x": tuple([("stain", arm, seed) for seed in (0, 1)] for arm in ("refitted head", "memory, ridge"))}
    said = next(iter(runs.values()))
    probabilities = {key: one.probabilities for key, one in runs.items()}
    wanted = patient_intervals(probabilities, pair, said.labels, said.groups, 40, run_figures)["x"]
    cells = _cells(table, "stain, 10 per class: memory, ridge − refitted head (2)")
    for cell, figure in zip(cells[1:], ("auc", "balanced_accuracy")):
        np.testing.assert_allclose(
            [float(x) for x in re.findall(r"[-+][\d.]+", cell)], 100 * np.array(wanted[figure]), atol=6e-3
        )


def test_without_predictions_there_is_no_table(tmp_path):
    assert patients_table(_rows(), tmp_path / "study.jsonl").startswith("No intervals over patients: there are no runs")


@pytest.mark.parametrize("place", [{"screen": True}, {"other": "fingerprint"}])
def test_seeds_with_patients_of_their_own_have_no_common_table(study, place):
    rows, out = study
    assert "patients of its own" in patients_table([row | place for row in rows], out)


def test_a_lost_prediction_is_named(study):
    rows, out = study
    predictions_path(out, next(row for row in rows if row["arm"] == "network alone")).unlink()
    with pytest.raises(ValueError, match="0_none_10_network_alone.npz is missing"):
        patients_table(rows, out)
