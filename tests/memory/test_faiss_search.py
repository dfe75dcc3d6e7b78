"""The FAISS backend against the exact one."""

from __future__ import annotations

import copy
import pickle
import sys

import pytest
import torch
import torch.nn as nn
from torch import Tensor

from monai_memvit.memory.faiss_search import FaissSearch
from monai_memvit.memory.search import ExactSearch

NEVER = float("-inf")


@pytest.fixture(autouse=True)
def _needs_faiss(request: pytest.FixtureRequest) -> None:
    if "without_faiss" not in request.node.name:
        pytest.importorskip("faiss")


def problem(batch: int, tokens: int, facts: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(facts)
    queries = torch.randn(batch, 3, tokens, 16, generator=generator)
    return queries, torch.randn(facts, 3, 16, generator=generator)


def assert_same(found: tuple[Tensor, Tensor], wanted: tuple[Tensor, Tensor]) -> None:
    torch.testing.assert_close(found[0], wanted[0], rtol=1e-5, atol=1e-5)
    allowed = wanted[0] > NEVER
    assert torch.equal(found[1][allowed], wanted[1][allowed])


@pytest.mark.parametrize("facts, k", [(3, 8), (500, 1), (2000, 32)])
def test_flat_index_has_full_recall(facts: int, k: int) -> None:
    queries, keys = problem(4, 2, facts)
    assert_same(FaissSearch()(queries, keys, k), ExactSearch()(queries, keys, k))


@pytest.mark.parametrize("share", [0.01, 0.5, 0.995])
@pytest.mark.parametrize("per_head", [False, True])
def test_widens_until_enough_allowed_facts_are_found(share: float, per_head: bool) -> None:
    queries, keys = problem(4, 2, 1000)
    excluded = torch.rand(4, 3, 1000, generator=torch.Generator().manual_seed(0)) < share
    excluded = excluded if per_head else excluded[:, 0].contiguous()
    excluded[2] = True
    assert_same(FaissSearch()(queries, keys, 8, excluded), ExactSearch()(queries, keys, 8, excluded))


def test_cosines_are_those_of_the_exact_search() -> None:
    queries, keys = problem(2, 3, 500)
    search = FaissSearch()
    for cosine in (True, False, True):
        assert_same(search(queries, keys, 8, None, cosine), ExactSearch()(queries, keys, 8, None, cosine))


def test_excluding_the_best_facts_finds_the_next() -> None:
    queries, keys = problem(1, 1, 400)
    best = ExactSearch()(queries[:, :1], keys[:, :1], 300)[1][0, 0, 0]
    excluded = torch.zeros(1, 400, dtype=torch.bool)
    excluded[0, best[:200]] = True
    rows = FaissSearch()(queries[:, :1], keys[:, :1], 5, excluded)[1]
    assert torch.equal(rows[0, 0, 0], best[200:205])


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Number of keys of every index that is built."""
    counted, build = [], FaissSearch._build
    monkeypatch.setattr(FaissSearch, "_build", lambda self, keys: counted.append(len(keys)) or build(self, keys))
    return counted


def test_index_follows_changes_of_the_keys(builds: list[int]) -> None:
    queries, keys = problem(2, 1, 50)
    search = FaissSearch()
    for _ in range(3):
        assert_same(search(queries, keys, 4), ExactSearch()(queries, keys, 4))
    assert builds == [50] * 3  # one index per head
    keys[7] = 9 * queries[0, :, 0]
    assert_same(search(queries, keys, 4), ExactSearch()(queries, keys, 4))
    assert builds == [50] * 6
    longer = torch.cat([keys, keys.flip(0) * 2])
    assert_same(search(queries, longer, 4), ExactSearch()(queries, longer, 4))


def test_memories_that_share_a_search_take_turns_without_building_anew(builds: list[int]) -> None:
    search, problems = FaissSearch(), [problem(2, 1, facts) for facts in (50, 60)]
    for queries, keys in problems * 3:
        assert_same(search(queries, keys, 4), ExactSearch()(queries, keys, 4))
    assert builds == [50] * 3 + [60] * 3


def test_keys_of_inference_mode() -> None:
    search = FaissSearch()
    with torch.inference_mode():
        queries, keys = problem(2, 1, 50)
        search(queries, keys, 4)
        keys.mul_(-1)
        assert_same(search(queries, keys, 4), ExactSearch()(queries, keys, 4))


@pytest.mark.parametrize("factory, parameters", [("IVF8,Flat", "nprobe=8"), ("HNSW16", "efSearch=256")])
def test_approximate_indices_find_almost_all(factory: str, parameters: str) -> None:
    queries, keys = problem(8, 1, 1000)
    rows = FaissSearch(factory, parameters)(queries, keys, 10)[1]
    wanted = ExactSearch()(queries, keys, 10)[1]
    recall = (rows[..., :, None] == wanted[..., None, :]).any(-1).float().mean()
    assert recall > 0.95


def test_rows_stay_valid_where_an_approximate_index_runs_out() -> None:
    queries, keys = problem(4, 1, 400)
    scores, rows = FaissSearch("IVF16,Flat", "nprobe=1")(queries, keys, 200)
    assert (scores == NEVER).any()
    assert rows.min() >= 0 and rows.max() < 400
    assert (scores.diff(dim=-1).nan_to_num(0) <= 0).all()


def test_copies_and_pickles_leave_the_index_out(builds: list[int]) -> None:
    queries, keys = problem(2, 1, 5000)
    search = FaissSearch("HNSW16", "efSearch=256")
    wanted = search(queries, keys, 4)
    assert len(pickle.dumps(search)) < 1000
    for twin in (copy.deepcopy(search), pickle.loads(pickle.dumps(search))):
        assert (twin.index_factory, twin.parameters) == ("HNSW16", "efSearch=256")
        builds.clear()
        assert torch.equal(twin(queries, keys, 4)[1], wanted[1]) and builds == [5000] * 3


def test_is_no_part_of_a_state_dict() -> None:
    module = nn.Linear(2, 2)
    module.search = FaissSearch()
    assert set(module.state_dict()) == {"weight", "bias"}


def test_empty_memory_and_no_queries() -> None:
    search = FaissSearch()
    assert search(torch.randn(2, 3, 1, 16), torch.empty(0, 3, 16), 4)[0].shape == (2, 3, 1, 0)
    assert search(torch.empty(0, 3, 1, 16), torch.randn(9, 3, 16), 4)[1].shape == (0, 3, 1, 4)


def test_too_few_keys_to_train_an_index() -> None:
    queries, keys = problem(1, 1, 5)
    with pytest.raises(ValueError, match="'IVF64,Flat' from 5 keys"):
        FaissSearch("IVF64,Flat")(queries, keys, 2)


def test_shapes_are_checked() -> None:
    queries, keys = problem(2, 1, 9)
    with pytest.raises(ValueError, match="agree in H and d"):
        FaissSearch()(queries, keys[:, :2], 4)


def test_without_faiss_the_error_names_the_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ImportError, match=r'pip install "monai_memvit\[cpu\]"'):
        FaissSearch()
