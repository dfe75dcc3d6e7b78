"""The table and the picture of similar cases of a case memory."""

from __future__ import annotations

import csv
import hashlib
import warnings

import pytest
import torch
from matplotlib.figure import Figure

from monai_memvit.handlers import SimilarCasesSaver, evidence_saver
from monai_memvit.networks.consulting import ConsultingNetwork

CLASSES = ["benign", "malignant"]


@pytest.fixture
def images(items):
    return torch.stack([item["image"] for item in items])


@pytest.fixture
def network(make_network, items, images):
    """Beside a memory of the first nine items, the third of a class of its own."""
    consulting = ConsultingNetwork(make_network(memory_layers=()).eval(), class_names=CLASSES)
    features, logits = consulting.describe(images[:9])
    ids, groups, labels = (
        torch.tensor([item[name] for item in items[:9]]) for name in ("sample_id", "group_id", "label")
    )
    labels[2] = 2
    consulting.memory.extend(ids, features, logits, labels, groups, class_names=[*CLASSES, "rare"])
    return consulting


def _rows(make_evaluator, network, cases, folder, **options):
    make_evaluator(network, SimilarCasesSaver(network, str(folder), cases, **options)).run()
    with open(folder / "predictions.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_table_holds_the_cases_of_largest_cosine_of_other_patients(
    make_evaluator, network, items, images, cases, tmp_path
):
    rows = _rows(make_evaluator, network, cases, tmp_path, top=3, picture_rows=0)
    features, logits = network.describe(images)
    told = network.memory(features, logits).softmax(1)
    cosines = torch.nn.functional.cosine_similarity(features[:, None], features[None, :9], dim=2)
    for n, (row, item) in enumerate(zip(rows, items)):
        others = [i for i in range(9) if items[i]["group_id"] != item["group_id"]]
        best = sorted(others, key=lambda i: -float(cosines[n, i]))[:3]
        assert [int(row[f"past_case_{k}"]) for k in (1, 2, 3)] == [items[i]["sample_id"] for i in best]
        classes = ["rare" if i == 2 else CLASSES[items[i]["label"]] for i in best]
        assert [row[f"past_case_{k}_class"] for k in (1, 2, 3)] == classes
        assert float(row["past_case_1_weight"]) == pytest.approx(float(cosines[n, best[0]]), abs=1e-4)
        written = [float(row[f"probability_{name}"]) for name in (*CLASSES, "rare")]
        assert written == pytest.approx(told[n].tolist(), abs=1e-5)


def test_the_picture_frames_cases_of_the_predicted_class(make_evaluator, network, cases, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(evidence_saver, "evidence_picture", lambda rows, _: drawn.extend(rows) or Figure())
    rows = _rows(make_evaluator, network, cases, tmp_path, picture_rows=12, top=4)
    for row, panels in zip(rows, drawn):
        for n, panel in enumerate(panels[1:], start=1):
            assert panel.agrees is (row[f"past_case_{n}_class"] == row["predicted"])
            told = panel.title.split("cosine ")[1]
            assert float(told) == pytest.approx(float(row[f"past_case_{n}_weight"]), abs=0.006)


def test_a_case_that_the_datalist_does_not_know_has_its_class(make_evaluator, network, tmp_path):
    rows = _rows(make_evaluator, network, {}, tmp_path, picture_rows=1, top=1)
    assert {row["past_case_1_class"] for row in rows} <= {*CLASSES, "rare"}
    assert (tmp_path / "evidence.png").exists()


def test_a_memory_of_other_weights_is_refused(make_evaluator, network, cases, tmp_path):
    weights = tmp_path / "model.pt"
    weights.write_bytes(b"weights")
    network.memory.network = hashlib.blake2b(b"weights", digest_size=32).hexdigest()
    assert len(_rows(make_evaluator, network, cases, tmp_path / "a", checkpoint=str(weights), picture_rows=0)) == 12
    weights.write_bytes(b"others")
    with pytest.raises(ValueError, match=r"belongs to the weights .* add the cases anew"):
        _rows(make_evaluator, network, cases, tmp_path / "b", checkpoint=str(weights))
    assert not (tmp_path / "b").exists()


def test_an_evaluation_on_patients_of_the_memory_is_refused(make_evaluator, network, items, cases, tmp_path):
    """Items 0 to 8 are in the memory, so of patients 4 and 5 the first is known by another case."""
    message = r"1 of the 2 patient\(s\) or slide\(s\).*another section.*--case_memory ''.*memory remove"
    with pytest.raises(ValueError, match=message):
        _rows(make_evaluator, network, cases, tmp_path / "a", held_out=items[9:])
    assert not (tmp_path / "a").exists()
    assert len(_rows(make_evaluator, network, cases, tmp_path / "b", held_out=items[10:], picture_rows=0)) == 12


def test_known_patients_are_told_at_inference(make_evaluator, network, items, cases, tmp_path):
    queries = [item | {"image": str(cases[item["sample_id"]].image)} for item in items]
    with pytest.warns(UserWarning, match=r"cases of 5 of the 6 patient\(s\)"):
        rows = _rows(make_evaluator, network, cases, tmp_path / "a", queries=queries, picture_rows=0)
    assert len(rows) == 12
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*case memory holds")
        _rows(make_evaluator, network, cases, tmp_path / "b", queries=queries[10:], picture_rows=0)


def test_a_network_without_a_case_memory_is_refused(make_network, cases, tmp_path):
    with pytest.raises(ValueError, match="MoViT has no case memory"):
        SimilarCasesSaver(make_network(), str(tmp_path), cases)


def test_cases_without_ids_are_refused(make_evaluator, network, items, cases, tmp_path):
    for item in items:
        del item["sample_id"]
    evaluator = make_evaluator(
        network, SimilarCasesSaver(network, str(tmp_path / "out"), cases), prepare_batch=_image_and_label
    )
    with pytest.raises(ValueError, match="without a sample_id"):
        evaluator.run()


def _image_and_label(batch, device, non_blocking, **kwargs):
    return batch["image"], batch["label"]
