"""The chest film bundle's commands from training to a new film's heatmap; killed and resumed, and on two ranks."""

from __future__ import annotations

import csv
import json
import signal
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import torch
from PIL import Image

from monai_memvit.data import load_section
from monai_memvit.networks.nets import MaskedAutoencoder, SeqNormViT

from .conftest import BUNDLES, FINDINGS, BundleCommand, draw_film

pytestmark = pytest.mark.slow
SMALL = ("--image_size", "64", "--patch_size", "8", "--warmup_epochs", "1")
SAME = SMALL[:4]  # as in training


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def infer(chest: BundleCommand, *options: str) -> list[str]:
    models = chest.out / "models"
    files = ("--checkpoint", str(models / "model.pt"), "--points", str(models / "operating_points.json"))
    return chest.words("inference.yaml", *files, *SAME, *options)


def run(chest: BundleCommand, words: list[str]) -> tuple[int, str]:
    process = chest.start(*words)
    printed, _ = process.communicate()
    return process.returncode, printed


def test_train_choose_evaluate_infer(chest: BundleCommand, films: Path) -> None:
    printed = chest("train.yaml", "--max_epochs", "3", "--run_name", "first", *SMALL)
    assert "data_time_share" in printed
    points = chest.out / "models" / "operating_points.json"
    assert "Youden" in points.read_text()
    chest("train.yaml+operating_points.yaml", "--sensitivity", "0.9", *SMALL)
    chosen = json.loads(points.read_text())
    assert "0.9" in chosen["rule"] and chosen["images"] == len(load_section(films / "datalist.json", "validation"))
    chest("train.yaml+evaluate.yaml", "--bootstrap", "30", "--heatmaps", "2", *SMALL)
    bias = dict(zip(FINDINGS, torch.load(points.with_name("model.pt"), weights_only=True)["head.bias"].tolist()))
    check_evaluation(chest.out / "results" / "evaluation", films, chosen["thresholds"], bias)
    source = new_films(chest.out / "new patient")
    code, printed = run(chest, infer(chest, "--films", str(source)))
    assert code != 0 and "broken.dcm" in printed
    check_inference(chest.out / "results", chosen["thresholds"])
    check_tracking(chest.out / "results" / "mlruns.db")
    check_other_weights(chest)


def check_other_weights(chest: BundleCommand) -> None:
    """Operating points are refused for weights that they were not chosen with."""
    model, predictions = chest.out / "models" / "model.pt", chest.out / "results" / "inference" / "predictions.csv"
    weights = torch.load(model, weights_only=True)
    torch.save({**weights, "head.bias": weights["head.bias"] + 1}, model)
    predictions.unlink()
    code, printed = run(chest, infer(chest))
    assert code != 0 and "belongs to other weights" in printed and "operating_points.yaml" in printed
    assert not predictions.exists()


def new_films(folder: Path) -> Path:
    """Two new films of other sizes, and a file that is none."""
    random = np.random.default_rng(5)
    draw_film(folder / "a" / "one.png", np.array([True, False, False, True]), random)
    draw_film(folder / "two.png", np.zeros(4, bool), random)
    (folder / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"nothing")
    return folder


def check_evaluation(folder: Path, films: Path, thresholds: dict[str, float | None], bias: dict[str, float]) -> None:
    report = json.loads((folder / "metrics.json").read_text())
    items = load_section(films / "datalist.json", "test")
    assert report["cases"] == len(items) and report["patients"] == len({item["group_id"] for item in items})
    low, high = report["intervals"]["auc_effusion"]
    assert low - 1e-6 <= report["auc_effusion"] <= high + 1e-6 and "calibration_error" in report
    assert [int(row["known"]) for row in rows_of(folder / "findings.csv")] == [
        sum(item["labels"][k] >= 0 for item in items) for k in range(4)
    ]
    decided = {row["finding"]: row["threshold"] for row in rows_of(folder / "operating_points.csv")}
    assert {name: float(text) for name, text in decided.items()} == pytest.approx(thresholds, abs=1e-6)
    shown = rows_of(folder / "heatmaps" / "heatmaps.csv")
    assert {row["sample_id"] for row in shown} == {str(items[0]["sample_id"]), str(items[-1]["sample_id"])}
    for row in shown:  # paths are dropped in training only
        said = float(row["sum_of_contributions"]) + bias[row["finding"]]
        assert float(row["logit"]) == pytest.approx(said, abs=1e-4)
    for picture in (folder / "curves.png", folder / "heatmaps" / shown[0]["picture"]):
        assert picture.read_bytes().startswith(b"\x89PNG")


def check_inference(results: Path, thresholds: dict[str, float | None]) -> None:
    rows = rows_of(results / "inference" / "predictions.csv")
    files = {row["sample_id"]: Path(row["film"]).name for row in rows_of(results / "prepared" / "films.csv")}
    assert {files[row["sample_id"]] for row in rows} == {"one.png", "two.png"}
    for row in rows:
        for finding in FINDINGS:
            present = float(row[f"probability_{finding}"]) >= thresholds[finding]
            assert row[f"decision_{finding}"] == ("present" if present else "absent")
    shown = rows_of(results / "inference" / "heatmaps" / "heatmaps.csv")
    assert {row["sample_id"] for row in shown} == files.keys()
    weights = torch.load(results.parent / "models" / "model.pt", weights_only=True)
    for row in shown:
        values = np.load(results / "inference" / "heatmaps" / row["map"])
        with Image.open(results / "inference" / "heatmaps" / row["picture"]) as picture:
            assert picture.size == (60, 80) and values.shape == (80, 60)
        bias = float(weights["head.bias"][FINDINGS.index(row["finding"])])
        assert float(row["logit"]) == pytest.approx(float(row["sum_of_contributions"]) + bias, abs=1e-4)


def check_tracking(database: Path) -> None:
    client = mlflow.MlflowClient(f"sqlite:///{database}")
    experiment = client.get_experiment_by_name("chest_xray_classification")
    runs = {run.data.tags["job"]: run for run in client.search_runs(experiment.experiment_id)}
    assert {job: run.info.status for job, run in runs.items()} == dict.fromkeys(
        ("train", "evaluate", "inference"), "FINISHED"
    )
    assert {"val_auc", "data_time_share", "train_loss"} <= runs["train"].data.metrics.keys()
    assert {"test_sensitivity_effusion", "test_auc_interval_low"} <= runs["evaluate"].data.metrics.keys()
    kept = {job: {a.path for a in client.list_artifacts(run.info.run_id)} for job, run in runs.items()}
    assert {"operating_points.json", "findings.csv", "curves.png"} <= kept["train"]
    assert {"metrics.json", "operating_points.csv", "heatmaps.csv"} <= kept["evaluate"]
    assert kept["inference"] == {"configuration.json", "predictions.csv", "heatmaps.csv"}
    told = client.download_artifacts(runs["inference"].info.run_id, "configuration.json")
    assert "new patient" not in Path(told).read_text() + str(runs["inference"].data)
    assert {"films": "2", "broken_films": "1"}.items() <= runs["inference"].data.params.items()


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Places where two checkpoints are not the same to the last bit."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        return [d for key in one for d in differences(one[key], other[key], f"{path}/{key}")]
    if isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        return [d for i, (a, b) in enumerate(zip(one, other)) for d in differences(a, b, f"{path}/{i}")]
    same = torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other
    return [] if same else [path]


def save_pretrained(path: Path) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    skeleton = SeqNormViT.from_preset("micro", in_channels=1, img_size=64, patch_size=8, num_classes=4, pool="mean")
    attention = type(skeleton.blocks[0].attention)
    network = MaskedAutoencoder.from_preset(
        "micro", in_channels=1, img_size=64, patch_size=8, pool="mean", attention=attention
    )
    torch.save(network.state_dict(), path)
    return {name.removeprefix("encoder."): value for name, value in network.state_dict().items()}


def unchanged_blocks(before: dict[str, torch.Tensor], checkpoint: dict[str, Any]) -> list[bool]:
    after = checkpoint["network"]
    return [torch.equal(after[name], before[name]) for name in after if name.endswith("mlp.linear1.weight")]


def learning_rates(checkpoint: dict[str, Any]) -> set[float]:
    return {group["initial_lr"] for group in checkpoint["optimizer"]["param_groups"]}


def test_killed_fine_tuning_resumes_bit_for_bit(
    chest: BundleCommand, films: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = save_pretrained(chest.out / "mae.pt")
    given = ("--pretrained", str(chest.out / "mae.pt"), "--freeze_backbone", "false")
    options = ("--max_epochs", "3", *given, *SMALL)
    whole = BundleCommand(BUNDLES["chest"], films, tmp_path_factory.mktemp("whole"))
    whole("train.yaml", *options)
    process = chest.start(*chest.words("train.yaml", *options))
    assert process.stdout is not None
    for line in process.stdout:
        if "Epoch[2] Metrics" in line:
            break
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()
    chest("train.yaml", *options, "--resume", "true", "--num_workers", "2")
    one, other = (torch.load(command.out / "models" / "checkpoint.pt", weights_only=True) for command in (whole, chest))
    assert differences(one, other) == []
    points = [json.loads((c.out / "models" / "operating_points.json").read_text()) for c in (whole, chest)]
    assert points[0]["thresholds"] == points[1]["thresholds"]
    assert not any(unchanged_blocks(before, one))
    assert len(learning_rates(one)) == 6, "head and norm, four blocks, embedding"


def test_with_a_memory_past_films_are_named(chest: BundleCommand, films: Path) -> None:
    memory = ("--memory_layers", "[-1]")
    assert "memory on - off, val_auc" in chest("train.yaml", "--max_epochs", "2", *memory, *SMALL)
    code, printed = run(chest, infer(chest, *memory, "--points", ""))
    assert code == 0, printed[-2000:]
    rows = rows_of(chest.out / "results" / "inference" / "predictions.csv")
    assert {row["decision_nodule"] for row in rows} == {""}
    rows = rows_of(chest.out / "results" / "inference" / "past_films" / "predictions.csv")
    trained = {str(item["sample_id"]): item for item in load_section(films / "datalist.json", "training")}
    for row in rows:
        known = trained[row["past_case_1"]]["labels"]
        shown = " + ".join(name for name, label in zip(FINDINGS, known) if label == 1) or "none"
        assert row["past_case_1_class"] == shown
    assert (chest.out / "results" / "inference" / "heatmaps" / "heatmaps.csv").exists()


def test_a_linear_probe_on_two_ranks(chest: BundleCommand) -> None:
    before = save_pretrained(chest.out / "mae.pt")
    options = ("--pretrained", str(chest.out / "mae.pt"), "--freeze_backbone", "true", "--run_name", "two", *SMALL)
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    chest("train.yaml+multi_gpu_train.yaml", "--max_epochs", "2", *options, launcher=launcher)
    client = mlflow.MlflowClient(f"sqlite:///{chest.out / 'results' / 'mlruns.db'}")
    experiment = client.get_experiment_by_name("chest_xray_classification")
    (found,) = client.search_runs(experiment.experiment_id)
    assert found.info.status == "FINISHED" and "val_auc" in found.data.metrics
    assert (chest.out / "models" / "operating_points.json").exists()
    state = torch.load(chest.out / "models" / "checkpoint.pt", weights_only=True)
    assert all(torch.equal(state["network"][name], before[name]) for name in before if name.startswith("blocks."))
    assert len(learning_rates(state)) == 1
