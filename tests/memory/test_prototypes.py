"""Distillation against closed forms, NumPy loops and the symmetries it must have."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor

from monai_memvit.memory import kernels
from monai_memvit.memory.mmd import mmd_squared
from monai_memvit.memory.prototypes import PrototypicalAttentionLearning as Learning


@pytest.fixture
def facts() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    keys = torch.randn(60, 2, 6, generator=generator, dtype=torch.float64) + 0.5
    return keys, torch.randn(60, 2, 6, generator=generator, dtype=torch.float64) + 0.3


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def reference_values(keys, values, rows, tau, mode, assigned):
    """Eq. (4) as nested loops."""
    features = {"paired": values, "key": keys}[mode]
    out, sizes = np.zeros((len(rows), values.shape[1])), np.zeros(len(rows))
    for i in range(len(rows)):
        weights = np.zeros(len(values))
        for j in range(len(values)):
            similar = [cosine(features[j], features[r]) for r in rows]
            if not assigned or int(np.argmax(similar)) == i:
                weights[j] = np.exp(similar[i] / tau)
        weights /= weights.sum()
        out[i], sizes[i] = weights @ values, 1 / (weights**2).sum()
    return out, sizes


@pytest.mark.parametrize("mode", ["paired", "key"])
@pytest.mark.parametrize("neighbourhood", ["all", "assigned"])
@pytest.mark.parametrize("tau", [0.5, 0.1])
@pytest.mark.parametrize("block", [7, 2**22])
def test_values_follow_equation_four(facts, mode, neighbourhood, tau, block, monkeypatch) -> None:
    monkeypatch.setattr(kernels, "_BLOCK_ENTRIES", block)
    keys, values = facts
    found = Learning(5, tau=tau, value_mode=mode, neighbourhood=neighbourhood)(keys, values)
    for h in range(2):
        wanted, sizes = reference_values(
            keys[:, h].numpy(), values[:, h].numpy(), found.rows[:, h].tolist(), tau, mode, neighbourhood == "assigned"
        )
        np.testing.assert_allclose(found.values[:, h], wanted, atol=1e-10)
        np.testing.assert_allclose(found.effective_sample_size[:, h], sizes, rtol=1e-5)


def test_fields(facts) -> None:
    keys, values = (t.float() for t in facts)
    found = Learning(8)(keys, values)
    assert found.keys.shape == found.values.shape == (8, 2, 6)
    assert found.rows.shape == found.effective_sample_size.shape == (8, 2)
    assert found.rows.dtype == torch.int64 and found.keys.dtype == found.values.dtype == torch.float32
    for h in range(2):
        assert torch.equal(found.keys[:, h], keys[found.rows[:, h], h])
        assert len(found.rows[:, h].unique()) == 8
    torch.testing.assert_close(found.mmd, mmd_squared(found.keys, keys).float())


@pytest.mark.parametrize("factor, wanted", [(2.0, 0.0), (1.0, None)])
def test_as_many_prototypes_as_facts(facts, factor: float, wanted: float | None) -> None:
    keys, values = facts
    found = Learning(60, cross_coefficient=factor)(keys, values)
    for h in range(2):
        assert found.rows[:, h].sort().values.tolist() == list(range(60))
    squared_mean = (keys / keys.norm(dim=-1, keepdim=True)).mean(0).square().sum(-1)
    expected = squared_mean if wanted is None else torch.zeros(2)
    torch.testing.assert_close(found.mmd, expected.float(), rtol=1e-6, atol=1e-10)


def test_more_prototypes_than_facts_are_clamped_with_a_warning(facts) -> None:
    with pytest.warns(UserWarning, match="holds 60 facts"):
        assert len(Learning(100)(*facts).keys) == 60


def test_choice_is_invariant_to_lengths_and_rotations_of_keys(facts) -> None:
    keys, values = facts
    lengths = torch.rand(60, 2, 1, dtype=torch.float64) * 9 + 0.1
    rotation = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64)).Q
    rows = Learning(12)(keys, values).rows
    assert torch.equal(Learning(12)(keys * lengths, values).rows, rows)
    assert torch.equal(Learning(12)(keys @ rotation, values).rows, rows)


@pytest.mark.parametrize("kernel", ["cosine", "rbf"])
def test_permutation_of_facts_permutes_indices_only(facts, kernel: str) -> None:
    keys, values = facts
    order = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    found, moved = Learning(9, kernel=kernel)(keys, values), Learning(9, kernel=kernel)(keys[order], values[order])
    assert torch.equal(order[moved.rows], found.rows)
    assert torch.equal(moved.keys, found.keys)
    torch.testing.assert_close(moved.values, found.values, rtol=0, atol=1e-12)


def test_small_temperature_keeps_the_stored_value(facts) -> None:
    keys, values = facts
    found = Learning(7, tau=1e-6)(keys, values)
    kept = Learning(7, value_mode="none")(keys, values)
    torch.testing.assert_close(found.values, kept.values, rtol=0, atol=1e-12)
    assert torch.equal(kept.values[:, 1], values[kept.rows[:, 1], 1])
    assert torch.equal(found.effective_sample_size, torch.ones(7, 2))
    assert torch.equal(kept.effective_sample_size, torch.ones(7, 2))


def test_large_temperature_gives_the_mean(facts) -> None:
    found = Learning(7, tau=1e9)(*facts)
    torch.testing.assert_close(found.values, facts[1].mean(0).expand(7, 2, 6), rtol=0, atol=1e-8)
    torch.testing.assert_close(found.effective_sample_size, torch.full((7, 2), 60.0))


@pytest.mark.parametrize("neighbourhood", ["all", "assigned"])
@pytest.mark.parametrize("mode", ["paired", "key", "none"])
def test_equal_values_stay(facts, mode: str, neighbourhood: str) -> None:
    values = torch.arange(6.0, dtype=torch.float64).expand(60, 2, 6)
    found = Learning(4, value_mode=mode, neighbourhood=neighbourhood)(facts[0], values)
    torch.testing.assert_close(found.values, values[:4], rtol=0, atol=1e-12)
    assert torch.isfinite(found.effective_sample_size).all()


def test_assigned_values_stay_further_apart(facts) -> None:
    spread = {n: Learning(6, neighbourhood=n)(*facts).values.var(0).sum() for n in ("all", "assigned")}
    assert spread["assigned"] > 3 * spread["all"]


def test_zero_keys_and_values_are_harmless(facts) -> None:
    keys, values = (t.clone() for t in facts)
    keys[:10], values[5:15] = 0, 0
    for mode in ("paired", "key"):
        found = Learning(60, tau=1e-4, value_mode=mode)(keys, values)
        assert torch.isfinite(found.values).all() and torch.isfinite(found.mmd).all()


def test_heads_are_independent(facts) -> None:
    keys, values = facts
    both, second = Learning(6)(keys, values), Learning(6)(keys[:, 1:], values[:, 1:])
    assert torch.equal(both.rows[:, 1:], second.rows)
    assert torch.equal(both.values[:, 1:], second.values)


def test_pooled_scope_chooses_one_set_among_all_heads(facts) -> None:
    keys, values = facts
    found = Learning(9, scope="pooled")(keys, values)
    flat = Learning(9)(keys.reshape(120, 1, 6), values.reshape(120, 1, 6))
    for h in range(2):
        assert torch.equal(found.keys[:, h], flat.keys[:, 0])
        assert torch.equal(found.values[:, h], flat.values[:, 0])
        assert torch.equal(found.rows[:, h], flat.rows[:, 0] // 2)
    assert torch.equal(found.mmd, flat.mmd.expand(2))


def test_stratified_choice_is_the_choice_within_each_class(facts) -> None:
    keys, values = facts
    labels = torch.arange(60) % 3 * 4  # classes 0, 4, 8
    found = Learning(8, stratify="class", value_mode="none")(keys, values, labels)
    start = 0
    for label, share in ((0, 3), (4, 3), (8, 2)):
        members = (labels == label).nonzero()[:, 0]
        alone = Learning(share, value_mode="none")(keys[members], values[members])
        assert torch.equal(found.rows[start : start + share], members[alone.rows])
        start += share


def test_small_classes_pass_their_share_on(facts) -> None:
    labels = torch.tensor([0] * 2 + [1] * 57 + [2])
    rows = Learning(15, stratify="class")(*facts, labels).rows
    for h in range(2):
        assert torch.bincount(labels[rows[:, h]]).tolist() == [2, 12, 1]


def test_pooled_and_stratified_together(facts) -> None:
    labels = torch.arange(60) % 4
    rows = Learning(12, scope="pooled", stratify="class")(*facts, labels).rows
    assert torch.bincount(labels[rows[:, 0]]).tolist() == [3, 3, 3, 3]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_dtypes_are_kept_and_no_gradient_is_recorded(facts, dtype: torch.dtype) -> None:
    keys, values = (t.to(dtype).requires_grad_() for t in facts)
    found = Learning(5)(keys, values)
    assert found.keys.dtype == found.values.dtype == dtype
    assert found.mmd.dtype == found.effective_sample_size.dtype == torch.float32
    assert not any(field.requires_grad for field in found)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_runs_where_the_facts_are(facts) -> None:
    labels = torch.arange(60) % 3
    here = Learning(9, stratify="class")(*facts, labels)
    there = Learning(9, stratify="class")(*(t.cuda() for t in facts), labels)
    assert all(field.is_cuda for field in there)
    assert torch.equal(there.rows.cpu(), here.rows)
    torch.testing.assert_close(there.values.cpu(), here.values, rtol=0, atol=1e-10)


def test_pickles(facts) -> None:
    learning = Learning(4, kernel="rbf")
    assert torch.equal(pickle.loads(pickle.dumps(learning))(*facts).rows, learning(*facts).rows)


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_prototypes": 0},
        {"tau": 0.0},
        {"tau": float("nan")},
        {"cross_coefficient": 0.0},
        {"kernel": "linear"},
        {"scope": "layer"},
        {"stratify": "group"},
        {"stratify": True},
        {"value_mode": "fixed"},
        {"neighbourhood": "near"},
    ],
    ids=str,
)
def test_arguments_are_checked(arguments: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        Learning(**{"num_prototypes": 4, **arguments})


def test_facts_are_checked(facts) -> None:
    keys, values = facts
    poisoned = keys.clone()
    poisoned[3, 1, 2], poisoned[8] = float("nan"), float("inf")
    with pytest.raises(ValueError, match="2 of 60 facts have keys"):
        Learning(4)(poisoned, values)
    with pytest.raises(ValueError, match="2 of 60 facts have values"):
        Learning(4)(keys, poisoned)
    with pytest.raises(ValueError, match="no facts"):
        Learning(4)(keys[:0], values[:0])
    with pytest.raises(ValueError, match=r"\(59, 2, 6\)"):
        Learning(4)(keys, values[:59])
    with pytest.raises(ValueError, match="needs the labels"):
        Learning(4, stratify="class")(keys, values)
    with pytest.raises(ValueError, match=r"labels must be \(60,\).*got 59"):
        Learning(4, stratify="class")(keys, values, torch.zeros(59))
    with pytest.raises(ValueError, match="4 prototypes cannot stand for 5 classes"):
        Learning(4, stratify="class")(keys, values, torch.arange(60) % 5)


def test_no_warning_without_need(facts) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Learning(60)(*facts)
