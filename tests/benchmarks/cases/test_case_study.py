"""The study of added cases on a tiny cohort."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from monai_memvit.__main__ import main

BUNDLE = Path(__file__).parents[3] / "bundles" / "histology_patch_classification"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    main(["simulate", "patches", str(folder / "cohort.npz"), "--patients", "16", "--patches-per-patient", "12"])
    main(["prepare", "patches", str(folder / "cohort.npz"), str(folder / "data")])
    return folder / "data"


def _study(data: Path, out: Path, *words: str) -> list[dict]:
    command = ["benchmark", "case-study", str(data), "--bundle", str(BUNDLE), "--out", str(out), "--seeds", "0"]
    command += ["--home-cases", "12", "--sizes", "3", "--threads", "1", "--override", "max_epochs=1", *words]
    assert main([*command, "--arms", "network alone", "refitted head", "memory, ridge"]) == 0
    return [json.loads(line) for line in out.read_text().splitlines()]


@pytest.mark.slow
def test_finished_runs_are_not_repeated_and_tables_are_printed(data, tmp_path, capsys):
    out = tmp_path / "cases.jsonl"
    rows = _study(data, out, "--shifts", "none", "stain")
    assert [(row["shift"], row["arm"]) for row in rows] == [
        (shift, arm) for shift in ("none", "stain") for arm in ("network alone", "refitted head", "memory, ridge")
    ]
    assert all(
        0 <= row["site_auc"] <= 1 and row["home_auc"] == row["site_auc"] for row in rows if row["shift"] == "none"
    )
    assert "| stain | 3 | memory, ridge (1) |" in capsys.readouterr().out
    kept = out.with_name("cases_features") / "0.npz"
    before = kept.stat().st_mtime_ns
    assert _study(data, out, "--shifts", "none", "stain") == rows and kept.stat().st_mtime_ns == before


@pytest.mark.slow
def test_a_network_that_never_saw_a_class_cannot_tell_it(data, tmp_path):
    rows = _study(data, tmp_path / "new.jsonl", "--new-class", "other", "--body", "frozen")
    told = {row["arm"]: row["site_auc_new_class"] for row in rows}
    assert told["network alone"] == pytest.approx(0.5)


def test_a_new_class_must_be_one(data, tmp_path, capsys):
    words = [str(data), "--bundle", str(BUNDLE), "--out", str(tmp_path / "odd.jsonl"), "--new-class", "nonsense"]
    assert main(["benchmark", "case-study", *words]) == 2
    assert "--new-class nonsense: name one of fibroblast" in capsys.readouterr().err
