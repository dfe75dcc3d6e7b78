"""Padding that nobody sees, counts and means."""

from __future__ import annotations

import pytest
import torch

from monai_memvit.networks.layers import blank_channels, blank_padding, count_tokens, mean_token, near_mean

MASK = torch.tensor([[True, False, True, True], [False] * 4])
JUNK = [torch.nan, torch.inf, -torch.inf, 1e30]


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.parametrize("shape", [(2, 4, 3), (2, 5, 4, 3)])
def test_padding_is_zero_and_so_is_its_gradient(shape, junk):
    x = torch.randn(shape)
    valid = MASK.view(2, *[1] * (len(shape) - 3), 4, 1).expand(shape)
    x = torch.where(valid, x, junk).requires_grad_()
    out = blank_padding(x, MASK)
    assert torch.equal(out[valid], x[valid]) and (out[~valid] == 0).all()
    out.square().sum().backward()
    torch.testing.assert_close(x.grad, torch.where(valid, 2 * x, 0).detach())


def test_without_a_mask_nothing_is_copied():
    x = torch.randn(2, 4, 3)
    assert blank_padding(x, None) is x


@pytest.mark.parametrize("shape", [(2, 5), (3, 4), (4,), (1, 4), (2, 4, 3)])
def test_a_mask_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"does not fit tokens \(2, 4, 3\)"):
        blank_padding(torch.randn(2, 4, 3), torch.ones(shape, dtype=torch.bool))


def test_counts():
    x = torch.randn(2, 4, 3)
    assert count_tokens(x, None).tolist() == [4, 4]
    assert count_tokens(x, MASK).tolist() == [3, 0]


@pytest.mark.parametrize("junk", JUNK)
def test_mean_token_equals_a_loop(junk):
    x = torch.randn(2, 5, 4, 3).masked_fill(~MASK[:, None, :, None], junk)
    mean = mean_token(x, MASK)
    torch.testing.assert_close(mean[0], torch.stack([x[0, :, t] for t in (0, 2, 3)]).mean(0))
    assert (mean[1] == 0).all()


@pytest.mark.parametrize("masked", [False, True])
def test_mean_of_many_tokens_in_half_precision(masked):
    x = torch.full((1, 100_000, 2), 2.0, dtype=torch.float16)
    mean = mean_token(x, torch.ones(1, 100_000, dtype=torch.bool) if masked else None)
    assert mean.dtype == torch.float16 and (mean == 2).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("masked", [False, True])
def test_near_mean_is_near_and_constant(dtype, masked):
    column = torch.arange(5000) % 64  # as an image of 64 columns with a trend along its rows
    x = (100 + column[None, :, None] + torch.randn(2, 5000, 3)).to(dtype).requires_grad_()
    near = near_mean(x, torch.ones(2, 5000, dtype=torch.bool) if masked else None)
    assert near.dtype == torch.promote_types(dtype, torch.float32) and not near.requires_grad
    assert (near - x.double().mean(1, keepdim=True)).abs().max() < 0.2 * x.double().std()


@pytest.mark.parametrize(("tokens", "mask"), [(0, None), (4, MASK[1:].expand(2, -1))])
def test_near_mean_of_nothing_is_zero(tokens, mask):
    assert torch.equal(near_mean(torch.randn(2, tokens, 3), mask), torch.zeros(2, 1, 3))


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.parametrize("spatial", [(), (3, 2), (2, 2, 2)])
def test_missing_channels_are_zero_and_get_no_gradient(junk, spatial):
    missing = (~MASK).view(2, 4, *[1] * len(spatial))
    x = torch.randn(2, 4, *spatial).masked_fill(missing, junk).requires_grad_()
    blank = blank_channels(x, MASK)
    blank.square().sum().backward()
    for values in (blank, x.grad):
        assert (values[~MASK] == 0).all() and torch.isfinite(values).all()
    assert torch.equal(blank[MASK], x[MASK])
    assert blank_channels(x, None) is x


@pytest.mark.parametrize("mask", [MASK[:1], MASK[:, :3], MASK.float()])
def test_a_mask_of_other_channels_or_of_numbers_is_refused(mask):
    with pytest.raises(ValueError, match=r"it must be \(B, C\) of torch.bool"):
        blank_channels(torch.randn(2, 4, 3, 3), mask)
