"""Tables of the study of few labels."""

from __future__ import annotations

from monai_memvit.benchmarks.cases.few_labels_tables import gain_table, way_table


def _row(seed: int, arm: str, auc: float, balanced: float) -> dict:
    return {"seed": seed, "labelled": 60, "patients": 7 + seed, "arm": arm, "auc": auc, "balanced_accuracy": balanced}


ROWS = [
    *(_row(seed, "fine-tuned", 0.7, 0.6) for seed in range(2)),
    *(_row(seed, "linear probe", 0.8, 0.5) for seed in range(2)),
    _row(0, "memory, ridge", 0.83, 0.6),
    _row(1, "memory, ridge", 0.85, 0.64),
]


def test_every_way_stands_with_its_spread():
    assert "| 60 (7–8) | memory, ridge (2) | 84.0 ± 1.4 | 62.0 ± 2.8 |" in way_table(ROWS)


def test_gains_are_over_the_best_way_of_each_figure():
    line = next(line for line in gain_table(ROWS).splitlines() if "memory, ridge" in line)
    assert "+4.00 ± 1.41 [-8.71, +16.71] (linear probe)" in line and "(fine-tuned)" in line
    assert "linear probe (2)" not in gain_table(ROWS)
