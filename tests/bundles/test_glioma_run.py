"""The glioma bundle's commands from training to a new patient's folder, with sequences missing all along."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import mlflow
import pytest
import torch

from monai_memvit.__main__ import main
from monai_memvit.data import load_section

from .conftest import BUNDLES, BundleCommand

pytestmark = pytest.mark.slow
SMALL = ("--image_size", "32", "--patch_size", "8")


def test_train_distil_evaluate_infer(glioma: BundleCommand, slices: Path) -> None:
    assert "memory on - off, val_auc" in glioma("train.yaml", "--max_epochs", "3", *SMALL)
    glioma("train.yaml+distil.yaml", "--prototypes_per_class", "4", *SMALL)
    glioma("train.yaml+evaluate.yaml", "--bootstrap", "50", *SMALL)
    glioma("inference.yaml", "--checkpoint", str(glioma.out / "models" / "model.pt"), *SMALL)

    prototypes = torch.load(glioma.out / "models" / "model_prototypes.pt", weights_only=True)
    assert len(prototypes["blocks.3.attention.bank.ids"]) == 8
    check_evaluation(glioma.out / "results" / "evaluation", slices)
    check_tracking(glioma.out / "results" / "mlruns.db")


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def check_evaluation(folder: Path, slices: Path) -> None:
    report = json.loads((folder / "metrics.json").read_text())
    items = load_section(slices / "datalist.json", "test")
    assert report["cases"] == len(items)
    assert {"auc", "auprc_positive", "precision_positive", "recall_positive", "f1_positive"} <= report.keys()
    low, high = report["intervals"]["accuracy"]
    assert low <= report["accuracy"] <= high
    assert len(rows_of(folder / "cases.csv")) == len({item["group_id"] for item in items})
    subsets = rows_of(folder / "channel_subsets.csv")
    assert len(subsets) == 31 and int(subsets[-1]["cases"]) == len(items)
    for picture in ("overlay.png", "channel_subsets.png", "evidence.png", "confusion_matrix.png"):
        assert (folder / picture).read_bytes().startswith(b"\x89PNG")


def check_tracking(database: Path) -> None:
    client = mlflow.MlflowClient(f"sqlite:///{database}")
    experiment = client.get_experiment_by_name("glioma_mri_classification")
    runs = {run.data.tags["job"]: run for run in client.search_runs(experiment.experiment_id)}
    assert runs.keys() == {"train", "distil", "evaluate", "inference"}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert "channels_auc_without_t1gd" in runs["evaluate"].data.metrics
    assert runs["train"].data.params["sequence_tokens"] == "False"
    kept = {artifact.path for artifact in client.list_artifacts(runs["inference"].info.run_id)}
    assert {"cases.csv", "overlay.png", "predictions.csv", "evidence.png"} <= kept


@pytest.mark.parametrize("tokens", ["true", "false"])
def test_either_way_of_missing_sequences_trains(glioma: BundleCommand, tokens: str) -> None:
    softmax = "monai_memvit.networks.blocks.SoftmaxAttention"
    options = ("--max_epochs", "2", "--sequence_tokens", tokens, "--attention#_target_", softmax, *SMALL)
    glioma("train.yaml", *options)
    saved = torch.load(glioma.out / "models" / "model.pt", weights_only=True)
    assert ("embedding.channels" in saved) is (tokens == "true")


def test_from_simulated_studies_to_a_new_patient(tmp_path: Path) -> None:
    cohort, data = tmp_path / "cohort", tmp_path / "data"
    assert main(["simulate", "mri", str(cohort), "--patients", "7", "--missing", "0.2"]) == 0
    new = tmp_path / "new patient"
    new.mkdir()
    (cohort / "sub-0007").rename(new / "sub-0007")
    options = ["--size", "64", "--spacing", "4", "--empty-tumour-mask", "normal"]
    assert main(["prepare", "mri", str(cohort), str(data), *options]) == 0
    bundle = BundleCommand(BUNDLES["glioma"], data, tmp_path)
    bundle("train.yaml", "--max_epochs", "2", "--image_size", "64")
    checkpoint = str(tmp_path / "models" / "model.pt")
    bundle("inference.yaml", "--checkpoint", checkpoint, "--study", str(new), "--image_size", "64")
    found = tmp_path / "results" / "inference"
    cases, rows = rows_of(found / "cases.csv"), rows_of(found / "predictions.csv")
    assert len(cases) == 1 and int(cases[0]["slices"]) == len(rows) > 10
    known = {str(item["sample_id"]) for item in load_section(data / "datalist.json", "training")}
    assert {row["past_case_1"] for row in rows} <= known and not {row["sample_id"] for row in rows} & known
    assert (found / "overlay.png").read_bytes().startswith(b"\x89PNG")
    assert "new patient" not in str([path.read_text() for path in found.glob("*.csv")])
