"""MLflow runs on a real SQLite database."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from ignite.engine import Engine, Events
from monai.bundle import ConfigWorkflow
from monai.handlers import StatsHandler

from monai_memvit.handlers import RunRecorder, run_record, unique_run_name

mlflow = pytest.importorskip("mlflow")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def uri(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    return f"sqlite:///{tmp_path}/runs.db"


def _train(uri, tmp_path, step=lambda engine, batch: 0.0, **options) -> Engine:
    engine = Engine(step)
    engine.add_event_handler(Events.COMPLETED, lambda: engine.state.metrics.update(val_auc=0.75))
    RunRecorder(
        tracking_uri=uri,
        experiment_name="study",
        artifact_location=str(tmp_path / "artifacts"),
        output_transform=lambda output: output,
        **{"run_name": unique_run_name("test"), **options},
    ).attach(engine)
    StatsHandler(name="quiet", output_transform=lambda output: output).attach(engine)
    engine.run([0, 1], max_epochs=2)
    return engine


def _runs(uri):
    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name("study")
    return client, client.search_runs(experiment.experiment_id)


@pytest.mark.slow
def test_a_run_holds_parameters_versions_metrics_and_artifacts(uri, tmp_path):
    (tmp_path / "note.txt").write_text("found")
    artifacts = [str(tmp_path / "note.txt"), str(tmp_path / "absent.txt")]
    weights = tmp_path / "model.pt"
    weights.write_bytes(os.urandom(2**20 + 5))
    parameters = {"seed": 3, "fingerprint": "ab"}
    _train(uri, tmp_path, parameters=parameters, artifacts=artifacts, checkpoint=str(weights))
    client, (run,) = _runs(uri)
    assert run.info.status == "FINISHED"
    wanted = {"seed": "3", "fingerprint": "ab", "version_torch": version("torch")}
    wanted |= {"checkpoint": str(weights)}
    wanted |= {"weights_fingerprint": hashlib.blake2b(weights.read_bytes(), digest_size=32).hexdigest()}
    assert wanted.items() <= run.data.params.items()
    assert run.data.metrics["val_auc"] == 0.75
    assert [artifact.path for artifact in client.list_artifacts(run.info.run_id)] == ["note.txt"]


def _break(engine, batch):
    raise RuntimeError("disk full")


@pytest.mark.slow
def test_a_broken_run_is_marked_and_a_fresh_one_of_its_name_stands_beside_it(uri, tmp_path):
    with pytest.raises(RuntimeError, match="disk full"):
        _train(uri, tmp_path, step=_break, run_name="same", parameters={"seed": 1})
    _train(uri, tmp_path, run_name="same", parameters={"seed": 2})
    _train(uri, tmp_path, run_name="same", parameters={"seed": 3})
    runs = {run.data.params["seed"]: run for run in _runs(uri)[1]}
    assert {seed: run.info.status for seed, run in runs.items()} == {"1": "FAILED", "2": "FINISHED", "3": "FINISHED"}
    assert "val_auc" not in runs["1"].data.metrics


@pytest.mark.slow
def test_a_resumed_training_continues_the_newest_run_of_its_name(uri, tmp_path):
    _train(uri, tmp_path, run_name="other", resume=True)
    _train(uri, tmp_path, run_name="same", parameters={"seed": 1})
    with pytest.raises(RuntimeError, match="disk full"):
        _train(uri, tmp_path, step=_break, run_name="same", parameters={"seed": 2, "rate": 0.1})
    _train(uri, tmp_path, run_name="same", parameters={"seed": 2, "rate": 0.3, "added": "yes"}, resume=True)
    _, runs = _runs(uri)
    assert [run.info.run_name for run in runs] == ["same", "same", "other"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    continued, first, _ = runs
    assert {"seed": "2", "rate": "0.1", "added": "yes"}.items() <= continued.data.params.items()
    assert {name: tag for name, tag in continued.data.tags.items() if "resumed" in name} == {"resumed_rate": "0.3"}
    assert continued.data.metrics["val_auc"] == 0.75
    assert first.data.params["seed"] == "1"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["same", "Anna's", "50 %"])
def test_a_resumed_training_leaves_other_jobs_of_its_name_alone(uri, tmp_path, name):
    _train(uri, tmp_path, run_name=name, job="train", parameters={"seed": 1})
    _train(uri, tmp_path, run_name=name, job="evaluate", parameters={"seed": 2})
    _train(uri, tmp_path, run_name=name, job="train", parameters={"added": "yes"}, resume=True)
    evaluated, trained = _runs(uri)[1]
    assert [run.data.tags["job"] for run in (evaluated, trained)] == ["evaluate", "train"]
    assert {"seed": "1", "added": "yes"}.items() <= trained.data.params.items()
    assert "added" not in evaluated.data.params


@pytest.mark.slow
def test_every_continuation_keeps_its_configuration(uri, tmp_path, monkeypatch):
    for epochs in (1, 2, 3):
        monkeypatch.setattr(run_record, "bundle_configuration", lambda omit, epochs=epochs: {"epochs": epochs})
        _train(uri, tmp_path, run_name="same", resume=True)
    client, (run,) = _runs(uri)
    for name, epochs in (("", 1), ("_resumed_1", 2), ("_resumed_2", 3)):
        logged = client.download_artifacts(run.info.run_id, f"configuration{name}.json")
        assert json.loads(Path(logged).read_text()) == {"epochs": epochs}


@pytest.mark.slow
@pytest.mark.parametrize("number, code", [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 128 + signal.SIGTERM)])
def test_a_run_that_is_ended_from_outside_is_marked_killed(uri, number, code):
    script, environment = Path(__file__).with_name("train_until_ended.py"), {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen([sys.executable, script, uri], env=environment, **pipes) as child:
        assert child.stdout.readline() == "training\n"
        child.send_signal(number)
        assert child.wait(timeout=120) == code
    assert [run.info.status for run in _runs(uri)[1]] == ["KILLED"]


@pytest.mark.slow
def test_metrics_of_the_validation_go_into_the_same_run(uri, tmp_path):
    validator = Engine(lambda engine, batch: None)
    validator.add_event_handler(
        Events.EPOCH_COMPLETED, lambda: validator.state.metrics.update(val_f1=validator.state.epoch / 10)
    )
    engine = Engine(lambda engine, batch: 0.0)
    engine.add_event_handler(Events.EPOCH_COMPLETED, lambda: validator.run([0], max_epochs=engine.state.epoch))
    options = {"experiment_name": "study", "artifact_location": str(tmp_path / "artifacts"), "iteration_log": False}
    RunRecorder("validated", tracking_uri=uri, validator=validator, **options).attach(engine)
    engine.run([0], max_epochs=3)
    validator.run([0], max_epochs=4)
    client, (run,) = _runs(uri)
    history = client.get_metric_history(run.info.run_id, "val_f1")
    assert [(entry.step, entry.value) for entry in history] == [(1, 0.1), (2, 0.2), (3, 0.3)]


@pytest.mark.slow
def test_classes_of_any_name_have_metrics(uri, tmp_path):
    validator = Engine(lambda engine, batch: None)
    validator.add_event_handler(
        Events.EPOCH_COMPLETED, lambda: validator.state.metrics.update({"val_auc_nodule (> 3 mm)": 0.5})
    )
    _train(uri, tmp_path, step=lambda engine, batch: validator.run([0]) and 0.0, validator=validator)
    _, (run,) = _runs(uri)
    assert run.info.status == "FINISHED" and run.data.metrics["val_auc_nodule __ 3 mm_"] == 0.5


@pytest.mark.slow
def test_the_configuration_of_a_bundle_is_logged_without_what_is_omitted(uri, tmp_path):
    recorder = {"_target_": "monai_memvit.handlers.RunRecorder", "run_name": "configured", "experiment_name": "study"}
    recorder |= {"tracking_uri": "@tracking_uri", "omit": ["tracking_uri", "images"], "iteration_log": False}
    config = {"tracking_uri": "", "images": "/patients/Doe", "epochs": 100, "recorder": recorder, "run": ["$@recorder"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    workflow = ConfigWorkflow(str(tmp_path / "config.json"), logging_file=False, epochs=2, tracking_uri=uri)
    workflow.initialize()
    (handler,) = workflow.run()
    engine = Engine(lambda engine, batch: None)
    handler.attach(engine)
    engine.run([0])
    client, (run,) = _runs(uri)
    logged = json.loads(Path(client.download_artifacts(run.info.run_id, "configuration.json")).read_text())
    assert logged == {"epochs": 2, "recorder": recorder, "run": ["$@recorder"], "_meta_": {}}


@pytest.mark.slow
def test_a_strangers_unfinished_run_is_left_alone(uri, tmp_path):
    client = mlflow.MlflowClient(uri)
    stranger = client.create_run(client.create_experiment("study", artifact_location=str(tmp_path / "artifacts")))
    _train(uri, tmp_path)
    stranger = client.get_run(stranger.info.run_id)
    assert stranger.info.status == "RUNNING" and not stranger.data.params and not stranger.data.metrics
    assert len(_runs(uri)[1]) == 2


@pytest.mark.slow
def test_the_commit_is_that_of_the_package_not_of_the_working_folder(uri, tmp_path, monkeypatch):
    _commit(tmp_path)
    words = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    own = done.stdout.strip() if done.returncode == 0 else "none"
    assert RunRecorder(run_name="x", tracking_uri=uri).experiment_param["git_commit"] == own

    installed = tmp_path / "environment" / "run_record.py"  # in somebody's clone, but not of it
    installed.parent.mkdir()
    installed.touch()
    monkeypatch.setattr(run_record, "__file__", str(installed))
    assert RunRecorder(run_name="x", tracking_uri=uri).experiment_param["git_commit"] == "none"


def _commit(folder: Path) -> None:
    author = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    for words in (["init", "--quiet"], [*author, "commit", "--quiet", "--allow-empty", "--message", "one"]):
        subprocess.run(["git", "-C", str(folder), *words], check=True)


@pytest.mark.slow
def test_a_machine_without_git_records_none(uri, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert RunRecorder(run_name="x", tracking_uri=uri).experiment_param["git_commit"] == "none"


def test_names_are_unique_and_needed():
    assert len({unique_run_name() for _ in range(50)}) == 50
    with pytest.raises(ValueError, match="run_name must not be empty"):
        RunRecorder(run_name="")
