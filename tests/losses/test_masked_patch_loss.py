"""The loss of masked auto-encoders against a loop over patches in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_memvit.losses import MaskedPatchLoss


def sample(axes: int = 2) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (2, 3, *(8, 12, 4)[:axes])
    grid = (2, 3, *(2, 3, 2)[:axes])
    image = torch.rand(shape, generator=generator)
    hidden = torch.rand(grid, generator=generator) < 0.6
    return {"reconstruction": torch.randn(shape, generator=generator), "hidden": hidden}, image


def by_hand(pred: dict[str, torch.Tensor], image: torch.Tensor, normalize: bool) -> float:
    guess, truth, hidden = (x.numpy() for x in (pred["reconstruction"], image, pred["hidden"]))
    errors = []
    for place in np.argwhere(hidden):
        sample_, channel, *cell = place
        sizes = [whole // cells for whole, cells in zip(truth.shape[2:], hidden.shape[2:])]
        pixels = (sample_, channel, *(slice(c * s, c * s + s) for c, s in zip(cell, sizes)))
        target = truth[pixels].astype(np.float64)
        if normalize:
            target = (target - target.mean()) / np.sqrt(target.var() + 1e-6)
        errors.append(((guess[pixels] - target) ** 2).ravel())
    return float(np.concatenate(errors).mean())


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("normalize", [True, False])
def test_equals_a_loop_over_patches(axes: int, normalize: bool) -> None:
    pred, image = sample(axes)
    assert float(MaskedPatchLoss(normalize)(pred, image)) == pytest.approx(by_hand(pred, image, normalize), rel=1e-5)


def test_only_hidden_pixels_count() -> None:
    pred, image = sample()
    pred["reconstruction"].requires_grad_()
    expected = MaskedPatchLoss()(pred, image)
    pixels = pred["hidden"].repeat_interleave(4, 2).repeat_interleave(4, 3)
    loss = MaskedPatchLoss()(pred, torch.where(pixels, image, float("nan")))
    assert torch.equal(loss, expected)
    (gradient,) = torch.autograd.grad(loss, pred["reconstruction"])
    assert gradient.isfinite().all() and torch.equal(gradient != 0, pixels)


def test_with_nothing_hidden_the_loss_is_zero_and_so_is_its_gradient() -> None:
    pred, image = sample()
    pred = {"reconstruction": pred["reconstruction"].requires_grad_(), "hidden": torch.zeros_like(pred["hidden"])}
    loss = MaskedPatchLoss()(pred, image)
    loss.backward()
    assert loss == 0 and not pred["reconstruction"].grad.any()


def test_plain_background_is_no_problem() -> None:
    pred, image = sample()
    assert MaskedPatchLoss()({**pred, "reconstruction": torch.zeros_like(image)}, torch.ones_like(image)) == 0


@pytest.mark.parametrize("normalize", [True, False])
def test_a_perfect_prediction_restores_the_image(normalize: bool) -> None:
    pred, image = sample()
    loss = MaskedPatchLoss(normalize)
    perfect = image.clone()
    if normalize:
        for row in range(0, 8, 4):
            for column in range(0, 12, 4):
                patch = perfect[:, :, row : row + 4, column : column + 4]
                mean, var = patch.mean((2, 3), keepdim=True), patch.var((2, 3), correction=0, keepdim=True)
                patch.copy_((patch - mean) / (var + 1e-6).sqrt())
    pred["reconstruction"] = perfect
    assert loss(pred, image) < 1e-10
    torch.testing.assert_close(loss.restored(pred, image), image)
    pred["reconstruction"] = torch.zeros_like(image)
    restored = loss.restored(pred, image)
    pixels = pred["hidden"].repeat_interleave(4, 2).repeat_interleave(4, 3)
    assert torch.equal(restored[~pixels], image[~pixels])
    means = torch.nn.functional.avg_pool2d(image, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)
    torch.testing.assert_close(restored[pixels], means[pixels] if normalize else torch.zeros_like(means[pixels]))


def test_half_precision_predictions_are_compared_in_full() -> None:
    pred, image = sample()
    half = {**pred, "reconstruction": pred["reconstruction"].half()}
    assert MaskedPatchLoss()(half, image).dtype == torch.float32
