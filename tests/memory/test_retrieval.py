"""How facts are found and weighed, against NumPy loops in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from monai_memvit.memory import CosineRetrieval, FactRetrieval, LogitRetrieval
from monai_memvit.networks.layers import attend_facts

KINDS = [LogitRetrieval(), CosineRetrieval(), CosineRetrieval(temperature=0.5)]


@pytest.fixture
def found() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What asks ``(2, 3, 4, 5)``, keys and values of 6 facts each, some of them absent, all of one token's."""
    torch.manual_seed(0)
    asking, mask = torch.randn(2, 3, 4, 5), torch.rand(2, 3, 4, 6) < 0.7
    mask[0, 0, 0] = False
    keys, values = (torch.randn(2, 3, 4, 6, 5) * mask[..., None] for _ in range(2))
    return asking, keys, values, mask


def _by_hand(retrieval: FactRetrieval, asking: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> np.ndarray:
    a, k, v = (t.detach().double().numpy() for t in (asking, keys, values))
    out = np.zeros(a.shape)
    for at in np.ndindex(a.shape[:3]):
        present = np.flatnonzero(mask[at])
        if not len(present):
            continue
        logits = k[at][present] @ a[at] / np.sqrt(a.shape[-1])
        if isinstance(retrieval, CosineRetrieval):
            lengths = np.linalg.norm(k[at][present], axis=-1) * np.linalg.norm(a[at])
            logits = k[at][present] @ a[at] / lengths / retrieval.temperature
        weights = np.exp(logits - logits.max())
        out[at] = weights / weights.sum() @ v[at][present]
    return out


@pytest.mark.parametrize("retrieval", KINDS)
def test_the_read_out_equals_a_loop(retrieval: FactRetrieval, found: tuple[Tensor, ...]) -> None:
    read, weights = retrieval.read(*found)
    np.testing.assert_allclose(read, _by_hand(retrieval, *found), atol=1e-5)
    torch.testing.assert_close(weights.sum(-1), found[3].any(-1).float())
    assert not weights[~found[3]].any()


def test_logits_read_as_they_always_did(found: tuple[Tensor, ...]) -> None:
    for one, other in zip(LogitRetrieval().read(*found), attend_facts(*found)):
        assert torch.equal(one, other)


@pytest.mark.parametrize("retrieval", KINDS)
def test_the_gradient_reaches_what_asks(retrieval: FactRetrieval, found: tuple[Tensor, ...]) -> None:
    asking, *facts = found
    asking.requires_grad_()
    target, direction = torch.randn(asking.shape), torch.randn(asking.shape)
    (retrieval.read(asking, *facts)[0] * target).sum().backward()
    step = 1e-5
    there, back = (
        (_by_hand(retrieval, asking.detach().double() + s * step * direction.double(), *facts) * target.numpy()).sum()
        for s in (1, -1)
    )
    assert float((asking.grad * direction).sum()) == pytest.approx((there - back) / (2 * step), rel=1e-3)
    assert not asking.grad[0, 0, 0].any()  # found nothing


@pytest.mark.parametrize("factor", [1e-6, 1e3])
def test_lengths_have_no_part_in_cosines(found: tuple[Tensor, ...], factor: float) -> None:
    asking, keys, values, mask = found
    expected = CosineRetrieval().read(*found)[0]
    torch.testing.assert_close(CosineRetrieval().read(asking * factor, keys, values, mask)[0], expected)
    torch.testing.assert_close(CosineRetrieval().read(asking, keys * factor, values, mask)[0], expected)


@pytest.mark.parametrize("retrieval", KINDS)
def test_a_key_of_zeros_is_no_accident(retrieval: FactRetrieval, found: tuple[Tensor, ...]) -> None:
    asking, keys, values, mask = found
    asking = torch.zeros_like(asking).requires_grad_()
    read, weights = retrieval.read(asking, keys * 0, values, mask)
    read.sum().backward()
    assert torch.isfinite(asking.grad).all()
    torch.testing.assert_close(weights, mask / mask.sum(-1, keepdim=True).clamp(min=1))


@pytest.mark.parametrize("retrieval", KINDS)
def test_autocast_does_not_coarsen_it(retrieval: FactRetrieval, found: tuple[Tensor, ...]) -> None:
    expected = retrieval.read(*found)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for one, other in zip(retrieval.read(*found), expected):
            assert one.dtype == torch.float32 and torch.equal(one, other)


def test_what_asks() -> None:
    queries, keys = torch.zeros(2), torch.ones(2)
    assert LogitRetrieval().asking(queries, keys) is queries and not LogitRetrieval.cosine
    assert CosineRetrieval().asking(queries, keys) is keys and CosineRetrieval.cosine


def test_logits_are_those_that_the_read_out_weighs_by(found: tuple[Tensor, ...]) -> None:
    asking, keys, values, _ = found
    everything = torch.ones(keys.shape[:-1], dtype=torch.bool)
    keys = torch.randn_like(keys)
    products = torch.einsum("bhqd,bhqkd->bhqk", asking, keys)
    cosines = torch.nn.functional.cosine_similarity(asking[..., None, :], keys, dim=-1)
    for retrieval in KINDS:
        scores = cosines if retrieval.cosine else products
        weights = retrieval.read(asking, keys, values, everything)[1]
        torch.testing.assert_close(retrieval.logits(scores, asking.shape[-1]).softmax(-1), weights)


def test_confidence() -> None:
    nothing = float("-inf")
    scores = torch.tensor([[0.8, 0.2, nothing], [0.5, nothing, nothing], [nothing] * 3, [-0.1, -0.1, -0.7]])
    found = CosineRetrieval().confidence(scores, 4)
    assert found.tolist() == pytest.approx([0.8, 0.5, 0, -0.1])
    # of logits, scores / sqrt(4): the best less the mean of those that are there
    found = LogitRetrieval().confidence(scores, 4)
    assert found.tolist() == pytest.approx([0.4 - 0.25, 0, 0, -0.05 + 0.15])


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan")])
def test_bad_temperatures(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature must be positive"):
        CosineRetrieval(temperature)
