"""What the classes of facts add to what is read, against a loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_memvit.networks.blocks import FactLabelEmbedding


@pytest.fixture
def embedding() -> FactLabelEmbedding:
    """3 heads of 4, 5 classes, learned already."""
    torch.manual_seed(0)
    made = FactLabelEmbedding(3, 4, num_classes=5)
    torch.nn.init.normal_(made.weight)
    return made


@pytest.fixture
def read() -> tuple[torch.Tensor, torch.Tensor]:
    """Weights and labels ``(2, 3, 6, 7)``; some labels are unknown."""
    torch.manual_seed(1)
    return torch.rand(2, 3, 6, 7), torch.randint(-2, 7, (2, 3, 6, 7))


def test_equals_a_loop(embedding: FactLabelEmbedding, read: tuple[torch.Tensor, torch.Tensor]) -> None:
    weights, labels = read
    expected = np.zeros((2, 3, 6, 4))
    vectors = embedding.weight.detach().double().numpy()
    for b, h, q, k in np.ndindex(weights.shape):
        label = int(labels[b, h, q, k])
        if label in range(5):
            expected[b, h, q] += float(weights[b, h, q, k]) * vectors[label, h]
    np.testing.assert_allclose(embedding(weights, labels).detach(), expected, atol=1e-5)


def test_gradients_equal_those_of_a_sum_over_values(
    embedding: FactLabelEmbedding, read: tuple[torch.Tensor, torch.Tensor]
) -> None:
    weights, labels = read[0].requires_grad_(), read[1]
    target = torch.randn(2, 3, 6, 4)
    (embedding(weights, labels) * target).sum().backward()
    found, weights.grad = [embedding.weight.grad.clone(), weights.grad.clone()], None
    embedding.zero_grad()
    padded = torch.cat([embedding.weight, torch.zeros(1, 3, 4)])  # unknown labels take the row of zeros
    rows = torch.where((labels >= 0) & (labels < 5), labels, 5)
    values = padded[rows, torch.arange(3).view(1, 3, 1, 1)]
    ((weights[..., None] * values).sum(-2) * target).sum().backward()
    for one, other in zip(found, (embedding.weight.grad, weights.grad)):
        torch.testing.assert_close(one, other)


def test_it_begins_with_nothing(read: tuple[torch.Tensor, torch.Tensor]) -> None:
    assert not FactLabelEmbedding(3, 4, num_classes=5)(*read).any()


def test_facts_without_a_class_add_nothing(
    embedding: FactLabelEmbedding, read: tuple[torch.Tensor, torch.Tensor]
) -> None:
    assert not embedding(read[0], torch.full_like(read[1], -1)).any()


def test_there_must_be_a_class() -> None:
    with pytest.raises(ValueError, match="num_classes must be at least 1, got 0"):
        FactLabelEmbedding(3, 4, num_classes=0)


def test_what_it_prints(embedding: FactLabelEmbedding) -> None:
    assert repr(embedding) == "FactLabelEmbedding(num_classes=5, num_heads=3, head_dim=4)"
