"""Tables of the study on MRI slices: figures against SciPy, equal columns, counts, intervals over patients."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch
from scipy import stats

from monai_memvit.benchmarks.mri.mri_tables import ARMS, SHORTCUT, missing_table, patients_table, slices_table
from monai_memvit.benchmarks.studies.slice_predictions import SlicePredictions, predictions_path, save_predictions
from monai_memvit.metrics import classification_summary

COUNTS = {"slices": 60, "patients": 12, "incomplete_slices": 15, "incomplete_patients": 3, "cases_without_t1": 55}


def _rows(seeds: int, incomplete: bool = True) -> list[dict]:
    random, rows = np.random.default_rng(0), []
    names = ["auc", "balanced_accuracy", "accuracy", "auc_without_t1"] + ["auc_incomplete"] * incomplete
    for seed in range(seeds):
        for arm in ARMS:
            extra = ["auc_memory_off", "auc_unrefreshed"] if "MoViT" in arm else []
            rows.append(COUNTS | {"seed": seed, "arm": arm} | {name: random.random() for name in [*names, *extra]})
    shortcut = {"arm": SHORTCUT, "auc": 0.7, "balanced_accuracy": 0.6, "accuracy": 0.65}
    return [COUNTS | shortcut, *rows]


def _cells(table: str, start: str) -> list[str]:
    line = next(line for line in table.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def _widths(table: str) -> list[set[int]]:
    return [{line.count("|") for line in part.splitlines()} for part in table.split("\n\n")]


def test_the_interval_over_seeds_is_that_of_a_paired_t_test():
    rows = _rows(5)
    base, other = (np.array([r["auc"] for r in rows if r["arm"] == arm]) for arm in ("plain, tokens", "MoViT, tokens"))
    interval = stats.ttest_rel(other, base).confidence_interval(0.95)
    table = slices_table(rows)
    found = [float(x) for x in re.findall(r"[-+][\d.]+", _cells(table, "MoViT, tokens − plain, tokens (5)")[1])]
    np.testing.assert_allclose([found[0], *found[-2:]], 100 * np.array([(other - base).mean(), *interval]), atol=0.006)
    assert _cells(table, "plain, tokens (5)")[1] == f"{100 * base.mean():.1f} ± {100 * base.std(ddof=1):.1f}"
    assert "AUC [95 % over seeds]" in table


def test_every_line_has_the_columns_of_the_heading():
    for rows in (_rows(2), _rows(2, incomplete=False), _rows(1), []):
        assert all(len(widths) == 1 for widths in _widths(slices_table(rows)) + _widths(missing_table(rows)))
    assert _cells(slices_table(_rows(2)), "plain, zeros (2)")[-2:] == ["–", "–"]
    assert _cells(missing_table(_rows(2, incomplete=False)), "plain, zeros (2)")[-1] == "–"


def test_the_shortcut_has_a_line_of_its_own():
    cells = _cells(slices_table(_rows(2)), SHORTCUT)
    assert cells == [f"{SHORTCUT} (1)", "70.0", "60.0", "65.0", "–", "–"]
    assert SHORTCUT not in missing_table(_rows(2))


def test_a_missing_sequence_says_how_many_slices_are_behind_it():
    rows = _rows(3)
    table = missing_table(rows)
    assert _cells(table, "slices (patients)") == ["slices (patients)", "60 (12)", "55", "15 (3)"]
    values = 100 * np.array([r["auc_without_t1"] for r in rows if r["arm"] == "MoViT, zeros"])
    assert _cells(table, "MoViT, zeros (3)")[2] == f"{values.mean():.1f} ± {values.std(ddof=1):.1f}"


def test_a_figure_that_no_run_has_is_left_open():
    rows = [row | {"auc_incomplete": math.nan} for row in _rows(2)]
    assert _cells(missing_table(rows), "plain, zeros (2)")[-1] == "–"


def test_runs_without_their_pair_are_left_out():
    rows = [row for row in _rows(3) if (row.get("seed"), row["arm"]) != (1, "plain, zeros")]
    assert "MoViT, zeros − plain, zeros (2)" in slices_table(rows)
    assert "−" not in slices_table(_rows(1)[:2])


@pytest.fixture
def study(tmp_path):
    """Rows and predictions of two seeds."""
    rows, generator = _rows(2), torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 2
    for row in rows:
        hint = torch.randn(60, 2, generator=generator) + torch.eye(2)[labels]
        said = SlicePredictions(hint.softmax(-1), labels, torch.arange(60) // 5, torch.arange(60) >= 15)
        save_predictions(predictions_path(tmp_path / "study.jsonl", row), said)
        row["auc"] = classification_summary(said.probabilities, labels)["auc"]
    return rows, tmp_path / "study.jsonl"


def test_differences_over_patients(study):
    rows, out = study
    table = patients_table(rows, out, resamples=50)
    auc = {arm: np.mean([row["auc"] for row in rows if row["arm"] == arm]) for arm in (*ARMS, SHORTCUT)}
    for base, other in [("plain, zeros", "MoViT, zeros"), (SHORTCUT, "plain, tokens")]:
        found, low, high = map(float, re.findall(r"[-+][\d.]+", _cells(table, f"{other} − {base} (2)")[1]))
        assert found == pytest.approx(100 * (auc[other] - auc[base]), abs=0.006) and low < found < high
    assert "AUC [95 % over 12 patients]" in table and table.count("\n") == 1 + 6 + 7


def test_without_predictions_it_says_so(study, tmp_path):
    assert "No intervals over patients" in patients_table(study[0], tmp_path / "other.jsonl")
    assert "No intervals over patients" in patients_table([], study[1])


def test_predictions_that_do_not_belong_together(study):
    rows, out = study
    path = predictions_path(out, rows[1])
    save_predictions(path, SlicePredictions(torch.eye(2), *(torch.arange(2),) * 2, torch.ones(2, dtype=torch.bool)))
    with pytest.raises(ValueError, match="are of other images"):
        patients_table(rows, out)
    path.unlink()
    with pytest.raises(ValueError, match="is missing"):
        patients_table(rows, out)
