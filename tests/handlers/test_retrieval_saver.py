"""The table and the picture of evidence."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from monai.engines import default_prepare_batch
from PIL import Image

from monai_memvit import PrototypicalAttentionLearning, RetrievalSaver
from monai_memvit.data.case_pictures import case_picture
from monai_memvit.handlers import evidence_saver
from monai_memvit.memory import consulted_cases, memory_layers

CLASSES = ["benign", "malignant"]


@pytest.fixture
def network(make_network, fill_bank):
    network = make_network()
    fill_bank(memory_layers(network)[0].bank)
    return network


def _save(make_evaluator, network, cases, folder, picture_rows=0, **options) -> list[dict[str, str]]:
    handler = RetrievalSaver(network, str(folder), CLASSES, cases, picture_rows=picture_rows, **options)
    make_evaluator(network, handler).run()
    with open(folder / "predictions.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("retrieval", ["cosine", "logit"])
@pytest.mark.parametrize("distilled", [False, True])
def test_table_holds_probabilities_and_past_cases(
    make_evaluator, network, items, cases, tmp_path, retrieval, distilled
):
    (layer,) = memory_layers(network)
    if distilled:
        layer.bank = layer.bank.distil(PrototypicalAttentionLearning(5))
    rows = _save(make_evaluator, network, cases, tmp_path / "out", retrieval=retrieval, top=3, k=4)
    ids = torch.tensor([item["sample_id"] for item in items])
    probabilities = network.eval()(torch.stack([item["image"] for item in items]), ids).softmax(-1)
    evidence = consulted_cases(layer.bank, layer.latest, 4, retrieval, top=3)
    assert [int(row["sample_id"]) for row in rows] == ids.tolist()
    for row, expected, past in zip(rows, probabilities, evidence):
        assert [float(row[f"probability_{c}"]) for c in CLASSES] == pytest.approx(expected.tolist(), abs=1e-5)
        assert row["predicted"] == CLASSES[int(expected.argmax())]
        for n, (case, weight) in enumerate(zip(past.ids.tolist(), past.weights.tolist()), start=1):
            assert int(row[f"past_case_{n}"]) == case
            assert row[f"past_case_{n}_class"] == CLASSES[cases[case].label]
            assert float(row[f"past_case_{n}_weight"]) == pytest.approx(weight, abs=1e-3)


def test_picture_shows_the_asked_number_of_cases(make_evaluator, network, cases, tmp_path):
    heights = []
    for rows in (1, 3):
        _save(make_evaluator, network, cases, tmp_path, picture_rows=rows, top=1)
        with Image.open(tmp_path / "evidence.png") as picture:
            picture.load()
            heights.append(picture.height)
    assert heights[1] > 1.5 * heights[0]


def test_no_picture(make_evaluator, network, cases, tmp_path):
    _save(make_evaluator, network, cases, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["predictions.csv"]


@pytest.mark.parametrize("include_keys", [False, True])
def test_readable_keys_are_written_only_on_demand(make_evaluator, network, cases, tmp_path, include_keys):
    rows = _save(make_evaluator, network, cases, tmp_path, include_keys=include_keys)
    assert ("sample3" in (tmp_path / "predictions.csv").read_text()) == include_keys
    assert [row.get("sample_key") for row in rows] == [f"sample{i}" if include_keys else None for i in range(12)]


def test_unknown_cases_are_called_unknown(make_evaluator, network, tmp_path):
    rows = _save(make_evaluator, network, {}, tmp_path, picture_rows=1, top=1)
    assert {row["past_case_1_class"] for row in rows} == {"unknown"}
    assert (tmp_path / "evidence.png").exists()


def test_cases_of_several_findings_are_told_by_what_they_show(make_evaluator, network, cases, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(evidence_saver, "evidence_picture", lambda rows, _: drawn.extend(rows) or Figure())
    kinds = [((1.0, 1.0), "benign + malignant"), ((0.0, 1.0), "malignant"), ((0.0, -1.0), "none")]
    several = {
        number: case._replace(label=-1, labels=kinds[i % 3][0]) for i, (number, case) in enumerate(cases.items())
    }
    rows = _save(make_evaluator, network, several, tmp_path, picture_rows=12, top=2)
    words = dict(zip(cases, [kinds[i % 3][1] for i in range(12)]))
    for row, panels in zip(rows, drawn):
        predicted = CLASSES.index(row["predicted"])
        assert panels[0].title.endswith(f"true: {words[int(row['sample_id'])]}")
        for n, panel in enumerate(panels[1:], start=1):
            past = int(row[f"past_case_{n}"])
            label = several[past].labels[predicted]
            assert row[f"past_case_{n}_class"] == words[past]
            assert panel.agrees is (None if label < 0 else label == 1)


def test_a_new_case_with_a_stored_id_shows_its_own_image(make_evaluator, network, items, cases, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(evidence_saver, "evidence_picture", lambda rows, _: drawn.extend(rows) or Figure())
    new = tmp_path / "new.png"
    Image.new("L", (8, 8), 77).save(new)
    queries = [{"sample_id": item["sample_id"], "image": str(cases[item["sample_id"]].image)} for item in items]
    queries[3]["image"] = str(new)
    rows = _save(make_evaluator, network, cases, tmp_path / "out", picture_rows=12, include_keys=True, queries=queries)
    assert [row["sample_key"] for row in rows] == [str(new) if i == 3 else f"sample{i}" for i in range(12)]
    assert ["true:" in panels[0].title for panels in drawn] == [i != 3 for i in range(12)]
    for panels, row, item in zip(drawn, rows, items):
        own = new if item is items[3] else cases[item["sample_id"]].image
        shown = [own, *(cases[int(row[f"past_case_{n}"])].image for n in range(1, 6))]
        for panel, path in zip(panels, map(Path, shown)):
            with Image.open(path) as image:
                assert (panel.image == np.asarray(image)).all()


def test_slices_of_one_file_are_told_apart(make_evaluator, network, items, cases, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(evidence_saver, "evidence_picture", lambda rows, _: drawn.extend(rows) or Figure())
    stack = tmp_path / "image.npy"
    np.save(stack, torch.stack([item["image"] for item in items]).half().numpy())
    slices = {number: case._replace(image=stack, slice=i) for i, (number, case) in enumerate(cases.items())}
    queries = [{"sample_id": item["sample_id"], "image": str(stack), "slice": i} for i, item in enumerate(items)]
    queries[3]["slice"] = 7
    rows = _save(make_evaluator, network, slices, tmp_path / "out", picture_rows=12, include_keys=True, queries=queries)
    assert [row["sample_key"] for row in rows] == [f"{stack} slice 7" if i == 3 else f"sample{i}" for i in range(12)]
    for i, (panels, row) in enumerate(zip(drawn, rows)):
        shown = [7 if i == 3 else i, *(slices[int(row[f"past_case_{n}"])].slice for n in range(1, 6))]
        for panel, number in zip(panels, shown):
            assert (panel.image == case_picture(stack, number)).all()


def test_fewer_past_cases_than_columns(make_evaluator, network, cases, tmp_path):
    memory_layers(network)[0].bank.erase(torch.arange(102, 200))
    rows = _save(make_evaluator, network, cases, tmp_path, top=5)
    assert all(row["past_case_2"] and row["past_case_3"] == "" for row in rows)


def test_errors_come_before_anything_is_written(make_evaluator, make_network, network, cases, tmp_path):
    def saver(net, **options):
        return RetrievalSaver(net, str(tmp_path / "out"), CLASSES, cases, **options)

    memory_layers(network)[0].bank.id_map.fill_(5)
    for net, options, prepare, message in (
        (network, {"id_map": 6}, {}, "belongs to the table of ids 0000000000000005"),
        (make_network(), {}, {}, "memory is empty"),
        (make_network(), {}, {"prepare_batch": default_prepare_batch}, "saw no sample_ids"),
    ):
        with pytest.raises(ValueError, match=message):
            make_evaluator(net, saver(net, **options), **prepare).run()
    assert not (tmp_path / "out").exists()


def test_ids_of_an_earlier_batch_do_not_stand_in_for_missing_ones(make_evaluator, network, cases, tmp_path):
    _save(make_evaluator, network, cases, tmp_path)
    handler = RetrievalSaver(network, str(tmp_path), CLASSES, cases)
    with pytest.raises(ValueError, match="saw no sample_ids"):
        make_evaluator(network, handler, prepare_batch=default_prepare_batch).run()
