"""The slide bundle's commands from training to heatmaps of new slides."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import mlflow
import pytest
import torch

from monai_memvit.data import load_section
from monai_memvit.data.slides import TileIndex, save_tile_features

from .conftest import BUNDLES, BundleCommand

pytestmark = pytest.mark.slow
SMALL = ("--batch_size", "2", "--cache_rate", "0", "--filters", "8")


@pytest.fixture
def command(slides: Path, tmp_path: Path) -> BundleCommand:
    """The slide bundle's commands, writing to a folder of the test."""
    return BundleCommand(BUNDLES["slide"], slides / "data", tmp_path)


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_train_resume_evaluate_infer(command: BundleCommand, slides: Path) -> None:
    command("train.yaml", "--max_epochs", "1", *SMALL)
    printed = command("train.yaml", "--max_epochs", "2", "--resume", "true", *SMALL)
    assert "training [2/2]" in printed and "training [1/2]" not in printed
    command("train.yaml+evaluate.yaml", "--bootstrap", "50", "--heatmaps", "1", *SMALL)
    check_evaluation(command.out / "results" / "evaluation", slides / "data")

    new = command.out / "new slides"
    new.mkdir()
    shutil.copy(slides / "cohort" / "slides" / "sim-0001-1.tif", new / "someone.tif")
    (new / "broken.svs").write_bytes(b"")
    words = ("--slides", str(new), "--checkpoint", str(command.out / "models" / "model.pt"), *SMALL[:2], *SMALL[4:])
    process = command.start(*command.words("inference.yaml", *words))
    printed, _ = process.communicate()
    assert process.returncode != 0 and "  broken.svs: " in printed, printed[-4000:]
    check_inference(command.out / "results" / "inference", slides / "data")
    check_tracking(command.out / "results" / "mlruns.db")
    check_streaming(command, slides / "data")


def check_streaming(command: BundleCommand, data: Path) -> None:
    """Streamed, damaged slides are named and the others classified as before."""
    streamed = BundleCommand(BUNDLES["slide"], command.out / "data", command.out / "streamed")
    streamed.out.mkdir()
    shutil.copytree(data, command.out / "data")
    cut, gone, *others = load_section(command.out / "data" / "datalist.json", "test")
    Path(cut["image"]).write_bytes(Path(cut["image"]).read_bytes()[:-50])
    index = TileIndex.load(gone["image"])
    index.header["slide"]["path"] = "/nowhere/gone.tif"
    index.save(gone["image"])
    words = ("--streamed", "true", "--store_dir", str(streamed.out / "tokens"), "--heatmaps", "2", *SMALL[4:])
    words = ("--checkpoint", str(command.out / "models" / "model.pt"), *words)
    process = streamed.start(*streamed.words("inference.yaml", *words))
    printed, _ = process.communicate()
    told = printed[-4000:]
    assert process.returncode != 0 and f"  {cut['image']}: {cut['image']} is no tile index" in told, told
    assert f"  {gone['image']}: /nowhere/gone.tif does not exist" in told, told
    found = {row.pop("sample_id"): row for row in rows_of(streamed.out / "results" / "inference" / "predictions.csv")}
    before = {row.pop("sample_id"): row for row in rows_of(command.out / "results" / "evaluation" / "predictions.csv")}
    assert found.keys() == {str(item["sample_id"]) for item in others}
    for sample_id, row in found.items():
        wanted = float(before[sample_id]["probability_tumour"])
        assert float(row["probability_tumour"]) == pytest.approx(wanted, abs=1e-4)
    assert len(rows_of(streamed.out / "results" / "inference" / "heatmaps" / "heatmaps.csv")) == 2
    assert not list((streamed.out / "tokens").iterdir())


def test_two_ranks(command: BundleCommand) -> None:
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    command("train.yaml+multi_gpu_train.yaml", "--max_epochs", "1", *SMALL, launcher=launcher)
    saved = torch.load(command.out / "models" / "model.pt", weights_only=True)
    assert not any(name.startswith("module.") for name in saved)
    client = mlflow.MlflowClient(f"sqlite:///{command.out / 'results' / 'mlruns.db'}")
    (found,) = client.search_runs(client.get_experiment_by_name("slide_classification").experiment_id)
    assert found.info.status == "FINISHED" and "val_auc" in found.data.metrics


def check_evaluation(folder: Path, data: Path) -> None:
    items = load_section(data / "datalist.json", "test")
    report = json.loads((folder / "metrics.json").read_text())
    assert report["cases"] == len(items)
    low, high = report["intervals"]["accuracy"]
    assert low <= report["accuracy"] <= high
    patients = json.loads((folder / "patients" / "cases.json").read_text())
    assert patients["patients"] == len({item["group_id"] for item in items}) < len(items)
    names = {row["sample_id"]: row["label"] for row in rows_of(folder / "predictions.csv")}
    assert names == {str(item["sample_id"]): ("normal", "tumour")[item["label"]] for item in items}
    assert len(rows_of(folder / "heatmaps" / "heatmaps.csv")) == 1
    assert (folder / "confusion_matrix.png").read_bytes().startswith(b"\x89PNG")


def check_inference(folder: Path, data: Path) -> None:
    (row,) = rows_of(folder / "predictions.csv")
    assert row["label"] == "" and float(row["probability_normal"]) + float(row["probability_tumour"]) == pytest.approx(
        1, abs=1e-5
    )
    known = {str(item["sample_id"]) for item in load_section(data / "datalist.json", "test")}
    assert row["sample_id"] not in known, "a new slide is no slide of the datalist, whatever its content"
    kinds = {path.suffix for path in (folder / "heatmaps").iterdir()}
    assert kinds >= {".png", ".geojson", ".csv", ".tif"}
    assert "someone" not in str([path.read_text() for path in folder.rglob("*.csv")])


def check_tracking(database: Path) -> None:
    client = mlflow.MlflowClient(f"sqlite:///{database}")
    experiment = client.get_experiment_by_name("slide_classification")
    runs = {run.data.tags["job"]: run for run in client.search_runs(experiment.experiment_id)}
    assert runs.keys() == {"train", "evaluate", "inference"}
    assert runs["train"].info.status == runs["evaluate"].info.status == "FINISHED"
    assert {"test_auc", "test_patient_auc"} <= runs["evaluate"].data.metrics.keys()
    assert "new slides" not in str(runs["inference"].data.params)


def test_stored_features_and_a_memory_streamed(command: BundleCommand, slides: Path) -> None:
    folder = command.out / "features"
    folder.mkdir()
    for section in ("training", "validation", "test"):
        for item in load_section(slides / "data" / "datalist.json", section):
            index = TileIndex.load(item["image"])
            places = torch.from_numpy(index.positions_um())
            features = torch.randn(len(index), 8) + 3 * item["label"]
            save_tile_features(folder / f"{Path(index.header['slide']['name']).stem}.parquet", features, places)
    options = ("--features_dir", str(folder), "--in_features", "8", "--memory_layers", "[-1]", *SMALL)
    assert "memory on - off, val_auc" in command("train.yaml", "--max_epochs", "3", *options)
    command("train.yaml+evaluate.yaml", "--bootstrap", "0", "--streamed", "true", *options)
    found = command.out / "results" / "evaluation"
    assert (found / "past_slides" / "evidence.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((found / "metrics.json").read_text())["auc"] > 0.9
