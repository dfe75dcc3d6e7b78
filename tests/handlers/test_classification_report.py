"""All figures of an evaluation."""

from __future__ import annotations

import json

import pytest
import torch
from ignite.engine import Engine
from PIL import Image
from sklearn.metrics import accuracy_score, confusion_matrix, roc_auc_score

from monai_memvit import ClassificationReport
from monai_memvit.metrics import bootstrap_intervals, classification_summary

CLASSES = ["a", "b", "c"]


def _run(batches, **options) -> Engine:
    engine = Engine(lambda engine, batch: batch)
    ClassificationReport(CLASSES, **options).attach(engine)
    engine.run(batches, max_epochs=options.pop("epochs", 1))
    return engine


@pytest.fixture
def batches():
    torch.manual_seed(0)
    probabilities, labels = torch.randn(11, 3).softmax(-1), torch.arange(11) % 3
    items = [{"pred": p, "label": y} for p, y in zip(probabilities, labels)]
    return [items[:4], items[4:8], items[8:]]


def _columns(batches):
    items = [item for batch in batches for item in batch]
    return torch.stack([i["pred"] for i in items]), torch.stack([i["label"] for i in items])


def test_metrics_are_those_of_all_batches_together(batches):
    metrics = _run(batches, prefix="test_").state.metrics
    probabilities, labels = _columns(batches)
    expected = classification_summary(probabilities, labels)
    expected |= {f"auc_{c}": roc_auc_score(labels == i, probabilities[:, i]) for i, c in enumerate(CLASSES)}
    assert metrics == pytest.approx({f"test_{name}": value for name, value in expected.items()}, abs=1e-6)


def test_a_class_that_does_not_occur_has_no_auc(batches):
    without_c = [[item for item in batch if item["label"] < 2] for batch in batches]
    assert {"val_auc_a", "val_auc_b"} == {name for name in _run(without_c).state.metrics if "auc_" in name}


def test_files_hold_figures_and_confusion_matrix(batches, tmp_path):
    _run(batches, output_dir=str(tmp_path / "deep" / "out"))
    probabilities, labels = _columns(batches)
    report = json.loads((tmp_path / "deep" / "out" / "metrics.json").read_text())
    predicted = probabilities.argmax(1)
    assert report["cases"] == 11 and report["class_names"] == CLASSES
    assert report["accuracy"] == pytest.approx(accuracy_score(labels, predicted))
    assert report["confusion_matrix"] == confusion_matrix(labels, predicted).tolist()
    with Image.open(tmp_path / "deep" / "out" / "confusion_matrix.png") as picture:
        picture.load()


def test_every_epoch_is_counted_anew(batches, tmp_path):
    engine = Engine(lambda engine, batch: batch)
    ClassificationReport(CLASSES, output_dir=str(tmp_path)).attach(engine)
    engine.run(batches, max_epochs=2)
    assert json.loads((tmp_path / "metrics.json").read_text())["cases"] == 11


def test_labels_may_be_vectors_of_one(batches):
    as_vectors = [[{**item, "label": item["label"][None]} for item in batch] for batch in batches]
    assert _run(as_vectors).state.metrics == _run(batches).state.metrics


def test_intervals_of_whole_patients(batches, tmp_path):
    patients = iter(torch.arange(11) // 2)
    items = [[{**item, "group_id": next(patients)} for item in batch] for batch in batches]
    options = {"bootstrap": 30, "group_key": "group_id", "output_dir": str(tmp_path)}
    engine = Engine(lambda engine, batch: [{k: v for k, v in item.items() if k != "group_id"} for item in batch])
    ClassificationReport(CLASSES, **options).attach(engine)
    engine.run(items, max_epochs=2)
    columns = _columns(batches)
    expected = bootstrap_intervals(classification_summary, columns, torch.arange(11) // 2, 30, labels=columns[1])
    report = json.loads((tmp_path / "metrics.json").read_text())["intervals"]
    assert report.keys() == expected.keys() and "auc" in expected
    for name, (low, high) in expected.items():
        bounds = [engine.state.metrics[f"val_{name}_interval_{side}"] for side in ("low", "high")]
        assert bounds == report[name] == pytest.approx([low, high], nan_ok=True)
    assert all(isinstance(value, float) for value in engine.state.metrics.values())


def test_without_patients_cases_are_drawn(batches):
    found = _run(batches, bootstrap=30).state.metrics
    columns = _columns(batches)
    low, high = bootstrap_intervals(classification_summary, columns, None, 30, labels=columns[1])["accuracy"]
    assert (found["val_accuracy_interval_low"], found["val_accuracy_interval_high"]) == (low, high)


def test_two_classes_have_a_positive_one(batches):
    engine = Engine(lambda engine, batch: batch)
    ClassificationReport(["normal", "malignant"]).attach(engine)
    engine.run([[{"pred": item["pred"][:2].softmax(-1), "label": item["label"] % 2} for item in batches[0]]])
    assert {"val_auprc_positive", "val_f1_positive", "val_auc_malignant"} <= engine.state.metrics.keys()
