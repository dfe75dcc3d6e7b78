"""Results that are kept for as long as their tensor stays as it is."""

from __future__ import annotations

import copy
import gc
import weakref

import pytest
import torch
from torch import Tensor

from monai_memvit.memory import MemoryBank
from monai_memvit.memory.kept import kept_while_unchanged


class _Doubled:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, tensor: Tensor) -> Tensor:
        self.calls += 1
        return 2 * tensor


@pytest.fixture
def doubled(monkeypatch):
    counter = _Doubled()
    counter.kept = kept_while_unchanged(counter.__call__)
    return counter


def test_an_unchanged_tensor_is_computed_once(doubled):
    one, other = torch.ones(3), torch.ones(3)
    results = [doubled.kept(t) for t in (one, other) * 3]
    assert doubled.calls == 2 and all(r.tolist() == [2, 2, 2] for r in results)
    assert results[0] is results[2] and results[0] is not results[1]


@pytest.mark.parametrize(
    "change", [lambda t: t.mul_(3), lambda t: t.__setitem__(0, 5.0), lambda t: t[1:].zero_(), lambda t: t.copy_(-t)]
)
def test_a_change_in_place_is_seen(doubled, change):
    tensor = torch.ones(3)
    doubled.kept(tensor)
    change(tensor)
    assert torch.equal(doubled.kept(tensor), 2 * tensor) and doubled.calls == 2


def _facts(count: int) -> tuple[Tensor, Tensor]:
    return torch.randn(2, count, 2, 3).unbind()


@pytest.mark.parametrize(
    "change",
    [
        lambda bank: bank.update(torch.tensor([1]), *_facts(1)),
        lambda bank: bank.update(torch.tensor([9]), *_facts(1)),
        lambda bank: bank.erase(torch.tensor([1])),
        lambda bank: bank.load_state_dict({**bank.state_dict(), "keys": bank.keys + 1}),
        lambda bank: bank.double(),
        lambda bank: bank.keys.zero_(),
    ],
)
def test_a_bank_is_never_taken_for_its_past(doubled, change):
    bank = MemoryBank(2, 3)
    bank.update(torch.arange(4), *_facts(4))
    doubled.kept(bank.keys)
    change(bank)
    assert torch.equal(doubled.kept(bank.keys), 2 * bank.keys) and doubled.calls == 2
    doubled.kept(bank.keys)
    assert doubled.calls == 2
    assert torch.equal(doubled.kept(copy.deepcopy(bank).keys), 2 * bank.keys)


def test_the_result_goes_with_its_tensor(doubled):
    tensor = torch.ones(3)
    result = weakref.ref(doubled.kept(tensor))
    assert result() is not None
    del tensor
    gc.collect()
    assert result() is None


def test_inference_mode(doubled):
    ordinary = torch.ones(3)
    with torch.inference_mode():
        result = doubled.kept(ordinary)
        assert doubled.kept(ordinary) is result and doubled.calls == 1 and not result.is_inference()
        hidden = torch.ones(3)
        doubled.kept(hidden)
        hidden.zero_()
        assert doubled.kept(hidden).tolist() == [0, 0, 0]
