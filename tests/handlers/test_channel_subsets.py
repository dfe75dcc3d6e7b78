"""Every subset of the channels: against a loop over masks and scikit-learn."""

from __future__ import annotations

import csv
import math
from itertools import combinations

import pytest
import torch
from ignite.engine import Engine, Events
from monai.data import DataLoader
from monai.engines import PrepareBatchExtraInput, SupervisedEvaluator
from PIL import Image
from sklearn.metrics import accuracy_score, roc_auc_score

from monai_memvit import MemViT
from monai_memvit.handlers import ChannelSubsetReport
from monai_memvit.networks.blocks import ChannelEmbedding

NAMES = ["t1", "t2", "flair"]
SUBSETS = [s for m in (1, 2, 3) for s in combinations(range(3), m)]


@pytest.fixture
def network():
    torch.manual_seed(0)
    embedding = ChannelEmbedding(3, 8, 4, 12)
    return MemViT(3, 8, 4, 2, 12, 24, 2, 3, embedding=embedding).eval()


@pytest.fixture
def cases():
    """Twenty images, some without all of their channels; the last two have one channel only."""
    generator = torch.Generator().manual_seed(1)
    masks = torch.rand(20, 3, generator=generator) > 0.2
    masks[:, 0] |= ~masks.any(1)
    masks[18:] = torch.tensor([[False, True, False], [True, False, False]])
    images = torch.rand(20, 3, 8, 8, generator=generator) * 3
    return [{"image": x, "channel_mask": m, "label": i % 2} for i, (x, m) in enumerate(zip(images, masks))]


@pytest.fixture
def make_evaluator(network):
    def make(cases, masked=True) -> SupervisedEvaluator:
        options = {"prepare_batch": PrepareBatchExtraInput({"channel_mask": "channel_mask"})} if masked else {}
        return SupervisedEvaluator(
            device=torch.device("cpu"),
            val_data_loader=DataLoader(cases, batch_size=6, num_workers=0),
            network=network,
            postprocessing=lambda item: {**item, "pred": item["pred"].softmax(-1)},
            **options,
        )

    return make


def _run(network, evaluator, **options) -> dict[str, float]:
    engine = Engine(lambda engine, batch: None)
    ChannelSubsetReport(network, evaluator, NAMES, **options).attach(engine)
    engine.run([0])
    return engine.state.metrics


def _by_hand(network, cases, subset) -> tuple[int, float, float]:
    """Cases, AUC and accuracy with some channels."""
    images, has, labels = (
        torch.stack([torch.as_tensor(c[k]) for c in cases]) for k in ("image", "channel_mask", "label")
    )
    allowed = torch.tensor([c in subset for c in range(3)])
    served = (has & allowed).any(1)
    with torch.no_grad():
        probabilities = network(images, channel_mask=has & allowed).softmax(-1)[served]
    labels = labels[served]
    auc = roc_auc_score(labels, probabilities[:, 1])
    return len(labels), auc, accuracy_score(labels, probabilities.argmax(1))


def _rows(folder) -> list[dict[str, str]]:
    with open(folder / "channel_subsets.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_table_equals_a_loop(network, cases, make_evaluator, tmp_path):
    _run(network, make_evaluator(cases), output_dir=str(tmp_path / "deep" / "out"))
    rows = _rows(tmp_path / "deep" / "out")
    assert [row["channels"] for row in rows] == ["+".join(NAMES[c] for c in s) for s in SUBSETS]
    for row, subset in zip(rows, SUBSETS):
        count, auc, accuracy = _by_hand(network, cases, subset)
        assert (int(row["size"]), int(row["cases"]), int(row["left_out"])) == (len(subset), count, 20 - count)
        assert float(row["auc"]) == pytest.approx(auc, abs=1e-5)
        assert float(row["accuracy"]) == pytest.approx(accuracy, abs=1e-5)
    assert {int(row["left_out"]) for row in rows[:-1]} != {0} and rows[-1]["left_out"] == "0"
    with Image.open(tmp_path / "deep" / "out" / "channel_subsets.png") as picture:
        picture.load()


def test_metrics_are_means_by_size_and_with_one_missing(network, cases, make_evaluator):
    auc = {subset: _by_hand(network, cases, subset)[1] for subset in SUBSETS}
    expected = {
        f"channels_auc_size{m}": sum(a for s, a in auc.items() if len(s) == m) / math.comb(3, m) for m in (1, 2, 3)
    }
    expected |= {
        f"channels_auc_without_{NAMES[c]}": a
        for s, a in auc.items()
        for c in range(3)
        if {*s, c} == {0, 1, 2} and c not in s
    }
    assert _run(network, make_evaluator(cases)) == pytest.approx(expected, abs=1e-5)


def test_some_sizes_another_metric(network, cases, make_evaluator, tmp_path):
    metrics = _run(
        network, make_evaluator(cases), sizes=[3, 2], metric="accuracy", prefix="test_", output_dir=str(tmp_path)
    )
    assert [row["size"] for row in _rows(tmp_path)] == ["2", "2", "2", "3"]
    assert metrics["test_accuracy_size3"] == pytest.approx(_by_hand(network, cases, (0, 1, 2))[2], abs=1e-5)
    assert {f"test_accuracy_without_{name}" for name in NAMES} < metrics.keys()


def test_without_masks_of_their_own_all_cases_count(network, cases, make_evaluator, tmp_path):
    _run(network, make_evaluator(cases, masked=False), output_dir=str(tmp_path))
    complete = [{**case, "channel_mask": torch.ones(3, dtype=torch.bool)} for case in cases]
    for row, subset in zip(_rows(tmp_path), SUBSETS):
        assert (row["cases"], row["left_out"]) == ("20", "0")
        assert float(row["auc"]) == pytest.approx(_by_hand(network, complete, subset)[1], abs=1e-5)


def test_a_subset_that_nobody_has_is_an_empty_row(network, cases, make_evaluator, tmp_path):
    for case in cases:
        case["channel_mask"] = torch.tensor([True, True, False])
    metrics = _run(network, make_evaluator(cases), output_dir=str(tmp_path))
    (row,) = [row for row in _rows(tmp_path) if row["channels"] == "flair"]
    assert (row["cases"], row["left_out"], row["auc"]) == ("0", "20", "")
    singles = [_by_hand(network, cases, (c,))[1] for c in (0, 1)]
    assert metrics["channels_auc_size1"] == pytest.approx(sum(singles) / 2, abs=1e-5)
    for case in cases:
        case["channel_mask"] = torch.zeros(3, dtype=torch.bool)
    assert math.isnan(_run(network, make_evaluator(cases))["channels_auc_size3"])


def test_nothing_stays_behind(network, cases, make_evaluator):
    evaluator = make_evaluator(cases)
    before = len(evaluator._event_handlers[Events.ITERATION_COMPLETED])
    _run(network, evaluator)
    assert not network._forward_pre_hooks
    assert len(evaluator._event_handlers[Events.ITERATION_COMPLETED]) == before


def test_a_network_of_another_evaluator_is_refused(network, cases, make_evaluator):
    other = MemViT(3, 8, 4, 2, 12, 24, 2, 3)
    with pytest.raises(ValueError, match="handed 0 samples while the evaluator saw 20 cases"):
        _run(other, make_evaluator(cases))


def test_sizes_that_cannot_be():
    with pytest.raises(ValueError, match=r"3 channels have no subsets of \[0, 4\]"):
        ChannelSubsetReport(None, None, NAMES, sizes=[0, 2, 4])
