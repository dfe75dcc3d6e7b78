"""MLflow runs on a real SQLite database."""

from __future__ import annotations

from importlib.metadata import version

import pytest
from ignite.engine import Engine, Events
from monai.handlers import StatsHandler

from monai_memvit.handlers import RunRecorder, unique_run_name

mlflow = pytest.importorskip("mlflow")


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
    _train(uri, tmp_path, parameters={"seed": 3, "fingerprint": "ab"}, artifacts=artifacts)
    client, (run,) = _runs(uri)
    assert run.info.status == "FINISHED"
    wanted = {"seed": "3", "fingerprint": "ab", "version_torch": version("torch"), "git_commit": "none"}
    assert wanted.items() <= run.data.params.items()
    assert run.data.metrics["val_auc"] == 0.75
    assert [artifact.path for artifact in client.list_artifacts(run.info.run_id)] == ["note.txt"]


def _break(engine, batch):
    raise RuntimeError("disk full")


@pytest.mark.slow
def test_a_broken_run_is_marked_and_never_continued(uri, tmp_path):
    with pytest.raises(RuntimeError, match="disk full"):
        _train(uri, tmp_path, step=_break)
    _train(uri, tmp_path)
    assert sorted(run.info.status for run in _runs(uri)[1]) == ["FAILED", "FINISHED"]


@pytest.mark.slow
def test_a_strangers_unfinished_run_is_left_alone(uri, tmp_path):
    client = mlflow.MlflowClient(uri)
    stranger = client.create_run(client.create_experiment("study", artifact_location=str(tmp_path / "artifacts")))
    _train(uri, tmp_path)
    stranger = client.get_run(stranger.info.run_id)
    assert stranger.info.status == "RUNNING" and not stranger.data.params and not stranger.data.metrics
    assert len(_runs(uri)[1]) == 2


@pytest.mark.slow
def test_a_machine_without_git_records_none(uri, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert RunRecorder(run_name="x", tracking_uri=uri).experiment_param["git_commit"] == "none"


def test_names_are_unique_and_needed():
    assert len({unique_run_name() for _ in range(50)}) == 50
    with pytest.raises(ValueError, match="run_name must not be empty"):
        RunRecorder(run_name="")
