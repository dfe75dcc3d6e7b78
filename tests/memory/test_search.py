"""Exact search against a full float64 sort."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from monai_memvit.memory.exclusion import exclusion
from monai_memvit.memory.search import ExactSearch, _block_size

NEVER = float("-inf")


def reference(queries: Tensor, keys: Tensor, k: int, excluded: Tensor | None = None) -> tuple[Tensor, Tensor]:
    scores = torch.einsum("bhqd,shd->bhqs", queries.double(), keys.double())
    if excluded is not None:
        mask = excluded[:, None] if excluded.ndim == 2 else excluded
        scores = torch.where(mask[:, :, None], NEVER, scores)
    best, rows = scores.sort(dim=-1, descending=True, stable=True)
    return best[..., :k], rows[..., :k]


def assert_agrees(found: tuple[Tensor, Tensor], wanted: tuple[Tensor, Tensor]) -> None:
    assert found[0].shape == wanted[0].shape
    assert found[0].dtype == torch.float32 and found[1].dtype == torch.int64
    torch.testing.assert_close(found[0].double(), wanted[0], rtol=1e-5, atol=1e-5)
    allowed = wanted[0] > NEVER
    assert torch.equal(found[1][allowed], wanted[1][allowed])


def problem(batch: int, tokens: int, facts: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(facts)
    queries = torch.randn(batch, 3, tokens, 16, generator=generator)
    return queries, torch.randn(facts, 3, 16, generator=generator)


@pytest.mark.parametrize("facts", [7, 4097])
@pytest.mark.parametrize("max_scores", [1, 2**23])
def test_cosines_are_inner_products_of_directions(facts: int, max_scores: int) -> None:
    queries, keys = problem(2, 3, facts)
    lengths = torch.linspace(0.1, 30, facts)[:, None, None]
    excluded = torch.rand(2, facts) < 0.3
    found = ExactSearch(max_scores)(5 * queries, keys * lengths, 5, excluded, cosine=True)
    directions = (t.double() / t.double().norm(dim=-1, keepdim=True) for t in (queries, keys))
    assert_agrees(found, reference(*directions, 5, excluded))


def test_a_key_of_length_zero_has_cosine_zero() -> None:
    scores, _ = ExactSearch()(torch.ones(1, 1, 1, 2), torch.tensor([[[0.0, 0.0]], [[3.0, 3.0]]]), 2, cosine=True)
    torch.testing.assert_close(scores.flatten(), torch.tensor([1.0, 0.0]))


@pytest.mark.parametrize("facts", [1, 7, 63, 640, 4095, 4097, 9001])
@pytest.mark.parametrize("k", [1, 5, 32])
@pytest.mark.parametrize("max_scores", [1, 20_000, 2**23])
def test_agrees_with_a_full_sort(facts: int, k: int, max_scores: int) -> None:
    queries, keys = problem(3, 4, facts)
    assert_agrees(ExactSearch(max_scores)(queries, keys, k), reference(queries, keys, k))


@pytest.mark.parametrize("facts", [40, 4097, 9001])
@pytest.mark.parametrize("share", [0.002, 0.3, 0.99])
@pytest.mark.parametrize("per_head", [False, True])
@pytest.mark.parametrize("max_scores", [10_000, 2**23])
def test_never_finds_excluded_facts(facts: int, share: float, per_head: bool, max_scores: int) -> None:
    queries, keys = problem(4, 3, facts)
    excluded = torch.rand(4, 3, facts, generator=torch.Generator().manual_seed(0)) < share
    excluded = excluded if per_head else excluded[:, 0].contiguous()
    excluded[1] = True
    assert_agrees(ExactSearch(max_scores)(queries, keys, 32, excluded), reference(queries, keys, 32, excluded))


def test_blocks_are_used_for_large_memories_only() -> None:
    assert _block_size(1_000, 32) == 1
    assert _block_size(100_000, 32) > 1


@pytest.mark.parametrize("facts", [100, 9000])
def test_an_excluded_nan_changes_nothing(facts: int) -> None:
    queries, keys = problem(2, 1, facts)
    excluded = torch.zeros(2, facts, dtype=torch.bool)
    excluded[:, 17] = True
    clean = ExactSearch()(queries, keys, 8, excluded)
    keys[17] = float("nan")
    for found, wanted in zip(ExactSearch()(queries, keys, 8, excluded), clean, strict=True):
        assert torch.equal(found, wanted)


@pytest.mark.parametrize("facts", [100, 9000])
def test_ties_have_right_scores_and_distinct_rows(facts: int) -> None:
    queries, keys = torch.ones(1, 1, 1, 4), torch.ones(facts, 1, 4)
    scores, rows = ExactSearch()(queries, keys, 32)
    assert torch.equal(scores, torch.full((1, 1, 1, 32), 4.0))
    assert len(rows.unique()) == 32 and rows.max() < facts


def test_every_fact_is_returned_when_k_exceeds_them() -> None:
    queries, keys = problem(2, 1, 6)
    excluded = torch.tensor([[True, False, False, False, False, True], [True] * 6])
    scores, rows = ExactSearch()(queries, keys, 32, excluded)
    assert scores.shape == (2, 3, 1, 6)
    assert torch.equal(rows.sort().values, torch.arange(6).expand(2, 3, 1, 6))
    assert (scores > NEVER).sum(-1).flatten().tolist() == [4, 4, 4, 0, 0, 0]


@pytest.mark.parametrize("shape", [(0, 3, 2, 16), (2, 3, 0, 16)])
def test_no_queries(shape: tuple[int, ...]) -> None:
    scores, rows = ExactSearch()(torch.empty(shape), torch.randn(9, 3, 16), 4)
    assert scores.shape == rows.shape == (*shape[:3], 4)


def test_an_empty_memory_finds_nothing() -> None:
    scores, rows = ExactSearch()(torch.randn(2, 3, 1, 16), torch.empty(0, 3, 16), 4)
    assert scores.shape == rows.shape == (2, 3, 1, 0)


def test_keys_that_are_a_strided_view() -> None:
    queries, keys = problem(2, 2, 500)
    view = keys.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    assert_agrees(ExactSearch()(queries, view, 9), reference(queries, keys, 9))


def test_float32_under_autocast_and_no_gradient() -> None:
    queries, keys = problem(2, 1, 5000)
    plain = ExactSearch()(queries, keys, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = ExactSearch()(queries.requires_grad_(), keys.requires_grad_(), 16)
    assert torch.equal(cast[0], plain[0]) and torch.equal(cast[1], plain[1])
    assert not cast[0].requires_grad


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_dtypes(dtype: torch.dtype) -> None:
    queries, keys = (t.to(dtype) for t in problem(2, 1, 300))
    assert_agrees(ExactSearch()(queries, keys, 5), reference(queries.float(), keys.float(), 5))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("facts", [100, 9001])
def test_on_a_gpu(facts: int) -> None:
    queries, keys = problem(4, 3, facts)
    excluded = torch.rand(4, facts) < 0.3
    found = ExactSearch()(queries.cuda(), keys.cuda(), 32, excluded.cuda())
    assert_agrees((found[0].cpu(), found[1].cpu()), reference(queries, keys, 32, excluded))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 1.0])
@pytest.mark.parametrize("facts", [1, 8, 61, 640])
def test_exclusion_fills_exactly_under_the_mask(share: float, facts: int) -> None:
    mask = torch.rand(5, facts, generator=torch.Generator().manual_seed(2)) < share
    scores = torch.randn(5, 2, facts)
    wanted = torch.where(mask[:, None], NEVER, scores)
    exclusion(mask)(scores)
    assert torch.equal(scores, wanted)


def test_errors() -> None:
    queries, keys = problem(2, 1, 9)
    search = ExactSearch()
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        search(queries, keys, 0)
    with pytest.raises(ValueError, match=r"\(9, 2, 16\)"):
        search(queries, keys[:, :2], 4)
    with pytest.raises(ValueError, match="agree in H and d"):
        search(queries[:, :, 0], keys, 4)
    with pytest.raises(ValueError, match=r"excluded.*\(2, 8\)"):
        search(queries, keys, 4, torch.zeros(2, 8, dtype=torch.bool))
    with pytest.raises(ValueError, match="int64"):
        search(queries, keys, 4, torch.zeros(2, 9, dtype=torch.int64))
    with pytest.raises(ValueError, match="max_scores"):
        ExactSearch(0)
