"""The table of a memory's effect, against SciPy."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import stats

from monai_memvit.benchmarks.studies.memory_tables import memory_table

PAIRS, METRICS = [("plain", "memory"), ("plain", "late")], {"auc": "AUC", "accuracy": "accuracy"}


def _rows(seeds: int = 4, sizes: tuple[int, ...] = (50, 200)) -> list[dict]:
    draw, rows = np.random.default_rng(0), []
    for seed in range(seeds):
        for cases in sizes:
            for arm in ("plain", "late", "memory"):
                readings = ("", "_memory_off", "_shuffled", "_more") if arm == "memory" else ("",)
                figures = {f"{name}{reading}": draw.random() for name in METRICS for reading in readings}
                rows.append({"seed": seed, "cases": cases, "arm": arm} | figures)
    return rows


def _cells(table: str, *words: str) -> list[str]:
    (line,) = (line for line in table.splitlines() if all(word in line for word in words))
    return [cell.strip() for cell in line.strip("|").split("|")]


def _column(rows: list[dict], arm: str, name: str) -> np.ndarray:
    return 100 * np.array([row[name] for row in rows if (row["arm"], row["cases"]) == (arm, 200)])


@pytest.mark.parametrize(
    ("place", "arm", "name"),
    [(5, "plain", "auc"), (6, "memory", "auc_memory_off"), (7, "memory", "auc_shuffled"), (8, "memory", "auc_more")],
)
def test_every_difference_is_that_of_a_paired_t_test(place, arm, name):
    rows = _rows()
    cell = _cells(memory_table(rows, PAIRS, METRICS, {"more": "_more"}), "200 (4)", "plain → memory", "AUC")[place]
    with_memory, other = _column(rows, "memory", "auc"), _column(rows, arm, name)
    interval = stats.ttest_rel(with_memory, other).confidence_interval(0.95)
    found = [float(x) for x in re.findall(r"[-+][\d.]+", cell)]
    np.testing.assert_allclose([found[0], *found[-2:]], [(with_memory - other).mean(), *interval], atol=0.006)


def test_what_has_no_memory_has_no_reading():
    assert _cells(memory_table(_rows(), PAIRS, METRICS), "200 (4)", "plain → late", "accuracy")[-2:] == ["–", "–"]


def test_seeds_without_their_pair_and_runs_without_a_seed_are_left_out():
    rows = [row for row in _rows(3) if (row["seed"], row["arm"]) != (1, "plain")]
    table = memory_table([*rows, {"arm": "shortcut", "auc": 0.5}], PAIRS, METRICS)
    assert table.count("(2)") == 8 and "shortcut" not in table
    assert memory_table([], PAIRS, METRICS).count("\n") == 1


def test_rows_that_do_not_tell_their_number_of_cases():
    rows = [{name: value for name, value in row.items() if name != "cases"} for row in _rows(2, (50,))]
    assert memory_table(rows, PAIRS, METRICS).count("all (2)") == 4
