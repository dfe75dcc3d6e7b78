"""The gradient that a trainer steps by is no longer than asked for."""

from __future__ import annotations

import pytest
import torch
from monai.data import DataLoader
from monai.engines import SupervisedTrainer

from monai_memvit.handlers import GradientClipper

DATA = [{"image": torch.full((3,), 10.0), "label": torch.full((1,), 50.0)}]


def _step(network: torch.nn.Module, handlers: list) -> torch.Tensor:
    """What one step of plain gradient descent with rate 1 takes from the weights."""
    before = torch.nn.utils.parameters_to_vector(network.parameters()).detach().clone()
    SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=1,
        train_data_loader=DataLoader(DATA, batch_size=1),
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=1.0),
        loss_function=torch.nn.MSELoss(),
        train_handlers=handlers,
        decollate=False,
    ).run()
    return before - torch.nn.utils.parameters_to_vector(network.parameters()).detach()


def _network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Linear(3, 1)


@pytest.mark.parametrize("max_norm", [0.5, 2.0])
def test_a_long_gradient_is_shortened_and_keeps_its_direction(max_norm):
    free, network = _step(_network(), []), _network()
    clipped = _step(network, [GradientClipper(network, max_norm)])
    assert float(free.norm()) > 100
    torch.testing.assert_close(clipped, free * max_norm / free.norm(), rtol=1e-4, atol=1e-5)


def test_a_short_gradient_stays():
    free, network = _step(_network(), []), _network()
    torch.testing.assert_close(_step(network, [GradientClipper(network, 1e6)]), free)


class _Scaler:
    """Notes that it was asked, as torch's GradScaler would be."""

    def __init__(self) -> None:
        self.unscaled: list[object] = []

    def unscale_(self, optimizer: object) -> None:
        self.unscaled.append(optimizer)


def test_a_scaled_gradient_is_unscaled_first():
    network, engine = _network(), type("Trainer", (), {})()
    engine.scaler, engine.optimizer = _Scaler(), "the optimizer"
    network.weight.grad, network.bias.grad = torch.full((1, 3), 9.0), torch.zeros(1)
    GradientClipper(network, 1.0)._clip(engine)
    assert engine.scaler.unscaled == ["the optimizer"] and float(network.weight.grad.norm()) == pytest.approx(1.0)


@pytest.mark.parametrize("max_norm", [0.0, -1.0, float("nan")])
def test_a_length_must_be_positive(max_norm):
    with pytest.raises(ValueError, match="positive"):
        GradientClipper(_network(), max_norm)
