"""The histology bundle's commands from training to evidence, killed and resumed, and on two ranks."""

from __future__ import annotations

import csv
import hashlib
import json
import signal
from pathlib import Path
from typing import Any

import mlflow
import pytest
import torch

from monai_memvit.__main__ import main
from monai_memvit.data import Datalist, IdentityKey, load_section

from .conftest import BUNDLES, BundleCommand

pytestmark = pytest.mark.slow
EPOCHS = ("--max_epochs", "4")


def checkpoint(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "models" / "checkpoint.pt", weights_only=True)


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


def test_train_distil_evaluate_infer(bundle: BundleCommand, cohort: Path) -> None:
    printed = bundle("train.yaml", "--max_epochs", "3", "--run_name", "first")
    assert "memory on - off, val_auc" in printed
    bundle("train.yaml+distil.yaml", "--prototypes_per_class", "4")
    for name in ("model", "model_prototypes"):
        bundle("train.yaml+evaluate.yaml", "--checkpoint", str(bundle.out / "models" / f"{name}.pt"))
    bundle("inference.yaml", "--checkpoint", str(bundle.out / "models" / "model.pt"), "--include_keys", "true")

    assert (
        len(torch.load(bundle.out / "models" / "model_prototypes.pt", weights_only=True)["blocks.3.attention.bank.ids"])
        == 16
    )
    check_report(bundle.out / "results" / "evaluation", cohort)
    check_predictions(bundle.out / "results" / "inference" / "predictions.csv", cohort)
    check_tracking(bundle.out / "results" / "mlruns.db", cohort)


def check_report(folder: Path, cohort: Path) -> None:
    report = json.loads((folder / "metrics.json").read_text())
    assert (
        report["cases"]
        == sum(map(sum, report["confusion_matrix"]))
        == len(load_section(cohort / "datalist.json", "test"))
    )
    assert {"accuracy", "balanced_accuracy", "auc", "f1", "calibration_error"} <= report.keys()
    for picture in ("confusion_matrix.png", "evidence.png"):
        assert (folder / picture).read_bytes().startswith(b"\x89PNG")


def check_predictions(path: Path, cohort: Path) -> None:
    rows = list(csv.DictReader(path.open()))
    datalist = Datalist.load(cohort / "datalist.json")
    known = {section: {str(item["sample_id"]) for item in items} for section, items in datalist.sections.items()}
    assert {row["sample_id"] for row in rows} == known["test"]
    for row in rows:
        assert sum(float(row[f"probability_{name}"]) for name in datalist.class_names) == pytest.approx(1, abs=1e-4)
        assert {row[f"past_case_{n}"] for n in range(1, 6)} <= known["training"]
        weights = [float(row[f"past_case_{n}_weight"]) for n in range(1, 6)]
        assert weights == sorted(weights, reverse=True) and 0 < sum(weights) <= 1.001


def tracked(database: Path) -> tuple[mlflow.MlflowClient, dict[str, mlflow.entities.Run]]:
    client = mlflow.MlflowClient(f"sqlite:///{database}")
    experiment = client.get_experiment_by_name("histology_patch_classification")
    return client, {run.info.run_name: run for run in client.search_runs(experiment.experiment_id)}


def artifacts(client: mlflow.MlflowClient, run: mlflow.entities.Run) -> set[str]:
    return {artifact.path for artifact in client.list_artifacts(run.info.run_id)}


def configuration(client: mlflow.MlflowClient, run: mlflow.entities.Run) -> dict[str, Any]:
    return json.loads(Path(client.download_artifacts(run.info.run_id, "configuration.json")).read_text())


def check_tracking(database: Path, cohort: Path) -> None:
    client, runs = tracked(database)
    assert {run.info.status for run in runs.values()} == {"FINISHED"} and len(runs) == 5
    train = runs["first"].data
    wanted = {"train_loss", "val_auc", "memory_gate_head0", "memory_purity_cosine", "memory_purity_chance"}
    assert wanted | {"memory_facts", "memory_effective_facts_logit", "memory_effect_val_auc"} <= train.metrics.keys()
    assert train.params["data_fingerprint"] == Datalist.load(cohort / "datalist.json").fingerprint
    assert {"seed", "git_commit", "version_monai", "version_torch"} <= train.params.keys()
    secret = {
        str(key)
        for item in Datalist.load(cohort / "datalist.json").sections["training"]
        for key in (item["sample_key"],)
    }
    assert not secret & {str(value) for run in runs.values() for value in run.data.params.values()}
    assert configuration(client, runs["first"])["max_epochs"] == 3
    distilled = next(run for name, run in runs.items() if name.startswith("distil"))
    assert distilled.data.metrics["prototypes"] == 16
    assert configuration(client, distilled)["prototypes_per_class"] == 4
    assert {"seed", "data_fingerprint", "weights_fingerprint"} <= distilled.data.params.keys()
    plots = {"metrics.json", "confusion_matrix.png", "predictions.csv", "evidence.png", "configuration.json"}
    evaluated = [run for name, run in runs.items() if name.startswith("evaluate")]
    assert [artifacts(client, run) for run in evaluated] == [plots, plots]
    assert len({run.data.params["weights_fingerprint"] for run in evaluated}) == 2
    assert {run.data.params["seed"] for run in evaluated} == {"0"}
    assert {run.data.tags["job"] for run in runs.values()} == {"train", "distil", "evaluate", "inference"}
    inferred = next(run for name, run in runs.items() if name.startswith("inference"))
    assert int(inferred.data.params["cases"]) == len(load_section(cohort / "datalist.json", "test"))
    weights = (database.parents[1] / "models" / "model.pt").read_bytes()
    assert inferred.data.params["weights_fingerprint"] == hashlib.blake2b(weights, digest_size=32).hexdigest()
    assert artifacts(client, inferred) == {"configuration.json"}  # its table has readable keys


def test_distilling_lets_no_case_in_that_was_kept_out_of_training(bundle: BundleCommand) -> None:
    bundle("train.yaml", "--max_epochs", "1", "--training_fraction", "0.5")
    bundle("train.yaml+distil.yaml", "--prototypes_per_class", "4")  # walks over all training cases
    trained, distilled = (
        set(
            torch.load(bundle.out / "models" / name, weights_only=True)["blocks.3.attention.bank.ids"]
            .flatten()
            .tolist()
        )
        for name in ("model.pt", "model_prototypes.pt")
    )
    assert distilled <= trained


def test_cases_of_another_site_are_added_consulted_and_forgotten(
    bundle: BundleCommand, cohort: Path, tmp_path: Path
) -> None:
    made = ["--patients", "12", "--patches-per-patient", "12", "--seed", "7"]
    assert main(["simulate", "patches", str(tmp_path / "site.npz"), *made]) == 0
    assert main(["prepare", "patches", str(tmp_path / "site.npz"), str(tmp_path / "site")]) == 0
    bundle("train.yaml", "--max_epochs", "2")
    weights, site = str(tmp_path / "models" / "model.pt"), tmp_path / "site" / "datalist.json"
    command = [weights, str(site), "--bundle", str(BUNDLES["histology"]), "--dataset-dir", str(cohort)]

    def evaluated() -> dict[str, bytes]:
        bundle("train.yaml+evaluate.yaml", "--added_datalists", str([str(site)]))
        folder = tmp_path / "results" / "evaluation"
        return {name: (folder / name).read_bytes() for name in ("metrics.json", "predictions.csv")}

    alone = evaluated()
    assert main(["memory", "add", *command, "--report", str(tmp_path / "report.json")]) == 0
    told = evaluated()
    added = {str(item["sample_id"]) for item in load_section(site, "training")}
    rows = list(csv.DictReader(told["predictions.csv"].decode().splitlines()))
    assert told["metrics.json"] != alone["metrics.json"]
    assert {row[f"past_case_{n}"] for row in rows for n in range(1, 6)} & added
    assert not {row["past_case_1_class"] for row in rows} - set(Datalist.load(site).class_names)
    assert {judged["cases"] for judged in json.loads((tmp_path / "report.json").read_text())["judged"]} == {24}
    memory = str(tmp_path / "models" / "case_memory.pt")
    bundle("inference.yaml", "--checkpoint", weights, "--case_memory", memory)
    inferred = list(csv.DictReader((tmp_path / "results" / "inference" / "predictions.csv").read_text().splitlines()))
    assert [row["sample_id"] for row in inferred] == [row["sample_id"] for row in rows]
    for one, other in zip(inferred, rows):
        assert [float(one[name]) for name in one if name.startswith("probability")] == pytest.approx(
            [float(other[name]) for name in one if name.startswith("probability")], abs=1e-4
        )
    assert main(["memory", "remove", *command]) == 0
    assert evaluated() == alone


def test_killed_run_resumes_bit_for_bit(
    bundle: BundleCommand, cohort: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = BundleCommand(BUNDLES["histology"], cohort, tmp_path_factory.mktemp("whole"))
    whole("train.yaml", *EPOCHS)

    process = bundle.start(*bundle.words("train.yaml", *EPOCHS))
    assert process.stdout is not None
    for line in process.stdout:
        if "Epoch[3] Metrics" in line:
            break
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()
    left = checkpoint(bundle.out)["trainer"]["epoch"]
    assert left in (2, 3)

    bundle("train.yaml", *EPOCHS, "--resume", "true", "--num_workers", "2")
    assert differences(checkpoint(whole.out), checkpoint(bundle.out)) == []


def test_two_ranks_fill_one_memory(bundle: BundleCommand, cohort: Path) -> None:
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    bundle("train.yaml+multi_gpu_train.yaml", "--max_epochs", "2", "--run_name", "two", launcher=launcher)
    stored = torch.load(bundle.out / "models" / "model.pt", weights_only=True)["blocks.3.attention.bank.ids"]
    trained = sorted(item["sample_id"] for item in load_section(cohort / "datalist.json", "training"))
    assert stored.tolist() == trained
    client, runs = tracked(bundle.out / "results" / "mlruns.db")
    assert runs.keys() == {"two"} and "val_auc" in runs["two"].data.metrics
    assert configuration(client, runs["two"])["ddp_network"]["module"] == "@network"


def test_evidence_is_refused_for_another_table_of_ids(bundle: BundleCommand, cohort: Path, tmp_path: Path) -> None:
    bundle("train.yaml", "--max_epochs", "1")
    other = BundleCommand(BUNDLES["histology"], with_other_ids(cohort, tmp_path / "other"), tmp_path)
    words = other.words("inference.yaml", "--checkpoint", str(tmp_path / "models" / "model.pt"))
    process = other.start(*words)
    printed, _ = process.communicate()
    assert process.returncode != 0
    assert "the memory belongs to the table of ids" in printed
    assert not (tmp_path / "results" / "inference").exists()


def with_other_ids(cohort: Path, folder: Path) -> Path:
    """The same cases under another secret key."""
    from monai_memvit.data import id_map

    folder.mkdir()
    identity, datalist = IdentityKey.load_or_create(folder), Datalist.load(cohort / "datalist.json")
    for item in (item for items in datalist.sections.values() for item in items):
        item["image"] = str(cohort / item["image"])
        item["sample_id"], item["group_id"] = (
            identity.identify(item["sample_key"]),
            identity.identify(item["group_key"]),
        )
    datalist.id_map = id_map(item["sample_id"] for items in datalist.sections.values() for item in items)
    datalist.save(folder / "datalist.json")
    return folder


def test_one_damaged_image_does_not_end_inference(bundle: BundleCommand, cohort: Path, tmp_path: Path) -> None:
    bundle("train.yaml", "--max_epochs", "1")
    images = tmp_path / "new"
    images.mkdir()
    for n, item in enumerate(load_section(cohort / "datalist.json", "test")[:3]):
        content = Path(item["image"]).read_bytes()
        (images / f"{n}.png").write_bytes(content[: len(content) // 2] if n == 1 else content)
    words = bundle.words(
        "inference.yaml", "--images", str(images), "--checkpoint", str(tmp_path / "models" / "model.pt")
    )
    process = bundle.start(*words)
    printed, _ = process.communicate()
    assert process.returncode != 0 and "1.png" in printed
    rows = list(csv.DictReader((tmp_path / "results" / "inference" / "predictions.csv").open()))
    assert len(rows) == 2
    client, runs = tracked(tmp_path / "results" / "mlruns.db")
    inferred = next(run for name, run in runs.items() if name.startswith("inference"))
    assert {"cases": "2", "broken_cases": "1"}.items() <= inferred.data.params.items()
    assert artifacts(client, inferred) == {"configuration.json", "predictions.csv", "evidence.png"}
    assert str(images) not in str(configuration(client, inferred)) + str(inferred.data)
