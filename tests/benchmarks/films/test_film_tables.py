"""Tables of the study on chest films: figures against SciPy, equal columns, intervals over patients."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from scipy import stats

from monai_memvit.benchmarks.films.film_scores import FilmScores
from monai_memvit.benchmarks.films.film_tables import (
    ARMS,
    PRETRAINED,
    PRETRAINING,
    SHORTCUT,
    effect_table,
    films_table,
    patients_table,
    pretraining_table,
)
from monai_memvit.benchmarks.studies.slice_predictions import predictions_path, save_predictions
from monai_memvit.metrics import multi_label_summary


def _rows(seeds: int, arms: tuple[str, ...] = ARMS, names: tuple[str, ...] = ("pneumonia",)) -> list[dict]:
    random = np.random.default_rng(0)
    figures = ["auc", "auprc", *(f"auc_{name}" for name in names)]
    rows = [{"arm": SHORTCUT, "auc": 0.8, "auprc": 0.7} | {f"auc_{name}": 0.75 for name in names}]
    for seed in range(seeds):
        rows.append({"seed": seed, "arm": PRETRAINING, "explained": 0.1 + 0.1 * seed, "loss": 0.8})
        rows += [{"seed": seed, "arm": arm} | {name: random.random() for name in figures} for arm in arms]
    return rows


def _cells(table: str, start: str) -> list[str]:
    line = next(line for line in table.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def _auc(rows: list[dict], arm: str) -> np.ndarray:
    return np.array([row["auc"] for row in rows if row["arm"] == arm])


@pytest.mark.parametrize(("base", "other"), [("softmax", "sequence norm"), ("sequence norm", PRETRAINED[0])])
def test_the_interval_over_seeds_is_that_of_a_paired_t_test(base, other):
    rows = _rows(5)
    gain = _auc(rows, other) - _auc(rows, base)
    interval = stats.ttest_1samp(gain, 0).confidence_interval(0.95)
    table = films_table(rows)
    found = [float(x) for x in re.findall(r"[-+][\d.]+", _cells(table, f"{other} − {base} (5)")[1])]
    np.testing.assert_allclose([found[0], *found[-2:]], 100 * np.array([gain.mean(), *interval]), atol=0.006)
    values = 100 * _auc(rows, other)
    assert _cells(table, f"{other} (5)")[1] == f"{values.mean():.1f} ± {values.std(ddof=1):.1f}"


def test_every_arm_is_compared_with_the_shortcut():
    rows = _rows(3)
    table = films_table(rows)
    assert _cells(table, f"{SHORTCUT} (1)") == [f"{SHORTCUT} (1)", "80.0", "70.0"]
    for arm in ARMS:
        gain = 100 * (_auc(rows, arm) - 0.8)
        assert _cells(table, f"{arm} − {SHORTCUT} (3)")[1].startswith(f"{gain.mean():+.2f} ± {gain.std(ddof=1):.2f} [")


def test_every_line_has_the_columns_of_the_heading():
    for rows in (_rows(2), _rows(1), _rows(0), _rows(2, names=("nodule", "effusion")), []):
        for part in films_table(rows).split("\n\n"):
            assert len({line.count("|") for line in part.splitlines()}) == 1


def test_several_findings_have_a_column_each():
    assert "AUC effusion" in films_table(_rows(2, names=("nodule", "effusion")))
    assert "AUC pneumonia" not in films_table(_rows(2))
    told = [row | {"auc_memory_off": 0.5, "auc_shuffled": 0.5} for row in _rows(2)]
    assert films_table(told) == films_table(_rows(2)) and effect_table(told) != effect_table(_rows(2))


def test_arms_that_did_not_run_are_left_out():
    table = films_table(_rows(2, arms=("sequence norm", "SimA")))
    assert "softmax" not in table and "sequence norm − SimA (2)" in table


def test_pre_training_is_a_table_of_its_own():
    assert _cells(pretraining_table(_rows(2)), PRETRAINING)[1] == "15.0 ± 7.1"
    assert PRETRAINING not in films_table(_rows(2))
    assert pretraining_table([]).count("\n") == 1


@pytest.fixture
def study(tmp_path):
    """Rows and scores of two seeds; of three findings the last is shown by no film, and some are unknown."""
    rows, generator = _rows(2, names=("a", "b", "c")), torch.Generator().manual_seed(0)
    labels = torch.stack([torch.arange(60) % 2, torch.arange(60) // 3 % 2, torch.zeros(60)], dim=1).float()
    labels[::7, 1] = -1
    for row in (row for row in rows if row["arm"] != PRETRAINING):
        scores = (torch.randn(60, 3, generator=generator) + labels).sigmoid()
        path = predictions_path(tmp_path / "study.jsonl", row)
        save_predictions(path, FilmScores(scores, labels, torch.arange(60) // 5))
        row |= multi_label_summary(scores, labels, ["a", "b", "c"])
    return rows, tmp_path / "study.jsonl"


def test_differences_over_patients(study):
    rows, out = study
    table = patients_table(rows, out, resamples=50)
    for base, other in [("softmax", "sequence norm"), (SHORTCUT, "SimA")]:
        expected = 100 * (_auc(rows, other).mean() - _auc(rows, base).mean())
        found, low, high = map(float, re.findall(r"[-+][\d.]+", _cells(table, f"{other} − {base} (2)")[1]))
        assert found == pytest.approx(expected, abs=0.006) and low < found < high
    assert "AUC [95 % over 12 patients]" in table and table.count("\n") == 1 + 8 + 10


def test_predictions_that_do_not_belong_together(study, tmp_path):
    rows, out = study
    assert "No intervals over patients" in patients_table(rows, tmp_path / "other.jsonl")
    path = predictions_path(out, next(row for row in rows if row["arm"] == "softmax"))
    save_predictions(path, FilmScores(torch.eye(2), torch.eye(2), torch.arange(2)))
    with pytest.raises(ValueError, match="are of other images"):
        patients_table(rows, out)
    path.unlink()
    with pytest.raises(ValueError, match="is missing"):
        patients_table(rows, out)
