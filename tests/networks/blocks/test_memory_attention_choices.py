"""Retrieval, gate and labels of a memory attention, in all combinations: against a loop in float64."""

from __future__ import annotations

import copy
import io
import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from monai_memvit.memory import CosineRetrieval, FaissSearch, LogitRetrieval
from monai_memvit.networks.blocks import (
    ConfidenceGate,
    FactLabelEmbedding,
    HeadGate,
    MemoryAttention,
    SequenceNormAttention,
)
from monai_memvit.networks.layers import TokenMoments

RETRIEVALS = {"logit": LogitRetrieval(), "cosine": CosineRetrieval(0.2)}
GATES = {"head": HeadGate, "confidence": ConfidenceGate}
LABELS = {"plain": None, "labelled": partial(FactLabelEmbedding, num_classes=3)}
CHOICES = [
    pytest.param({"retrieval": RETRIEVALS[r], "gate": GATES[g], "fact_labels": LABELS[f]}, id=f"{r}-{g}-{f}")
    for r, g, f in itertools.product(RETRIEVALS, GATES, LABELS)
]
ALL = {"retrieval": "cosine", "gate": ConfidenceGate, "fact_labels": LABELS["labelled"]}


@pytest.fixture
def make(make_memory_attention: Callable[..., MemoryAttention]) -> Callable[..., MemoryAttention]:
    """``make(facts, **options)``: slopes and label vectors are no longer zero, and 3 of 4 facts say their class."""

    def made(facts: int = 0, **options: Any) -> MemoryAttention:
        layer = make_memory_attention(facts, **options)
        torch.manual_seed(2)
        for parameter in (*layer.gating.parameters(), *(layer.fact_labels.parameters() if layer.fact_labels else ())):
            torch.nn.init.normal_(parameter)
        told = torch.tensor([i for i in range(facts) if i % 4], dtype=torch.int64)
        layer.bank.label(told, told % 3)
        return layer

    return made


def _by_hand(layer: MemoryAttention, x: Tensor, banned: Callable[[int, int], bool] = lambda b, row: False) -> Tensor:
    """Token by token and fact by fact, in float64, differentiable in the tokens and all parameters of the copy."""
    layer = copy.deepcopy(layer).double()
    q, k, v = layer.local.project(x.double())
    attended = layer.local.attend(q, k, v)
    keys, values = layer.bank.keys.double(), layer.bank.values.double()
    heads = []
    for b, h, t in np.ndindex(q.shape[:3]):
        heads.append(attended[b, h, t])
        rows = [row for row in range(len(keys)) if not banned(b, row)]
        if not rows or (layer.query_tokens is not None and t >= layer.query_tokens):
            continue
        if isinstance(layer.retrieval, CosineRetrieval):
            one = k[b, h, t]
            logits = keys[rows, h] @ one / keys[rows, h].norm(dim=-1) / one.norm() / layer.retrieval.temperature
        else:
            logits = keys[rows, h] @ q[b, h, t] / np.sqrt(q.shape[-1])
        best = logits.argsort(descending=True)[: layer.num_neighbors]
        found, logits = [rows[i] for i in best.tolist()], logits[best]
        told = [layer.bank.labels[row].item() for row in found]
        read = logits.softmax(-1) @ values[found, h]
        if layer.fact_labels is not None:
            for weight, label in zip(logits.softmax(-1), told):
                read = read + (weight * layer.fact_labels.weight[label, h] if label >= 0 else 0)
        bias = layer.gate_bias[h]
        if isinstance(layer.gating, ConfidenceGate):
            cosine = isinstance(layer.retrieval, CosineRetrieval)
            sure = logits[0] * layer.retrieval.temperature if cosine else logits[0] - logits.mean()
            bias = bias + layer.gating.slope[h] * sure.detach()
        heads[-1] = (1 - bias.sigmoid()) * attended[b, h, t] + bias.sigmoid() * read
    out = layer.local.merge(torch.stack(heads).view_as(attended))
    out.parameters_of = layer  # type: ignore[attr-defined]
    return out


def _answer(layer: MemoryAttention, x: Tensor) -> Tensor:
    layer.context.arrive(torch.tensor([0, 1]), torch.tensor([10, 11]))
    out = layer(x)
    layer.context.leave()
    return out


@pytest.mark.parametrize("choice", CHOICES)
def test_an_empty_memory_is_plain_attention_to_the_last_bit(
    make: Callable[..., MemoryAttention], x: Tensor, choice: dict[str, Any]
) -> None:
    layer = make(**choice)
    assert torch.equal(layer(x), layer.local(x))


@pytest.mark.parametrize("choice", CHOICES)
def test_all_facts_excluded_is_plain_attention_with_finite_gradients(
    make: Callable[..., MemoryAttention], x: Tensor, choice: dict[str, Any]
) -> None:
    layer = make(6, groups=[10] * 3 + [11] * 3, **choice).train()
    layer.bank.groups[:] = 10
    out = _answer(layer, x)
    assert torch.equal(out[:1], layer.local(x)[:1]) and not torch.equal(out[1:], layer.local(x)[1:])
    out[:1].square().sum().backward()
    for name, parameter in layer.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
        assert name.startswith("local.") or not parameter.grad.any(), name


@pytest.mark.parametrize(("neighbors", "query_tokens"), [(1, None), (3, 1), (100, None)])
@pytest.mark.parametrize("choice", CHOICES)
def test_equals_the_loop(
    make: Callable[..., MemoryAttention], x: Tensor, choice: dict[str, Any], neighbors: int, query_tokens: int | None
) -> None:
    layer = make(17, num_neighbors=neighbors, query_tokens=query_tokens, **choice)
    torch.testing.assert_close(layer(x), _by_hand(layer, x).float(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("max_bytes", [1, 2**25])
@pytest.mark.parametrize("choice", CHOICES)
def test_training_excludes_and_has_the_gradients_of_the_loop(
    make: Callable[..., MemoryAttention], x: Tensor, choice: dict[str, Any], max_bytes: int
) -> None:
    layer = make(16, groups=[10, 11] * 8, num_neighbors=5, max_bytes=max_bytes, **choice).train()
    target = torch.randn(2, 5, 12, generator=torch.Generator().manual_seed(4))
    tokens, exact_tokens = x.clone().requires_grad_(), x.double().requires_grad_()
    out, exact = _answer(layer, tokens), _by_hand(layer, exact_tokens, lambda b, row: row % 2 == b)
    torch.testing.assert_close(out, exact.float(), atol=1e-5, rtol=1e-5)
    (out * target).sum().backward()
    (exact * target).sum().backward()
    torch.testing.assert_close(tokens.grad.double(), exact_tokens.grad, atol=1e-5, rtol=1e-4)
    for (name, found), wanted in zip(layer.named_parameters(), exact.parameters_of.parameters()):  # type: ignore[attr-defined]
        torch.testing.assert_close(found.grad.double(), wanted.grad, atol=1e-4, rtol=1e-4, msg=name)


@pytest.mark.parametrize("choice", CHOICES)
def test_no_gradient_reaches_the_bank(make: Callable[..., MemoryAttention], x: Tensor, choice: dict[str, Any]) -> None:
    layer = make(17, **choice)
    layer.bank.keys.requires_grad_()
    layer.bank.values.requires_grad_()
    layer(x).square().sum().backward()
    assert layer.bank.keys.grad is None and layer.bank.values.grad is None


@pytest.mark.parametrize("retrieval", ["logit", "cosine"])
def test_new_parts_begin_as_if_they_were_not_there(make_memory_attention: Any, x: Tensor, retrieval: str) -> None:
    plain = make_memory_attention(17, retrieval=retrieval)
    grown = make_memory_attention(17, **{**ALL, "retrieval": retrieval})
    grown.bank.label(torch.arange(17), torch.arange(17) % 3)
    assert torch.equal(grown(x), plain(x))


@pytest.mark.parametrize("poison", [torch.nan, torch.inf])
@pytest.mark.parametrize("facts", [6, 600])
def test_poison_in_excluded_facts_changes_nothing(
    make: Callable[..., MemoryAttention], x: Tensor, facts: int, poison: float
) -> None:
    results = []
    for value in (None, poison):
        layer = make(facts, groups=[10] * 3 + [11] * (facts - 3), **ALL).train()
        if value is not None:
            layer.bank.keys[:3] = layer.bank.values[:3] = value
        tokens = x[:1].clone().requires_grad_()
        layer.context.arrive(torch.tensor([0]), torch.tensor([10]))
        out = layer(tokens)
        out.square().sum().backward()
        results.append([out, tokens.grad, *(p.grad for p in layer.parameters())])
    for clean, found in zip(*results):
        assert torch.isfinite(clean).all() and torch.equal(clean, found)


def test_faiss_finds_the_same(make: Callable[..., MemoryAttention], x: Tensor) -> None:
    pytest.importorskip("faiss")
    layer = make(40, groups=[10, 11] * 20, num_neighbors=7, **ALL).train()
    exact = _answer(layer, x)
    layer.bank.searcher = FaissSearch()
    torch.testing.assert_close(_answer(layer, x), exact)


def test_retrieved_are_the_nearest_by_direction(make: Callable[..., MemoryAttention], x: Tensor) -> None:
    layer = make(17, num_neighbors=3, retrieval="cosine")
    keys = layer.local.project(x)[1][:, :, :1]
    cosines = torch.nn.functional.cosine_similarity(keys[:, :, 0, None], layer.bank.keys.transpose(0, 1), dim=-1)
    found = layer.retrieve(keys)
    torch.testing.assert_close(found.scores[:, :, 0], cosines.topk(3).values)
    assert torch.equal(found.ids[:, :, 0], cosines.topk(3).indices)


@pytest.mark.parametrize("choice", CHOICES)
def test_a_stream_reads_as_the_whole_does(fill: Callable[..., Any], x: Tensor, choice: dict[str, Any]) -> None:
    torch.manual_seed(0)
    layer = MemoryAttention(SequenceNormAttention(12, 3), query_tokens=1, num_neighbors=4, **choice).eval()
    fill(layer, 9).bank.label(torch.arange(9), torch.arange(9) % 3)
    moments = TokenMoments.from_tokens(x)
    torch.testing.assert_close(layer.among(moments, x[:, :1]), layer(x)[:, :1], atol=1e-5, rtol=1e-4)


def test_bfloat16_autocast_stays_near_float32(make: Callable[..., MemoryAttention], x: Tensor) -> None:
    layer = make(17, num_neighbors=17, **ALL)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = layer(x)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), layer(x), atol=0.1, rtol=0.1)


@pytest.mark.parametrize("choice", CHOICES)
def test_a_file_gives_the_layer_back(make: Callable[..., MemoryAttention], x: Tensor, choice: dict[str, Any]) -> None:
    layer, file = make(17, **choice), io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    fresh = MemoryAttention(copy.deepcopy(layer.local), **choice).eval()
    fresh.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(fresh(x), layer(x))


def test_weights_of_before_these_choices_are_taken(make_memory_attention: Any, x: Tensor) -> None:
    layer = make_memory_attention(17)
    state = {name: tensor for name, tensor in layer.state_dict().items() if name != "bank.labels"}
    assert sorted(name for name in state if not name.startswith("local.")) == [
        "bank.groups", "bank.id_map", "bank.ids", "bank.keys", "bank.last_epoch", "bank.values", "gate_bias",
    ]  # fmt: skip
    fresh = make_memory_attention(3)
    fresh.load_state_dict(state)
    assert torch.equal(fresh(x), layer(x)) and (fresh.bank.labels == -1).all() and len(fresh.bank.labels) == 17


def test_unknown_retrieval(make_memory_attention: Any) -> None:
    with pytest.raises(ValueError, match=r"one of \['logit', 'cosine'\] or such an object, got 'euclid'"):
        make_memory_attention(retrieval="euclid")


@pytest.mark.slow
@pytest.mark.parametrize("training", [False, True])
def test_compiled_it_is_the_same(make: Callable[..., MemoryAttention], x: Tensor, training: bool) -> None:
    layer = make(17, exclude="none", **ALL).train(training)
    torch.testing.assert_close(torch.compile(layer, backend="aot_eager")(x), layer(x))
