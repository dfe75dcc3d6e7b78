"""Gates: closed forms, gradients, and how they begin."""

from __future__ import annotations

import pytest
import torch

from monai_memvit.networks.blocks import ConfidenceGate, HeadGate

BIAS = torch.tensor([-1.0, 0.5, 2.0])


@pytest.fixture
def confidence() -> torch.Tensor:
    """``(2, 3, 4)``."""
    return torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))


def test_a_head_has_one_gate_whatever_it_finds(confidence: torch.Tensor) -> None:
    gate = HeadGate(3)
    assert not list(gate.parameters())
    torch.testing.assert_close(gate(BIAS, confidence), (1 / (1 + (-BIAS).exp())).view(1, 3, 1, 1))
    assert torch.equal(gate(BIAS, confidence), gate(BIAS, confidence + 1))


def test_the_confident_gate_begins_as_one_per_head(confidence: torch.Tensor) -> None:
    found = ConfidenceGate(3)(BIAS, confidence)
    assert torch.equal(found, HeadGate(3)(BIAS, confidence).expand(2, 3, 4, 1))


def test_the_confident_gate_has_its_closed_form(confidence: torch.Tensor) -> None:
    gate = ConfidenceGate(3)
    gate.slope.data = torch.tensor([0.0, -3.0, 1.5])
    found = gate(BIAS, confidence)
    for b, h, q in torch.cartesian_prod(torch.arange(2), torch.arange(3), torch.arange(4)).tolist():
        logit = BIAS[h].double() + gate.slope.detach()[h].double() * confidence[b, h, q].double()
        assert float(found.detach()[b, h, q, 0]) == pytest.approx(float(1 / (1 + (-logit).exp())), rel=1e-6)


def test_gradients_of_the_two_numbers(confidence: torch.Tensor) -> None:
    gate, bias = ConfidenceGate(3), BIAS.clone().requires_grad_()
    confidence.requires_grad_()
    g = gate(bias, confidence)
    g.sum().backward()
    change = (g * (1 - g))[..., 0].detach()
    torch.testing.assert_close(bias.grad, change.sum((0, 2)))
    torch.testing.assert_close(gate.slope.grad, (change * confidence).sum((0, 2)).detach())
    assert confidence.grad is None


@pytest.mark.parametrize(("bias", "expected"), [(torch.inf, 1.0), (-torch.inf, 0.0)])
def test_both_ends_are_exact(confidence: torch.Tensor, bias: float, expected: float) -> None:
    assert (ConfidenceGate(3)(torch.full((3,), bias), confidence) == expected).all()


def test_what_they_print() -> None:
    assert repr(ConfidenceGate(3)) == "ConfidenceGate(num_heads=3)"
