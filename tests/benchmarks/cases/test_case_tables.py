"""Tables of added cases, against SciPy."""

from __future__ import annotations

import re

import numpy as np
from scipy import stats

from monai_memvit.benchmarks.cases.case_tables import case_table, gap_table

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
