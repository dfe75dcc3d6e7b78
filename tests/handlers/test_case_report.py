"""From slices to cases: probabilities, figures, table and picture."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from matplotlib.figure import Figure
from monai.data import DataLoader
from monai.engines import SupervisedEvaluator
from PIL import Image
from sklearn.metrics import accuracy_score, roc_auc_score

from monai_memvit.data.case_pictures import case_picture
from monai_memvit.handlers import case_report
from monai_memvit.handlers.case_report import CaseReport
from monai_memvit.metrics import bootstrap_intervals, classification_summary

CLASSES = ["normal", "tumour"]


@pytest.fixture
def slices() -> list[dict[str, Any]]:
    """Six cases of 2 to 7 slices, in mixed order; the even cases have a tumour in some."""
    rng = np.random.default_rng(0)
    items = []
    for case in range(6):
        for number in range(case + 2):
            label = int(case % 2 == 0 and number in (1, 2))
            p = float(np.clip(rng.random() * 0.7 + 0.3 * label, 0, 1))
            pred = torch.tensor([1 - p, p])
            items.append(
                {"pred": pred, "label": label, "sample_id": len(items), "group_id": 50 + case, "slice": number}
            )
    return [items[i] for i in rng.permutation(len(items))]


def run(slices: list[dict[str, Any]], folder: Path | None, **options: Any) -> Engine:
    """One epoch over batches of five."""
    engine = Engine(lambda engine, batch: batch)
    CaseReport(None if folder is None else str(folder), CLASSES, **options).attach(engine)
    engine.run([slices[i : i + 5] for i in range(0, len(slices), 5)])
    return engine


def expected(slices: list[dict[str, Any]], top: int) -> dict[int, tuple[float, int, int]]:
    """Case -> probability, label, number of slices, by a plain loop."""
    found = {}
    for case in {item["group_id"] for item in slices}:
        own = [item for item in slices if item["group_id"] == case]
        best = sorted(float(item["pred"][1]) for item in own)[-top:]
        found[case] = sum(best) / len(best), max(item["label"] for item in own), len(own)
    return found


def table(folder: Path) -> list[dict[str, str]]:
    """The rows of cases.csv."""
    with open(folder / "cases.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("top", [1, 3, 100])
def test_a_case_is_the_mean_of_its_highest_slices(slices, tmp_path, top):
    metrics = run(slices, tmp_path, top=top, picture_cases=0).state.metrics
    cases = expected(slices, top)
    for row in table(tmp_path):
        probability, label, count = cases.pop(int(row["case"]))
        assert float(row["probability"]) == pytest.approx(probability, abs=1e-6)
        assert (row["label"], int(row["slices"])) == (CLASSES[label], count)
        assert row["predicted"] == CLASSES[int(probability > 0.5)]
    assert not cases
    probabilities, labels, _ = np.array(list(expected(slices, top).values())).T
    assert metrics["val_case_auc"] == pytest.approx(roc_auc_score(labels, probabilities))
    assert metrics["val_case_accuracy"] == pytest.approx(accuracy_score(labels, probabilities > 0.5))
    assert not (tmp_path / "overlay.png").exists()


def test_a_case_id_comes_before_the_group(slices, tmp_path):
    run([{**item, "case_id": 7} for item in slices], tmp_path, picture_cases=0)
    assert [row["case"] for row in table(tmp_path)] == ["7"]
    run([{**item, "case_id": 7} for item in slices], tmp_path, picture_cases=0, case_key="group_id")
    assert len(table(tmp_path)) == 6


def figures(folder: Path) -> dict[str, Any]:
    """What cases.json holds."""
    return json.loads((folder / "cases.json").read_text(), parse_constant=lambda name: pytest.fail(name))


def follow_ups(slices: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The cases as studies, two of every patient but the last two."""
    patients = {50: 1, 51: 2, 52: 1, 53: 2, 54: 3, 55: 4}
    return [{**item, "case_id": item["group_id"], "group_id": patients[item["group_id"]]} for item in slices]


def test_two_studies_of_a_patient_are_two_rows(slices, tmp_path):
    run(follow_ups(slices), tmp_path, picture_cases=0)
    assert {int(row["case"]) for row in table(tmp_path)} == set(range(50, 56))
    assert (figures(tmp_path)["cases"], figures(tmp_path)["patients"]) == (6, 4)


def test_figures_are_written_with_intervals_over_patients(slices, tmp_path):
    metrics = run(follow_ups(slices), tmp_path, picture_cases=0, bootstrap=40).state.metrics
    written, cases = figures(tmp_path), expected(slices, 3)
    ordered = list(dict.fromkeys(item["group_id"] for item in slices))
    positive, labels = (torch.tensor([cases[case][column] for case in ordered]) for column in (0, 1))
    patients = torch.tensor([{50: 1, 51: 2, 52: 1, 53: 2, 54: 3, 55: 4}[case] for case in ordered])
    columns = torch.stack([1 - positive, positive], 1), labels
    bounds = bootstrap_intervals(classification_summary, columns, patients, 40, labels=labels)
    assert written["intervals"].keys() == bounds.keys() and bounds["accuracy"][0] < bounds["accuracy"][1]
    for name, value in classification_summary(*columns).items():
        assert written[name] == metrics[f"val_case_{name}"] == pytest.approx(value)
        assert written["intervals"][name] == pytest.approx(bounds[name])
        assert metrics[f"val_case_{name}_interval_low"] == pytest.approx(bounds[name][0])
    assert written["cases_of_known_label"] == 6 and written["class_names"] == CLASSES


def test_figures_of_one_class_are_null_where_they_are_no_numbers(slices, tmp_path):
    run([{**item, "label": 1} for item in slices], tmp_path, picture_cases=0, bootstrap=10)
    written = figures(tmp_path)
    assert written["auc"] is None and written["intervals"]["auc"] == [None, None]
    assert 0 <= written["intervals"]["accuracy"][0] <= written["accuracy"]


def test_without_patients_cases_are_drawn(slices, tmp_path):
    named = [{**{k: v for k, v in item.items() if k != "group_id"}, "case_id": item["group_id"]} for item in slices]
    run(slices, tmp_path / "a", picture_cases=0, bootstrap=20)
    run(named, tmp_path / "b", picture_cases=0, bootstrap=20)
    assert figures(tmp_path / "a") == figures(tmp_path / "b")


def test_unknown_labels_give_probabilities_without_figures(slices, tmp_path):
    for item in slices:
        item["label"] = None
    assert not run(slices, tmp_path, prefix="test_", bootstrap=10).state.metrics
    assert figures(tmp_path) == {"cases": 6, "cases_of_known_label": 0, "patients": 6, "class_names": CLASSES}
    assert {row["label"] for row in table(tmp_path)} == {""} and (tmp_path / "overlay.png").exists()


def test_one_positive_slice_tells_but_one_negative_does_not(slices, tmp_path):
    for item in slices:
        if item["slice"] != 1:
            del item["label"]
    run(slices, tmp_path, picture_cases=0)
    labels = {int(row["case"]): row["label"] for row in table(tmp_path)}
    assert labels == {case: "tumour" if case % 2 == 0 else "" for case in range(50, 56)}


def test_every_epoch_is_counted_anew(slices):
    engine = Engine(lambda engine, batch: batch)
    CaseReport(None, CLASSES).attach(engine)
    first = dict(engine.run([slices]).metrics)
    second = [{**item, "pred": item["pred"].flip(0)} for item in slices]
    engine.run([second])
    assert engine.state.metrics == pytest.approx(run(second, None).state.metrics, nan_ok=True)
    assert engine.state.metrics["val_case_auc"] != first["val_case_auc"]


def test_ids_come_from_the_batch_of_an_evaluator(slices, tmp_path):
    items = [{"image": torch.logit(item["pred"]), **{k: item[k] for k in ("label", "group_id")}} for item in slices]
    SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(items, batch_size=4),
        network=torch.nn.Identity(),
        postprocessing=lambda item: {**item, "pred": item["pred"].sigmoid()},
        val_handlers=[CaseReport(str(tmp_path), CLASSES, picture_cases=1)],
    ).run()
    cases = expected(slices, 3)
    assert {int(row["case"]): float(row["probability"]) for row in table(tmp_path)} == pytest.approx(
        {case: values[0] for case, values in cases.items()}, abs=1e-5
    )


@pytest.fixture
def queries(slices, tmp_path) -> list[dict[str, Any]]:
    """An array of three channels and a tumour mask for every case; channel 1 of case 50 is missing."""
    rng, items = np.random.default_rng(1), []
    for item in slices:
        folder = tmp_path / str(item["group_id"])
        if not folder.exists():
            folder.mkdir()
            stack = rng.standard_normal((8, 3, 9, 9)).astype(np.float16)
            np.save(folder / "image.npy", stack)
            np.save(folder / "tumour.npy", stack[:, 0] > 1)
        mask = [True, item["group_id"] != 50, True]
        place = {"image": str(folder / "image.npy"), "slice": item["slice"], "channel_mask": mask}
        items.append({"sample_id": item["sample_id"], **place})
    return items


@pytest.fixture
def drawn(monkeypatch) -> list[Any]:
    """What is handed to the picture."""
    strips: list[Any] = []
    monkeypatch.setattr(case_report, "overlay_picture", lambda found, names: strips.extend(found) or Figure())
    return strips


def test_the_picture_shows_the_most_suspicious_slice(slices, queries, tmp_path, drawn):
    run(slices, tmp_path, queries=queries, picture_cases=6, channel=1, channel_names=["t1", "flair", "t1gd"])
    assert len(drawn) == 6
    for strip in drawn:
        case = int(strip.title.split()[1])
        own = sorted((i for i in slices if i["group_id"] == case), key=lambda item: item["slice"])
        assert list(strip.numbers) == [item["slice"] for item in own]
        assert strip.probabilities == pytest.approx([float(item["pred"][1]) for item in own])
        assert list(strip.labels) == [item["label"] for item in own]
        assert strip.shown == int(np.argmax(strip.probabilities))
        image = tmp_path / str(case) / "image.npy"
        channel = 0 if case == 50 else 1
        assert strip.title.endswith(["t1", "flair"][channel])
        assert np.array_equal(strip.picture, case_picture(image, strip.shown, channel))
        assert np.array_equal(strip.tumour, np.load(image.with_name("tumour.npy"))[strip.shown])


def test_pictures_of_files_have_no_outline(slices, queries, tmp_path, drawn):
    Image.new("RGB", (5, 4), (1, 2, 3)).save(tmp_path / "a.png")
    queries = [{"sample_id": item["sample_id"], "image": tmp_path / "a.png"} for item in queries]
    run(slices, tmp_path, queries=queries, picture_cases=1)
    assert drawn[0].tumour is None and drawn[0].picture.shape == (4, 5, 3)


@pytest.mark.parametrize("known", [True, False])
def test_the_picture_is_written(slices, queries, tmp_path, known):
    run(slices, tmp_path / "deep" / "out", queries=queries if known else (), picture_cases=2)
    with Image.open(tmp_path / "deep" / "out" / "overlay.png") as picture:
        assert len(picture.convert("L").getcolors()) > 2


def test_errors_say_what_to_do(slices, queries, tmp_path):
    def wrong(call: Callable[[], Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            call()

    wrong(lambda: CaseReport(None, ["a", "b", "c"]), "the negative and the positive class")
    wrong(lambda: CaseReport(None, CLASSES, top=0), "top is 0")
    wrong(lambda: run(slices, None, case_key="patient"), "without 'patient'")
    for mask in tmp_path.rglob("tumour.npy"):
        np.save(mask, np.zeros((8, 3, 3), bool))
    wrong(lambda: run(slices, tmp_path, queries=queries), "prepare it again")
