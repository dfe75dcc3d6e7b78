"""What the studies share: finished runs are found again, and nothing unlike is compared."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from monai_memvit.benchmarks.studies.study_runs import (
    check_one_setting,
    each_run,
    finished_runs,
    interval_of,
    overrides_of,
    signed,
    spread,
)

SETTINGS = {"epochs": 2, "section": "test", "overrides": {"batch_size": 8, "memory_layers": [-1]}, "fingerprint": "ab"}


def test_finished_runs_are_not_repeated(tmp_path):
    out, asked = tmp_path / "new" / "study.jsonl", []

    def work(run):
        asked.append(run["seed"])
        return {"auc": 0.5}

    plan = [SETTINGS | {"seed": seed, "arm": "plain"} for seed in range(3)]
    assert list(each_run(out, plan[:2], work)) == [run | {"auc": 0.5} for run in plan[:2]]
    assert list(each_run(out, plan, work)) == [plan[2] | {"auc": 0.5}]
    assert asked == [0, 1, 2] and finished_runs(out) == [run | {"auc": 0.5} for run in plan]


@pytest.mark.parametrize(
    "changed",
    [{"epochs": 3}, {"section": "validation"}, {"overrides": {}}, {"fingerprint": "cd"}, {"seed": 1}, {"arm": "movit"}],
)
def test_a_run_of_another_setting_is_not_taken_for_it(tmp_path, changed):
    run = SETTINGS | {"seed": 0, "arm": "plain"}
    (tmp_path / "study.jsonl").write_text(json.dumps(run | {"auc": 0.5}) + "\n")
    assert not list(each_run(tmp_path / "study.jsonl", [run], lambda _: {}))
    assert len(list(each_run(tmp_path / "study.jsonl", [run | changed], lambda _: {"auc": 0.6}))) == 1


def test_a_run_that_fails_leaves_no_row(tmp_path):
    out = tmp_path / "study.jsonl"
    with pytest.raises(ZeroDivisionError):
        list(each_run(out, [{"seed": 0}], lambda run: {"auc": 1 / run["seed"]}))
    assert finished_runs(out) == []


def test_rows_of_mixed_settings_are_refused():
    rows = [SETTINGS | {"seed": seed} for seed in range(2)]
    check_one_setting(rows, SETTINGS, Path("study.jsonl"))
    check_one_setting([{"seed": 0}, {"seed": 1}], SETTINGS, Path("study.jsonl"))
    with pytest.raises(ValueError, match=r"study.jsonl: runs of different epochs \(2, 3\).*--out of its own"):
        check_one_setting([*rows, SETTINGS | {"epochs": 3}], SETTINGS, Path("study.jsonl"))
    with pytest.raises(ValueError, match=r"different epochs \(2, not recorded\)"):
        check_one_setting([*rows, {"seed": 2}], SETTINGS, Path("study.jsonl"))
    check_one_setting(
        [*rows, SETTINGS | {"overrides": dict(reversed(SETTINGS["overrides"].items()))}], SETTINGS, Path()
    )


def test_overrides_are_json():
    typed = ["batch_size=8", "memory_layers=[-1]", 'attention::_target_="a.B"', 'words="a=b"']
    found = {"batch_size": 8, "memory_layers": [-1], "attention::_target_": "a.B", "words": "a=b"}
    assert overrides_of(typed) == found and overrides_of([]) == {}
    for wrong in ("preset=micro", "preset"):
        with pytest.raises(ValueError, match=f"--override {wrong}: give KEY=JSON"):
            overrides_of([wrong])


def test_numbers_against_numpy_and_scipy():
    values = np.random.default_rng(0).normal(1, 2, 6)
    assert spread(values) == f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}"
    assert signed(values) == f"{np.mean(values):+.2f} ± {np.std(values, ddof=1):.2f}"
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    found = [float(x) for x in re.findall(r"[-+][\d.]+", interval_of(values))]
    np.testing.assert_allclose(found, expected, atol=0.006)
    assert interval_of(values[:1]) == ""
