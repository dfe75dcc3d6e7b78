"""The study of added cases on a tiny cohort."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from monai_memvit.__main__ import main
from monai_memvit.benchmarks.cases.case_study import _settings, add_arguments
from monai_memvit.benchmarks.studies.slice_predictions import load_predictions, predictions_path
from monai_memvit.metrics import classification_summary

BUNDLE = Path(__file__).parents[3] / "bundles" / "histology_patch_classification"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    main(["simulate", "patches", str(folder / "cohort.npz"), "--patients", "16", "--patches-per-patient", "12"])
    main(["prepare", "patches", str(folder / "cohort.npz"), str(folder / "data")])
    return folder / "data"


def _command(data: Path, out: Path, *words: str) -> list[str]:
    command = [str(data), "--bundle", str(BUNDLE), "--out", str(out), "--seeds", "0", "--home-cases", "12"]
    command += ["--sizes", "3", "--threads", "1", "--override", "max_epochs=1"]
    return [*command, "--arms", "network alone", "refitted head", "memory, ridge", *words]


def _study(data: Path, out: Path, *words: str) -> list[dict]:
    assert main(["benchmark", "case-study", *_command(data, out, *words)]) == 0
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
    printed = capsys.readouterr().out
    assert "| stain | 3 | memory, ridge (1) |" in printed
    assert "| stain, 3 per class: memory, ridge − refitted head (1) |" in printed
    for row in rows:
        said = load_predictions(predictions_path(out, row))
        assert classification_summary(said.probabilities, said.labels)["auc"] == pytest.approx(row["site_auc"])
    kept = out.with_name("cases_features") / "0.npz"
    before = kept.stat().st_mtime_ns
    assert _study(data, out, "--shifts", "none", "stain") == rows and kept.stat().st_mtime_ns == before
    assert main(["benchmark", "case-study", *_command(data, out, "--shifts", "coil")]) == 2
    assert "0.npz has nothing of site/coil, test/coil: give another --out" in capsys.readouterr().err
    out.unlink()
    assert main(["benchmark", "case-study", *_command(data, out, "--home-cases", "15")]) == 2
    assert "0.npz was made with another home_cases: give another --out" in capsys.readouterr().err


@pytest.mark.slow
def test_a_network_that_never_saw_a_class_cannot_tell_it(data, tmp_path):
    rows = _study(data, tmp_path / "new.jsonl", "--new-class", "other", "--body", "frozen")
    told = {row["arm"]: row["site_auc_new_class"] for row in rows}
    assert told["network alone"] == pytest.approx(0.5)


def test_a_new_class_must_be_one(data, tmp_path, capsys):
    words = [str(data), "--bundle", str(BUNDLE), "--out", str(tmp_path / "odd.jsonl"), "--new-class", "nonsense"]
    assert main(["benchmark", "case-study", *words]) == 2
    assert "--new-class nonsense: name one of fibroblast" in capsys.readouterr().err


def _encoders(folder: Path, content: bytes) -> list[str]:
    folder.mkdir()
    (folder / "0.pt").write_bytes(content)
    return ["--encoders", str(folder)]


@pytest.mark.parametrize("before", [(), ("--encoders",)])
def test_runs_of_other_encoders_do_not_join(data, tmp_path, capsys, before):
    parser, out = argparse.ArgumentParser(), tmp_path / "cases.jsonl"
    add_arguments(parser)
    words = _encoders(tmp_path / "before", b"1") if before else []
    settings = _settings(parser.parse_args(_command(data, out, *words)))
    assert ("encoders" in settings) == bool(before) and settings["bundle"] == BUNDLE.name
    out.write_text(json.dumps(settings | {"seed": 0, "shift": "none", "added": 3, "arm": "memory, ridge"}) + "\n")
    assert main(["benchmark", "case-study", *_command(data, out, *_encoders(tmp_path / "now", b"2"))]) == 2
    assert "runs of different encoders" in capsys.readouterr().err


def test_rows_from_before_bundle_and_encoders_were_recorded_are_printed(data, tmp_path, capsys):
    out, row = tmp_path / "old.jsonl", {"home_cases": 12, "seed": 0, "shift": "none", "added": 3, "cases": 1}
    figures = {f"{p}_{f}": 0.5 for p in ("site", "home") for f in ("auc", "balanced_accuracy")}
    out.write_text("".join(json.dumps(row | figures | {"arm": a}) + "\n" for a in ("network alone", "memory, ridge")))
    assert main(["benchmark", "case-study", *_command(data, out, "--report-only")]) == 0
    printed = capsys.readouterr().out
    assert "memory, ridge (1)" in printed and "No intervals over patients: there are no runs" in printed
