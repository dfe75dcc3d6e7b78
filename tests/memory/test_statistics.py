"""Purity and effective number of facts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from monai_memvit.memory import chance_purity, class_purity, effective_number, labels_of


def test_labels_keep_the_shape_and_unknown_is_minus_one():
    ids = torch.tensor([[5, 2**62], [6, 5]])
    assert labels_of(ids, {5: 1, 2**62: 0}).tolist() == [[1, 0], [-1, 1]]


def test_class_purity_equals_a_loop():
    rng = np.random.default_rng(0)
    retrieved, own = rng.integers(0, 3, (4, 2, 5)), rng.integers(0, 3, 4)
    expected = [np.mean(r == o) for r, o in zip(retrieved, own)]
    np.testing.assert_allclose(class_purity(torch.tensor(retrieved), torch.tensor(own)), expected, rtol=1e-6)


@pytest.mark.parametrize("shape", [(6,), (3, 2)])
def test_chance_purity_is_the_share_of_the_class(shape):
    stored = torch.tensor([0, 0, 0, 1, 1, 2]).view(shape)
    found = chance_purity(stored, torch.tensor([0, 1, 2, 3]))
    torch.testing.assert_close(found, torch.tensor([3, 2, 1, 0]) / 6)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([0.25] * 4, 4),
        ([1, 0, 0, 0], 1),
        ([0.5, 0.5, 0, 0], 2),
        ([0.5, 0.25, 0.25, 0], math.exp(1.5 * math.log(2))),
    ],
)
def test_effective_number_is_the_exponential_of_the_entropy(weights, expected):
    assert effective_number(torch.tensor([weights])).item() == pytest.approx(expected)
