"""Several visits of one case."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_memvit.memory.averaging import merge_visits


def _visits(ids: list[int]) -> tuple[torch.Tensor, ...]:
    ids = torch.tensor(ids, dtype=torch.int64)
    return ids, ids // 10, torch.randn(len(ids), 2, 3), torch.randn(len(ids), 2, 3)


@pytest.mark.parametrize("ids", [[], [7], [30, 10, 20], [5, 5], [20, 10, 20, 31, 10, 20]])
def test_equals_a_numpy_loop(ids):
    visits = _visits(ids)
    found = merge_visits(*visits)
    unique = sorted(set(ids))
    assert found[0].tolist() == unique and found[1].tolist() == [i // 10 for i in unique]
    for rows, merged in zip(visits[2:], found[2:]):
        assert merged.dtype == torch.float32 and merged.shape == (len(unique), 2, 3)
        for row, i in zip(merged, unique):
            np.testing.assert_allclose(row, rows[visits[0] == i].double().numpy().mean(0), rtol=1e-6, atol=1e-6)


def test_a_single_visit_keeps_its_bits():
    ids, _, keys, values = visits = _visits([3, 1, 2])
    found = merge_visits(*visits)
    assert torch.equal(found[2], keys[[1, 2, 0]]) and torch.equal(found[3], values[[1, 2, 0]])


def test_sums_are_taken_in_float64():
    ids = torch.tensor([1, 1, 1])
    keys = torch.tensor([2.0**24, 1.0, 1.0]).view(3, 1, 1)
    assert merge_visits(ids, ids, keys, keys)[2].item() == np.float32((2**24 + 2) / 3)


def test_one_case_in_two_groups_is_an_error():
    ids, _, keys, values = _visits([4, 5, 5])
    with pytest.raises(ValueError, match="sample id 5 came with two group ids"):
        merge_visits(ids, torch.tensor([0, 1, 2]), keys, values)
