"""Evidence: which past cases stand behind a case."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import torch

from monai_memvit.memory import (
    CaseSnapshot,
    CosineRetrieval,
    FaissSearch,
    LogitRetrieval,
    MemoryBank,
    PrototypicalAttentionLearning,
    consulted_cases,
    per_head_evidence,
)
from monai_memvit.networks.blocks import MemoryAttention, SoftmaxAttention
from monai_memvit.networks.layers import attend_facts

H, D, S = 2, 4, 9


@pytest.fixture
def bank():
    torch.manual_seed(0)
    bank = MemoryBank(H, D)
    bank.update(torch.arange(S) * 10, torch.randn(S, H, D), torch.randn(S, H, D))
    return bank


@pytest.fixture
def snapshot():
    ids = torch.tensor([1, 2, 3])
    torch.manual_seed(1)
    return CaseSnapshot(ids, ids, *(torch.randn(3, H, D) for _ in range(3)))


def _by_hand(bank, snapshot, k, retrieval, temperature=0.1):
    """Per sample: {case id: weight}, averaged over heads."""
    keys = bank.keys.double().numpy()
    asked = (snapshot.keys if retrieval == "cosine" else snapshot.queries).double().numpy()
    evidence = []
    for b in range(len(asked)):
        cases: dict[int, float] = {}
        for h in range(H):
            logits = keys[:, h] @ asked[b, h] / np.sqrt(D)
            if retrieval == "cosine":
                lengths = np.linalg.norm(keys[:, h], axis=1) * np.linalg.norm(asked[b, h])
                logits = keys[:, h] @ asked[b, h] / lengths / temperature
            best = np.argsort(-logits)[:k]
            weights = np.exp(logits[best]) / np.exp(logits[best]).sum()
            ids = (bank.ids[:, h] if bank.holds_prototypes else bank.ids)[best]
            for case, weight in zip(ids.tolist(), weights):
                cases[case] = cases.get(case, 0) + weight / H
        evidence.append(cases)
    return evidence


@pytest.mark.parametrize("retrieval", ["cosine", "logit"])
@pytest.mark.parametrize("k", [1, 4, 100])
@pytest.mark.parametrize("distilled", [False, True])
def test_equals_a_numpy_loop(bank, snapshot, retrieval, k, distilled):
    if distilled:
        bank = bank.distil(PrototypicalAttentionLearning(5))
    expected = _by_hand(bank, snapshot, k, retrieval)
    for found, wanted in zip(consulted_cases(bank, snapshot, k, retrieval, top=100), expected, strict=True):
        assert dict(zip(found.ids.tolist(), found.weights.tolist())) == pytest.approx(wanted, abs=1e-5)
        assert (found.weights.diff() <= 0).all()
        assert float(found.weights.sum()) == pytest.approx(1)


@pytest.mark.parametrize(("retrieval", "name"), [(CosineRetrieval(0.3), "cosine"), (LogitRetrieval(), "logit")])
def test_a_layers_own_retrieval_can_be_asked(bank, snapshot, retrieval, name):
    expected = _by_hand(bank, snapshot, 4, name, temperature=0.3)
    for found, wanted in zip(consulted_cases(bank, snapshot, 4, retrieval, top=100), expected, strict=True):
        assert dict(zip(found.ids.tolist(), found.weights.tolist())) == pytest.approx(wanted, abs=1e-5)


def test_top_keeps_the_heaviest(bank, snapshot):
    everything = consulted_cases(bank, snapshot, top=100)
    for all_cases, few in zip(everything, consulted_cases(bank, snapshot, top=2)):
        assert few.ids.tolist() == all_cases.ids[:2].tolist()
        assert torch.equal(few.weights, all_cases.weights[:2])


def test_logit_weights_are_those_of_the_forward_pass(bank):
    layer = MemoryAttention(SoftmaxAttention(H * D, H), bank=bank, num_neighbors=4).eval()
    tokens = torch.randn(2, 5, H * D)
    layer.context.arrive(torch.tensor([1, 2]))
    layer(tokens)
    facts = layer.retrieve(layer.local.project(tokens)[0][:, :, :1])
    _, weights = attend_facts(layer.latest.queries[:, :, None], facts.keys, facts.values, facts.mask)
    ids, found = per_head_evidence(bank, layer.latest, 4, "logit")
    assert torch.equal(ids, facts.ids[:, :, 0])
    torch.testing.assert_close(found, weights[:, :, 0])


def test_a_stored_case_finds_itself_by_cosine(bank):
    own = CaseSnapshot(bank.ids, bank.ids, bank.keys, bank.keys * 3, bank.values)
    assert [case.ids[0].item() for case in consulted_cases(bank, own, temperature=0.01)] == bank.ids.tolist()


def test_evidence_keeps_no_copy_of_the_keys():
    bank = MemoryBank(3, 64)
    bank.update(torch.arange(700), *torch.randn(2, 700, 3, 64))
    asked = CaseSnapshot(torch.arange(2), torch.arange(2), *torch.randn(3, 2, 3, 64))
    before = _tensor_bytes()
    per_head_evidence(bank, asked)
    assert 0 < _tensor_bytes() - before <= 0.05 * bank.nbytes


def _tensor_bytes() -> int:
    gc.collect()
    storages = [t.untyped_storage() for t in gc.get_objects() if type(t) is torch.Tensor and t.device.type == "cpu"]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def test_evidence_follows_the_memory(bank, snapshot):
    per_head_evidence(bank, snapshot)
    bank.update(torch.tensor([10]), torch.ones(1, H, D), torch.ones(1, H, D))
    found = dict(zip(*(t.tolist() for t in consulted_cases(bank, snapshot, k=4, top=100)[0])))
    assert found == pytest.approx(_by_hand(bank, snapshot, 4, "cosine")[0], abs=1e-5)


def test_faiss_builds_its_index_once_for_many_batches(bank, snapshot, monkeypatch):
    pytest.importorskip("faiss")
    builds, build = [], FaissSearch._build
    monkeypatch.setattr(FaissSearch, "_build", lambda self, keys: builds.append(len(keys)) or build(self, keys))
    bank.searcher = FaissSearch()
    for retrieval in ("cosine", "logit") * 3:
        per_head_evidence(bank, snapshot, 4, retrieval)
    assert len(builds) == 2 * H  # over the keys and over their directions, for each head


def test_errors(bank, snapshot):
    with pytest.raises(ValueError, match="'euclid'"):
        per_head_evidence(bank, snapshot, retrieval="euclid")
    with pytest.raises(ValueError, match="memory is empty"):
        consulted_cases(MemoryBank(H, D), snapshot)
