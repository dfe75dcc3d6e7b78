"""Before and after: figures against scikit-learn, and what the interval says."""

from __future__ import annotations

import json

import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from monai_memvit.case_memories.judging import JudgedCases, judge, told_by
from monai_memvit.case_memories.looking import SeenCases
from monai_memvit.memory import CaseMemory

NAMES = ["a", "b", "c"]


def judged(labels: torch.Tensor, groups: torch.Tensor, names: list[str] = NAMES) -> JudgedCases:
    ids = torch.arange(len(labels))
    cases = SeenCases(ids, groups, labels, torch.randn(len(ids), 4), torch.randn(len(ids), 3), {}, 0.0)
    return JudgedCases("site", names, cases)


def answers(labels: torch.Tensor, strength: float, names: list[str] = NAMES) -> dict[str, torch.Tensor]:
    logits = torch.randn(len(labels), len(names)) + strength * torch.nn.functional.one_hot(labels, len(names))
    return dict(zip(names, logits.double().softmax(1).T))


def test_figures_are_those_of_scikit_learn(seed):
    labels = torch.randint(3, (90,))
    before, after = answers(labels, 0.5), answers(labels, 3.0)
    found = judge(judged(labels, torch.arange(90) // 6), before, after)
    for told, figures in ((before, found.before), (after, found.after)):
        probabilities = torch.stack([told[name] for name in NAMES], 1)
        wanted = balanced_accuracy_score(labels, probabilities.argmax(1))
        assert figures["balanced_accuracy"] == pytest.approx(wanted, abs=1e-6)
        assert figures["auc"] == pytest.approx(roc_auc_score(labels, probabilities, multi_class="ovr"), abs=1e-6)
    assert (found.cases, found.groups) == (90, 15)
    low, high = found.interval
    assert 0 < low < found.after["balanced_accuracy"] - found.before["balanced_accuracy"] < high
    assert found.verdict == "better"
    assert judge(judged(labels, torch.arange(90) // 6), after, before).verdict == "worse"


def test_equal_answers_make_no_difference(seed):
    labels = torch.randint(3, (60,))
    told = answers(labels, 1.0)
    found = judge(judged(labels, torch.arange(60) // 4), told, told)
    assert found.before == found.after and found.interval == (0, 0) and found.verdict == "no clear difference"


def test_classes_are_matched_by_name_and_unknown_ones_have_no_probability(seed):
    labels = torch.tensor([0, 1, 2, 3] * 10)
    names = ["d", "c", "b", "a"]  # of the site, the network knows a, b, c
    before = answers(3 - labels.clamp(min=1), 9.0)
    after = before | {"d": torch.where(labels == 0, 50.0, 0.0).double()}
    found = judge(judged(labels, torch.arange(40) // 4, names), before, after)
    assert found.before["accuracy"] == pytest.approx(0.75) and found.after["accuracy"] == pytest.approx(1.0)


def test_one_patient_cannot_tell(seed):
    labels = torch.randint(3, (20,))
    found = judge(judged(labels, torch.zeros(20).long()), answers(labels, 1), answers(labels, 2))
    assert found.verdict == "too few patients to tell"
    assert json.loads(json.dumps(found.content(), allow_nan=False))["interval"] == [None, None]


def test_an_empty_memory_says_what_the_network_says(seed):
    cases = judged(torch.randint(3, (5,)), torch.arange(5))
    told = told_by(CaseMemory(4, NAMES), cases)
    torch.testing.assert_close(torch.stack([told[n] for n in NAMES], 1), cases.cases.logits.double().softmax(1))
